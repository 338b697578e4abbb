"""A durable run as its work sees it: steps that are done once, progress, cancellation, and the lease as a fence."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from headgate.kernel.errors import Conflict
from headgate.kernel.identity import TenantId
from headgate.substrate.database import Database, Transaction, load_queries

SQL = load_queries("headgate.substrate.durable")

CHANNEL = "headgate_durable"
"""The PostgreSQL channel that wakes the workers."""

RunState = Literal["waiting", "running", "done", "failed", "cancelled"]


class LeaseLost(Conflict):
    """Another worker has the run by now, or it was deleted."""

    code = "lease_lost"


class Later(Exception):
    """Raised by work that cannot go on now: the run waits, without a place in its queue.

    Args:
        after_s: seconds until it is due again.
    """

    def __init__(self, after_s: float) -> None:
        super().__init__(f"goes on in {after_s:g} s")
        self.after_s = after_s


@dataclass(frozen=True, slots=True)
class RunStatus:
    """The state of a run.

    Args:
        progress: the last report of its work.
        error: the reason of the last failure, or empty.
    """

    state: RunState
    is_cancelling: bool
    progress: Mapping[str, Any]
    error: str


@dataclass(frozen=True, slots=True)
class StatusRow:
    """The row of `status`."""

    state: RunState
    is_cancelling: bool
    progress: str
    error: str


@dataclass(slots=True, eq=False)
class DurableRun:
    """A run that this worker has under a lease.

    Args:
        input: JSON from its submission.
        progress: the last report, also of an earlier worker.
        cancelled: set when the run shall end. Its work decides how.
        lost: set when another worker has the run. Its work is cancelled then.
    """

    id: str
    tenant: TenantId
    input: Any
    progress: Mapping[str, Any]
    attempts: int
    lease: int
    database: Database = field(repr=False)
    cancelled: asyncio.Event = field(default_factory=asyncio.Event, repr=False)
    lost: asyncio.Event = field(default_factory=asyncio.Event, repr=False)

    async def hold(self, transaction: Transaction, *, is_progress: bool = False) -> None:
        """Keep other workers from taking the run over until the transaction ends.

        Every write of a run's work begins with it, so that a worker that was silent for too long changes nothing.

        Args:
            is_progress: whether the transaction keeps a part of the work. The count of failed attempts begins anew.

        Raises:
            LeaseLost: another worker has the run.
        """
        found = await transaction.value(SQL["hold"], self.key)
        if found is None:
            raise LeaseLost(f"another worker has taken the run {self.id} over")
        if is_progress and self.attempts > 1:
            await transaction.execute(SQL["progress"], self.key)
            self.attempts = 1

    async def step(self, name: str, do: Callable[[], Awaitable[Any]]) -> Any:
        """Return the result of a step, as JSON types. A step whose result is kept does not run again.

        A worker that dies between the step and the keeping of its result leaves the step to be repeated.

        Raises:
            LeaseLost: another worker has the run; the result is not kept.
        """
        key = {"tenant": self.tenant, "run": self.id, "name": name}
        async with self.database.transaction(tenant=self.tenant) as tx:
            kept = await tx.value(SQL["step"], key)
        if kept is not None:
            return msgspec.json.decode(str(kept))
        result = msgspec.json.encode(await do())
        async with self.database.transaction(tenant=self.tenant) as tx:
            await self.hold(tx, is_progress=True)
            await tx.execute(SQL["keep_step"], {**key, "result": result.decode()})
        return msgspec.json.decode(result)

    async def report(self, **progress: Any) -> None:
        """Replace the progress that `Durable.status` returns.

        Raises:
            LeaseLost: another worker has the run.
        """
        async with self.database.transaction(tenant=self.tenant) as tx:
            said = msgspec.json.encode(progress).decode()
            if not await tx.execute(SQL["report"], {**self.key, "progress": said}):
                raise LeaseLost(f"another worker has taken the run {self.id} over")
        self.progress = progress

    @asynccontextmanager
    async def parked(self) -> AsyncGenerator[None]:
        """Wait in this block for something outside; the run leaves its place in the queue to others meanwhile."""
        await self._park(is_parked=True)
        try:
            yield
        finally:
            await self._park(is_parked=False)

    async def _park(self, *, is_parked: bool) -> None:
        async with self.database.transaction(tenant=self.tenant) as tx:
            await tx.execute(SQL["park"], {**self.key, "is_parked": is_parked})
            if is_parked:
                await tx.notify(CHANNEL)

    @property
    def key(self) -> dict[str, Any]:
        """The parameters that name the run under its lease."""
        return {"tenant": self.tenant, "id": self.id, "lease": self.lease}
