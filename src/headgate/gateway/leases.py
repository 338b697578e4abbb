"""One worker's lease of one window of a limit: plain arithmetic, without I/O.

The store holds one sum for each window, `taken`. Each worker's share is `spent + held + left`: the
cost of its finished calls, the reserved cost of its calls in flight, and the amount that it may
still admit without asking the store.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Literal, NamedTuple

Kind = Literal["requests", "cost", "tokens", "concurrency"]
"""What a window counts. Cost is in micro-units; concurrency is calls in flight, of which nothing is ever spent."""

UNLIMITED: Final = 1 << 60
"""The cap of a window that is only counted."""

_LARGEST_PART = 32
_CALLS = 16
_MOST_CALLS = 1024
_SOON_S = 1.0
_LONG_S = 10.0
_IDLE = timedelta(seconds=_LONG_S)
_FRESH = timedelta(seconds=4)
_UNSURE = (-1, -1, -1)


class Window(NamedTuple):
    """A window of a limit.

    Args:
        subject: the id of a key, or the subject of a budget.
    """

    tenant: str
    subject: str
    kind: Kind
    start: datetime
    end: datetime

    @property
    def is_short(self) -> bool:
        """Whether it ends before its count matters to anybody else, such as a minute."""
        return self.end - self.start <= timedelta(minutes=1)


@dataclass(slots=True)
class LeaseReport:
    """A worker's report to the store about its share, with a request for more.

    Args:
        spent: the cost of its finished calls in this window.
        held: the reserved cost of its calls in flight.
        need: the amount that it needs now.
        spare: the amount that it would like beyond the need, at most.
        refused: how many calls it refused in this window.
        granted: need and spare, or 0 if the need did not fit. The store sets it just before it
            commits.
    """

    spent: int
    held: int
    need: int
    spare: int
    cap: int
    refused: int = 0
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
        is_watched: people watch its count, so a change is reported within seconds.
        left: negative when a call cost more than its reservation.
        refused: how many calls were refused.
        is_near: the cap is near, so unreserved amounts go back at once.
        is_wanted: another worker asked for the unreserved amount.
        is_alone: the store is down and this worker counts by itself.
        is_stale: the cap has changed since the last answer of the store.
        refusal: the last refused amount with the store's answer, at `refusal_s`.
    """

    place: Window
    cap: int
    used_at: datetime
    is_watched: bool = False
    spent: int = 0
    held: int = 0
    left: int = 0
    refused: int = 0
    is_near: bool = False
    is_wanted: bool = False
    is_alone: bool = False
    is_stale: bool = False
    refusal: tuple[int, LeaseAnswer] | None = None
    refusal_s: float = 0.0
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    _told: tuple[int, int, int] = (0, 0, 0)
    _told_at: datetime | None = None
    _calls: int = _CALLS
    _leased_s: float = -_LONG_S

    @property
    def end(self) -> datetime:
        """The end of its window."""
        return self.place.end

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
        is_old = self._told_at is None or now - self._told_at >= _FRESH
        if self.place.kind == "concurrency" and is_old and (self.held or self.left):
            return True  # the store drops a share of calls in flight that nobody renews
        if self.left == 0 and self._state() == self._told:
            # LeaseReport a long call again, so that other workers do not take this one for dead.
            return self.is_wanted and self.held > 0
        is_at_once = self.left < 0 or self.is_near or self.is_wanted or self.is_alone
        is_news = self.is_watched and is_old and self._state() != self._told
        return is_at_once or is_news or now - self.used_at >= _IDLE

    def is_told(self) -> bool:
        """Whether the store knows the final state of this share."""
        return self.left == self.held == 0 and self._told == (self.spent, 0, self.refused)

    def begin(self, *, need: int, now_s: float) -> tuple[LeaseReport, int]:
        """Return the report for the store, and the amount left, which is locked until the answer.

        `finish` or `fail` ends the lock.
        """
        spare = self._calls_ahead(now_s) * need if need and not self.is_wanted else 0
        left, self.left, self.refusal = self.left, 0, None
        return LeaseReport(self.spent, self.held, need, spare, self.cap, self.refused), left

    def finish(self, report: LeaseReport, *, now: datetime, now_s: float) -> None:
        """Add the granted amount."""
        granted = report.granted or 0
        self.left += granted
        self._told, self._told_at = (report.spent, report.held, report.refused), now
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

    def _state(self) -> tuple[int, int, int]:
        return self.spent, self.held, self.refused

    def _calls_ahead(self, now_s: float) -> int:
        """Return the number of calls to lease for; it grows for a key with frequent leases."""
        since_s = now_s - self._leased_s
        if since_s < _SOON_S:
            self._calls = min(self._calls * 2, _MOST_CALLS)
        elif since_s >= _LONG_S:
            self._calls = _CALLS
        return self._calls
