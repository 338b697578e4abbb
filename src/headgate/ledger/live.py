"""Live records: one poll of the feed for all watchers. A slow watcher does not delay the others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import structlog

from headgate.admin.requests import event
from headgate.kernel.errors import HeadgateError, OverBudget
from headgate.kernel.identity import TenantId
from headgate.ledger.leaves import Leaf
from headgate.ledger.reader import LedgerReader
from headgate.ledger.views import leaf_view

log = structlog.get_logger(__name__)

POLL_S = 0.25
_PAGE = 200
_PAGES = 10
_WAITING = 512
_WATCHERS = 256


class Watcher:
    """One watcher with a bounded queue. After an overflow `is_behind` is true and no more events come."""

    __slots__ = ("is_behind", "waiting")

    def __init__(self) -> None:
        self.waiting: asyncio.Queue[bytes] = asyncio.Queue(_WAITING)
        self.is_behind = False

    def offer(self, event: bytes) -> None:
        """Add an event unless the queue is full."""
        if not self.is_behind:
            try:
                self.waiting.put_nowait(event)
            except asyncio.QueueFull:
                self.is_behind = True


class _Watched:
    """A watched tenant: the cursor in its feed, and its watchers."""

    __slots__ = ("cursor", "watchers")

    def __init__(self, cursor: str | None) -> None:
        self.cursor = cursor
        self.watchers: set[Watcher] = set()


class LiveRecords:
    """The tail of every watched log. One per worker; `run_forever` belongs to its task group."""

    def __init__(self, records: LedgerReader) -> None:
        self._records = records
        self._watched: dict[TenantId, _Watched] = {}
        self._is_watched = asyncio.Event()

    async def run_forever(self, *, every_s: float = POLL_S) -> None:
        """Poll the watched feeds until cancelled."""
        while True:
            await self._is_watched.wait()
            for tenant in list(self._watched):
                try:
                    # A full page means that more follow. Bounded, so that a busy tenant does not starve the others.
                    for _ in range(_PAGES):
                        if await self._look(tenant) < _PAGE:
                            break
                except HeadgateError as error:
                    # The next poll tries again from the same cursor.
                    log.warning("records_not_followed", tenant=tenant, code=error.code)
            await asyncio.sleep(every_s)

    @asynccontextmanager
    async def watch(self, tenant: TenantId) -> AsyncGenerator[Watcher, None]:
        """Subscribe to the events of new records.

        Raises:
            OverBudget: the worker has its maximum number of watchers.
        """
        if sum(len(one.watchers) for one in self._watched.values()) >= _WATCHERS:
            raise OverBudget("too many people watch the records; use the list", retry_after_s=60.0)
        watched = self._watched.get(tenant)
        if watched is None:
            head = await self._records.log_head(tenant=tenant)
            # Another watcher may have subscribed during the query.
            watched = self._watched.setdefault(tenant, _Watched(str(head.size - 1) if head and head.size else None))
        watcher = Watcher()
        watched.watchers.add(watcher)
        self._is_watched.set()
        try:
            yield watcher
        finally:
            watched.watchers.discard(watcher)
            if not watched.watchers and self._watched.get(tenant) is watched:
                del self._watched[tenant]
            if not self._watched:
                self._is_watched.clear()

    async def _look(self, tenant: TenantId) -> int:
        """Send the next page to the watchers and return its number of records."""
        watched = self._watched.get(tenant)
        if watched is None:
            return 0
        page = await self._records.after(watched.cursor, tenant=tenant, limit=_PAGE)
        for record in page.records:
            shown = _event(record)
            for watcher in watched.watchers:
                watcher.offer(shown)
        watched.cursor = page.cursor or watched.cursor
        return len(page.records)


def _event(record: Mapping[str, Any]) -> bytes:
    return event("record", leaf_view(msgspec.convert(record, Leaf), record["leaf_index"]))
