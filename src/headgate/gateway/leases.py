"""One worker's lease of one window of a key's limit: plain arithmetic, without I/O.

The store holds one sum for each window, `taken`. Each worker's share is `spent + held + left`: the
cost of its finished calls, the reserved cost of its calls in flight, and the amount that it may
still admit without asking the store.
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


class Window(NamedTuple):
    """A window of a key's limit."""

    tenant: str
    key_id: str
    kind: Kind
    start: datetime

    @property
    def end(self) -> datetime:
        """The end of the window."""
        return self.start + LENGTHS[self.kind]


@dataclass(slots=True)
class LeaseReport:
    """A worker's report to the store about its share, with a request for more.

    Args:
        spent: the cost of its finished calls in this window.
        held: the reserved cost of its calls in flight.
        need: the amount that it needs now.
        spare: the amount that it would like beyond the need, at most.
        granted: need and spare, or 0 if the need did not fit. The store sets it just before it
            commits.
    """

    spent: int
    held: int
    need: int
    spare: int
    cap: int
    granted: int | None = None

    def grant(self, free: int) -> int:
        """Return the granted part of the free amount: the whole need or nothing, and a small spare.

        Near the cap there is no spare, so that no worker keeps an amount that another one needs.
        """
        if not 0 < self.need <= free:
            return 0
        spare = min(self.spare, (free - self.need) // _LARGEST_PART)
        return self.need + (spare if spare >= self.need else 0)


class LeaseAnswer(NamedTuple):
    """The store's answer to a report.

    Args:
        free: the part of the cap that no worker had, before the grant.
        spare: the amount that live workers have leased and not reserved.
        held: the reserved cost of calls in flight at live workers.
    """

    free: int
    spare: int = 0
    held: int = 0


@dataclass(slots=True)
class Lease:
    """One worker's share of a window.

    Args:
        left: negative when a call cost more than its reservation.
        is_near: the cap is near, so unreserved amounts go back at once.
        is_wanted: another worker asked for the unreserved amount.
        is_alone: the store is down and this worker counts by itself.
        is_stale: the cap has changed since the last answer of the store.
    """

    place: Window
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
    refused: tuple[int, LeaseAnswer] | None = None
    refused_s: float = 0.0
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    _told: tuple[int, int] = (0, 0)
    _calls: int = _CALLS
    _leased_s: float = -_LONG_S

    def take(self, amount: int) -> bool:
        """Reserve an amount; False if it does not fit."""
        if self.left < amount or self.is_stale:
            return False
        self.left -= amount
        self.held += amount
        return True

    def settle(self, amount: int, cost: int) -> None:
        """Replace a reservation by its cost."""
        self.held -= amount
        self.left += amount - cost
        self.spent += cost

    def is_due(self, now: datetime) -> bool:
        """Whether this share should be reported to the store now."""
        if self.left == 0 and (self.spent, self.held) == self._told:
            # LeaseReport a long call again, so that other workers do not take this one for dead.
            return self.is_wanted and self.held > 0
        is_at_once = self.left < 0 or self.is_near or self.is_wanted or self.is_alone
        return is_at_once or now - self.used_at >= _IDLE

    def is_told(self) -> bool:
        """Whether the store knows the final state of this share."""
        return self.left == self.held == 0 and self._told == (self.spent, 0)

    def begin(self, *, need: int, now_s: float) -> tuple[LeaseReport, int]:
        """Return the report for the store, and the amount left, which is locked until the answer.

        `finish` or `fail` ends the lock.
        """
        spare = self._calls_ahead(now_s) * need if need and not self.is_wanted else 0
        left, self.left, self.refused = self.left, 0, None
        return LeaseReport(self.spent, self.held, need, spare, self.cap), left

    def finish(self, report: LeaseReport, *, now_s: float) -> None:
        """Add the granted amount."""
        granted = report.granted or 0
        self.left += granted
        self._told = (report.spent, report.held)
        self.is_wanted = self.is_alone = self.is_stale = False
        if report.need:
            self.is_near = granted <= report.need
            self._leased_s = now_s

    def fail(self, report: LeaseReport, left: int) -> None:
        """Restore the amount left, or less if the store may have committed despite the error."""
        if report.granted is None:
            self.left += left
        else:
            self.left += min(left, report.granted)
            self._told = _UNSURE

    def lend(self) -> None:
        """Count alone against the whole limit while the store is down."""
        self.is_alone = True
        self.left = self.cap - self.spent - self.held

    def _calls_ahead(self, now_s: float) -> int:
        """Return the number of calls to lease for; it grows for a key with frequent leases."""
        since_s = now_s - self._leased_s
        if since_s < _SOON_S:
            self._calls = min(self._calls * 2, _MOST_CALLS)
        elif since_s >= _LONG_S:
            self._calls = _CALLS
        return self._calls


def start_of(kind: Kind, now: datetime) -> datetime:
    """Return the start of the current window: a minute for requests, a UTC day for money."""
    if kind == "requests":
        return now.replace(second=0, microsecond=0)
    return now.replace(hour=0, minute=0, second=0, microsecond=0)
