"""Watches the use of budgets and the lines of batches, for metrics."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from typing import NamedTuple

from headgate.batches import store as batch_store
from headgate.finops.parts import FinOps
from headgate.kernel.errors import HeadgateError
from headgate.kernel.identity import TenantId
from headgate.server.metrics import TENANT, Family, Sample
from headgate.substrate.database import Database

_LOOK_S = 10.0
_MOST_BUDGETS = 200
_MOST_BATCHES = 200


class _Lines(NamedTuple):
    """The lines of the batches of a tenant that are kept, at most of the latest 200."""

    waiting: int = 0
    done: int = 0
    failed: int = 0


class UseWatch:
    """Looks at budgets and batches, so that a scrape never waits for the database."""

    def __init__(self, finops: FinOps, database: Database, tenants: Callable[[], Collection[TenantId]]) -> None:
        self._finops = finops
        self._database = database
        self._tenants = tenants
        self._budgets: Sequence[Sample] = ()
        self._lines: Sequence[Sample] = ()

    async def run_forever(self) -> None:
        """Look in a loop until cancelled."""
        while True:
            with suppress(HeadgateError):  # the last figures stay while the database is away
                await self.look()
            await asyncio.sleep(_LOOK_S)

    async def look(self) -> None:
        """Look once."""
        budgets: list[Sample] = []
        lines: list[Sample] = []
        for tenant in self._tenants():
            budgets += await self._ratios(tenant)
            counts = await self._counts(tenant)
            lines += [Sample((tenant, state), float(count)) for state, count in counts._asdict().items()]
        self._budgets, self._lines = budgets, lines

    def families(self) -> Iterator[Family]:
        """Yield the metrics as of the last look."""
        text = "Use of a budget in its current period, as a share of its limit."
        yield Family("headgate_budget_used_ratio", "gauge", text, (TENANT, "budget"), list(self._budgets))
        text = "Lines of kept batches: waiting, done or failed."
        yield Family("headgate_batch_lines", "gauge", text, (TENANT, "state"), list(self._lines))

    async def _ratios(self, tenant: TenantId) -> list[Sample]:
        budgets = list(self._finops.book.of(tenant))[:_MOST_BUDGETS]
        if not budgets:
            return []
        used = await self._finops.budgets_used(tenant, budgets)
        limits = {one.id: one.limit for one in budgets}
        return [Sample((tenant, id_), use.used / limits[id_]) for id_, use in used.items()]

    async def _counts(self, tenant: TenantId) -> _Lines:
        async with self._database.transaction(tenant=tenant) as tx:
            rows = await batch_store.batches(
                tx, tenant=tenant, owner=None, wire=None, now=self._finops.clock.now(), limit=_MOST_BATCHES
            )
        return _Lines(
            waiting=sum(row.total - row.ended for row in rows if row.ended_at is None),
            done=sum(row.succeeded for row in rows),
            failed=sum(row.errored + row.expired for row in rows),
        )
