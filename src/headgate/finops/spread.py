"""Spreads a tally over minutes, hours and days: the rows of one batch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from headgate.finops.tally import (
    GRAINS,
    Grain,
    Hit,
    Minute,
    Reason,
    Series,
    Sums,
    Tally,
    Timed,
    add_sums,
    start_of,
    with_facets,
)

KEPT: Final[Mapping[Grain, timedelta]] = {"minute": timedelta(days=3), "hour": timedelta(days=100)}
"""How long rows are kept; rows of days stay forever."""


@dataclass(frozen=True, slots=True)
class Spread:
    """The rows of one batch, by grain. Keys begin with the start of the span, as RFC 3339 text."""

    cells: Mapping[Grain, Mapping[tuple[str, Series], Sums]]
    amounts: Mapping[Grain, Mapping[tuple[str, tuple[Series, str]], int]]
    durations: Mapping[Grain, Mapping[tuple[str, Timed], int]]
    hits: Mapping[Grain, Mapping[tuple[str, Hit], int]]
    reasons: Mapping[Grain, Mapping[tuple[str, Reason], int]]
    words: Mapping[str, str]

    @property
    def series(self) -> set[Series]:
        """Every series of the rows."""
        return {series for rows in self.cells.values() for _, series in rows}


def spread(tally: Tally, *, now: datetime) -> Spread:
    """Return the rows of a tally. Leaves out minutes and hours that are older than their retention."""
    minutes = with_facets(tally.cells)
    return Spread(
        cells=_spread_sums(minutes, now),
        amounts=_spread_counts(tally.amounts.items(), now),
        durations=_spread_counts(tally.durations(), now),
        hits=_spread_counts(tally.hits(), now),
        reasons=_spread_counts(tally.reasons.items(), now),
        words=tally.words,
    )


def oldest(grain: Grain, now: datetime) -> datetime | None:
    """Return the start of the oldest span that is kept, or None for all of them."""
    kept = KEPT.get(grain)
    if kept is None:
        return None
    begin = (now - kept).astimezone(UTC).replace(second=0, microsecond=0)
    return begin if grain == "minute" else begin.replace(minute=0)


def _spread_sums(minutes: Mapping[tuple[Minute, Series], Sums], now: datetime) -> Mapping[Grain, Any]:
    found: dict[Grain, dict[tuple[str, Series], Sums]] = {}
    finer: Mapping[tuple[str, Series], Sums] = minutes
    for grain in GRAINS:  # hours from minutes, and days from hours: each has fewer rows than the one before
        wider: dict[tuple[str, Series], Sums] = {}
        for (minute, series), sums in finer.items():
            add_sums(wider, (start_of(minute, grain), series), sums)
        finer, found[grain] = wider, wider
    return {grain: _kept(rows, grain, now) for grain, rows in found.items()}


def _spread_counts(counts: Iterable[tuple[tuple[Minute, Any], int]], now: datetime) -> Mapping[Grain, Any]:
    found: dict[Grain, dict[tuple[str, Any], int]] = {}
    finer = counts
    for grain in GRAINS:
        wider: dict[tuple[str, Any], int] = {}
        for (minute, key), count in finer:
            at = (start_of(minute, grain), key)
            wider[at] = wider.get(at, 0) + count
        finer, found[grain] = wider.items(), wider
    return {grain: _kept(rows, grain, now) for grain, rows in found.items()}


def _kept(rows: dict[tuple[str, Any], Any], grain: Grain, now: datetime) -> dict[tuple[str, Any], Any]:
    begin = oldest(grain, now)
    if begin is None:
        return rows
    first = f"{begin:%Y-%m-%dT%H:%M:%SZ}"
    return {key: value for key, value in rows.items() if key[0] >= first}
