"""Budgets: what an organisation, a group, a person, a use case or a key may use in a period.

The feature finops keeps them, and the gateway reserves from them before each call.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Literal, NamedTuple

from headgate.admin.offers import Port
from headgate.kernel.identity import TenantId

BudgetUnit = Literal["money", "tokens", "requests", "concurrency"]
BudgetPeriod = Literal["minute", "hour", "day", "week", "month", "quarter", "year"]
BudgetLevel = Literal["organisation", "group", "person", "use_case", "key"]

ALWAYS: Final = (datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC))
"""The window of a limit without a period."""


class Span(NamedTuple):
    """A time from `start` up to, not including, `end`."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Budget:
    """One budget.

    Args:
        name: of the group, person, use case or key; empty for the organisation.
        limit: in micro-units of `currency` for money, else a count.
        period: by the calendar in UTC; None for concurrency.
        is_hard: whether it refuses calls. A soft budget only counts and tells.
        alerts: shares of the limit in percent, in ascending order. Passing one tells people once a period.
    """

    id: str
    level: BudgetLevel
    name: str
    unit: BudgetUnit
    limit: int
    period: BudgetPeriod | None
    is_hard: bool = True
    currency: str = "USD"
    alerts: tuple[int, ...] = ()

    @property
    def subject(self) -> str:
        """What its use is counted under. Another scope, period or currency begins a new count."""
        scope = f"{self.level}:{self.name}" if self.name else self.level
        money = f"/{self.currency}" if self.unit == "money" else ""
        return f"budget:{self.id}/{scope}/{self.period or 'now'}{money}"


@dataclass(frozen=True, slots=True)
class BudgetUse:
    """The use of a budget in its current period, as far as workers have reported it.

    Args:
        used: by calls that ended.
        reserved: by calls in flight, at their highest possible use.
        refused: how many calls it refused.
    """

    used: int = 0
    reserved: int = 0
    refused: int = 0


Budgets = Callable[[TenantId], Collection[Budget]]
"""Returns a tenant's budgets, without I/O: the same object until one of them changes. Raises Unavailable before the
first load."""

BUDGETS: Port[Budgets] = Port("budgets")

BudgetsUsed = Callable[[TenantId, Collection[Budget]], Awaitable[Mapping[str, BudgetUse]]]
"""Returns the use of budgets in their current periods, by id of the budget."""

BUDGETS_USED: Port[BudgetsUsed] = Port("use of budgets")


def span_at(period: BudgetPeriod | None, now: datetime) -> Span:
    """Return the period that contains a time in UTC. A week begins on Monday.

    >>> span_at("quarter", datetime(2026, 11, 29, 15, tzinfo=UTC)).end.isoformat()
    '2027-01-01T00:00:00+00:00'
    """
    minute = now.replace(second=0, microsecond=0)
    day = minute.replace(hour=0, minute=0)
    match period:
        case None:
            return Span(*ALWAYS)
        case "minute":
            return Span(minute, minute + timedelta(minutes=1))
        case "hour":
            return Span(minute.replace(minute=0), minute.replace(minute=0) + timedelta(hours=1))
        case "day":
            return Span(day, day + timedelta(days=1))
        case "week":
            monday = day - timedelta(days=day.weekday())
            return Span(monday, monday + timedelta(days=7))
        case "month":
            return _months(day, day.month, 1)
        case "quarter":
            return _months(day, day.month - (day.month - 1) % 3, 3)
        case "year":
            return _months(day, 1, 12)


def _months(day: datetime, first: int, count: int) -> Span:
    """Return so many months of a day's year, from the month `first` on."""
    years, month = divmod(first - 1 + count, 12)
    return Span(day.replace(month=first, day=1), day.replace(year=day.year + years, month=month + 1, day=1))
