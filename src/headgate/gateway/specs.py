"""Declared deployments, aliases and networks, as in `headgate.toml`, the admin API and storage."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Annotated, Literal, NamedTuple

import msgspec

from headgate.admin.bodies import AliasName, Level, Name, Text
from headgate.gateway.catalogue import Alias
from headgate.kernel.errors import Invalid
from headgate.kernel.hashing import interned
from headgate.kernel.labels import EMPTY, UNSCANNED, Clearance, Confidentiality, Custody, pseudonymous
from headgate.substrate.egress import NetworkProfile, is_metadata, parse_url, why_never
from headgate.substrate.secrets import check_reference
from headgate.wire.dialects import Dialects
from headgate.wire.model_call import Capability, Deployment, Operation, Price, PriceTier
from headgate.wire.provider import Provider

Tokens = Annotated[int, msgspec.Meta(ge=1, le=1_000_000_000)]
Money = Annotated[Decimal, msgspec.Meta(description="Money for a million tokens, such as 0.25.")]

_DEAREST = 1_000_000_000
"""The maximum price for a million tokens. The cost of any call then fits 64 bits."""

CATEGORIES = ("pii", "phi", "pci", "secret")
"""The categories that every installation knows, with any set of detectors."""


class ClearanceSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The clearance of a deployment. It always includes pseudonymised data up to its level."""

    level: Level = "internal"
    categories: list[Text] = []
    regions: list[Text] = []
    purposes: list[Text] = []
    custody: Literal["any", "organisation"] = "any"


class PriceTierSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Prices of whole calls with a longer prompt. A missing price is that of the base price."""

    above_input_tokens: Annotated[int, msgspec.Meta(ge=1, le=1_000_000_000)]
    input: Money | None = None
    output: Money | None = None
    cache_read: Money | None = None
    cache_write: Money | None = None
    cache_write_1h: Money | None = None


class PriceSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Prices for a million tokens. A missing price is unknown, not free.

    Cached tokens without their own price cost as much as other input tokens.
    """

    currency: Annotated[str, msgspec.Meta(pattern="^[A-Z]{3}$")] = "USD"
    input: Money | None = None
    output: Money | None = None
    cache_read: Money | None = None
    cache_write: Money | None = None
    cache_write_1h: Money | None = None
    tiers: Annotated[list[PriceTierSpec], msgspec.Meta(max_length=16)] = []


class DeploymentSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A model at a provider."""

    id: Name
    provider: Name
    model: Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
    base_url: Annotated[str, msgspec.Meta(max_length=2000)] | None = None
    key: Annotated[str, msgspec.Meta(max_length=1000)] | None = None
    network: Name = "default"
    clearance: ClearanceSpec = ClearanceSpec()
    price: PriceSpec | None = None
    operations: list[Operation] | None = None
    tools: bool | None = None
    images: bool | None = None
    quirks: list[Text] = []
    timeout_s: Annotated[float, msgspec.Meta(gt=0, le=86_400)] = 600.0
    context_tokens: Tokens | None = None
    max_output_tokens: Tokens | None = None


class AliasSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The model name for clients, and its deployments in the order of attempts."""

    id: AliasName
    deployments: Annotated[list[Name], msgspec.Meta(min_length=1, max_length=32)]
    operation: Operation = "chat"
    description: Text = ""


class NetworkSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Outgoing connections: proxy, private CA, client certificate, allowed private addresses."""

    id: Name
    proxy_url: Text | None = None
    proxy_login: Text | None = None
    proxy_resolves: bool = False
    ca_file: Text | None = None
    client_cert_file: Text | None = None
    client_key_file: Text | None = None
    allow: list[Text] = []
    first_byte_s: Annotated[float, msgspec.Meta(gt=0, le=86_400)] = 300.0
    idle_s: Annotated[float, msgspec.Meta(gt=0, le=86_400)] = 120.0


def deployment_from(
    spec: DeploymentSpec, providers: Mapping[str, Provider], *, tenant: str, categories: frozenset[str] = EMPTY
) -> Deployment:
    """Return the deployment of a specification.

    Args:
        categories: all categories of the installed detectors.

    Raises:
        Invalid: `param` names the field at fault.
    """
    provider = providers.get(spec.provider)
    if provider is None:
        raise Invalid(f"there is no provider {spec.provider!r}; installed: {', '.join(providers)}", param="provider")
    if spec.key is not None:
        check_reference(spec.key, param="key")
    base_url = spec.base_url or provider.base_url
    if base_url is None and spec.provider != "local":
        raise Invalid(f"provider {spec.provider} has no default address; set base_url", param="base_url")
    if spec.base_url is not None:
        try:
            refuse_address(spec.base_url)
        except Invalid as error:
            raise Invalid(error.message, param="base_url") from error
    usual = provider.capability
    is_at_home = (base_url or "").rstrip("/") == provider.base_url
    custody = Custody.ORGANISATION if Custody.ORGANISATION in (provider.custody, _custody(spec)) else Custody.ANY
    return Deployment(
        id=spec.id,
        provider=spec.provider,
        model=spec.model,
        base_url=spec.base_url,
        key=spec.key,
        network=f"{tenant}/{spec.id}",
        clearance=interned(clearance_from(spec.clearance, custody=custody, categories=categories)),
        price=price_from(spec.price),
        capability=Capability(
            operations=frozenset(spec.operations) if spec.operations is not None else usual.operations,
            tools=usual.tools if spec.tools is None else spec.tools,
            images=usual.images if spec.images is None else spec.images,
            json_schema=usual.json_schema,
            streaming=usual.streaming,
            context_tokens=spec.context_tokens,
            output_tokens=spec.max_output_tokens,
            whole_output_tokens=usual.whole_output_tokens,
        ),
        quirks=frozenset(spec.quirks) | (provider.home_quirks if is_at_home else EMPTY),
        timeout_s=spec.timeout_s,
        tenant=tenant,
    )


def refuse_address(url: str) -> None:
    """Raise Invalid for a malformed URL, and for a host that is never allowed."""
    host = parse_url(url).origin.host
    if why := why_never(host):
        raise Invalid(f"{host} is {why}: Headgate never sends there, whatever a network allows")


def refuse_network(spec: NetworkSpec) -> None:
    """Raise Invalid if a network's proxy or `allow` list names a host that is never allowed."""
    if spec.proxy_url is not None:
        try:
            refuse_address(spec.proxy_url)
        except Invalid as error:
            raise Invalid(error.message, param="proxy_url") from error
    for entry in spec.allow:
        host, _, mask = entry.partition("/") if "/" in entry else (entry.rpartition(":")[0], "", "")
        # A wide network may contain such a host; only an entry for the host itself is an error.
        if mask in ("", "32", "128") and (why := why_never(host.strip("[]").lower())):
            raise Invalid(f"{host} is {why}: Headgate never sends there", param="allow")


def refuse_quirks(spec: DeploymentSpec, provider: Provider, dialects: Dialects) -> None:
    """Raise Invalid for a quirk that no dialect of the provider knows: it would have no effect."""
    spoken = (dialects.providers.get(endpoint.dialect) for endpoint in provider.endpoints.values())
    known = EMPTY.union(*(dialect.quirks for dialect in spoken if dialect is not None))
    for quirk in spec.quirks:
        if quirk not in known:
            near = difflib.get_close_matches(quirk, sorted(known), n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(sorted(known))}"
            raise Invalid(f"deployments of {spec.provider} have no quirk {quirk!r}; {hint}", param="quirks")


def clearance_from(spec: ClearanceSpec, *, custody: Custody, categories: frozenset[str] = EMPTY) -> Clearance:
    """Return the clearance. It always includes the pseudonymous forms of all categories.

    Content that no scan can read may go to the organisation's own machines. Elsewhere the clearance
    has to declare it.
    """
    given = frozenset(spec.categories)
    known = (given | categories).union(CATEGORIES) - {UNSCANNED}
    unscanned = frozenset({UNSCANNED}) if custody is Custody.ORGANISATION else EMPTY
    return Clearance(
        level=Confidentiality[spec.level.upper()],
        categories=given | unscanned | {pseudonymous(one) for one in known},
        regions=frozenset(spec.regions),
        purposes=frozenset(spec.purposes),
        custody=custody,
    )


def price_from(spec: PriceSpec | None) -> Price | None:
    """Return the price in micro-units.

    Raises:
        Invalid: a price has too many decimals, or the tiers do not rise.
    """
    if spec is None:
        return None
    rates = _rates(spec)
    base = Price(spec.currency, *rates)
    bounds = [tier.above_input_tokens for tier in spec.tiers]
    if bounds != sorted(set(bounds)):
        raise Invalid("sort the tiers of a price by above_input_tokens, each value once", param="price.tiers")
    return replace(base, tiers=tuple([_tier(tier, base, rates) for tier in spec.tiers])) if bounds else base


def _tier(spec: PriceTierSpec, base: Price, rates: _Rates) -> PriceTier:
    """Return a tier, with missing rates taken from the base price."""
    told = _rates(spec)
    if told == _NO_RATES:
        raise Invalid("a tier of a price needs at least one price", param="price.tiers")
    own = _Rates(*[rate if one is None else one for one, rate in zip(told, rates, strict=True)])
    return PriceTier(spec.above_input_tokens, Price(base.currency, *own))


class _Rates(NamedTuple):
    """The rates of a price, in the order of `Price`."""

    input_micros: int | None = None
    output_micros: int | None = None
    cache_read_micros: int | None = None
    cache_write_micros: int | None = None
    cache_write_1h_micros: int | None = None


_NO_RATES = _Rates()


def _rates(spec: PriceSpec | PriceTierSpec) -> _Rates:
    return _Rates(
        _micros(spec.input),
        _micros(spec.output),
        _micros(spec.cache_read),
        _micros(spec.cache_write),
        _micros(spec.cache_write_1h),
    )


def alias_from(spec: AliasSpec) -> Alias:
    """Return the alias of a specification."""
    return Alias(spec.id, tuple(spec.deployments), spec.operation, spec.description)


def profile_from(
    spec: NetworkSpec | None, *, deployment: DeploymentSpec, login: str | None, is_ours: bool
) -> NetworkProfile:
    """Return the egress profile of one deployment.

    For a deployment declared to be on the organisation's own machines, the host and port of its
    address are allowed. No other private address is, and never a cloud's metadata service.
    """
    spec = spec or NetworkSpec(id="default")
    allow = tuple(spec.allow)
    if is_ours and deployment.base_url is not None:
        origin = parse_url(deployment.base_url).origin
        allow = allow if is_metadata(origin.host) else (*allow, origin.authority)
    return NetworkProfile(
        proxy_url=spec.proxy_url,
        proxy_login=login,
        proxy_resolves=spec.proxy_resolves,
        ca_file=spec.ca_file,
        client_cert_file=spec.client_cert_file,
        client_key_file=spec.client_key_file,
        allow=allow,
        first_byte_s=min(spec.first_byte_s, deployment.timeout_s),
        idle_s=min(spec.idle_s, deployment.timeout_s),
        total_s=max(deployment.timeout_s, 1.0),
    )


def _custody(spec: DeploymentSpec) -> Custody:
    return Custody[spec.clearance.custody.upper()]


def _micros(money: Decimal | None) -> int | None:
    if money is None:
        return None
    if not money.is_finite() or money > _DEAREST:
        raise Invalid(f"a price must be a number up to {_DEAREST:,}", param="price")
    micros = money * 1_000_000
    if money < 0 or micros != micros.to_integral_value():
        raise Invalid("a price must not be negative and has at most six decimals", param="price")
    return int(micros)
