"""An in-memory store of limits, shared by several workers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from headgate.gateway.allowances import Wanted
from headgate.gateway.leases import Kind, LeaseAnswer, LeaseReport, Window
from headgate.kernel.errors import Unavailable


@dataclass(slots=True)
class FakeWindows:
    """The share of every worker in every window: spent, held and spare.

    Args:
        fails: whether every call fails, before or after the write.
    """

    parts: dict[Window, dict[str, tuple[int, int, int]]] = field(
        default_factory=dict[Window, dict[str, tuple[int, int, int]]]
    )
    lost: set[str] = field(default_factory=set[str])
    fails: Literal["no", "before", "after"] = "no"
    calls: int = 0

    def taken(self, kind: Kind = "cost") -> int:
        """Return the sum over all windows of a kind."""
        places = [parts for place, parts in self.parts.items() if place.kind == kind]
        return sum(sum(part) for parts in places for part in parts.values())

    def store(self, worker: str) -> FakeAllowances:
        """Return the store as one worker sees it."""
        return FakeAllowances(self, worker)


@dataclass(slots=True)
class FakeAllowances:
    """Implements `Allowances`; a waiting worker delivers its request to the other workers."""

    windows: FakeWindows
    worker: str

    async def sync(self, place: Window, report: LeaseReport) -> LeaseAnswer:
        """As `Allowances.sync`."""
        windows = self.windows
        windows.calls += 1
        await asyncio.sleep(0)
        if windows.fails == "before":
            raise Unavailable("the windows are away", retry_after_s=1.0)
        parts = windows.parts.setdefault(place, {})
        others = {name: part for name, part in parts.items() if name != self.worker}
        free = report.cap - sum(map(sum, others.values())) - report.spent - report.held
        report.granted = report.grant(free)
        parts[self.worker] = (report.spent, report.held, report.granted)
        await asyncio.sleep(0)
        if windows.fails == "after":
            raise Unavailable("the windows went away", retry_after_s=1.0)
        living = [part for name, part in others.items() if name not in windows.lost]
        return LeaseAnswer(free, spare=sum(part[2] for part in living), held=sum(part[1] for part in living))

    async def check(self) -> None:
        """As `Allowances.check`."""
        if self.windows.fails != "no":
            raise Unavailable("the windows are away", retry_after_s=1.0)

    @asynccontextmanager
    async def wanted(self) -> AsyncGenerator[Any]:
        """Return a stream without any request."""
        yield self._no_calls()

    async def forget(self, tenant: str, *, now: datetime) -> None:
        """As `Allowances.forget`."""
        for place in list(self.windows.parts):
            kept = timedelta(hours=1) if place.is_short else timedelta(days=34)
            if place.tenant == tenant and place.end < now - kept:
                del self.windows.parts[place]

    async def _no_calls(self) -> AsyncGenerator[Wanted]:
        for call in ():
            yield call
