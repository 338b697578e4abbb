"""Turns the limits of another gateway into budgets."""

from __future__ import annotations

from typing import Any, Final

from headgate.moving_in.move import Move

_PERIODS: Final = {
    "60s": "minute",
    "1m": "minute",
    "1h": "hour",
    "60m": "hour",
    "24h": "day",
    "1d": "day",
    "7d": "week",
    "1w": "week",
    "30d": "month",
    "31d": "month",
    "1mo": "month",
    "90d": "quarter",
    "365d": "year",
}


def add_budget(move: Move, *, scope: str, about: str, limit: Any, unit: str, every: Any = None) -> None:
    """Add a budget, unless there is no limit.

    Args:
        about: the place in the other gateway's configuration.
        every: the period there, such as `30d`; None for a limit of calls at once.
    """
    if not isinstance(limit, int | float) or limit < 0:
        return
    period = None if unit == "concurrency" else _period(every)
    if unit != "concurrency" and period is None:
        move.note(
            about, f"had a limit of {limit:g} ({unit}) for {every or 'its whole life'}, and has one for a year now."
        )
        period = "year"
    elif period in ("week", "month", "quarter", "year"):
        move.note(about, f"its {period} follows the calendar in UTC from now on.")
    move.add(
        "budget",
        id=move.free_id("budget", f"{scope.partition(':')[2] or scope}-{unit}"),
        scope=scope,
        limit=float(limit) if unit == "money" else int(limit),
        unit=unit,
        period=period,
    )


def _period(every: Any) -> str | None:
    return _PERIODS.get(str(every))
