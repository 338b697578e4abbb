"""The gateway's part of `headgate.toml`: `[[deployment]]`, `[[alias]]`, `[[network]]` and `[[price]]`."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, cast

import msgspec

from headgate.gateway import store
from headgate.gateway.price_table import overlaps, row_price
from headgate.gateway.specs import (
    AliasSpec,
    DeploymentSpec,
    NetworkSpec,
    PriceRowSpec,
    alias_from,
    deployment_from,
    refuse_network,
    refuse_quirks,
)
from headgate.gateway.store import Kind, Spec
from headgate.kernel.errors import HeadgateError, Invalid, NotFound
from headgate.kernel.identity import TenantId
from headgate.kernel.ports import Change, Edit, Fault
from headgate.substrate.declarative import decode_table
from headgate.substrate.secrets import check_reference
from headgate.wire.dialects import Dialects
from headgate.wire.provider import Provider

_TYPES: Mapping[Kind, type[Spec]] = {
    "deployment": DeploymentSpec,
    "alias": AliasSpec,
    "network": NetworkSpec,
    "price": PriceRowSpec,
}
_USES: Mapping[Kind, Mapping[str, str]] = {
    "deployment": {"network": "network"},
    "alias": {"deployments": "deployment"},
    "network": {},
    "price": {},
}
BUILT_IN_ALIASES = ("local-chat", "local-embed")
BUILT_IN_DEPLOYMENTS = ("local-chat", "local-embed")


class CatalogueSection:
    """One of the four tables. Applying a file removes the entries that it does not list."""

    def __init__(self, kind: Kind, *, providers: Mapping[str, Provider], dialects: Dialects) -> None:
        self._kind: Kind = kind
        self._providers = providers
        self._dialects = dialects

    @property
    def name(self) -> str:
        """The table's name."""
        return self._kind

    @property
    def lists_entries(self) -> bool:
        """As `ConfigSection.lists_entries`."""
        return True

    @property
    def uses(self) -> Mapping[str, str]:
        """As `EntrySection.uses`."""
        return _USES[self._kind]

    @property
    def keeps(self) -> Sequence[str]:
        """As `EntrySection.keeps`: none."""
        return ()

    @property
    def entry_type(self) -> type[Any]:
        """As `EntrySection.entry_type`."""
        return _TYPES[self._kind]

    @property
    def built_in(self) -> Collection[str]:
        """As `EntrySection.built_in`: none, because built-in deployments and aliases are not stored."""
        return ()

    def is_implied(self, table: Mapping[str, Any]) -> bool:
        """As `EntrySection.is_implied`: never."""
        return False

    def faults(self, edit: Edit) -> Iterable[Fault]:
        """As `EntrySection.faults`: two prices of one name and day. `check` finds every other mistake."""
        if self._kind != "price":
            return
        rows = [msgspec.convert(dict(table), PriceRowSpec) for table in edit.now.get("price", ())]
        named = {str(table["id"]) for table in edit.named.get("price", ())}
        for one, other in overlaps(rows):
            if named & {one.id, other.id}:
                id_ = other.id if other.id in named else one.id
                why = f"the prices {one.id} and {other.id} are both of {one.model} at {one.provider} from {one.since}"
                yield Fault("price", id_, f"{why}; remove one, or change its date")

    def check(self, table: Any, document: Mapping[str, Any]) -> list[Spec]:
        """Decode the entries and check their references."""
        specs: list[Spec] = list(decode_table(table, _TYPES[self._kind], section=self._kind))
        seen: set[str] = set()
        for index, spec in enumerate(specs):
            where = f"{self._kind}[{index}]"
            if spec.id in seen:
                raise Invalid(f"{self._kind} {spec.id!r} is declared twice", param=f"{where}.id")
            seen.add(spec.id)
            self._check_one(spec, where, document)
        return specs

    async def plan(self, desired: list[Spec], *, tenant: TenantId, transaction: Any) -> Sequence[Change]:
        """Return the entries to create, change and remove."""
        declared = await store.load(transaction, tenant=tenant)
        current = {spec.id: spec for spec in _of_kind(declared, self._kind)}
        unreadable = self._unreadable(declared)
        wanted = {spec.id: spec for spec in desired}
        there = (*current, *unreadable)
        changes = [Change(self._kind, id_, "create") for id_ in wanted if id_ not in there]
        changes += [
            Change(self._kind, id_, "change", ", ".join(_differences(current[id_], spec)))
            for id_, spec in wanted.items()
            if id_ in current and current[id_] != spec
        ]
        changes += [Change(self._kind, id_, "change", "it cannot be read") for id_ in unreadable if id_ in wanted]
        changes += [Change(self._kind, id_, "remove") for id_ in there if id_ not in wanted]
        return changes

    async def apply(self, desired: list[Spec], *, tenant: TenantId, transaction: Any) -> None:
        """Store the desired entries and remove all others."""
        wanted = {spec.id for spec in desired}
        for spec in desired:
            await store.put(transaction, self._kind, spec, tenant=tenant)
        declared = await store.load(transaction, tenant=tenant)
        for id_ in (*(spec.id for spec in _of_kind(declared, self._kind)), *self._unreadable(declared)):
            if id_ not in wanted:
                await store.delete(transaction, self._kind, id_, tenant=tenant)

    def tables(self, desired: list[Spec]) -> Sequence[dict[str, Any]]:
        """As `EntrySection.tables`."""
        return [_without_none(msgspec.to_builtins(spec, builtin_types=(Decimal, date))) for spec in desired]

    async def entries(self, *, tenant: TenantId, transaction: Any) -> Sequence[dict[str, Any]]:
        """As `EntrySection.entries`; unreadable entries are left out."""
        return self.tables(list(_of_kind(await store.load(transaction, tenant=tenant), self._kind)))

    async def put_entries(self, desired: list[Spec], *, tenant: TenantId, transaction: Any) -> None:
        """As `EntrySection.put_entries`."""
        for spec in desired:
            await store.put(transaction, self._kind, spec, tenant=tenant)

    async def remove_entry(self, entry_id: str, *, tenant: TenantId, transaction: Any) -> None:
        """As `EntrySection.remove_entry`."""
        if not await store.delete(transaction, self._kind, entry_id, tenant=tenant):
            raise NotFound(f"there is no {self._kind} {entry_id!r}, or it is built in and stays", param="entry")

    def _unreadable(self, declared: store.Declared) -> tuple[str, ...]:
        return tuple(one.id for one in declared.unreadable if one.kind == self._kind)

    def _check_one(self, spec: Spec, where: str, document: Mapping[str, Any]) -> None:
        try:
            match spec:
                case DeploymentSpec():
                    if spec.id in BUILT_IN_DEPLOYMENTS:
                        raise Invalid(f"the deployment {spec.id} is built in; choose another name", param="id")
                    deployment_from(spec, self._providers, tenant="check")
                    refuse_quirks(spec, self._providers[spec.provider], self._dialects)
                    if spec.network != "default":
                        _refer(spec.network, _ids(document, "network"), "network", param="network")
                case AliasSpec():
                    alias_from(spec)
                    if spec.id in BUILT_IN_ALIASES:
                        raise Invalid(f"the alias {spec.id} is built in; choose another name", param="id")
                    known = (*_ids(document, "deployment"), *BUILT_IN_DEPLOYMENTS)
                    for name in spec.deployments:
                        _refer(name, known, "deployment", param="deployments")
                case PriceRowSpec():
                    _refer(spec.provider, tuple(self._providers), "provider", param="provider")
                    row_price(spec)
                case NetworkSpec():
                    refuse_network(spec)
                    if spec.proxy_login is not None:
                        check_reference(spec.proxy_login, param="proxy_login")
        except HeadgateError as error:
            raise Invalid(error.message, param=f"{where}.{error.param}" if error.param else where) from error


def _without_none(table: dict[str, Any]) -> dict[str, Any]:
    """Remove keys without a value, in inner tables too."""
    inner = {name: _without_none(value) if isinstance(value, dict) else value for name, value in table.items()}  # pyright: ignore[reportUnknownArgumentType] - builtins of a decoded struct
    return {name: value for name, value in inner.items() if value is not None}


def _of_kind(declared: store.Declared, kind: Kind) -> Sequence[Spec]:
    match kind:
        case "deployment":
            return declared.deployments
        case "alias":
            return declared.aliases
        case "network":
            return declared.networks
        case "price":
            return declared.prices


def _ids(document: Mapping[str, Any], table: str) -> tuple[str, ...]:
    entries: Any = document.get(table, [])
    rows = cast("list[Any]", entries) if isinstance(entries, list) else []
    return tuple(str(cast("dict[str, Any]", row).get("id")) for row in rows if isinstance(row, dict))


def _refer(name: str, known: Sequence[str], kind: str, *, param: str) -> None:
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else f"; declared: {', '.join(known) or 'none'}"
        raise Invalid(f"there is no {kind} {name!r}{hint}", param=param)


def _differences(one: Spec, other: Spec) -> list[str]:
    before, after = msgspec.to_builtins(one), msgspec.to_builtins(other)
    return sorted(key for key in {*before, *after} if before.get(key) != after.get(key))
