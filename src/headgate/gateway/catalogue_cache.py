"""The in-memory cache of all tenants' catalogues; reloads them from the database as a whole."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from functools import partial
from types import MappingProxyType
from typing import NamedTuple

import msgspec
import structlog

from headgate.gateway import store
from headgate.gateway.catalogue import ANY, Alias, Catalogue
from headgate.gateway.price_table import DatedPrice, ModelPrices, PriceTable, is_at_home, own_price, price_at
from headgate.gateway.specs import (
    DeploymentSpec,
    NetworkSpec,
    alias_from,
    deployment_from,
    is_local_server,
    profile_from,
)
from headgate.kernel.errors import Conflict, HeadgateError, NotFound, Unavailable
from headgate.kernel.hashing import interned
from headgate.kernel.identity import TenantId
from headgate.kernel.labels import EMPTY, EVERYTHING, Clearance, Confidentiality, Custody
from headgate.substrate.database import Database
from headgate.substrate.egress import Egress, NetworkProfile
from headgate.substrate.secrets import SecretStore
from headgate.wire.model_call import Capability, Deployment, Operation, Price
from headgate.wire.provider import Provider

log = structlog.get_logger(__name__)

_LOCAL_NETWORK = "embedded"


_FAULTS = (HeadgateError, ValueError, TypeError, LookupError, OSError)
"""Errors that a broken stored entry can raise."""


class LeftOut(NamedTuple):
    """A declared entry that cannot be used, with the reason."""

    tenant: TenantId
    kind: str
    id: str
    why: str


class Draft(NamedTuple):
    """A deployment that is not declared yet, with its connections."""

    deployment: Deployment
    profile: NetworkProfile


_NO_CHARGE = Price(
    "USD", input_micros=0, output_micros=0, cache_read_micros=0, cache_write_micros=0, cache_write_1h_micros=0
)


class CatalogueCache:
    """The catalogues of all tenants. `catalogue` is cheap; the worker's watcher calls `refresh`.

    Args:
        model_port: the port of the embedded model process, or None without it.
        profiles: network profiles of the egress client that belong to no deployment. The library
            owns all others.
        categories: all categories of the installed detectors. Every deployment is cleared for their
            pseudonymous forms.
        today: returns the day in UTC, whose prices count.
    """

    def __init__(
        self,
        *,
        database: Database,
        egress: Egress,
        providers: Mapping[str, Provider],
        secrets: SecretStore,
        model_port: int | None,
        profiles: Mapping[str, NetworkProfile] | None = None,
        categories: frozenset[str] = EMPTY,
        today: Callable[[], date] = lambda: date.max,
    ) -> None:
        self._database = database
        self._egress = egress
        self._providers = providers
        self._secrets = secrets
        self._model_port = model_port
        self._given_profiles = dict(profiles or {})
        self._categories = categories
        self._built_in = _built_in(model_port)
        self._today = today
        self._day = date.min
        self._histories: Mapping[tuple[TenantId, str], Sequence[DatedPrice]] = {}
        self._model_prices: Mapping[TenantId, ModelPrices] = {}
        self._catalogues: Mapping[TenantId, Catalogue] = MappingProxyType({})
        self._profiles: Mapping[str, NetworkProfile] = {}
        self.left_out: Sequence[LeftOut] = ()
        """The declared entries that cannot be used, as of the last refresh."""

    def catalogue(self, tenant: TenantId) -> Catalogue:
        """Return the tenant's catalogue, or the built-in one if the tenant has declared nothing."""
        day = self._today()
        if day != self._day:
            catalogues = {id_: self._priced(id_, one, day) for id_, one in self._catalogues.items()}
            self._catalogues, self._day = MappingProxyType(catalogues), day
        return self._catalogues.get(tenant, self._built_in)

    def deployments(self) -> Iterator[tuple[TenantId, Deployment]]:
        """Yield the deployments of all tenants."""
        for tenant, catalogue in self._catalogues.items():
            for deployment in catalogue.deployments.values():
                yield tenant, deployment

    def history(self, tenant: TenantId, deployment: str) -> Sequence[DatedPrice]:
        """Return the prices by date of a deployment without one of its own; none if no price is known."""
        return self._histories.get((tenant, deployment), ())

    def _priced(self, tenant: TenantId, catalogue: Catalogue, day: date) -> Catalogue:
        """Return the catalogue with the prices of a day, of deployments without one of their own."""
        dated = {
            id_: replace(one, price=price_at(self._histories[tenant, id_], day))
            for id_, one in catalogue.deployments.items()
            if (tenant, id_) in self._histories
        }
        if (prices := self._model_prices.get(tenant)) is not None:
            catalogue = replace(catalogue, price_of=partial(prices.at, day=day))
        return replace(catalogue, deployments={**catalogue.deployments, **dated}) if dated else catalogue

    async def refresh(self, tenants: Iterable[TenantId]) -> bool:
        """Reload all catalogues; True if something changed.

        A broken entry is left out and logged.

        Raises:
            Unavailable: the database is down; the loaded catalogues stay.
        """
        catalogues: dict[TenantId, Catalogue] = {}
        left_out: list[LeftOut] = []
        histories: dict[tuple[TenantId, str], Sequence[DatedPrice]] = {}
        model_prices: dict[TenantId, ModelPrices] = {}
        profiles = dict(self._given_profiles)
        if self._model_port is not None:
            profiles[_LOCAL_NETWORK] = self._home_profile()
        for tenant in tenants:
            async with self._database.transaction(tenant=tenant) as tx:
                declared = await store.load(tx, tenant=tenant)
            catalogues[tenant] = self._assemble(tenant, declared, profiles, left_out)
            if (table := _price_table(tenant, declared, left_out)) is not None:
                histories |= self._dated(tenant, declared, catalogues[tenant], table)
                if any(ANY in one.model and one.price is None for one in declared.deployments):
                    model_prices[tenant] = ModelPrices(table, at_home=self._at_home_ids(declared))
        self._install(profiles)
        catalogues = {tenant: self._reachable(tenant, one, left_out) for tenant, one in catalogues.items()}
        for one in left_out:
            if one not in self.left_out:
                log.warning("entry_left_out", **one._asdict())
        self.left_out = tuple(left_out)
        self._histories, self._model_prices, self._day = histories, model_prices, self._today()
        catalogues = {tenant: self._priced(tenant, one, self._day) for tenant, one in catalogues.items()}
        is_changed = catalogues != self._catalogues
        self._catalogues = MappingProxyType(catalogues)
        return is_changed

    async def draft(self, spec: DeploymentSpec, *, tenant: TenantId) -> Draft:
        """Return the deployment of a specification that is not declared yet, with its connections.

        Raises:
            Invalid, NotFound: the specification is at fault.
            Unavailable: the database is down, or a credential of its network cannot be read.
        """
        async with self._database.transaction(tenant=tenant) as tx:
            declared = await store.load(tx, tenant=tenant)
        deployment = deployment_from(spec, self._providers, tenant=tenant, categories=self._categories)
        deployment = self._at_home(deployment)
        if deployment.network == _LOCAL_NETWORK:
            return Draft(deployment, self._home_profile())
        networks = {one.id: one for one in declared.networks}
        return Draft(deployment, self._profile(spec, networks, deployment))

    async def connections(self, network: str, *, tenant: TenantId) -> NetworkProfile:
        """Return the connections by a declared network, without those of a deployment.

        Raises:
            NotFound: there is no such network.
            Unavailable: the database is down, or a credential of the network cannot be read.
        """
        async with self._database.transaction(tenant=tenant) as tx:
            declared = await store.load(tx, tenant=tenant)
        spec = DeploymentSpec(id="network", provider="local", model="network", network=network)
        deployment = deployment_from(spec, self._providers, tenant=tenant)
        return self._profile(spec, {one.id: one for one in declared.networks}, deployment)

    def _home_profile(self) -> NetworkProfile:
        return NetworkProfile(allow=(f"127.0.0.1:{self._model_port}",), first_byte_s=600.0)

    def _at_home(self, deployment: Deployment) -> Deployment:
        """Return the deployment of a pulled model at the address of the model process; others unchanged.

        Raises:
            Unavailable: the model process is not started.
        """
        if deployment.provider != "local" or deployment.base_url is not None:
            return deployment
        if self._model_port is None:
            raise Unavailable("the embedded runtime is not started; start Headgate without --no-model")
        base_url = f"http://127.0.0.1:{self._model_port}/v1"
        price = deployment.price or _NO_CHARGE
        return replace(deployment, base_url=base_url, network=_LOCAL_NETWORK, price=price)

    def _install(self, profiles: Mapping[str, NetworkProfile]) -> None:
        """Set the egress profiles, without invalid ones, such as one with a missing file."""
        if profiles == self._profiles:
            return
        try:
            self._egress.set_profiles(profiles)
        except _FAULTS:
            profiles = {
                name: profile
                for name, profile in profiles.items()
                if profile == self._profiles.get(name) or _is_usable(name, profile)
            }
            # Only after a change, because it closes the pooled connections.
            if profiles != self._profiles:
                self._egress.set_profiles(profiles)
        self._profiles = profiles

    def _reachable(self, tenant: TenantId, catalogue: Catalogue, left_out: list[LeftOut]) -> Catalogue:
        """Return the catalogue without deployments whose network was refused."""
        reachable = {id_: one for id_, one in catalogue.deployments.items() if one.network in self._profiles}
        for id_ in catalogue.deployments.keys() - reachable.keys():
            left_out.append(LeftOut(tenant, "deployment", id_, "its network profile is not valid"))
        return replace(catalogue, deployments=reachable)

    def _assemble(
        self, tenant: TenantId, declared: store.Declared, profiles: dict[str, NetworkProfile], left_out: list[LeftOut]
    ) -> Catalogue:
        left_out += [LeftOut(tenant, *unreadable) for unreadable in declared.unreadable]
        networks = {spec.id: spec for spec in declared.networks}
        deployments = dict(self._built_in.deployments)
        for spec in declared.deployments:
            try:
                if spec.id in self._built_in.deployments:
                    raise Conflict(f"the deployment {spec.id} is built in")
                deployment = deployment_from(spec, self._providers, tenant=tenant, categories=self._categories)
                if deployment.price is not None:
                    deployment = replace(deployment, price=own_price(spec, deployment.price))
                deployment = self._at_home(deployment)
                if deployment.network != _LOCAL_NETWORK:
                    profiles[deployment.network] = self._profile(spec, networks, deployment)
            except _FAULTS as error:
                left_out.append(LeftOut(tenant, "deployment", spec.id, _why(error)))
                continue
            deployments[deployment.id] = deployment
        aliases: dict[str, Alias] = {}
        for alias in declared.aliases:
            try:
                aliases[alias.id] = alias_from(alias)
            except _FAULTS as error:
                left_out.append(LeftOut(tenant, "alias", alias.id, _why(error)))
        version = hashlib.sha256(
            msgspec.json.encode([declared.deployments, declared.aliases, declared.networks, declared.prices])
        ).hexdigest()[:16]
        return Catalogue(deployments, {**aliases, **self._built_in.aliases}, version)

    def _at_home_ids(self, declared: store.Declared) -> frozenset[str]:
        """Return the deployments at their provider's own address."""
        return frozenset(
            spec.id
            for spec in declared.deployments
            if spec.provider in self._providers and is_at_home(spec, self._providers[spec.provider])
        )

    def _dated(
        self, tenant: TenantId, declared: store.Declared, catalogue: Catalogue, table: PriceTable
    ) -> dict[tuple[TenantId, str], Sequence[DatedPrice]]:
        """Return the prices by date of the deployments without a price of their own."""
        found: dict[tuple[TenantId, str], Sequence[DatedPrice]] = {}
        for spec in declared.deployments:
            deployment = catalogue.deployments.get(spec.id)
            if deployment is None or deployment.price is not None:
                continue
            history = table.history(deployment, is_at_home=is_at_home(spec, self._providers[spec.provider]))
            if history:
                found[tenant, spec.id] = history
        return found

    def _profile(
        self, spec: DeploymentSpec, networks: Mapping[str, NetworkSpec], deployment: Deployment
    ) -> NetworkProfile:
        network = networks.get(spec.network)
        if network is None and spec.network != "default":
            # Without the network, traffic would bypass its proxy.
            raise NotFound(f"there is no network {spec.network!r}")
        login = self._secrets(network.proxy_login) if network and network.proxy_login else None
        provider = self._providers[spec.provider]
        is_ours = deployment.clearance.custody is Custody.ORGANISATION or is_local_server(spec, provider)
        own_address = provider.address(spec.base_url, provider.options_of(deployment)) if is_ours else None
        return profile_from(network, deployment=spec, login=login, own_address=own_address)


def _price_table(tenant: TenantId, declared: store.Declared, left_out: list[LeftOut]) -> PriceTable | None:
    try:
        return PriceTable(declared.prices)
    except _FAULTS as error:
        left_out.append(LeftOut(tenant, "price", "of every row", _why(error)))
        return None


def _is_usable(name: str, profile: NetworkProfile) -> bool:
    try:
        Egress(profiles={name: profile})
    except _FAULTS as error:
        log.warning("network_refused", profile=name, why=_why(error))
        return False
    return True


def _why(error: Exception) -> str:
    """Return the reason; of a foreign error only the class, because its text may hold values."""
    return error.message if isinstance(error, HeadgateError) else f"it cannot be used ({type(error).__name__})"


def _built_in(model_port: int | None) -> Catalogue:
    """Return the catalogue without any configuration: the embedded models, free of charge."""
    if model_port is None:
        return Catalogue(version="built-in")
    base_url = f"http://127.0.0.1:{model_port}/v1"
    clearance = Clearance(
        level=Confidentiality.RESTRICTED,
        categories=None,
        access=EVERYTHING.access,
        custody=Custody.ORGANISATION,
        regions=frozenset({"on-prem"}),
    )

    def embedded(name: str, model: str, operation: Operation, *, context_tokens: int) -> Deployment:
        return Deployment(
            id=name,
            provider="local",
            model=model,
            base_url=base_url,
            network=_LOCAL_NETWORK,
            clearance=interned(clearance),
            price=_NO_CHARGE,
            capability=Capability(operations=frozenset({operation}), tools=False, context_tokens=context_tokens),
        )

    return Catalogue(
        deployments={
            "local-chat": embedded("local-chat", "smollm2-135m-instruct", "chat", context_tokens=4096),
            "local-embed": embedded("local-embed", "all-minilm-l6-v2", "embed", context_tokens=256),
        },
        aliases={
            "local-chat": Alias("local-chat", ("local-chat",), "chat", "SmolLM2-135M-Instruct on this machine"),
            "local-embed": Alias("local-embed", ("local-embed",), "embed", "MiniLM-L6 embeddings on this machine"),
        },
        version="built-in",
    )
