"""The sequencer: gives closed records their places in their logs, writes the tiles and signs the heads.

The database is first: leaf indices and head move together in one transaction, by compare-and-swap on size and epoch.
Then the files follow, and only then is the head signed and published. A crash in between leaves files behind the
database; whoever takes the log next finishes them from there, with the same bytes.

Three fences keep it to one writer: a lock on the files' folder (one process on a machine), a lock in the database (one
process at all, as long as its session lives), and the epoch (a writer that was taken for dead cannot move a head).
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
    """Where a sequencer works.

    Args:
        logs: the folder that gets one folder for each tenant's log, and its verifier key beside it.
        secrets: the private folder of signing keys.
        origin: what the names of new logs begin with, before the tenant; a host name of the operator is usual.
    """

    logs: Path
    secrets: Path
    origin: str = "headgate"


@dataclass(slots=True)
class _Log:
    """A log that is ours: `frontier` is where the database has it."""

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
    """What was taken off the queue; `leaves` are those of it that were not in the log yet, `hashes` theirs."""

    taken: int
    leaves: list[bytes]
    hashes: list[bytes]
    old_size: int


class Sequencer:
    """Advances the logs of all tenants. Use `run_sequencer`, which makes sure that it is alone.

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
        """Lead whenever nobody else does, until `stop` is set."""
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
        """Advance every log as far as it goes and return how many leaves that were; expects to be alone."""
        total = 0
        while count := await self._round():
            total += count
        return total

    async def take_logs(self) -> None:
        """Take every log there is, and finish its files where a crash left them behind."""
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
            if count < _BATCH_LEAVES:  # what comes meanwhile costs one set of files, whether little or much
                await pause(stop, _gather_s(count) if count else wait_s)

    async def _round(self) -> int:
        """One batch for every log that has something to do; how many leaves that were."""
        async with self._database.transaction(tenant=None) as tx:
            tenants = await store.pending_tenants(tx)
        return sum([await self._guarded(tenant, self._advance) for tenant in tenants])

    async def _guarded(self, tenant: str, work: _Work) -> int:
        """Work on one log; its troubles are not those of the others. What concerns all logs is raised.

        A log in trouble is let go and taken again later, which finishes its files.
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
            pass  # all of it was shipped twice
        if step.leaves:
            await asyncio.to_thread(_publish, held, step)
        return len(step.leaves)

    async def _commit(self, held: _Log) -> _Step:
        """Give the next records their places, in the database."""
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
        """Bring the files to where the database is."""
        wanted = held.frontier.head()
        published = await asyncio.to_thread(held.files.published)
        at = 0 if published is None else published.size
        if published is not None and (at > wanted.size or (at == wanted.size and published.root != wanted.root)):
            raise Corrupt(
                f"The published log of {held.tenant} holds {at} entries that the database does not have so; it was "
                f"restored from an older copy. Nothing is appended until both agree."
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
    """Be the sequencer of a database until `stop` is set; waits while another process is.

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
    """Write the files of a batch and sign the head; runs on a thread."""
    held.files.append(step.leaves, old_size=step.old_size, hashes=step.hashes)
    _sign(held)


def _sign(held: _Log) -> None:
    """Publish the database's head; files that lead to another root refuse it."""
    head = held.frontier.head()
    held.files.publish(sign_checkpoint(Checkpoint(held.origin, head.size, head.root), held.key))
