"""The shipper: ships workers' journals to the database, and closes the open records of dead workers.

One task per journal folder ships its frames in order: it reads the frames after the mark, writes them in one
transaction, and moves the mark. After a crash in between it ships the same frames again, which is idempotent. During an
outage of the database the frames stay in the journal. After the journal of a dead worker is shipped, the shipper closes
its open records as interrupted and removes the folder.

A frame that is malformed, or that the database refuses, does not block later frames. The shipper sets it aside with its
reason (`ledger.set_aside`) and tries again at the next start. An outage does not count as a refusal.
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
from headgate.ledger.leaves import JournalEntry, decode_entry, encode_leaf
from headgate.ledger.quarantine import Quarantine, Reason
from headgate.ledger.recorder import interrupted
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
"""More consecutive refusals than this are the fault of the database, not of the frames."""
_LOOKED_AHEAD = 64


@dataclass(frozen=True, slots=True)
class ShipperPace:
    """Polling intervals of the shipper.

    Args:
        gather_s: pause after everything was shipped, to collect a batch, because a batch costs about as much as fifty
            records. It delays a record by at most this time.
        shortest_s: first pause after an empty poll; grows to `longest_s`.
        grace_s: idle time of a folder before the shipper checks whether its worker is dead.
        retry_s: longest pause after a failure.
    """

    gather_s: float = 0.2
    shortest_s: float = 0.05
    longest_s: float = 0.1
    grace_s: float = 1.0
    retry_s: float = 2.0


@dataclass(frozen=True, slots=True)
class _Batch:
    """Frames for one transaction. `is_full` means that more may follow."""

    entries: list[JournalEntry]
    after: Position
    is_full: bool


class Shipper:
    """Ships all folders below a journal's root. `run_shipper` allows only one per root.

    Args:
        database: connects as the role `headgate_writer`.
        root: the parent of the workers' folders.
    """

    def __init__(self, database: Database, *, root: Path, clock: Clock, pace: ShipperPace | None = None) -> None:
        self._database = database
        self._root = root
        self._clock = clock
        self._pace = pace or ShipperPace()
        self._tended: set[str] = set()
        self._prepared_s: float | None = None
        self._aside = Quarantine(root)
        self._refused_in_a_row = 0

    async def run(self, stop: asyncio.Event) -> None:
        """Ship until `stop` is set. Finishes the current batches."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._try_again(stop))
            while not stop.is_set():
                for folder in await self._folders():
                    if folder.name not in self._tended:
                        self._tended.add(folder.name)
                        group.create_task(self._tend(folder, stop))
                await pause(stop, self._pace.longest_s)

    async def _folders(self) -> list[Path]:
        """Return the journals' folders, or none if listing fails."""
        try:
            return await asyncio.to_thread(journals.folders, self._root)
        except OSError as problem:
            tell("shipping_delayed", problem, 1, worker=self._root.name)
            return []

    async def _try_again(self, stop: asyncio.Event) -> None:
        """Try again to ship the frames that were set aside."""
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
        """Ship the current frames and return. Closes no dead worker's records.

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
        """Ship the frames after the mark, until `stop` is set. Return False if there were none.

        After a failure ships smaller batches, and sets aside frames that fail alone.
        """
        try:
            return await self._ship_batches(folder, stop)
        except (Unavailable, OSError):
            raise
        except Exception:  # noqa: BLE001 - what fails again is logged with its reason
            await self._ship_around(folder, stop)
            return True

    async def _ship_around(self, folder: Path, stop: asyncio.Event | None) -> None:
        """Ship the next frames in ever smaller batches, and set aside each frame that fails alone.

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
        """Raise the problem again if it may be the database's fault and not the frame's.

        A refused value is the frame's fault, unless many frames in a row are refused. Any other error is the frame's
        fault only if one of the next frames can be shipped.
        """
        if isinstance(problem, Corrupt):
            return
        self._refused_in_a_row += 1
        limit = _REFUSED_IN_A_ROW if isinstance(problem, Invalid | ValueError | TypeError) else 0
        if self._refused_in_a_row > limit and not await self._can_ship_any(folder, behind):
            raise problem

    async def _can_ship_any(self, folder: Path, after: Position) -> bool:
        """Return whether one of the next frames can be shipped. Shipping it again is idempotent."""
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
        """Set a frame aside that cannot be shipped."""
        reason = _described(data, problem, at=self._clock.now())
        await asyncio.to_thread(self._aside.add, data, reason, worker=folder.name, at=at)
        told = {"worker": folder.name, "segment": at.segment, "offset": at.offset, "size_bytes": len(data)}
        log.error("frame_set_aside", **told, code=reason.code, reason=reason.reason, record=reason.record)

    async def _ship_batches(self, folder: Path, stop: asyncio.Event | None = None) -> bool:
        """Ship the frames after the mark, until `stop` is set. Return False if there were none.

        Reads the next batch while the database writes a full one. Frames that arrive during the last write wait for the
        next poll; otherwise each batch would be followed by a small one under load.
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
        """Ship entries, some of which may have been shipped before."""
        try:
            await self._ship(entries, worker=worker, may_be_there=False)
        except Conflict:  # shipped before, by one that died before it moved the mark
            await self._ship(entries, worker=worker, may_be_there=True)

    async def _ship(self, entries: Sequence[JournalEntry], *, worker: str, may_be_there: bool) -> None:
        async with self._database.transaction(tenant=None) as tx:
            await store.ship(tx, entries, worker=worker, may_be_there=may_be_there)

    async def _bury(self, folder: Path) -> bool:
        """Close a dead worker's open records and remove its folder. Return False if it lives or frames are left.

        Checks the worker first, because after its death the folder no longer grows.
        """
        if journals.is_alive(folder) or await self._ship_all(folder):
            return False
        await self._interrupt(folder.name)
        await asyncio.to_thread(shutil.rmtree, folder)
        log.debug("journal_finished", worker=folder.name)
        return True

    async def _interrupt(self, worker: str) -> None:
        """Close a dead worker's open records as interrupted."""
        while await self._interrupt_some(worker):
            pass

    async def _interrupt_some(self, worker: str) -> bool:
        # The closing of a record may be in a frame that was set aside.
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
    """Run the shipper of a data folder until `stop` is set. Waits while another process runs it.

    Args:
        journal_root: the parent of the workers' folders; created if it is missing.
        database_address: with the role `headgate_writer`.
    """
    limits = PoolLimits(size=4, statement_s=60.0)
    async with held_alone(journal_root / "shipper.lock", stop) as is_held:
        if is_held:
            async with Database(database_address, limits=limits) as database:
                await Shipper(database, root=journal_root, clock=SystemClock()).run(stop)


def _read(folder: Path, after: Position) -> _Batch | None:
    """Return the frames after a position that fit one transaction, or None."""
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
