"""Budgets as declared: the entries of `[[budget]]`, checked.

[[budget]]
id = "support-team"
scope = "group:support"      # organisation, group:NAME, person:ID, use_case:ID, key:ID
limit = 250.0                # money in the currency, or a count
unit = "money"               # money, tokens, requests, concurrency
currency = "USD"             # of money
period = "month"             # minute, hour, day, week, month, quarter, year; in UTC. None for concurrency
hard = true                  # false: never refuses a call, only counts and tells
alerts = [0.5, 0.8, 1.0]     # shares of the limit; passing one tells people once a period
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Final, cast, get_args

import msgspec

from headgate.admin.bodies import Currency, Name
from headgate.admin.budgets import Budget, BudgetLevel, BudgetPeriod, BudgetUnit
from headgate.kernel.errors import Invalid

_ALERTS: Final = (50, 80, 100)
_MOST_MONEY: Final = Decimal(1_000_000_000)
_MOST: Final = Decimal(10**15)


class BudgetSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One budget."""

    id: Name
    scope: Annotated[str, msgspec.Meta(min_length=1, max_length=300)]
    limit: Annotated[Decimal, msgspec.Meta(description="Money, such as 250.0, or a count.")]
    unit: BudgetUnit = "money"
    currency: Currency = "USD"
    period: BudgetPeriod | None = None
    hard: bool = True
    alerts: Annotated[list[float], msgspec.Meta(max_length=10)] | None = None


def budget_from(spec: BudgetSpec) -> Budget:
    """Return the budget of a specification.

    Raises:
        Invalid: `param` names the field at fault.
    """
    level, name = scope_of(spec.scope)
    if (spec.period is None) != (spec.unit == "concurrency"):
        why = "calls at once have no period; leave it out" if spec.period else "a budget needs a period, such as month"
        raise Invalid(why, param="period")
    return Budget(
        id=spec.id,
        level=level,
        name=name,
        unit=spec.unit,
        limit=_limit(spec),
        period=spec.period,
        is_hard=spec.hard,
        currency=spec.currency,
        alerts=_alerts(spec),
    )


def scope_of(scope: str) -> tuple[BudgetLevel, str]:
    """Return the level and the name of a scope, such as `group:support`.

    Raises:
        Invalid: it has another form.
    """
    level, colon, name = scope.partition(":")
    if level not in get_args(BudgetLevel) or (level == "organisation") != (not colon) or (colon and not name.strip()):
        named = ", ".join(f"{one}:NAME" for one in get_args(BudgetLevel) if one != "organisation")
        raise Invalid(f"write the scope as organisation, or as one of {named}", param="scope")
    return cast("BudgetLevel", level), name


def _limit(spec: BudgetSpec) -> int:
    """Return the limit in micro-units, or as a count."""
    is_money = spec.unit == "money"
    most = _MOST_MONEY if is_money else _MOST
    if not spec.limit.is_finite() or not 0 < spec.limit <= most:
        raise Invalid(f"a limit is a number above 0, at most {most:,}", param="limit")
    units = spec.limit * 1_000_000 if is_money else spec.limit
    if units != units.to_integral_value():
        why = "money has at most six decimals" if is_money else f"a limit of {spec.unit} is a whole number"
        raise Invalid(why, param="limit")
    return int(units)


def _alerts(spec: BudgetSpec) -> tuple[int, ...]:
    """Return the thresholds in percent; by default 50, 80 and 100. Calls at once have none."""
    if spec.unit == "concurrency":
        if spec.alerts:
            raise Invalid("calls at once come and go, so they have no alerts; leave them out", param="alerts")
        return ()
    if spec.alerts is None:
        return _ALERTS
    percent = [round(share * 100) for share in spec.alerts if 0.01 <= share <= 10]
    if len(percent) < len(spec.alerts):
        raise Invalid("an alert is a share of the limit from 0.01 to 10, such as 0.8", param="alerts")
    return tuple(sorted(set(percent)))
