"""Periods of figures: which time they cover, and in which steps."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from headgate.finops.spread import oldest
from headgate.finops.tally import GRAINS, Grain
from headgate.kernel.errors import Invalid

_SPAN: Final = re.compile(r"([1-9][0-9]{0,3})([mhd])", re.ASCII)
_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days"}
_LONGEST: Final = timedelta(days=3660)
_MOST_STEPS: Final = 750
_STEPS: Final[tuple[tuple[timedelta, int, Grain], ...]] = (
    (timedelta(hours=3), 60, "minute"),
    (timedelta(hours=12), 300, "minute"),
    (timedelta(days=1, hours=1), 900, "minute"),
    (timedelta(days=8), 3600, "hour"),
    (_LONGEST, 86_400, "day"),
)
_LENGTHS: Final[dict[Grain, int]] = {"minute": 60, "hour": 3600, "day": 86_400}


@dataclass(frozen=True, slots=True)
class Period:
    """A period in steps. `since` is the start of a step; `until` is exact.

    Args:
        step_s: length of a step, for series over time.
        grain: of the rows that are read.
    """

    since: datetime
    until: datetime
    step_s: int
    grain: Grain

    @property
    def before(self) -> Period:
        """The period of the same length that ends where this one begins."""
        length = self.until - self.since
        return Period(self.since - length, self.since, self.step_s, self.grain)

    @property
    def starts(self) -> list[datetime]:
        """The starts of its steps."""
        step, count = timedelta(seconds=self.step_s), 0
        found: list[datetime] = []
        while (start := self.since + step * count) < self.until:
            found.append(start)
            count += 1
        return found


class Span(NamedTuple):
    """Rows of one grain that begin in a time."""

    grain: Grain
    since: datetime
    until: datetime


def spans_of(period: Period, *, now: datetime) -> list[Span]:
    """Return the fewest rows that add up to a whole period: coarse rows inside it, and finer ones at its ends.

    Where a period reaches until now, its newest coarse row counts whole, because nothing is later.
    """
    newest = _floor(period.until, _LENGTHS[period.grain])
    reaches_now = now < newest + timedelta(seconds=_LENGTHS[period.grain])
    return _cover(period.grain, period.since, period.until, reaches_now=reaches_now)


def _cover(grain: Grain, since: datetime, until: datetime, *, reaches_now: bool) -> list[Span]:
    coarser = GRAINS[GRAINS.index(grain) + 1 :]
    if coarser:
        length_s = _LENGTHS[coarser[0]]
        begin, end = _floor(since, length_s), until if reaches_now else _floor(until, length_s)
        if begin < since:
            begin += timedelta(seconds=length_s)
        if begin < end:
            inside = _cover(coarser[0], begin, end, reaches_now=reaches_now)
            ends = (Span(grain, since, begin), Span(grain, end, until))
            return [*inside, *(span for span in ends if span.since < span.until)]
    return [Span(grain, since, until)]


def period_of(
    *, span: str | None, since: datetime | None, until: datetime | None, grain: str | None, now: datetime
) -> Period:
    """Return the period that a request asks for: by default the last seven days.

    Raises:
        Invalid: it is empty, too long, malformed, or older than the rows of the grain.
    """
    if span is not None and since is not None:
        raise Invalid("write span or since, not both", param="span")
    end = until or now
    start = since if since is not None else end - _length(span or "7d")
    if not start < end:
        raise Invalid("since must be before until", param="since")
    if end - start > _LONGEST:
        raise Invalid("a period has at most 10 years", param="since")
    step_s, chosen = _step(end - start) if grain in (None, "auto") else _given(grain or "")
    if grain in (None, "auto"):
        while (first := oldest(chosen, now)) is not None and start < first:
            step_s, chosen = (3600, "hour") if chosen == "minute" else (86_400, "day")
    if (end - start).total_seconds() / step_s > _MOST_STEPS:
        raise Invalid(
            f"a series has at most {_MOST_STEPS} steps; choose a coarser grain or a shorter period", param="grain"
        )
    begin = _floor(start, step_s)
    if since is None and begin < start:
        begin += timedelta(seconds=step_s)  # as many steps as the span has, the present one included
    return Period(begin, end, step_s, chosen)


def _length(span: str) -> timedelta:
    found = _SPAN.fullmatch(span)
    if found is None:
        raise Invalid("write a number and m, h or d, such as 7d", param="span")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def _step(length: timedelta) -> tuple[int, Grain]:
    return next((step_s, grain) for longest, step_s, grain in _STEPS if length <= longest)


def _given(grain: str) -> tuple[int, Grain]:
    for known, length_s in _LENGTHS.items():
        if grain == known:
            return length_s, known
    raise Invalid("grain must be auto, minute, hour or day", param="grain")


def _floor(moment: datetime, step_s: int) -> datetime:
    seconds = int(moment.timestamp())
    return datetime.fromtimestamp(seconds - seconds % step_s, UTC)
