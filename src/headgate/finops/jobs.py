"""Counts the records of every tenant into the rollups, and deletes old rows.

One transaction adds a batch to the rollups and moves the cursor, so each record counts once: after a crash either both
are stored or neither. Records that come late have a later place in the log.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from headgate.finops import store
from headgate.finops.spread import KEPT, oldest, spread, wider
from headgate.finops.store import Edition
from headgate.finops.tally import Series, Tally
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


@dataclass(frozen=True, slots=True)
class _Known:
    """Numbers of series of one edition.

    Args:
        narrow: of a series of any other facet than `each`.
        wide: of a series of the facet `each`, see `spread.SeriesIds`.
    """

    narrow: dict[Series, int] = field(default_factory=dict[Series, int])
    wide: dict[Series, tuple[int, ...]] = field(default_factory=dict[Series, tuple[int, ...]])


class _Counted(NamedTuple):
    """A batch: how many records it had, and the numbers of its new series."""

    records: int
    new: _Known


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
        self._known: dict[tuple[TenantId, int], _Known] = {}
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
        added: dict[tuple[TenantId, int], _Known] = {}
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
                    self._known.pop((tenant, edition.edition), None)
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
            return _Counted(0, _Known())
        tally = await asyncio.to_thread(self._tally, page)
        needed, known = tally.series, self._known.get((tenant, edition.edition), _Known())
        new = await self._new_series(tx, needed - known.wide.keys(), edition, known, tenant=tenant)
        ids = {series: new.wide.get(series) or known.wide[series] for series in needed}
        rows = await asyncio.to_thread(spread, tally, ids, now=self._clock.now())
        await store.add(tx, rows, edition, tenant=tenant)
        await store.move_cursor(tx, edition, page.cursor, tenant=tenant)
        return _Counted(page.count, new)

    def _tally(self, page: FiguresPage) -> Tally:
        tally = Tally(self._metered)
        for figures in page.figures:
            tally.add(figures)
        return tally

    async def _new_series(
        self, tx: Transaction, missing: Collection[Series], edition: Edition, known: _Known, *, tenant: TenantId
    ) -> _Known:
        """Number the series that are not known yet."""
        all_of = {series: wider(series) for series in missing}
        unknown = {one for some in all_of.values() for one in some if one not in known.narrow}
        ids = await store.series_ids(tx, list(unknown), edition, tenant=tenant)
        wide = {series: tuple(ids.get(one) or known.narrow[one] for one in some) for series, some in all_of.items()}
        return _Known({series: number for series, number in ids.items() if series.facet != "each"}, wide)

    def _remember(self, key: tuple[TenantId, int], new: _Known) -> None:
        known = self._known.setdefault(key, _Known())
        if len(known.wide) + len(new.wide) > _CACHED_SERIES:
            known.wide.clear()
            known.narrow.clear()
        known.wide.update(new.wide)
        known.narrow.update(new.narrow)

    async def _forget_in_time(self, tenants: Collection[TenantId]) -> None:
        now = self._clock.now()
        if self._forgot_at is not None and now - self._forgot_at < _FORGET_EVERY:
            return
        self._forgot_at = now
        for tenant in tenants:
            await self.forget(tenant)
