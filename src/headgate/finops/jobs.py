"""Counts the records of every tenant into the rollups, and deletes old rows.

One transaction adds a batch to the rollups and moves the cursor, so each record counts once: after a crash either both
are stored or neither. Records that come late have a later place in the log.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from headgate.finops import store
from headgate.finops.spread import KEPT, Spread, oldest, spread
from headgate.finops.store import Edition, SeriesIds
from headgate.finops.tally import Tally
from headgate.kernel.identity import TenantId
from headgate.kernel.ports import Clock, FiguresPage, Records
from headgate.substrate.background_jobs import FailureLog
from headgate.substrate.database import Database, Transaction

BATCH: Final = 2_000
_LOOK_S: Final = 4.0
"""Longer than figures need to look current, because a larger batch touches fewer rows for each record."""
_FORGET_EVERY: Final = timedelta(hours=1)
_DELETED_AT_ONCE: Final = 5_000
_DROPPED_AT_ONCE: Final = 500
_CACHED_SERIES: Final = 200_000


class _Counted(NamedTuple):
    """A batch: how many records it had, and the ids of its new series."""

    records: int
    new: SeriesIds


class Rollups:
    """Keeps the rollups of all tenants. One for each worker; a lock in the database lets one count at a time.

    Args:
        records: returns the feed of records.
        metered: see `tally.metered_verbs`.
    """

    def __init__(
        self,
        database: Database,
        *,
        records: Callable[[], Records],
        metered: Mapping[str, Collection[str]],
        clock: Clock,
        batch: int = BATCH,
    ) -> None:
        self._database = database
        self._records = records
        self._metered = metered
        self._clock = clock
        self._batch = batch
        self._ids: dict[tuple[TenantId, int], SeriesIds] = {}
        self._forgot_at: datetime | None = None

    async def run_forever(self, tenants: Callable[[], Collection[TenantId]]) -> None:
        """Count until cancelled."""
        troubles: dict[TenantId, FailureLog] = {}
        while True:
            is_behind = False
            for tenant in tenants():
                trouble = troubles.setdefault(tenant, FailureLog("usage_not_counted", tenant=tenant))
                try:
                    is_behind |= await self.count(tenant)
                    trouble.is_over()
                except Exception as error:  # noqa: BLE001 - it is logged, once for each cause
                    trouble.tell(error)
            if not is_behind:
                await self._forget_in_time(tenants())
                await asyncio.sleep(_LOOK_S)

    async def catch_up(self, tenant: TenantId) -> None:
        """Count every record that is in the log now, after another worker that counts at the moment."""
        while await self.count(tenant, waits=True):
            pass

    async def count(self, tenant: TenantId, *, waits: bool = False) -> bool:
        """Count one batch into each edition, and return whether there may be more to do.

        Args:
            waits: wait for another worker that counts. Otherwise leave the batch to it.
        """
        added: dict[tuple[TenantId, int], SeriesIds] = {}
        is_behind = False
        async with self._database.transaction(tenant=tenant) as tx:
            if not await store.lock(tx, tenant=tenant, waits=waits):
                return False
            found = await store.editions(tx, tenant=tenant)
            if not any(one.state == "current" for one in found):
                await store.begin_edition(tx, "current", tenant=tenant)
                return True
            for edition in found:
                if edition.state == "old":
                    is_behind |= await store.drop(tx, edition, tenant=tenant, limit=_DROPPED_AT_ONCE)
                    self._ids.pop((tenant, edition.edition), None)
                    continue
                batch = await self._count_into(tx, edition, tenant)
                added[tenant, edition.edition] = batch.new
                is_behind |= batch.records == self._batch or edition.state == "building"
        # Only now: after a rollback the ids of new series do not exist.
        for key, new in added.items():
            self._remember(key, new)
        return is_behind

    async def rebuild(self, tenant: TenantId) -> bool:
        """Begin to count everything again, beside the current figures. Return False if that is under way already."""
        async with self._database.transaction(tenant=tenant) as tx:
            return await store.begin_edition(tx, "building", tenant=tenant)

    async def forget(self, tenant: TenantId) -> None:
        """Delete the rows whose retention is over."""
        now = self._clock.now()
        for grain in KEPT:
            before = oldest(grain, now)
            assert before is not None
            is_more = True
            while is_more:
                async with self._database.transaction(tenant=tenant) as tx:
                    is_more = await store.forget(tx, grain, before=before, tenant=tenant, limit=_DELETED_AT_ONCE)

    async def _count_into(self, tx: Transaction, edition: Edition, tenant: TenantId) -> _Counted:
        page = await self._records().figures_after(edition.cursor, tenant=tenant, limit=self._batch)
        if page.cursor is None:
            if edition.state == "building":
                await store.promote(tx, edition, tenant=tenant)
            return _Counted(0, {})
        rows = await asyncio.to_thread(self._spread, page)
        known, needed = self._ids.get((tenant, edition.edition), {}), rows.series
        missing = [series for series in needed if series not in known]
        new = await store.series_ids(tx, missing, edition, tenant=tenant)
        ids = {**new, **{series: known[series] for series in needed if series not in new}}
        await store.add(tx, rows, ids, edition, tenant=tenant)
        await store.move_cursor(tx, edition, page.cursor, tenant=tenant)
        return _Counted(page.count, new)

    def _spread(self, page: FiguresPage) -> Spread:
        tally = Tally(self._metered)
        for figures in page.figures:
            tally.add(figures)
        return spread(tally, now=self._clock.now())

    def _remember(self, key: tuple[TenantId, int], new: SeriesIds) -> None:
        known = self._ids.setdefault(key, {})
        if len(known) + len(new) > _CACHED_SERIES:
            known.clear()
        known.update(new)

    async def _forget_in_time(self, tenants: Collection[TenantId]) -> None:
        now = self._clock.now()
        if self._forgot_at is not None and now - self._forgot_at < _FORGET_EVERY:
            return
        self._forgot_at = now
        for tenant in tenants:
            await self.forget(tenant)
