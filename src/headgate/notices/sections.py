"""The section `[[notification]]` of `headgate.toml`."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from headgate.kernel.errors import HeadgateError, Invalid, NotFound
from headgate.kernel.identity import TenantId
from headgate.kernel.ports import Change, Edit, Fault
from headgate.notices import store
from headgate.notices.destinations import Destination, refuse_destination
from headgate.substrate.declarative import decode_table
from headgate.substrate.secrets import SecretStore

NAME = "notification"
_SECRETS = ("url", "secret", "login")


class NotificationSection:
    """The destinations of notices. Applying a file removes the entries that it does not list."""

    name = NAME
    lists_entries = True
    uses: Mapping[str, str] = {"use_cases": "use_case"}
    keeps: Sequence[str] = ()
    built_in: Collection[str] = ()
    entry_type: type[Any] = Destination

    def is_implied(self, table: Mapping[str, Any]) -> bool:
        """As `EntrySection.is_implied`: never."""
        return False

    def faults(self, edit: Edit) -> Iterable[Fault]:
        """As `EntrySection.faults`: none, because `check` finds every mistake."""
        return ()

    def check(self, table: Any, document: Mapping[str, Any]) -> list[Destination]:
        """As `ConfigSection.check`."""
        found = decode_table(table, Destination, section=NAME)
        seen: set[str] = set()
        for index, one in enumerate(found):
            where = f"{NAME}[{index}]"
            if one.id in seen:
                raise Invalid(f"two entries of [[{NAME}]] have the id {one.id}", param=f"{where}.id")
            seen.add(one.id)
            try:
                refuse_destination(one)
            except HeadgateError as error:
                raise Invalid(error.message, param=f"{where}.{error.param or 'id'}") from error
        return found

    async def plan(self, desired: list[Destination], *, tenant: TenantId, transaction: Any) -> Sequence[Change]:
        """As `ConfigSection.plan`."""
        stored = {one.id: one for one in await store.destinations(transaction, tenant=tenant)}
        wanted = {one.id: one for one in desired}
        changes = [Change(NAME, id_, "create") for id_ in wanted if id_ not in stored]
        changes += [
            Change(NAME, id_, "change", ", ".join(_differences(stored[id_], one)))
            for id_, one in wanted.items()
            if id_ in stored and stored[id_] != one
        ]
        return [*changes, *(Change(NAME, id_, "remove") for id_ in stored if id_ not in wanted)]

    async def apply(self, desired: list[Destination], *, tenant: TenantId, transaction: Any) -> None:
        """As `ConfigSection.apply`."""
        for change in await self.plan(desired, tenant=tenant, transaction=transaction):
            if change.does == "remove":
                await store.delete(transaction, change.id, tenant=tenant)
        await self.put_entries(desired, tenant=tenant, transaction=transaction)

    def tables(self, desired: list[Destination]) -> Sequence[dict[str, Any]]:
        """As `EntrySection.tables`."""
        builtins = (msgspec.to_builtins(one) for one in desired)
        return [{name: value for name, value in table.items() if value is not None} for table in builtins]

    async def entries(self, *, tenant: TenantId, transaction: Any) -> Sequence[dict[str, Any]]:
        """As `EntrySection.entries`."""
        return self.tables(await store.destinations(transaction, tenant=tenant))

    async def put_entries(self, desired: list[Destination], *, tenant: TenantId, transaction: Any) -> None:
        """As `EntrySection.put_entries`."""
        for one in desired:
            await store.put(transaction, one, tenant=tenant)

    async def remove_entry(self, entry_id: str, *, tenant: TenantId, transaction: Any) -> None:
        """As `EntrySection.remove_entry`."""
        if not await store.delete(transaction, entry_id, tenant=tenant):
            raise NotFound(f"there is no {NAME} {entry_id!r}", param="entry")


def unset_secrets(edit: Edit, secrets: SecretStore) -> Iterator[Fault]:
    """Yield a warning for each reference of a changed destination to an environment variable that is not set."""
    for table in edit.named.get(NAME, ()):
        for key in _SECRETS:
            if (why := secrets.why_unset(str(table.get(key, "")))) is not None:
                yield Fault(NAME, str(table["id"]), f"{why}; until then its messages fail")


def _differences(one: Destination, other: Destination) -> list[str]:
    before, after = msgspec.to_builtins(one), msgspec.to_builtins(other)
    return sorted(key for key in before if before[key] != after[key])
