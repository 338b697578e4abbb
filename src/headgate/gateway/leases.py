"""One worker's lease of one window of a key's limit: plain arithmetic, without I/O.

Every window has one sum in the store, `taken`. Each worker's part of it is `spent + held + left`: what its calls have
cost, what its calls in flight may cost, and what it may still admit without asking the store.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

Kind = Literal["requests", "cost"]

LENGTHS: dict[Kind, timedelta] = {"requests": timedelta(minutes=1), "cost": timedelta(days=1)}

_LARGEST_PART = 32
_CALLS = 16
_MOST_CALLS = 1024
_SOON_S = 1.0
_LONG_S = 10.0
_IDLE = timedelta(seconds=_LONG_S)
_UNSURE = (-1, -1)


class Place(NamedTuple):
    """A window of a key's limit."""

    tenant: str
    key_id: str
    kind: Kind
    start: datetime

    @property
    def end(self) -> datetime:
        """When the window ends."""
        return self.start + LENGTHS[self.kind]


@dataclass(slots=True)
class Report:
    """What a worker tells the store of its part, and what it asks for.

    Args:
        spent: what its calls have cost in this window so far.
        held: what its calls in flight may cost.
        need: what has to fit beside that.
        spare: what it would like beyond the need, at most.
        granted: set by the store just before it commits: need and spare, or 0 where the need did not fit.
    """

    spent: int
    held: int
    need: int
    spare: int
    cap: int
    granted: int | None = None

    def grant(self, free: int) -> int:
        """Return how much of what is free the worker gets: all that it needs or nothing, and a small part beyond.

        Near the cap nothing is given in advance, so that no worker keeps what another needs.
        """
        if not 0 < self.need <= free:
            return 0
        spare = min(self.spare, (free - self.need) // _LARGEST_PART)
        return self.need + (spare if spare >= self.need else 0)


class Answer(NamedTuple):
    """What the store answers.

    Args:
        free: what of the cap no worker had, before anything was granted.
        spare: what living workers have leased and not reserved.
        held: what calls in flight at living workers may cost.
    """

    free: int
    spare: int = 0
    held: int = 0


@dataclass(slots=True)
class Lease:
    """One worker's part of a window.

    Args:
        left: may be negative: a call cost more than was reserved for it.
        is_near: the cap is so near that what is not reserved goes back at once.
        is_wanted: another worker asked for what is not reserved here.
        is_alone: the store is away and this worker counts by itself.
        is_stale: the cap has changed since the store was asked.
    """

    place: Place
    cap: int
    start: datetime
    end: datetime
    used_at: datetime
    spent: int = 0
    held: int = 0
    left: int = 0
    is_near: bool = False
    is_wanted: bool = False
    is_alone: bool = False
    is_stale: bool = False
    refused: tuple[int, Answer] | None = None
    refused_s: float = 0.0
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    _told: tuple[int, int] = (0, 0)
    _calls: int = _CALLS
    _leased_s: float = -_LONG_S

    def take(self, amount: int) -> bool:
        """Reserve an amount of what is left; False where it does not fit."""
        if self.left < amount or self.is_stale:
            return False
        self.left -= amount
        self.held += amount
        return True

    def settle(self, amount: int, cost: int) -> None:
        """Turn a reservation into what it cost."""
        self.held -= amount
        self.left += amount - cost
        self.spent += cost

    def is_due(self, now: datetime) -> bool:
        """Whether the store should hear of this part now."""
        if self.left == 0 and (self.spent, self.held) == self._told:
            # A call that is in flight for long is told again, so that nobody takes its worker for dead.
            return self.is_wanted and self.held > 0
        is_at_once = self.left < 0 or self.is_near or self.is_wanted or self.is_alone
        return is_at_once or now - self.used_at >= _IDLE

    def is_told(self) -> bool:
        """Whether the store knows all there is to know of this part."""
        return self.left == self.held == 0 and self._told == (self.spent, 0)

    def begin(self, *, need: int, now_s: float) -> tuple[Report, int]:
        """Return the report for the store, and what was left: nothing can be taken of it until `finish` or `fail`."""
        spare = self._calls_ahead(now_s) * need if need and not self.is_wanted else 0
        left, self.left, self.refused = self.left, 0, None
        return Report(self.spent, self.held, need, spare, self.cap), left

    def finish(self, report: Report, *, now_s: float) -> None:
        """Take what the store granted."""
        granted = report.granted or 0
        self.left += granted
        self._told = (report.spent, report.held)
        self.is_wanted = self.is_alone = self.is_stale = False
        if report.need:
            self.is_near = granted <= report.need
            self._leased_s = now_s

    def fail(self, report: Report, left: int) -> None:
        """Take back what was left, or less where the store may have committed all the same."""
        if report.granted is None:
            self.left += left
        else:
            self.left += min(left, report.granted)
            self._told = _UNSURE

    def lend(self) -> None:
        """Count by itself against the whole limit, while the store is away."""
        self.is_alone = True
        self.left = self.cap - self.spent - self.held

    def _calls_ahead(self, now_s: float) -> int:
        """Return for how many calls like this one to lease: more for a key that comes back soon."""
        since_s = now_s - self._leased_s
        if since_s < _SOON_S:
            self._calls = min(self._calls * 2, _MOST_CALLS)
        elif since_s >= _LONG_S:
            self._calls = _CALLS
        return self._calls


def start_of(kind: Kind, now: datetime) -> datetime:
    """Return when the window of a moment began: a minute of requests, a UTC day of money."""
    if kind == "requests":
        return now.replace(second=0, microsecond=0)
    return now.replace(hour=0, minute=0, second=0, microsecond=0)
