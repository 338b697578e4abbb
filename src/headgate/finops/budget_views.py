"""The admin API's bodies for budgets. Money is in micro-units of its currency."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final

from headgate.admin.bodies import Body
from headgate.admin.budgets import Budget, BudgetLevel, BudgetPeriod, BudgetUnit, BudgetUse, span_at
from headgate.admin.directory import PERSON_LIST
from headgate.admin.requests import Request
from headgate.finops import budget_store
from headgate.finops.budget_store import Alert
from headgate.finops.parts import FinOps
from headgate.kernel.action import Resource

_LEAST_SHARE: Final = 0.02
"""The share of a period that a forecast looks back at least, so that one early call does not fill the whole period."""


class BudgetAlertView(Body, frozen=True, kw_only=True):
    """A threshold in percent of the limit, and when it was passed in this period; null before that."""

    threshold: int
    raised_at: datetime | None


class BudgetView(Body, frozen=True, kw_only=True):
    """A budget in its current period.

    Amounts are micro-units of `currency` for money, else counts. `title` is the name of the scope for people.
    `reserved` is the most that calls in flight may use. `forecast` is the use at the end of the period at the rate so
    far; null for calls at once, which have no period. `refused` counts calls of this period. `counted_from` is when the
    budget was declared, if that was in this period: earlier calls are not in `used`.
    """

    id: str
    level: BudgetLevel
    name: str
    title: str
    unit: BudgetUnit
    currency: str | None
    period: BudgetPeriod | None
    limit: int
    hard: bool
    used: int
    reserved: int
    refused: int
    forecast: int | None
    starts_at: datetime | None
    ends_at: datetime | None
    counted_from: datetime | None
    alerts: list[BudgetAlertView]


class BudgetList(Body, frozen=True, kw_only=True):
    """The tenant's budgets by id, and whether this reader may add, change and remove them."""

    budgets: list[BudgetView]
    can_change: bool


async def budget_views(finops: FinOps, request: Request, budgets: Collection[Budget]) -> list[BudgetView]:
    """Return budgets with their use."""
    if not budgets:
        return []
    tenant, now = request.tenant, finops.clock.now()
    used = await finops.budgets_used(tenant, budgets)
    async with finops.database.transaction(tenant=tenant) as tx:
        alerts = await budget_store.alerts(tx, budgets, tenant=tenant, now=now)
        created = {one.id: one.created_at for one in await budget_store.budgets(tx, tenant=tenant)}
    return [
        _view(
            one,
            used.get(one.id, BudgetUse()),
            alerts.get(one.id, ()),
            title=_title(finops, request, one),
            since=created.get(one.id),
            now=now,
        )
        for one in budgets
    ]


def forecast(budget: Budget, used: int, *, since: datetime, now: datetime) -> int | None:
    """Return the use at the end of the period, at the rate since its start or since the budget was declared."""
    if budget.period is None:
        return None
    span = span_at(budget.period, now)
    whole_s = (span.end - span.start).total_seconds()
    passed_s = max((now - max(span.start, since)).total_seconds(), whole_s * _LEAST_SHARE)
    return used + int(used * (span.end - now).total_seconds() / passed_s)


def _view(
    budget: Budget, use: BudgetUse, alerts: Sequence[Alert], *, title: str, since: datetime | None, now: datetime
) -> BudgetView:
    raised = {one.threshold: one.raised_at for one in alerts}
    span = span_at(budget.period, now)
    return BudgetView(
        id=budget.id,
        level=budget.level,
        name=budget.name,
        title=title,
        unit=budget.unit,
        currency=budget.currency if budget.unit == "money" else None,
        period=budget.period,
        limit=budget.limit,
        hard=budget.is_hard,
        used=use.used,
        reserved=use.reserved,
        refused=use.refused,
        forecast=forecast(budget, use.used, since=since or now, now=now),
        starts_at=span.start if budget.period else None,
        ends_at=span.end if budget.period else None,
        counted_from=since if budget.period and since is not None and since > span.start else None,
        alerts=[BudgetAlertView(threshold=one, raised_at=raised.get(one)) for one in budget.alerts],
    )


def _title(finops: FinOps, request: Request, budget: Budget) -> str:
    """Return the name of a budget's scope. Names of people are for readers who may list them, and for themselves."""
    match budget.level:
        case "organisation":
            return "The organisation"
        case "use_case":
            known = finops.register.use_cases(request.tenant).get(budget.name)
            return known.title or known.id if known is not None else budget.name
        case "key":
            names = {key.id: key.name for key in finops.register.keys(request.tenant)}
            return names.get(budget.name) or budget.name
        case "person":
            person = finops.register.everybody(request.tenant).get(budget.name)
            may_see = budget.name == request.by.principal.id or request.allows(
                PERSON_LIST, Resource("people", request.tenant)
            )
            return person.title if person is not None and may_see else budget.name
        case "group":
            return budget.name
