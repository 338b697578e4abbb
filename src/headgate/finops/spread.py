"""Spreads a tally over minutes, hours and days: the rows of one batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, TypeVar

from headgate.finops.tally import (
    FACETS,
    GRAINS,
    Grain,
    Hit,
    MinuteTally,
    Reason,
    Series,
    Sums,
    Tally,
    Timed,
    add_sums,
    start_of,
)

K = TypeVar("K")
V = TypeVar("V")
Rows = Mapping[Grain, Mapping[str, Mapping[K, V]]]
"""Rows by grain, and by start of the span as RFC 3339 text. Spans with equal rows may share one mapping."""

SeriesIds = Mapping[Series, tuple[int, ...]]
"""Numbers of a series of the facet `each`: its own, and those of the series of the other facets that include it."""

KEPT: Final[Mapping[Grain, timedelta]] = {"minute": timedelta(days=3), "hour": timedelta(days=100)}
"""How long rows are kept; rows of days stay forever."""


@dataclass(frozen=True, slots=True)
class Spread:
    """The rows of one batch. Series are numbers."""

    cells: Rows[int, Sums]
    amounts: Rows[tuple[int, str], int]
    durations: Rows[Timed, int]
    hits: Rows[Hit, int]
    reasons: Rows[Reason, int]
    words: Mapping[str, str]


def spread(tally: Tally, ids: SeriesIds, *, now: datetime) -> Spread:
    """Return the rows of a tally. Leaves out minutes and hours that are older than their retention."""

    def sums(minute: MinuteTally) -> dict[int, Sums]:
        found: dict[int, Sums] = {}
        for series, sums in minute.cells.items():
            for number in ids[series]:
                add_sums(found, number, sums)
        return found

    def amounts(minute: MinuteTally) -> dict[tuple[int, str], int]:
        return {(ids[series][0], unit): amount for (series, unit), amount in minute.amounts.items()}

    return Spread(
        cells=_spread(tally, sums, _add_all_sums, now),
        amounts=_spread(tally, amounts, _add_counts, now),
        durations=_spread(tally, MinuteTally.durations, _add_counts, now),
        hits=_spread(tally, MinuteTally.hits, _add_counts, now),
        reasons=_spread(tally, lambda minute: minute.reasons, _add_counts, now),
        words=tally.words,
    )


def wider(series: Series) -> tuple[Series, ...]:
    """Return a series of the facet `each`, and the series of the other facets that include it."""
    return (series, *map(series.of, FACETS))


def oldest(grain: Grain, now: datetime) -> datetime | None:
    """Return the start of the oldest span that is kept, or None for all of them."""
    kept = KEPT.get(grain)
    if kept is None:
        return None
    begin = (now - kept).astimezone(UTC).replace(second=0, microsecond=0)
    return begin if grain == "minute" else begin.replace(minute=0)


def _spread(
    tally: Tally,
    rows_of: Callable[[MinuteTally], Mapping[K, V]],
    add: Callable[[dict[K, V], Mapping[K, V]], None],
    now: datetime,
) -> Rows[K, V]:
    finer = {minute: rows for minute, one in tally.minutes.items() if (rows := rows_of(one))}
    found: dict[Grain, Mapping[str, Mapping[K, V]]] = {}
    for grain in GRAINS:  # hours from minutes, and days from hours: each has fewer rows than the one before
        spans: dict[str, list[Mapping[K, V]]] = {}
        for start, rows in finer.items():
            spans.setdefault(start_of(start, grain), []).append(rows)
        finer = {start: _merged(parts, add) for start, parts in spans.items()}
        begin = oldest(grain, now)
        first = "" if begin is None else f"{begin:%Y-%m-%dT%H:%M:%SZ}"
        found[grain] = {start: rows for start, rows in finer.items() if start >= first}
    return found


def _merged(parts: list[Mapping[K, V]], add: Callable[[dict[K, V], Mapping[K, V]], None]) -> Mapping[K, V]:
    if len(parts) == 1:
        return parts[0]
    found: dict[K, V] = {}
    for rows in parts:
        add(found, rows)
    return found


def _add_all_sums(found: dict[int, Sums], rows: Mapping[int, Sums]) -> None:
    for number, sums in rows.items():
        add_sums(found, number, sums)


def _add_counts(found: dict[K, int], rows: Mapping[K, int]) -> None:
    for key, count in rows.items():
        found[key] = found.get(key, 0) + count
