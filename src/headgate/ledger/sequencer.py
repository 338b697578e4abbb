"""The sequencer: appends closed records to their logs, writes the tiles and signs the heads.

First one transaction updates leaf indices and the head in the database, by compare-and-swap on size and epoch. Then the
sequencer writes the files, and last it signs and publishes the head. After a crash in between, the next sequencer
finishes the files with the same bytes.

Three fences keep it to one writer: a lock on the files' folder (one process per machine), a lock in the database (one
process for the lifetime of its session), and the epoch (a writer that was declared dead cannot move a head).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import structlog

from headgate.kernel.errors import Conflict, Corrupt, Unavailable
from headgate.ledger import store
from headgate.ledger.checkpoint import Checkpoint, SigningKey, sign_checkpoint
from headgate.ledger.exclusive import held_alone, pause
from headgate.ledger.log_keys import LogKeys
from headgate.ledger.merkle import Frontier, TreeHead, hash_leaves
from headgate.ledger.tiles import TileFiles
from headgate.ledger.trouble import reason_of, tell, unexpected
from headgate.substrate.database import Database, PoolLimits, Transaction
from headgate.substrate.database_address import DatabaseAddress

log = structlog.get_logger(__name__)

_BATCH_LEAVES = 4_096
_SHORTEST_S = 0.02
_LONGEST_S = 0.1
_GATHER_S = 0.2
_GATHER_MANY_S = 0.5
_MANY = 100
_RETRY_S = 2.0
_TROUBLE_S = 10.0
_PING_S = 2.0


@dataclass(frozen=True, slots=True)
class SequencerSetup:
    """Folders and names of a sequencer.

    Args:
        logs: folder of the tenants' logs and verifier keys.
        secrets: private folder of the signing keys.
        origin: prefix of the names of new logs, before the tenant; usually a host name of the operator.
    """

    logs: Path
    secrets: Path
    origin: str = "headgate"


@dataclass(slots=True)
class _Log:
    """A log that this sequencer holds. `frontier` is the database's state."""

    tenant: str
    origin: str
    epoch: int
    frontier: Frontier
    files: TileFiles
    key: SigningKey


class _Fenced(Conflict):
    """Another sequencer has taken the log."""


_Work = Callable[[str], Awaitable[int]]


class _Step(NamedTuple):
    """A batch from the queue. `leaves` are those that were not in the log yet, with their `hashes`."""

    taken: int
    leaves: list[bytes]
    hashes: list[bytes]
    old_size: int


class Sequencer:
    """Advances the logs of all tenants. Use `run_sequencer`, which allows only one at a time.

    Args:
        database: as the role `headgate_sequencer`, with at least two connections.
    """

    def __init__(self, database: Database, *, setup: SequencerSetup) -> None:
        self._database = database
        self._setup = setup
        self._keys = LogKeys(setup.secrets, public=setup.logs)
        self._logs: dict[str, _Log] = {}
        self._troubled: dict[str, float] = {}

    async def run(self, stop: asyncio.Event) -> None:
        """Work whenever no other sequencer does, until `stop` is set."""
        failures = 0
        while not stop.is_set():
            try:
                await self._lead(stop)
                failures = 0
            except Exception as problem:  # noqa: BLE001 - it is logged
                failures += 1
                tell("sequencing_delayed", problem, failures)
                await pause(stop, min(0.1 * 2 ** min(failures, 10), _RETRY_S))

    async def catch_up(self) -> int:
        """Advance every log completely and return the number of leaves. No other sequencer may run."""
        total = 0
        while count := await self._round():
            total += count
        return total

    async def take_logs(self) -> None:
        """Take every log, and finish its files after a crash."""
        self._logs.clear()
        self._troubled.clear()
        async with self._database.transaction(tenant=None) as tx:
            tenants = await store.log_tenants(tx)
        for tenant in tenants:
            await self._guarded(tenant, self._take)

    async def _lead(self, stop: asyncio.Event) -> None:
        async with self._database.transaction(tenant=None) as lock:
            if not await store.hold_sequencer_lock(lock):
                await pause(stop, _LONGEST_S)
                return
            await self.take_logs()
            await self._work(lock, stop)

    async def _work(self, lock: Transaction, stop: asyncio.Event) -> None:
        clock = asyncio.get_running_loop().time
        wait_s, pinged_s = _SHORTEST_S, clock()
        while not stop.is_set():
            if clock() - pinged_s > _PING_S:
                await lock.value("SELECT 1")  # raises where the session that holds the lock is gone
                pinged_s = clock()
            count = await self._round()
            wait_s = _SHORTEST_S if count else min(wait_s * 1.5, _LONGEST_S)
            if count < _BATCH_LEAVES:  # wait for more, because a batch of any size costs one set of files
                await pause(stop, _gather_s(count) if count else wait_s)

    async def _round(self) -> int:
        """Append one batch to every log with pending records. Return the number of leaves."""
        async with self._database.transaction(tenant=None) as tx:
            tenants = await store.pending_tenants(tx)
        return sum([await self._guarded(tenant, self._advance) for tenant in tenants])

    async def _guarded(self, tenant: str, work: _Work) -> int:
        """Work on one log, so that an error in it does not stop the others. Raises errors of the database.

        After an error the log is released and taken again later, which finishes its files.
        """
        now_s = asyncio.get_running_loop().time()
        if self._troubled.get(tenant, 0.0) > now_s:
            return 0
        try:
            return await work(tenant)
        except (_Fenced, Unavailable):
            raise
        except Exception as problem:
            self._logs.pop(tenant, None)
            self._troubled[tenant] = now_s + _TROUBLE_S
            told = {"tenant": tenant, "reason": reason_of(problem), "retry_s": _TROUBLE_S}
            log.error("log_not_advanced", **told, exc_info=unexpected(problem))
            return 0

    async def _advance(self, tenant: str) -> int:
        if tenant not in self._logs:
            await self._take(tenant)
        held = self._logs[tenant]
        while (step := await self._commit(held)).taken and not step.leaves:
            pass  # the whole batch was shipped twice
        if step.leaves:
            await asyncio.to_thread(_publish, held, step)
        return len(step.leaves)

    async def _commit(self, held: _Log) -> _Step:
        """Assign leaf indices to the next records, in the database."""
        try:
            return await self._move(held, may_be_there=False)
        except _Fenced:
            raise
        except Conflict:  # some of it was shipped twice
            return await self._move(held, may_be_there=True)

    async def _move(self, held: _Log, *, may_be_there: bool) -> _Step:
        old_size, frontier = held.frontier.size, held.frontier.copy()
        async with self._database.transaction(tenant=held.tenant) as tx:
            taken = await store.take_pending(tx, tenant=held.tenant, limit=_BATCH_LEAVES, may_be_there=may_be_there)
            if not (leaves := list(taken.leaves.values())):
                return _Step(taken.count, [], [], old_size)
            hashes = await asyncio.to_thread(_extend, frontier, leaves)
            move = store.Move(held.tenant, held.epoch, old_size, frontier)
            if not await store.advance(tx, list(taken.leaves), move):
                raise _Fenced(f"The log of {held.tenant} was taken by another sequencer.")
        held.frontier = frontier
        return _Step(taken.count, leaves, hashes, old_size)

    async def _take(self, tenant: str) -> int:
        origin = f"{self._setup.origin}/{tenant}"
        async with self._database.transaction(tenant=tenant) as tx:
            state = await store.take_log(tx, tenant=tenant, origin=origin)
        key = await asyncio.to_thread(self._keys.signing_key, tenant, origin=state.origin)
        frontier = Frontier.from_bytes(state.frontier)
        files = TileFiles(self._setup.logs / tenant)
        held = _Log(tenant, state.origin, state.epoch, frontier, files, key)
        if frontier.head() != TreeHead(state.size, state.root):
            raise Corrupt(f"The head of the log of {tenant} in the database does not fit its frontier; restore it.")
        await self._repair(held)
        self._logs[tenant] = held
        return 0

    async def _repair(self, held: _Log) -> None:
        """Write the files that the database is ahead of."""
        wanted = held.frontier.head()
        published = await asyncio.to_thread(held.files.published)
        at = 0 if published is None else published.size
        if published is not None and (at > wanted.size or (at == wanted.size and published.root != wanted.root)):
            raise Corrupt(
                f"The published log of {held.tenant} has {at} entries that differ from the database, which was "
                f"restored from an older copy. The sequencer appends nothing until both agree."
            )
        while at < wanted.size:
            async with self._database.transaction(tenant=held.tenant) as tx:
                stop = min(at + _BATCH_LEAVES, wanted.size)
                leaves = await store.leaves_between(tx, tenant=held.tenant, start=at, stop=stop)
            if len(leaves) != stop - at:
                raise Corrupt(f"The database lacks leaves of the log of {held.tenant} from {at} to {stop}; restore it.")
            await asyncio.to_thread(held.files.append, leaves, old_size=at)
            at = stop
        if published is None or published.size < wanted.size:
            await asyncio.to_thread(_sign, held)


async def run_sequencer(setup: SequencerSetup, database_address: DatabaseAddress, stop: asyncio.Event) -> None:
    """Run the sequencer of a database until `stop` is set. Waits while another process runs it.

    Args:
        database_address: with the role `headgate_sequencer`.
    """
    limits = PoolLimits(size=3, statement_s=60.0, idle_s=3600.0)  # one transaction holds the lock, however long
    async with held_alone(setup.logs / "sequencer.lock", stop) as is_held:
        if is_held:
            async with Database(database_address, limits=limits) as database:
                await Sequencer(database, setup=setup).run(stop)


def _gather_s(count: int) -> float:
    return _GATHER_S if count < _MANY else _GATHER_MANY_S


def _extend(frontier: Frontier, leaves: Sequence[bytes]) -> list[bytes]:
    hashes = hash_leaves(leaves)
    frontier.extend(hashes)
    return hashes


def _publish(held: _Log, step: _Step) -> None:
    """Write the files of a batch and sign the head. Runs on a thread."""
    held.files.append(step.leaves, old_size=step.old_size, hashes=step.hashes)
    _sign(held)


def _sign(held: _Log) -> None:
    """Publish the database's head. Fails if the files have another root."""
    head = held.frontier.head()
    held.files.publish(sign_checkpoint(Checkpoint(held.origin, head.size, head.root), held.key))
