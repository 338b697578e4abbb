"""When people and services were last seen: noted in memory, and written by a job every few minutes."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Collection
from datetime import timedelta

from headgate.kernel.errors import Conflict
from headgate.kernel.identity import TenantId
from headgate.kernel.ports import Clock
from headgate.people import store
from headgate.substrate.database import Database

EVERY = timedelta(minutes=3)
"""Each person and session is written at most once in this time, whatever the number of workers."""

_MOST_NOTES = 100_000


class LastSeen:
    """The people and sessions that this worker has seen since the last write.

    A note is one look-up in a set, so that every request can make one.

    Args:
        registered: returns the ids that are registered; others are not written.
    """

    def __init__(self, database: Database, *, clock: Clock, registered: Callable[[TenantId], Collection[str]]) -> None:
        self._database = database
        self._clock = clock
        self._registered = registered
        self._notes: set[tuple[TenantId, str, str | None]] = set()

    def note(self, tenant: TenantId, principal: str, session: str | None) -> None:
        """Note that a principal sent a request, in a session or by a key."""
        if len(self._notes) < _MOST_NOTES:
            self._notes.add((tenant, principal, session))

    async def write(self) -> None:
        """Write the notes: two statements for each tenant.

        Raises:
            Unavailable: the database is away. The notes of this round are lost.
        """
        notes, self._notes = self._notes, set()
        by_tenant: dict[TenantId, list[tuple[str, str | None]]] = defaultdict(list)
        for tenant, principal, session in notes:
            by_tenant[tenant].append((principal, session))
        for tenant, seen in by_tenant.items():
            await self._write(tenant, seen)

    async def run_forever(self) -> None:
        """Write the notes every few minutes, until cancelled."""
        while True:
            await asyncio.sleep(EVERY.total_seconds())
            await self.write()

    async def _write(self, tenant: TenantId, seen: Collection[tuple[str, str | None]]) -> None:
        registered, now = self._registered(tenant), self._clock.now()
        principals = sorted({principal for principal, _ in seen if principal in registered})
        sessions = sorted({session for _, session in seen if session is not None})
        try:
            async with self._database.transaction(tenant=tenant) as tx:
                await store.note(tx, principals, sessions, tenant=tenant, now=now, before=now - EVERY)
        except Conflict:  # somebody was removed meanwhile; the next round has the others
            return
