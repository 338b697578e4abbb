"""The section `[[budget]]` of `headgate.toml`."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

import msgspec

from headgate.finops import budget_store
from headgate.finops.budget_specs import BudgetSpec, budget_from, scope_of
from headgate.kernel.errors import HeadgateError, Invalid, NotFound
from headgate.kernel.identity import TenantId
from headgate.kernel.ports import Change, Edit, Fault
from headgate.substrate.database import Transaction
from headgate.substrate.declarative import decode_table

BUDGET: Final = "budget"
_SECTIONS: Final = {"person": "person", "use_case": "use case"}
"""The levels of scopes that are sections, with their words."""


class BudgetSection:
    """The budgets. Applying a file removes the entries that it does not list."""

    name = BUDGET
    lists_entries = True
    uses: Mapping[str, str] = {}
    keeps: Sequence[str] = ()
    built_in: Collection[str] = ()
    entry_type: type[Any] = BudgetSpec

    def is_implied(self, table: Mapping[str, Any]) -> bool:
        """As `EntrySection.is_implied`: never."""
        return False

    def faults(self, edit: Edit) -> Iterable[Fault]:
        """As `EntrySection.faults`: a changed budget of a person or use case that does not exist."""
        for table in edit.named.get(BUDGET, ()):
            level, name = scope_of(str(table["scope"]))
            known = {str(one["id"]) for one in edit.now.get(level, ())}
            if level in _SECTIONS and name not in known:
                yield Fault(BUDGET, str(table["id"]), f"there is no {_SECTIONS[level]} {name!r}")

    def check(self, table: Any, document: Mapping[str, Any]) -> list[BudgetSpec]:
        """As `ConfigSection.check`."""
        found = decode_table(table, BudgetSpec, section=BUDGET)
        seen: set[str] = set()
        for index, one in enumerate(found):
            where = f"{BUDGET}[{index}]"
            if one.id in seen:
                raise Invalid(f"two entries of [[{BUDGET}]] have the id {one.id}", param=f"{where}.id")
            seen.add(one.id)
            try:
                budget_from(one)
            except HeadgateError as error:
                raise Invalid(error.message, param=f"{where}.{error.param or 'id'}") from error
        return found

    async def plan(self, desired: list[BudgetSpec], *, tenant: TenantId, transaction: Any) -> Sequence[Change]:
        """As `ConfigSection.plan`."""
        stored = {one.id: one.spec for one in await budget_store.budgets(transaction, tenant=tenant)}
        wanted = {one.id: one for one in desired}
        changes = [Change(BUDGET, id_, "create") for id_ in wanted if id_ not in stored]
        changes += [
            Change(BUDGET, id_, "change", _differences(stored[id_], one))
            for id_, one in wanted.items()
            if id_ in stored and stored[id_] != one
        ]
        return [*changes, *(Change(BUDGET, id_, "remove") for id_ in stored if id_ not in wanted)]

    async def apply(self, desired: list[BudgetSpec], *, tenant: TenantId, transaction: Any) -> None:
        """As `ConfigSection.apply`."""
        for change in await self.plan(desired, tenant=tenant, transaction=transaction):
            if change.does == "remove":
                await budget_store.delete(transaction, change.id, tenant=tenant)
        await self.put_entries(desired, tenant=tenant, transaction=transaction)

    def tables(self, desired: list[BudgetSpec]) -> Sequence[dict[str, Any]]:
        """As `EntrySection.tables`."""
        return [msgspec.to_builtins(one, builtin_types=(Decimal,)) for one in desired]

    async def entries(self, *, tenant: TenantId, transaction: Any) -> Sequence[dict[str, Any]]:
        """As `EntrySection.entries`; unreadable entries are left out."""
        return self.tables(await _readable(transaction, tenant))

    async def put_entries(self, desired: list[BudgetSpec], *, tenant: TenantId, transaction: Any) -> None:
        """As `EntrySection.put_entries`."""
        for one in desired:
            await budget_store.put(transaction, one, tenant=tenant)

    async def remove_entry(self, entry_id: str, *, tenant: TenantId, transaction: Any) -> None:
        """As `EntrySection.remove_entry`."""
        if not await budget_store.delete(transaction, entry_id, tenant=tenant):
            raise NotFound(f"there is no {BUDGET} {entry_id!r}", param="entry")


async def _readable(tx: Transaction, tenant: TenantId) -> list[BudgetSpec]:
    return [one.spec for one in await budget_store.budgets(tx, tenant=tenant) if one.spec is not None]


def _differences(one: BudgetSpec | None, other: BudgetSpec) -> str:
    if one is None:
        return "it cannot be read"
    before, after = msgspec.to_builtins(one), msgspec.to_builtins(other)
    return ", ".join(sorted(key for key in {*before, *after} if before.get(key) != after.get(key)))
