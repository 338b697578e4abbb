"""The shipper: carries what workers wrote into their journals into the database, and closes what the dead left open.

Every journal folder is tended by a task of its own, in the order of its frames: read what follows the mark, write it in
one transaction, move the mark. A crash in between ships the same frames again, which changes nothing. While the
database is away the frames stay where they are. A folder whose worker has died is buried once all of it is shipped: the
records it left open are closed as interrupted, and the folder goes.

A frame that the database refuses, or that is no record, does not hold up those behind it: it is set aside with its
reason (`ledger.set_aside`) and tried again at the next start. A database that is away refuses nothing.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import structlog

from headgate.kernel.errors import Conflict, Corrupt, Invalid, Unavailable
from headgate.kernel.ports import Clock
from headgate.ledger import store
from headgate.ledger.exclusive import held_alone, pause
from headgate.ledger.models import JournalEntry, decode_entry, encode_leaf
from headgate.ledger.recorder import interrupted
from headgate.ledger.set_aside import Reason, SetAside
from headgate.ledger.trouble import code_of, reason_of, tell
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
_REFUSED_IN_A_ROW = 16
"""More refusals than this without anything shipped in between are the database's fault, not the frames'."""
_LOOKED_AHEAD = 64


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
        self._aside = SetAside(root)
        self._refused_in_a_row = 0

    async def run(self, stop: asyncio.Event) -> None:
        """Ship until `stop` is set; what is under way is finished."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._try_again(stop))
            while not stop.is_set():
                for folder in await self._folders():
                    if folder.name not in self._tended:
                        self._tended.add(folder.name)
                        group.create_task(self._tend(folder, stop))
                await pause(stop, self._pace.longest_s)

    async def _folders(self) -> list[Path]:
        """Return the journals' folders; none while the disk refuses to list them."""
        try:
            return await asyncio.to_thread(journals.folders, self._root)
        except OSError as problem:
            tell("shipping_delayed", problem, 1, worker=self._root.name)
            return []

    async def _try_again(self, stop: asyncio.Event) -> None:
        """Ship what was set aside before, as far as it can be shipped by now."""
        failures = 0
        while not stop.is_set():
            try:
                await self._prepare()
                await self._ship_set_aside()
                return
            except Exception as problem:  # noqa: BLE001 - it is logged
                failures += 1
                tell("shipping_delayed", problem, failures, worker=self._root.name)
                await pause(stop, self._wait_s(failures))

    async def _ship_set_aside(self) -> None:
        for one in await asyncio.to_thread(self._aside.every):
            try:
                entry = decode_entry(await asyncio.to_thread(self._aside.data, one))
                await self._ship_anew([entry], worker=one.worker)
            except (Unavailable, OSError):
                raise
            except Exception as problem:  # noqa: BLE001 - it is logged
                log.warning("frame_still_set_aside", frame=one.name, reason=reason_of(problem))
                continue
            await asyncio.to_thread(self._aside.remove, one)
            log.info("frame_shipped_at_last", frame=one.name)
            if not (self._root / one.worker).exists():
                await self._interrupt(one.worker)

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
            except Exception as problem:  # noqa: BLE001 - it is logged
                failures += 1
                tell("shipping_delayed", problem, failures, worker=folder.name)
                await pause(stop, self._wait_s(failures))

    def _wait_s(self, failures: int) -> float:
        return min(0.1 * 2 ** min(failures, 10), self._pace.retry_s)

    async def _ship_all(self, folder: Path, stop: asyncio.Event | None = None) -> bool:
        """Ship what follows the mark, until `stop` is set; False where there was nothing.

        What cannot be shipped as it is goes in smaller pieces, and around what cannot be shipped at all.
        """
        try:
            return await self._ship_batches(folder, stop)
        except (Unavailable, OSError):
            raise
        except Exception:  # noqa: BLE001 - what fails again is logged with its reason
            await self._ship_around(folder, stop)
            return True

    async def _ship_around(self, folder: Path, stop: asyncio.Event | None) -> None:
        """Ship the next stretch in ever smaller pieces, and set aside each frame that fails alone.

        Raises:
            HeadgateError: the database is away, or seems to refuse everything.
        """
        limit, left = _BATCH_RECORDS, _BATCH_RECORDS
        while left > 0 and not (stop and stop.is_set()):
            mark = journals.shipped_mark(folder)
            try:
                found = await asyncio.to_thread(journals.read, folder, mark, limit_frames=min(limit, left))
            except Corrupt as problem:
                await self._step_over_damage(folder, mark, problem)
                continue
            count = len(found.payloads)
            if not count:
                return
            try:
                await self._write(folder, _decoded(found.payloads, found.after))
            except (Unavailable, OSError):
                raise
            except Exception as problem:  # noqa: BLE001 - it is logged, with the frame that caused it
                if count > 1:
                    limit = count // 2
                    continue
                await self._refuse_to_blame(folder, problem, behind=found.after)
                await self._set_aside(folder, found.payloads[0], problem, at=mark)
                await asyncio.to_thread(journals.mark_shipped, folder, found.after)
            else:
                limit = count * 2
            left -= count

    async def _step_over_damage(self, folder: Path, mark: Position, problem: Corrupt) -> None:
        damage = await asyncio.to_thread(journals.damaged, folder, mark)
        await self._set_aside(folder, damage.data, problem, at=damage.at)
        await asyncio.to_thread(journals.mark_shipped, folder, damage.after)

    async def _refuse_to_blame(self, folder: Path, problem: Exception, *, behind: Position) -> None:
        """Raise the problem again where it may be the database's and not the frame's.

        A value that it refuses is the frame's fault, unless one after the other is refused. Of any other error, frames
        that can be shipped have to tell.
        """
        if isinstance(problem, Corrupt):
            return
        self._refused_in_a_row += 1
        limit = _REFUSED_IN_A_ROW if isinstance(problem, Invalid | ValueError | TypeError) else 0
        if self._refused_in_a_row > limit and not await self._can_ship_any(folder, behind):
            raise problem

    async def _can_ship_any(self, folder: Path, after: Position) -> bool:
        """Tell whether one of the next frames can be shipped; shipping it once more changes nothing."""
        for _ in range(_LOOKED_AHEAD):
            try:
                found = await asyncio.to_thread(journals.read, folder, after, limit_frames=1)
                if not found.payloads:
                    return False
                after = found.after
                await self._ship_anew(_decoded(found.payloads, after).entries, worker=folder.name)
            except (Unavailable, OSError):
                raise
            except Exception as problem:  # noqa: BLE001 - it is reported when its turn comes
                log.debug("frame_refused_too", worker=folder.name, reason=reason_of(problem))
                continue
            self._refused_in_a_row = 0
            return True
        return False

    async def _set_aside(self, folder: Path, data: bytes, problem: Exception, *, at: Position) -> None:
        """Keep a frame that cannot be shipped."""
        reason = _described(data, problem, at=self._clock.now())
        await asyncio.to_thread(self._aside.add, data, reason, worker=folder.name, at=at)
        told = {"worker": folder.name, "segment": at.segment, "offset": at.offset, "size_bytes": len(data)}
        log.error("frame_set_aside", **told, code=reason.code, reason=reason.reason, record=reason.record)

    async def _ship_batches(self, folder: Path, stop: asyncio.Event | None = None) -> bool:
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
        await self._ship_anew(batch.entries, worker=folder.name)
        await asyncio.to_thread(journals.mark_shipped, folder, batch.after)
        self._refused_in_a_row = 0

    async def _ship_anew(self, entries: Sequence[JournalEntry], *, worker: str) -> None:
        """Ship entries, whether or not some of them were shipped before."""
        try:
            await self._ship(entries, worker=worker, may_be_there=False)
        except Conflict:  # shipped before, by one that died before it moved the mark
            await self._ship(entries, worker=worker, may_be_there=True)

    async def _ship(self, entries: Sequence[JournalEntry], *, worker: str, may_be_there: bool) -> None:
        async with self._database.transaction(tenant=None) as tx:
            await store.ship(tx, entries, worker=worker, may_be_there=may_be_there)

    async def _bury(self, folder: Path) -> bool:
        """Close what a dead worker left open and remove its folder; False where it lives or left something to ship.

        The worker is looked for first: what is read once it is dead is all there will ever be.
        """
        if journals.is_alive(folder) or await self._ship_all(folder):
            return False
        await self._interrupt(folder.name)
        await asyncio.to_thread(shutil.rmtree, folder)
        log.debug("journal_finished", worker=folder.name)
        return True

    async def _interrupt(self, worker: str) -> None:
        """Close as interrupted what a dead worker left open."""
        while await self._interrupt_some(worker):
            pass

    async def _interrupt_some(self, worker: str) -> bool:
        # How a record ended may stand in what is set aside.
        aside = await asyncio.to_thread(self._aside.records_of, worker)
        async with self._database.transaction(tenant=None) as tx:
            every = await store.openings_of(tx, worker=worker, limit=_BURIED_AT_ONCE + len(aside))
            left = [leaf for leaf in every if leaf.id not in aside]
            closed = [interrupted(leaf, at=self._clock.now()) for leaf in left]
            if closed:
                await store.close(tx, [encode_leaf(leaf) for leaf in closed], may_be_there=True)
        if closed:
            log.warning("records_interrupted", worker=worker, count=len(closed))
        return len(closed) >= _BURIED_AT_ONCE

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
    return _decoded(found.payloads, found.after, is_full=is_full)


def _decoded(payloads: Sequence[bytes], after: Position, *, is_full: bool = False) -> _Batch:
    return _Batch([decode_entry(payload) for payload in payloads], after, is_full)


def _described(data: bytes, problem: Exception, *, at: datetime) -> Reason:
    try:
        entry = decode_entry(data)
    except Corrupt:
        return Reason(at, code_of(problem), reason_of(problem))
    return Reason(at, code_of(problem), reason_of(problem), record=entry.id, tenant=entry.tenant)
