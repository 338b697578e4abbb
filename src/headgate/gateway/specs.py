"""Declared deployments, aliases and networks, as in `headgate.toml`, the admin API and storage."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Annotated, Literal, NamedTuple

import msgspec

from headgate.admin.bodies import AliasName, Currency, Level, Name, Text
from headgate.gateway.cache_rules import CacheRule, CacheScope
from headgate.gateway.catalogue import ANY, Alias
from headgate.gateway.durations import Duration, seconds_of
from headgate.kernel.errors import Invalid
from headgate.kernel.hashing import interned
from headgate.kernel.labels import EMPTY, UNSCANNED, Clearance, Confidentiality, Custody, pseudonymous
from headgate.substrate.egress import NetworkProfile, is_metadata, parse_url, why_never
from headgate.substrate.secrets import check_reference
from headgate.wire.dialects import Dialects
from headgate.wire.model_call import Capability, Deployment, Operation, Preference, Price, PriceTier
from headgate.wire.provider import Provider, endpoints_of

Tokens = Annotated[int, msgspec.Meta(ge=1, le=1_000_000_000)]
OptionName = Annotated[str, msgspec.Meta(min_length=1, max_length=40)]
Money = Annotated[Decimal, msgspec.Meta(description="Money for a million tokens, such as 0.25.")]

_PLACE = re.compile(r"\{([a-z_]{1,40})\}")

_DEAREST = 1_000_000_000
"""The maximum price for a million tokens. The cost of any call then fits 64 bits."""

DEFAULT_THRESHOLD = 40
"""The difficulty from which an alias with `auto` asks a dearer deployment first, until it is calibrated."""

_LONGEST_TTL_S = 86_400
_SHORTEST_HEDGE_S = 0.05
_LONGEST_HEDGE_S = 300.0

CATEGORIES = ("pii", "phi", "pci", "secret")
"""The categories that every installation knows, with any set of detectors."""


class ClearanceSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The clearance of a deployment. It always includes pseudonymised data up to its level."""

    level: Level = "internal"
    categories: list[Text] = []
    regions: list[Text] = []
    purposes: list[Text] = []
    custody: Literal["any", "organisation"] = "any"


ImageKind = Annotated[
    str,
    msgspec.Meta(
        pattern="^[a-z0-9_-]{1,20}(/[a-z0-9_-]{1,20})?$",
        max_length=41,
        description="A size, such as 1024x1024, or a quality and a size, such as high/1024x1024.",
    ),
]
"""A size of images, such as `1024x1024`, or a quality and a size, such as `high/1024x1024`."""

Each = Annotated[Decimal, msgspec.Meta(description="Money for one unit, such as 0.04.")]


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

    Other kinds of calls have prices for one image, a minute of audio, a million characters, one
    search and one request. `images` are the prices by size, or by quality and size. All prices that
    fit a call add up.
    """

    currency: Currency = "USD"
    input: Money | None = None
    output: Money | None = None
    cache_read: Money | None = None
    cache_write: Money | None = None
    cache_write_1h: Money | None = None
    tiers: Annotated[list[PriceTierSpec], msgspec.Meta(max_length=16)] = []
    image: Each | None = None
    images: Annotated[dict[ImageKind, Each], msgspec.Meta(max_length=64)] = {}
    audio_minute: Each | None = None
    characters: Money | None = None
    search: Each | None = None
    request: Each | None = None


class PriceRowSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The price of a provider's models from a date on, in UTC, for deployments without one of their own.

    `model` is a name, or a pattern with one `*`. Of several rows the one that names a model most closely counts.
    """

    id: Name
    provider: Name
    model: Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
    since: date = msgspec.field(name="from")
    price: PriceSpec


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
    options: Annotated[dict[OptionName, Annotated[str, msgspec.Meta(max_length=500)]], msgspec.Meta(max_length=16)] = {}


class CacheSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The exact cache of an alias: equal calls within `ttl` get the same answer, and cost nothing.

    `scope` says who shares answers. `use_cases` limits the cache to some of them. The cache holds content up to
    `level`, with personal or other data only of `categories`. `sampled` also answers calls with a temperature above 0.
    """

    ttl: Duration
    scope: CacheScope = "principal"
    use_cases: Annotated[list[Name], msgspec.Meta(max_length=100)] = []
    level: Level = "internal"
    categories: Annotated[list[Text], msgspec.Meta(max_length=32)] = []
    sampled: bool = False


class AliasSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The model name for clients, and its deployments in the order of attempts.

    `prefer` chooses among the deployments that a call may go to. `weights` are their shares for
    `weighted`. `hedge` is the time without content after which the next deployment is asked too.
    With `auto` the deployments stand from cheap to premium, and `threshold` is the difficulty of a call from which the
    dearer ones are asked first.
    """

    id: AliasName
    deployments: Annotated[list[Name], msgspec.Meta(min_length=1, max_length=32)]
    operation: Operation = "chat"
    description: Text = ""
    prefer: Preference = "order"
    weights: dict[Name, Annotated[int, msgspec.Meta(ge=0, le=1000)]] = {}
    cache: CacheSpec | None = None
    hedge: Duration | None = None
    threshold: Annotated[int, msgspec.Meta(ge=0, le=100)] | None = None


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
    options = options_from(spec, provider)
    address = provider.address(spec.base_url, options)
    if (missing := _PLACE.search(address or "")) is not None and (option := provider.options.get(missing[1])):
        raise Invalid(
            f"{spec.provider} needs the option {missing[1]}, {option.says}, or base_url:"
            f' options = {{ {missing[1]} = "{option.example}" }}',
            param=f"options.{missing[1]}",
        )
    if address is None and spec.provider != "local":
        raise Invalid(f"provider {spec.provider} has no default address; set base_url", param="base_url")
    if address is not None:
        try:
            refuse_address(address)
        except Invalid as error:
            raise Invalid(error.message, param="base_url") from error
    if _custody(spec) is Custody.ORGANISATION:
        refuse_vendor_address(spec, provider, address)
    usual = provider.capability
    is_at_home = provider.is_home(address, options)
    custody = (
        Custody.ORGANISATION if _custody(spec) is Custody.ORGANISATION or runs_here(spec, provider) else Custody.ANY
    )
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
        options=tuple(sorted(spec.options.items())),
    )


def options_from(spec: DeploymentSpec, provider: Provider) -> Mapping[str, str]:
    """Return the options of a deployment with the provider's defaults.

    Raises:
        Invalid: the provider does not know an option, or a value is missing or malformed.
    """
    known = provider.options
    for name, value in spec.options.items():
        option = known.get(name)
        if option is None:
            near = difflib.get_close_matches(name, sorted(known), n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(sorted(known)) or 'none'}"
            raise Invalid(f"deployments of {spec.provider} have no option {name!r}; {hint}", param=f"options.{name}")
        if option.pattern.fullmatch(value) is None:
            raise Invalid(
                f"{value[:80]!r} cannot be the option {name} of {spec.provider}, {option.says}; an example is"
                f" {option.example!r}",
                param=f"options.{name}",
            )
    for name, option in known.items():
        if option.is_required and name not in spec.options:
            raise Invalid(
                f'{spec.provider} needs the option {name}, {option.says}: options = {{ {name} = "{option.example}" }}',
                param=f"options.{name}",
            )
    usual = {name: option.default for name, option in known.items() if option.default is not None}
    return {**usual, **spec.options}


def runs_here(spec: DeploymentSpec, provider: Provider) -> bool:
    """Whether the deployment's model runs on our own machines because its provider is a local server.

    A server elsewhere is ours only if the deployment says so, and so is a model that the local server passes on.
    """
    if provider.custody is not Custody.ORGANISATION:
        return False
    is_passed_on = provider.is_relayed(spec.model) or (bool(provider.relayed) and ANY in spec.model)
    return is_local_server(spec, provider) and not is_passed_on


def is_local_server(spec: DeploymentSpec, provider: Provider) -> bool:
    """Whether the deployment is at the default address of a local server, or is an embedded model."""
    if provider.custody is not Custody.ORGANISATION:
        return False
    return provider.base_url is None or provider.is_home(provider.address(spec.base_url, spec.options), spec.options)


def refuse_address(url: str) -> None:
    """Raise Invalid for a malformed URL, and for a host that is never allowed."""
    host = parse_url(url).origin.host
    if why := why_never(host):
        raise Invalid(f"{host} is {why}: Headgate never sends there, whatever a network allows")


def refuse_vendor_address(spec: DeploymentSpec, provider: Provider, address: str | None) -> None:
    """Raise Invalid if a deployment on our own machines has the provider's own address, said or by default.

    The same holds for a model that a local server passes on to its vendor.
    """
    if provider.is_relayed(spec.model):
        raise Invalid(
            f"it is declared to run on our own machines, but the server passes calls of {spec.model} on to its vendor;"
            ' choose a model that it runs itself, or leave out custody = "organisation"',
            param="model",
        )
    home = provider.address(None, options_from(spec, provider))
    if provider.custody is Custody.ORGANISATION or home is None or address is None:
        return
    vendor = parse_url(home).origin.host
    if parse_url(address).origin.host == vendor:
        raise Invalid(
            f"it is declared to run on our own machines, but {vendor} is the provider's; set base_url to the address"
            ' of your server, or leave out custody = "organisation"',
            param="base_url",
        )


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
    spoken = (dialects.providers.get(endpoint.dialect) for endpoint in endpoints_of(provider))
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
    base = Price(spec.currency, *rates, unit_micros=tuple(_unit_micros(spec)))
    bounds = [tier.above_input_tokens for tier in spec.tiers]
    if bounds != sorted(set(bounds)):
        raise Invalid("sort the tiers of a price by above_input_tokens, each value once", param="price.tiers")
    return replace(base, tiers=tuple([_tier(tier, base, rates) for tier in spec.tiers])) if bounds else base


def _unit_micros(spec: PriceSpec) -> Iterator[tuple[str, int]]:
    """Yield the prices of units besides tokens, by the names of `Price.unit_micros`."""
    told = (
        ("images", spec.image),
        *((f"images {kind}", money) for kind, money in sorted(spec.images.items())),
        ("audio_seconds", spec.audio_minute),
        ("characters", spec.characters),
        ("searches", spec.search),
        ("requests", spec.request),
    )
    for unit, money in told:
        if (micros := _micros(money)) is not None:
            yield unit, micros


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
    """Return the alias of a specification.

    Raises:
        Invalid: the weights have no effect, name another deployment, or are all zero.
    """
    if spec.weights:
        if spec.prefer != "weighted":
            raise Invalid('weights have an effect only with prefer = "weighted"', param="weights")
        for name in spec.weights:
            if name not in spec.deployments:
                raise Invalid(f"{name!r} is not among the deployments of this alias", param="weights")
        if not any(spec.weights.get(name, 1) for name in spec.deployments):
            raise Invalid("one of the weights must be above 0", param="weights")
    return Alias(
        spec.id,
        tuple(spec.deployments),
        spec.operation,
        spec.description,
        spec.prefer,
        spec.weights,
        None if spec.cache is None else cache_from(spec.cache),
        None if spec.hedge is None else _hedge_s(spec),
        DEFAULT_THRESHOLD if spec.threshold is None else _threshold(spec, spec.threshold),
    )


def _threshold(spec: AliasSpec, threshold: int) -> int:
    """Return the threshold.

    Raises:
        Invalid: it has no effect.
    """
    if spec.prefer != "auto":
        raise Invalid('threshold has an effect only with prefer = "auto"', param="threshold")
    return threshold


def _hedge_s(spec: AliasSpec) -> float:
    """Return the time before a second attempt.

    Raises:
        Invalid: it is too short or too long, or there is no second deployment.
    """
    assert spec.hedge is not None
    hedge_s = seconds_of(spec.hedge)
    if not _SHORTEST_HEDGE_S <= hedge_s <= _LONGEST_HEDGE_S:
        raise Invalid("a second attempt begins after 50ms to 5m without content", param="hedge")
    if len(spec.deployments) < 2:
        raise Invalid("hedge needs a second deployment in this alias", param="hedge")
    return hedge_s


def cache_from(spec: CacheSpec) -> CacheRule:
    """Return the cache of a specification.

    Raises:
        Invalid: answers would be kept for no time, or longer than a day.
    """
    ttl_s = seconds_of(spec.ttl)
    if not 1 <= ttl_s <= _LONGEST_TTL_S:
        raise Invalid("a cache keeps answers from 1s to 24h", param="cache.ttl")
    given = frozenset(spec.categories)
    clearance = Clearance(
        level=Confidentiality[spec.level.upper()],
        categories=given | {pseudonymous(one) for one in given.union(CATEGORIES)},
        access=None,
        purposes=None,
        regions=None,
        custody=Custody.ORGANISATION,
    )
    return CacheRule(ttl_s, interned(clearance), spec.scope, frozenset(spec.use_cases), spec.sampled)


def profile_from(
    spec: NetworkSpec | None, *, deployment: DeploymentSpec, login: str | None, own_address: str | None
) -> NetworkProfile:
    """Return the egress profile of one deployment.

    Args:
        own_address: the address of a deployment on the organisation's own machines. Its host and
            port are allowed. No other private address is, and never a cloud's metadata service.
    """
    spec = spec or NetworkSpec(id="default")
    allow = tuple(spec.allow)
    if own_address is not None:
        origin = parse_url(own_address).origin
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
