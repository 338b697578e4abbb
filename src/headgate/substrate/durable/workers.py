"""Runs durable work in this worker: claims due runs, renews their leases, and ends them.

PostgreSQL's clock decides about leases, so workers on several machines need no common time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from typing import Any

import msgspec
import structlog

from headgate.kernel.errors import Conflict, HeadgateError, Unavailable
from headgate.kernel.identity import TenantId
from headgate.kernel.pipeline import Pipeline
from headgate.substrate.database import Database, Transaction
from headgate.substrate.durable.runs import CHANNEL, SQL, DurableRun, Later, LeaseLost, RunStatus, StatusRow

log = structlog.get_logger(__name__)

Work = Callable[[DurableRun, Pipeline], Awaitable[None]]
GiveUp = Callable[[DurableRun, str], Awaitable[None]]

_POLL_S = 5.0
_LEASE_S = 15.0
_MOST_ATTEMPTS = 10
_PAUSES_S = (1.0, 2.0, 5.0, 15.0, 60.0)
_ENDING_S = 3.0
_SWEEP_S = 3_600.0
_KEEPS_S = 30 * 86_400.0


@dataclass(frozen=True, slots=True)
class Queue:
    """A kind of work.

    Args:
        work: does the work of one run. It is called again, on any worker, until it returns.
        at_once: the limit of runs at the same time, for one tenant on all workers together.
        give_up: called in place of `work` after the last failed attempt, with the reason.
    """

    name: str
    work: Work
    at_once: int = 4
    give_up: GiveUp | None = None


@dataclass(frozen=True, slots=True)
class _Claimed:
    id: str
    lease: int
    attempts: int
    is_cancelling: bool
    input: str
    progress: str


class Durable:
    """The durable runs of an installation.

    Args:
        lease_s: seconds after which the runs of a silent worker go to others.
    """

    def __init__(
        self, database: Database, *, tenants: Callable[[], Collection[TenantId]], lease_s: float = _LEASE_S
    ) -> None:
        self._database = database
        self._tenants = tenants
        self._lease_s = lease_s
        self._queues: dict[str, Queue] = {}
        self._running: dict[tuple[TenantId, str], DurableRun] = {}
        self._swept_s: float | None = None

    def add(self, queue: Queue) -> None:
        """Add a kind of work, before `run_forever`.

        Raises:
            Conflict: there is a queue of that name.
        """
        if queue.name in self._queues:
            raise Conflict(f"two features have the queue {queue.name}; rename one")
        self._queues[queue.name] = queue

    @property
    def running(self) -> Collection[DurableRun]:
        """The runs that this worker has."""
        return tuple(self._running.values())

    @property
    def is_needed(self) -> bool:
        """Whether there is any work to do."""
        return bool(self._queues)

    async def submit(self, transaction: Transaction, *, queue: str, run: str, of: Any, tenant: TenantId) -> None:
        """Submit a run in the caller's transaction, and wake the workers at its commit.

        Args:
            run: id of the run, unique in the tenant.
            of: its input, as JSON types. It holds no content of people.

        Raises:
            Conflict: there is a run of that id.
        """
        text = msgspec.json.encode(of).decode()
        await transaction.execute(SQL["submit"], {"tenant": tenant, "id": run, "queue": queue, "input": text})
        await transaction.notify(CHANNEL)

    async def cancel(self, transaction: Transaction, run: str, *, tenant: TenantId) -> bool:
        """Ask a run to end; return False if it has ended. Its work decides how it ends."""
        found = await transaction.execute(SQL["cancel"], {"tenant": tenant, "id": run})
        await transaction.notify(CHANNEL)
        return found > 0

    async def wake(self, transaction: Transaction, run: str, *, tenant: TenantId) -> None:
        """Let a run that waits go on now."""
        await transaction.execute(SQL["wake"], {"tenant": tenant, "id": run})
        await transaction.notify(CHANNEL)

    async def forget(self, transaction: Transaction, run: str, *, tenant: TenantId) -> None:
        """Delete a run. A worker that has it stops at its next write or renewal."""
        await transaction.execute(SQL["forget"], {"tenant": tenant, "id": run})

    async def status(self, run: str, *, tenant: TenantId) -> RunStatus | None:
        """Return the state of a run, or None if there is none."""
        async with self._database.transaction(tenant=tenant) as tx:
            row = await tx.row(SQL["status"], {"tenant": tenant, "id": run}, of=StatusRow)
        if row is None:
            return None
        return RunStatus(row.state, row.is_cancelling, msgspec.json.decode(row.progress), row.error)

    async def run_forever(self, pipeline: Pipeline, *, poll_s: float = _POLL_S) -> None:
        """Do the work of every queue until cancelled. Runs that are not over then go to other workers."""
        async with asyncio.TaskGroup() as group, self._database.listen(CHANNEL, poll_s=poll_s) as wakes:
            async for _ in wakes:
                try:
                    for run in self.running:
                        await self._is_renewed(run)
                    for tenant in self._tenants():
                        for queue in self._queues.values():
                            await self._start_due(group, queue, pipeline, tenant=tenant)
                    await self._sweep()
                except Unavailable:
                    continue  # the database is away; the next wake comes by itself

    async def _start_due(self, group: asyncio.TaskGroup, queue: Queue, pipeline: Pipeline, *, tenant: TenantId) -> None:
        while (run := await self._claim(queue, tenant=tenant)) is not None:
            group.create_task(self._serve(run, queue, pipeline))

    async def _claim(self, queue: Queue, *, tenant: TenantId) -> DurableRun | None:
        key = {"tenant": tenant, "queue": queue.name}
        async with self._database.transaction(tenant=tenant) as tx:
            await tx.value(SQL["lock_queue"], key)
            params = {**key, "at_once": queue.at_once, "lease_s": self._lease_s}
            row = await tx.row(SQL["claim"], params, of=_Claimed)
        if row is None:
            return None
        run = DurableRun(
            id=row.id,
            tenant=tenant,
            input=msgspec.json.decode(row.input),
            progress=msgspec.json.decode(row.progress),
            attempts=row.attempts,
            lease=row.lease,
            database=self._database,
        )
        if row.is_cancelling:
            run.cancelled.set()
        self._running[tenant, run.id] = run
        return run

    async def _serve(self, run: DurableRun, queue: Queue, pipeline: Pipeline) -> None:
        """Do the work of one run. No error leaves it: that would cancel every other run of this worker."""
        try:
            try:
                await self._attempt(run, queue, pipeline)
            except asyncio.CancelledError:
                async with asyncio.timeout(_ENDING_S):
                    await self._later(run, after_s=0, in_order=True)
                raise
            # The place in the queue is free now.
            async with self._database.transaction(tenant=run.tenant) as tx:
                await tx.notify(CHANNEL)
        except LeaseLost:
            log.warning("durable_run_lost", queue=queue.name, run=run.id)
        except (HeadgateError, TimeoutError) as error:
            # Its lease ends soon, and then a worker takes it.
            log.warning("durable_run_not_ended", queue=queue.name, run=run.id, reason=str(error))
        finally:
            if self._running.get((run.tenant, run.id)) is run:
                del self._running[run.tenant, run.id]

    async def _attempt(self, run: DurableRun, queue: Queue, pipeline: Pipeline) -> None:
        failure: Exception | None = None
        try:
            if run.attempts > _MOST_ATTEMPTS:
                await self._give_up(run, queue, f"it failed {_MOST_ATTEMPTS} times")
                return
            await self._under_lease(run, queue.work(run, pipeline))
        except Later as later:
            await self._later(run, after_s=later.after_s, in_order=True)
            return
        except LeaseLost:
            raise
        except Exception as error:  # noqa: BLE001 - it is logged, and the run is tried again
            failure = error
        if failure is None:
            await self._end(run, "cancelled" if run.cancelled.is_set() else "done")
            return
        if not isinstance(failure, Unavailable):
            log.error("durable_run_failed", queue=queue.name, run=run.id, exc_info=failure)
        pause_s = _PAUSES_S[min(run.attempts, len(_PAUSES_S)) - 1]
        in_order = isinstance(failure, Unavailable)
        await self._later(run, after_s=pause_s, in_order=in_order, error=type(failure).__name__)

    async def _give_up(self, run: DurableRun, queue: Queue, reason: str) -> None:
        log.error("durable_run_given_up", queue=queue.name, run=run.id)
        if queue.give_up is not None:
            await queue.give_up(run, reason)
        await self._end(run, "failed", error=reason)

    async def _under_lease(self, run: DurableRun, work: Awaitable[None]) -> None:
        """Do work while another task renews the lease; a lost lease cancels the work."""
        failure: BaseException | None = None
        try:
            async with asyncio.TaskGroup() as group:
                beat = group.create_task(self._beat(run))
                try:
                    await work
                except Exception as error:  # noqa: BLE001 - it is raised below, outside of the group
                    failure = error
                finally:
                    beat.cancel()
        except* LeaseLost as lost:
            failure = lost.exceptions[0]
        if failure is not None:
            raise failure

    async def _beat(self, run: DurableRun) -> None:
        loop = asyncio.get_running_loop()
        renewed_s = loop.time()
        while not run.lost.is_set():
            try:
                async with asyncio.timeout(self._lease_s / 3):
                    await run.lost.wait()
            except TimeoutError:
                asked_s = loop.time()
                if await self._is_renewed(run):
                    renewed_s = asked_s
                elif loop.time() - renewed_s > self._lease_s:
                    run.lost.set()
        raise LeaseLost(f"another worker has taken the run {run.id} over")

    async def _is_renewed(self, run: DurableRun) -> bool:
        """Renew a lease, and look whether the run shall end; return False if the database is away."""
        try:
            async with self._database.transaction(tenant=run.tenant) as tx:
                is_cancelling = await tx.value(SQL["renew"], {**run.key, "lease_s": self._lease_s})
        except Unavailable:
            return False
        if is_cancelling is None:
            run.lost.set()
        elif is_cancelling:
            run.cancelled.set()
        return True

    async def _later(self, run: DurableRun, *, after_s: float, in_order: bool, error: str = "") -> None:
        async with self._database.transaction(tenant=run.tenant) as tx:
            params = {**run.key, "after_s": after_s, "in_order": in_order, "error": error}
            await tx.execute(SQL["later"], params)

    async def _end(self, run: DurableRun, state: str, *, error: str = "") -> None:
        async with self._database.transaction(tenant=run.tenant) as tx:
            await tx.execute(SQL["end"], {**run.key, "state": state, "error": error})

    async def _sweep(self) -> None:
        """Delete runs that ended long ago, once an hour."""
        now_s = asyncio.get_running_loop().time()
        if self._swept_s is not None and now_s - self._swept_s < _SWEEP_S:
            return
        self._swept_s = now_s
        for tenant in self._tenants():
            async with self._database.transaction(tenant=tenant) as tx:
                await tx.execute(SQL["forget_ended"], {"tenant": tenant, "keeps_s": _KEEPS_S})
