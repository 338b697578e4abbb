"""Budgets in words, for notices and the command line."""

from __future__ import annotations

from typing import Final

from headgate.admin.budgets import Budget, BudgetUse
from headgate.admin.money import money_words

_LEVELS: Final = {
    "group": "the group {}",
    "person": "{}",
    "use_case": "the use case {}",
    "key": "the key {}",
}
_UNITS: Final = {"tokens": " tokens", "requests": " requests", "concurrency": " calls at once"}


def scope_words(level: str, name: str) -> str:
    """Return a scope in words, such as `the group support`."""
    return _LEVELS[level].format(name) if level in _LEVELS else "the organisation"


def amount_words(units: int, unit: str, currency: str) -> str:
    """Return an amount in words, such as `$1.25` or `3,000 tokens`."""
    if unit != "money":
        return f"{units:,}{_UNITS[unit]}"
    return money_words(units, currency)


def period_words(period: str | None) -> str:
    """Return a period after a limit, such as ` a month`; empty without one."""
    return "" if period is None else " an hour" if period == "hour" else f" a {period}"


def passed_words(budget: Budget, threshold: int, use: BudgetUse) -> str:
    """Return the title of a notice on a passed threshold."""
    used = amount_words(use.used, budget.unit, budget.currency)
    limit = amount_words(budget.limit, budget.unit, budget.currency)
    of = f"The budget {budget.id} of {scope_words(budget.level, budget.name)}"
    state = f"passed {threshold} %"
    if use.refused and threshold == 100:
        state = "refuses calls"
    return f"{of} {state}: {used} of {limit} this {budget.period}"
