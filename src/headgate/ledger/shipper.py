"""The shipper: carries what workers wrote into their journals into the database, and closes what the dead left open.

Every journal folder is tended by a task of its own, in the order of its frames: read what follows the mark, write it in
one transaction, move the mark. A crash in between ships the same frames again, which changes nothing. While the
database is away the frames stay where they are. A folder whose worker has died is buried once all of it is shipped: the
records it left open are closed as interrupted, and the folder goes.
"""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import dataclass
from pathlib import Path

import structlog

from headgate.kernel.errors import Conflict, HeadgateError
from headgate.kernel.ports import Clock
from headgate.ledger import store
from headgate.ledger.exclusive import held_alone, pause
from headgate.ledger.models import JournalEntry, decode_entry, encode_leaf
from headgate.ledger.recorder import interrupted
from headgate.substrate import journal as journals
from headgate.substrate.clock import SystemClock
from headgate.substrate.database import Database, PoolLimits
from headgate.substrate.database_address import DatabaseAddress
from headgate.substrate.journal import Position

log = structlog.get_logger(__name__)

_BATCH_RECORDS = 2_000
_BATCH_BYTES = 4 << 20
_BURIED_AT_ONCE = 500
_PREPARE_EVERY_S = 6 * 3600.0


@dataclass(frozen=True, slots=True)
class ShipperPace:
    """How often the shipper looks.

    Args:
        gather_s: after all that lay there was shipped: what comes meanwhile goes in one batch, since a batch costs
            about as much as fifty records do. A record is visible that much later at most.
        shortest_s: before the next look where nothing was found; grows to `longest_s`.
        grace_s: how long a folder must have been still before its worker is looked for.
        retry_s: the longest wait after a failure.
    """

    gather_s: float = 0.2
    shortest_s: float = 0.05
    longest_s: float = 0.1
    grace_s: float = 1.0
    retry_s: float = 2.0


@dataclass(frozen=True, slots=True)
class _Batch:
    """Frames for one transaction; `is_full` where more may follow."""

    entries: list[JournalEntry]
    after: Position
    is_full: bool


class Shipper:
    """Tends all folders below a journal's root. One for a root: `run_shipper` sees to that.

    Args:
        database: as the role `headgate_writer`.
        root: the folder that holds the workers' folders.
    """

    def __init__(self, database: Database, *, root: Path, clock: Clock, pace: ShipperPace | None = None) -> None:
        self._database = database
        self._root = root
        self._clock = clock
        self._pace = pace or ShipperPace()
        self._tended: set[str] = set()
        self._prepared_s: float | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Ship until `stop` is set; what is under way is finished."""
        async with asyncio.TaskGroup() as group:
            while not stop.is_set():
                for folder in await asyncio.to_thread(journals.folders, self._root):
                    if folder.name not in self._tended:
                        self._tended.add(folder.name)
                        group.create_task(self._tend(folder, stop))
                await pause(stop, self._pace.longest_s)

    async def drain(self) -> None:
        """Ship what lies there now and return; buries nobody.

        Raises:
            Unavailable: the database is away.
        """
        await self._prepare()
        for folder in await asyncio.to_thread(journals.folders, self._root):
            await self._ship_all(folder)

    async def _tend(self, folder: Path, stop: asyncio.Event) -> None:
        wait_s, failures, still_since_s = self._pace.shortest_s, 0, self._clock.monotonic()
        while not stop.is_set():
            try:
                await self._prepare()
                if await self._ship_all(folder, stop):
                    wait_s, failures, still_since_s = self._pace.shortest_s, 0, self._clock.monotonic()
                    await pause(stop, self._pace.gather_s)
                    continue
                if self._clock.monotonic() - still_since_s >= self._pace.grace_s and await self._bury(folder):
                    self._tended.discard(folder.name)
                    return
                failures = 0
                await pause(stop, wait_s)
                wait_s = min(wait_s * 1.5, self._pace.longest_s)
            except (HeadgateError, OSError) as problem:
                failures += 1
                _tell(folder, problem, failures)
                await pause(stop, min(0.1 * 2 ** min(failures, 10), self._pace.retry_s))

    async def _ship_all(self, folder: Path, stop: asyncio.Event | None = None) -> bool:
        """Ship what follows the mark, until `stop` is set; False where there was nothing.

        While the database writes one full batch, the next is read. What came while the last one was written is left
        for the next time: shipped at once, it would be a small batch after each batch for as long as there is load.
        """
        batch = await asyncio.to_thread(_read, folder, journals.shipped_mark(folder))
        has_shipped = batch is not None
        while batch is not None and not (stop and stop.is_set()):
            if not batch.is_full:
                await self._write(folder, batch)
                break
            ahead = asyncio.to_thread(_read, folder, batch.after)
            written, following = await asyncio.gather(self._write(folder, batch), ahead, return_exceptions=True)
            if written is not None:
                raise written
            if isinstance(following, BaseException):
                raise following
            batch = following
        return has_shipped

    async def _write(self, folder: Path, batch: _Batch) -> None:
        try:
            await self._ship(folder, batch, may_be_there=False)
        except Conflict:  # shipped before, by one that died before it moved the mark
            await self._ship(folder, batch, may_be_there=True)
        await asyncio.to_thread(journals.mark_shipped, folder, batch.after)

    async def _ship(self, folder: Path, batch: _Batch, *, may_be_there: bool) -> None:
        async with self._database.transaction(tenant=None) as tx:
            await store.ship(tx, batch.entries, worker=folder.name, may_be_there=may_be_there)

    async def _bury(self, folder: Path) -> bool:
        """Close what a dead worker left open and remove its folder; False where it lives or left something to ship.

        The worker is looked for first: what is read once it is dead is all there will ever be.
        """
        if journals.is_alive(folder) or await self._ship_all(folder):
            return False
        while await self._interrupt(folder.name):
            pass
        await asyncio.to_thread(shutil.rmtree, folder)
        log.debug("journal_finished", worker=folder.name)
        return True

    async def _interrupt(self, worker: str) -> bool:
        async with self._database.transaction(tenant=None) as tx:
            left = await store.openings_of(tx, worker=worker, limit=_BURIED_AT_ONCE)
            closed = [interrupted(leaf, at=self._clock.now()) for leaf in left]
            if closed:
                await store.close(tx, [encode_leaf(leaf) for leaf in closed], may_be_there=True)
        if closed:
            log.warning("records_interrupted", worker=worker, count=len(closed))
        return len(closed) == _BURIED_AT_ONCE

    async def _prepare(self) -> None:
        now_s = self._clock.monotonic()
        if self._prepared_s is None or now_s - self._prepared_s > _PREPARE_EVERY_S:
            async with self._database.transaction(tenant=None) as tx:
                await store.prepare_months(tx)
            self._prepared_s = now_s


async def run_shipper(journal_root: Path, database_address: DatabaseAddress, stop: asyncio.Event) -> None:
    """Be the shipper of a data folder until `stop` is set; waits while another process is.

    Args:
        journal_root: the folder that holds the workers' folders; made if missing.
        database_address: with the role `headgate_writer`.
    """
    limits = PoolLimits(size=4, statement_s=60.0)
    async with held_alone(journal_root / "shipper.lock", stop) as is_held:
        if is_held:
            async with Database(database_address, limits=limits) as database:
                await Shipper(database, root=journal_root, clock=SystemClock()).run(stop)


def _read(folder: Path, after: Position) -> _Batch | None:
    """The frames after a position, as many as go into one transaction; None where there are none."""
    found = journals.read(folder, after, limit_bytes=_BATCH_BYTES, limit_frames=_BATCH_RECORDS)
    if not found.payloads:
        return None
    is_full = len(found.payloads) >= _BATCH_RECORDS or sum(map(len, found.payloads)) >= _BATCH_BYTES
    return _Batch([decode_entry(payload) for payload in found.payloads], found.after, is_full)


def _tell(folder: Path, problem: HeadgateError | OSError, failures: int) -> None:
    """Say it once, and again each time the failures have doubled."""
    if failures & (failures - 1) == 0:
        code = problem.code if isinstance(problem, HeadgateError) else "os_error"
        reason = problem.message if isinstance(problem, HeadgateError) else str(problem.strerror)
        log.warning("shipping_delayed", worker=folder.name, failures=failures, code=code, reason=reason)
