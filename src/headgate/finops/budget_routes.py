"""The operation on budgets. They are changed as entries of the configuration."""

from __future__ import annotations

from headgate.admin.operations import Operation
from headgate.admin.requests import Request
from headgate.admin.verbs import CONFIG_APPLY
from headgate.finops.budget_views import BudgetList, budget_views
from headgate.finops.parts import FinOps
from headgate.finops.sections import BUDGET
from headgate.finops.verbs import USAGE_READ
from headgate.kernel.action import Resource


async def list_budgets(finops: FinOps, request: Request) -> BudgetList:
    """List the budgets with their used and reserved amounts."""
    request.authorise(USAGE_READ, Resource("usage", "all", attributes={"owner": ""}))
    return BudgetList(
        budgets=await budget_views(finops, request, finops.book.of(request.tenant)),
        can_change=request.allows(CONFIG_APPLY, Resource(BUDGET, "new")),
    )


BUDGET_OPERATIONS = (
    Operation(
        "listBudgets",
        "GET",
        "/api/budgets",
        "The budgets with their used and reserved amounts of the current period.",
        list_budgets,
        answer=BudgetList,
        verb=USAGE_READ,
    ),
)
