"""The parts of the open feature finops, for its handlers."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from headgate.admin.budgets import BudgetsUsed
from headgate.admin.directory import Directory
from headgate.admin.limit_use import LimitsUsed
from headgate.admin.recosting import Priced
from headgate.admin.register import Register
from headgate.finops.budget_book import BudgetBook
from headgate.finops.jobs import Rollups
from headgate.finops.service import Usage
from headgate.kernel.identity import TenantId
from headgate.kernel.ports import Clock
from headgate.substrate.database import Database


@dataclass(frozen=True, slots=True)
class FinOps:
    """The feature's parts.

    Args:
        names: returns the names of a kind, such as aliases, from the feature that knows them.
    """

    usage: Usage
    rollups: Rollups
    directory: Directory
    register: Register
    limits_used: LimitsUsed
    names: Callable[[str, TenantId], Collection[str]]
    clock: Clock
    database: Database
    book: BudgetBook
    budgets_used: BudgetsUsed
    recosting: Callable[[TenantId, str], Priced]
