"""Counts of records over time, by outcome, with a bound on the work.

At most so many records of each bucket are counted, the newest first. Full buckets are counted again with what the
others left of the whole bound. A bucket with more records than that gets an estimate: the counted ones, for the share
of the bucket's time that they cover. It is marked as such.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from headgate.kernel.errors import Invalid
from headgate.ledger.filters import ulid_floor
from headgate.ledger.store import Buckets, Counted

MOST_BUCKETS = 60
_MOST_COUNTED = 40_000
"""Records that are counted for one answer."""

_STEPS_S = (1, 5, 15, 30, 60, 300, 900, 1800, 3600, 3 * 3600, 6 * 3600, 12 * 3600, 86_400, 7 * 86_400, 30 * 86_400)
_ULID_DIGITS = {digit: value for value, digit in enumerate("0123456789ABCDEFGHJKMNPQRSTVWXYZ")}
_TIME_CHARS = 10


@dataclass(frozen=True, slots=True)
class Grid:
    """Buckets of equal length. The last one ends at `until` or before its full length."""

    starts: tuple[datetime, ...]
    step: timedelta
    until: datetime

    def buckets(self) -> Buckets:
        """Return the buckets for the database."""
        starts = [ulid_floor(start) for start in self.starts]
        return Buckets(starts, [*starts[1:], ulid_floor(self.until)], _MOST_COUNTED // len(starts))

    def full(self, counted: Sequence[Counted]) -> tuple[int, ...]:
        """Return the places of the buckets with as many counted records as the database may count."""
        most = self.buckets().most
        places = range(1, len(self.starts) + 1)
        return tuple(place for place in places if sum(one.count for one in counted if one.place == place) >= most)

    def rest(self, full: Sequence[int], counted: Sequence[Counted]) -> Buckets:
        """Return the full buckets, which share what the others left of the bound. Their places begin at 1 anew."""
        every = self.buckets()
        left = _MOST_COUNTED - sum(one.count for one in counted if one.place not in full)
        starts, stops = ([ends[place - 1] for place in full] for ends in (every.starts, every.stops))
        return Buckets(starts, stops, left // len(full))

    def stop(self, place: int) -> datetime:
        """Return the end of a bucket."""
        return self.starts[place + 1] if place + 1 < len(self.starts) else self.until


@dataclass(slots=True)
class Counts:
    """Counts of each outcome by bucket. `is_exact` is false if some are estimates."""

    grid: Grid
    by_outcome: dict[str, list[int]] = field(default_factory=dict[str, list[int]])
    is_exact: bool = True

    @property
    def total(self) -> int:
        """The count of all records."""
        return sum(map(sum, self.by_outcome.values()))

    def add(self, counted: Sequence[Counted], *, now: datetime, most: int) -> None:
        """Add the answer of one query.

        Args:
            most: records that were counted of a full bucket.
        """
        for place in range(len(self.grid.starts)):
            self._add_bucket(place, [one for one in counted if one.place == place + 1], now=now, most=most)

    def _add_bucket(self, place: int, counted: Sequence[Counted], *, now: datetime, most: int) -> None:
        is_full = sum(one.count for one in counted) >= most
        factor = self._factor(place, counted, now=now) if is_full else 1.0
        self.is_exact = self.is_exact and not is_full
        for one in counted:
            if one.outcome:
                row = self.by_outcome.setdefault(one.outcome, [0] * len(self.grid.starts))
                row[place] += round(one.count * factor)

    def _factor(self, place: int, counted: Sequence[Counted], *, now: datetime) -> float:
        """Return by how much longer the bucket is than the time of its counted records."""
        start, stop = self.grid.starts[place], min(self.grid.stop(place), now)
        oldest = min(time_of(one.first) for one in counted)
        covered_s = max((stop - oldest).total_seconds(), 0.001)
        return max(1.0, (stop - start).total_seconds() / covered_s)


def grid_of(since: datetime, until: datetime) -> Grid:
    """Return at most 60 buckets that cover a span of time. They begin at whole steps.

    Raises:
        Invalid: the span ends before it begins.
    """
    length_s = (until - since).total_seconds()
    if length_s <= 0:
        raise Invalid("`until` must be later than `since`", param="until")
    wanted_s = length_s / (MOST_BUCKETS - 1)
    step_s = next(
        (step_s for step_s in _STEPS_S if step_s >= wanted_s), _STEPS_S[-1] * -(-int(wanted_s) // _STEPS_S[-1])
    )
    first_s = int(since.timestamp()) // step_s * step_s
    count = -(-int(until.timestamp() - first_s) // step_s) or 1
    starts = (since, *(datetime.fromtimestamp(first_s + step_s * place, UTC) for place in range(1, count)))
    return Grid(tuple(start for start in starts if start < until), timedelta(seconds=step_s), until)


def time_of(ulid: str) -> datetime:
    """Return the time in a ULID."""
    moment_ms = 0
    for digit in ulid[:_TIME_CHARS]:
        moment_ms = moment_ms << 5 | _ULID_DIGITS[digit]
    return datetime.fromtimestamp(moment_ms / 1000, UTC)
