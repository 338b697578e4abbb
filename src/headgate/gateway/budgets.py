"""The budgets of a call: those of its key, person, use case and groups, and of the organisation."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

from headgate.admin.budgets import Budget, Budgets
from headgate.admin.register import Register
from headgate.gateway.limits import BudgetIndex, Limit
from headgate.kernel.action import Action
from headgate.kernel.identity import TenantId


class BudgetsOfCalls:
    """Finds the budgets of calls, from other features' ports.

    Args:
        budgets: returns the port of budgets, or None if no feature keeps any.
        register: returns the register of people, for their groups.
    """

    def __init__(self, *, budgets: Callable[[], Budgets | None], register: Callable[[], Register]) -> None:
        self._budgets = budgets
        self._register = register
        self._known: dict[TenantId, tuple[Collection[Budget], BudgetIndex]] = {}

    def of(self, action: Action[Any, Any, Any]) -> Sequence[Limit]:
        """Return the budgets that a call reserves from.

        Raises:
            Unavailable: the budgets have not been loaded yet.
        """
        budgets = self._budgets()
        if budgets is None:
            return ()
        tenant = action.principal.tenant
        index = self._index(tenant, budgets(tenant))
        return index.of(action, self._groups(action)) if index else ()

    def _index(self, tenant: TenantId, budgets: Collection[Budget]) -> BudgetIndex:
        known = self._known.get(tenant)
        if known is None or known[0] is not budgets:
            known = self._known[tenant] = (budgets, BudgetIndex(budgets))
        return known[1]

    def _groups(self, action: Action[Any, Any, Any]) -> list[str]:
        everybody = self._register().everybody(action.principal.tenant)
        people = (action.principal.id, *action.principal.on_behalf_of)
        return [group for person in people if person in everybody for group in everybody[person].groups]
