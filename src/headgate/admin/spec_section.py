"""A section of `headgate.toml` whose entries are stored as they are written, such as `[[notification]]`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Generic, Protocol, TypeVar

import msgspec

from headgate.kernel.errors import HeadgateError, Invalid, NotFound
from headgate.kernel.identity import TenantId
from headgate.kernel.ports import Change, Edit, Fault
from headgate.substrate.database import Transaction
from headgate.substrate.declarative import decode_table


class Spec(Protocol):
    """An entry: a msgspec Struct with an id."""

    @property
    def id(self) -> str:
        """Unique in its section."""
        ...


S = TypeVar("S", bound=Spec)


class SpecSection(Generic[S]):
    """A section whose entries are stored as they are written.

    Applying a file removes the entries that it does not list.

    Args:
        refuse: raises Invalid if an entry is malformed.
        stored, put, delete: of the store.
    """

    lists_entries = True
    keeps: Sequence[str] = ()
    built_in: Collection[str] = ()

    def __init__(
        self,
        name: str,
        entry_type: type[S],
        *,
        uses: Mapping[str, str],
        refuse: Callable[[S], None],
        stored: Callable[..., Awaitable[list[S]]],
        put: Callable[..., Awaitable[None]],
        delete: Callable[..., Awaitable[bool]],
    ) -> None:
        self.name = name
        self.entry_type: type[Any] = entry_type
        self.uses = uses
        self._type = entry_type
        self._refuse = refuse
        self._stored = stored
        self._put = put
        self._delete = delete

    def is_implied(self, table: Mapping[str, Any]) -> bool:
        """As `EntrySection.is_implied`: never."""
        return False

    def faults(self, edit: Edit) -> Iterable[Fault]:
        """As `EntrySection.faults`: none, because `check` finds every mistake."""
        return ()

    def check(self, table: Any, document: Mapping[str, Any]) -> list[S]:
        """As `ConfigSection.check`."""
        found = decode_table(table, self._type, section=self.name)
        seen: set[str] = set()
        for index, one in enumerate(found):
            where = f"{self.name}[{index}]"
            if one.id in seen:
                raise Invalid(f"two entries of [[{self.name}]] have the id {one.id}", param=f"{where}.id")
            seen.add(one.id)
            try:
                self._refuse(one)
            except HeadgateError as error:
                raise Invalid(error.message, param=f"{where}.{error.param or 'id'}") from error
        return found

    async def plan(self, desired: list[S], *, tenant: TenantId, transaction: Transaction) -> Sequence[Change]:
        """As `ConfigSection.plan`."""
        stored = {one.id: one for one in await self._stored(transaction, tenant=tenant)}
        wanted = {one.id: one for one in desired}
        changes = [Change(self.name, id_, "create") for id_ in wanted if id_ not in stored]
        changes += [
            Change(self.name, id_, "change", ", ".join(_differences(stored[id_], one)))
            for id_, one in wanted.items()
            if id_ in stored and stored[id_] != one
        ]
        return [*changes, *(Change(self.name, id_, "remove") for id_ in stored if id_ not in wanted)]

    async def apply(self, desired: list[S], *, tenant: TenantId, transaction: Transaction) -> None:
        """As `ConfigSection.apply`."""
        for change in await self.plan(desired, tenant=tenant, transaction=transaction):
            if change.does == "remove":
                await self._delete(transaction, change.id, tenant=tenant)
        await self.put_entries(desired, tenant=tenant, transaction=transaction)

    def tables(self, desired: list[S]) -> Sequence[dict[str, Any]]:
        """As `EntrySection.tables`."""
        builtins = (msgspec.to_builtins(one) for one in desired)
        return [{name: value for name, value in table.items() if value is not None} for table in builtins]

    async def entries(self, *, tenant: TenantId, transaction: Transaction) -> Sequence[dict[str, Any]]:
        """As `EntrySection.entries`."""
        return self.tables(await self._stored(transaction, tenant=tenant))

    async def put_entries(self, desired: list[S], *, tenant: TenantId, transaction: Transaction) -> None:
        """As `EntrySection.put_entries`."""
        for one in desired:
            await self._put(transaction, one, tenant=tenant)

    async def remove_entry(self, entry_id: str, *, tenant: TenantId, transaction: Transaction) -> None:
        """As `EntrySection.remove_entry`."""
        if not await self._delete(transaction, entry_id, tenant=tenant):
            raise NotFound(f"there is no {self.name} {entry_id!r}", param="entry")


def _differences(one: Spec, other: Spec) -> list[str]:
    before, after = msgspec.to_builtins(one), msgspec.to_builtins(other)
    return sorted(key for key in before if before[key] != after[key])
