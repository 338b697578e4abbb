"""Liveness, readiness and metrics of one worker."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple, get_args

import msgspec

from headgate.kernel.errors import HeadgateError
from headgate.kernel.identity import TenantId
from headgate.kernel.ports import Clock
from headgate.ledger.reader import LedgerReader
from headgate.policy.snapshot import SnapshotHolder
from headgate.server.asgi import Send, respond
from headgate.server.call_metrics import CallMetrics, Totals
from headgate.server.metrics import (
    TENANT,
    DeploymentHealth,
    DeploymentState,
    Family,
    Recent,
    Sample,
    SharedMetrics,
    WorkerNumbers,
    render,
)
from headgate.server.streams import OpenStreams
from headgate.substrate.database import Database
from headgate.substrate.egress import Egress, Request

ModelState = Literal["ready", "loading", "absent"]

_LOOK_S = 1.0
_CALM_LOOK_S = 10.0
_SEEN_LASTS_S = 3.0
_MOST_NAMED = 20
_MOST_DEPLOYMENTS = 200
_RECENT_S = 300.0
_RECENT_EVERY_S = 10.0


class Counts:
    """The counters of this worker; they start at zero with it."""

    def __init__(self) -> None:
        self.requests: Counter[tuple[str, int]] = Counter()
        self.calls = CallMetrics()


class LogState(NamedTuple):
    """The state of a tenant's log: its entries, and how long records have been waiting for it."""

    size: int
    updated_at: datetime | None
    lag_s: float


class LogWatch:
    """Looks at the head of every tenant's log, so that a scrape never waits for the database.

    The lag is the time by which the newest stored record is younger than the head of the log. It grows while the
    sequencer stands still and records arrive.
    """

    def __init__(self, reader: LedgerReader, tenants: Callable[[], Collection[TenantId]]) -> None:
        self._reader = reader
        self._tenants = tenants
        self.states: Mapping[TenantId, LogState] = {}

    async def run_forever(self) -> None:
        """Look in a loop until cancelled."""
        while True:
            with suppress(HeadgateError):  # the last state stays while the database is away
                await self.look()
            await asyncio.sleep(_CALM_LOOK_S)

    async def look(self) -> None:
        """Look once."""
        self.states = {tenant: await self._state(tenant) for tenant in self._tenants()}

    async def _state(self, tenant: TenantId) -> LogState:
        newest = (await self._reader.list_records(tenant=tenant, limit=1)).records
        head = await self._reader.log_head(tenant=tenant)
        if head is None:
            return LogState(0, None, 0.0)
        closed_at = newest[0].closed_at if newest and newest[0].leaf_index is None else None
        lag_s = 0.0 if closed_at is None else max(0.0, (closed_at - head.updated_at).total_seconds())
        return LogState(head.size, head.updated_at, lag_s)


@dataclass(frozen=True, slots=True)
class HealthParts:
    """The inputs of the health checks.

    Args:
        worker: label of this worker in the metrics.
        pid: of its process.
        backlog_bytes: size of this worker's unshipped journal.
        is_database_up: whether the database answered within the last seconds.
        counts_limits: whether key limits are counted over all workers.
        backlog_limit_bytes: the journal refuses records above this size.
        is_journal_sound: whether the last write reached the disk.
        board: the metrics of the other workers.
        left_out: names of stored entries that cannot be used.
        set_aside: number of journal frames that could not be shipped.
        logs: the state of each tenant's log.
        deployments: the last known health of every deployment.
        uses: yields the metrics of budgets and batches.
    """

    worker: str
    pid: int
    counts: Counts
    holder: SnapshotHolder
    is_database_up: Callable[[], bool]
    counts_limits: Callable[[], bool]
    streams: OpenStreams
    backlog_bytes: Callable[[], int]
    backlog_limit_bytes: int
    is_journal_sound: Callable[[], bool]
    model_state: Callable[[], ModelState]
    clock: Clock
    board: SharedMetrics
    left_out: Callable[[], Sequence[str]] = tuple
    set_aside: Callable[[], int] = int
    logs: Callable[[], Mapping[TenantId, LogState]] = dict[TenantId, LogState]
    deployments: Callable[[], Sequence[DeploymentState]] = tuple
    uses: Callable[[], Iterable[Family]] = tuple


class DatabaseWatch:
    """Checks the database every second, so that readiness never waits for a database that hangs."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._seen_s: float | None = None

    def is_up(self) -> bool:
        """Tell whether the database answered within the last seconds."""
        return self._seen_s is not None and self._clock.monotonic() - self._seen_s < _SEEN_LASTS_S

    async def run_forever(self, *, every_s: float = _LOOK_S) -> None:
        """Check in a loop until cancelled."""
        while True:
            try:
                await self._database.check()
                self._seen_s = self._clock.monotonic()
            except HeadgateError:
                self._seen_s = None
            await asyncio.sleep(every_s)


class ModelWatch:
    """Checks whether the embedded model process is ready.

    The check is no action: it asks our own child process on loopback and sends no content. See
    docs/decisions/0006-looking-after-our-own-parts.md.
    """

    def __init__(self, egress: Egress, *, port: int | None) -> None:
        self._egress = egress
        self._port = port
        self._state: ModelState = "absent" if port is None else "loading"

    def state(self) -> ModelState:
        """Return the last seen state."""
        return self._state

    async def run_forever(self) -> None:
        """Check in a loop until cancelled."""
        while self._port is not None:
            self._state = await self._look(self._port)
            await asyncio.sleep(_CALM_LOOK_S if self._state == "ready" else _LOOK_S)

    async def _look(self, port: int) -> ModelState:
        try:
            request = Request("GET", f"http://127.0.0.1:{port}/healthz", profile="embedded")
            async with self._egress.send(request) as response:
                await response.read(limit=65_536)
                return "ready" if response.status == 200 else "loading"
        except HeadgateError:
            return "loading"


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether a worker is ready, and the state of its parts.

    Args:
        left_out, records_set_aside: these do not stop the worker, but a person has to look at them.
    """

    is_ready: bool
    database: bool
    journal: bool
    policies: bool
    limits: bool
    embedded_model: ModelState
    left_out: Sequence[str]
    records_set_aside: int

    @property
    def parts(self) -> dict[str, bool]:
        """Whether each part works."""
        return {
            "database": self.database,
            "journal": self.journal,
            "policies": self.policies,
            "limits": self.limits,
        }

    @property
    def degraded(self) -> list[str]:
        """The parts that fail."""
        return [name for name, is_well in self.parts.items() if not is_well]

    def said(self) -> dict[str, object]:
        """Return the body of `/readyz`."""
        amiss = {"left_out": self.left_out, "records_set_aside": self.records_set_aside}
        return {
            "ready": self.is_ready,
            "degraded": self.degraded,
            **self.parts,
            "embedded_model": self.embedded_model,
            **{name: value for name, value in amiss.items() if value},
        }


class Health:
    """Answers `/healthz`, `/readyz` and `/metrics`; one for each worker."""

    def __init__(self, parts: HealthParts) -> None:
        self._parts = parts
        self._past = deque([_Moment(parts.clock.monotonic(), Totals(0, 0, 0))])

    async def alive(self, send: Send) -> None:
        """Answer 200."""
        await respond(send, 200, b'{"status":"ok"}')

    async def ready(self, send: Send) -> None:
        """Answer 200 if this worker can decide and record calls, else 503; the body names the parts that fail.

        Without the database a worker stays ready while its journal takes records and its policies are loaded.
        `degraded` names the failing parts. Keys with a cost limit then work until the worker's lease is used up;
        after that they get 503.
        """
        state = self.state()
        await respond(send, 200 if state.is_ready else 503, msgspec.json.encode(state.said()))

    def state(self) -> Readiness:
        """Return whether this worker is ready, and its parts that fail."""
        parts = self._parts
        is_loaded = parts.holder.latest is not None
        is_taking = parts.backlog_bytes() < parts.backlog_limit_bytes and parts.is_journal_sound()
        return Readiness(
            is_ready=is_loaded and is_taking,
            database=parts.is_database_up(),
            journal=is_taking,
            policies=is_loaded,
            limits=parts.is_database_up() and parts.counts_limits(),
            embedded_model=parts.model_state(),
            left_out=list(parts.left_out())[:_MOST_NAMED],
            records_set_aside=parts.set_aside(),
        )

    async def metrics(self, send: Send, *, accept: str = "", tenant: TenantId | None = None) -> None:
        """Answer with the metrics of every live worker, as OpenMetrics or as Prometheus' text.

        Args:
            accept: the scraper's `Accept` header.
            tenant: the only tenant whose names the reader may see; None for all.
        """
        workers = await self.workers()
        body, kind = await asyncio.to_thread(render, workers, accept=accept, tenant=tenant)
        await respond(send, 200, body, kind=kind)

    async def workers(self) -> list[WorkerNumbers]:
        """Return the metrics of every live worker, this one's as of now."""
        board = self._parts.board
        await board.leave(self.numbers)
        workers = await asyncio.to_thread(board.living)
        if all(one.worker != self._parts.worker for one in workers):
            workers = [self.numbers(), *workers]
        return workers

    def log_of(self, tenant: TenantId) -> LogState:
        """Return the last seen state of a tenant's log."""
        return self._parts.logs().get(tenant, LogState(0, None, 0.0))

    async def publish_forever(self) -> None:
        """Publish this worker's metrics for the others until cancelled."""
        await self._parts.board.leave_forever(self.numbers)

    def numbers(self) -> WorkerNumbers:
        """Return this worker's metrics."""
        parts = self._parts
        return WorkerNumbers(
            parts.worker,
            parts.pid,
            [
                *self._requests(),
                *parts.counts.calls.families(),
                *self._gauges(),
                *_of_logs(parts.logs()),
                *_of_deployments(parts.deployments()),
                *parts.uses(),
            ],
            backlog_bytes=parts.backlog_bytes(),
            recent=self._recent(),
        )

    def _requests(self) -> list[Family]:
        counts = self._parts.counts.requests
        samples = [Sample((plane, str(status)), float(count)) for (plane, status), count in sorted(counts.items())]
        return [Family("headgate_requests", "counter", "Requests answered.", ("plane", "status"), samples)]

    def _gauges(self) -> list[Family]:
        parts = self._parts
        age_s = parts.holder.age_s() if parts.holder.latest is not None else float("inf")
        gauges = (
            ("headgate_worker_pid", "Process id of the worker.", parts.pid),
            ("headgate_open_streams", "Streams that are being answered.", len(parts.streams)),
            ("headgate_journal_backlog_bytes", "Records that wait for the database.", parts.backlog_bytes()),
            ("headgate_journal_limit_bytes", "Backlog at which calls are refused.", parts.backlog_limit_bytes),
            ("headgate_policy_age_seconds", "Since the database confirmed the policies.", age_s),
            ("headgate_database_up", "Whether the database answers.", int(parts.is_database_up())),
            ("headgate_entries_left_out", "Stored entries that cannot be used.", len(parts.left_out())),
            ("headgate_records_set_aside", "Journal frames that could not be shipped.", parts.set_aside()),
        )
        return [Family(name, "gauge", text, (), [Sample((), float(value))]) for name, text, value in gauges]

    def _recent(self) -> Recent:
        """Return the numbers of the last minutes. Remembers the totals of every ten seconds."""
        now = _Moment(self._parts.clock.monotonic(), self._parts.counts.calls.totals())
        if now.at_s - self._past[-1].at_s >= _RECENT_EVERY_S:
            self._past.append(now)
        while len(self._past) > 1 and now.at_s - self._past[1].at_s >= _RECENT_S:
            self._past.popleft()
        before = self._past[0]
        calls, failed, refused = (new - old for new, old in zip(now.totals, before.totals, strict=True))
        return Recent(now.at_s - before.at_s, calls, failed, refused)


class _Moment(NamedTuple):
    """The totals at a time."""

    at_s: float
    totals: Totals


def _of_logs(logs: Mapping[TenantId, LogState]) -> list[Family]:
    sizes = [Sample((tenant,), float(state.size)) for tenant, state in logs.items()]
    lags = [Sample((tenant,), state.lag_s) for tenant, state in logs.items()]
    return [
        Family("headgate_log_entries", "gauge", "Records in the log.", (TENANT,), sizes),
        Family("headgate_log_lag_seconds", "gauge", "How far the log is behind the newest record.", (TENANT,), lags),
    ]


def _of_deployments(deployments: Sequence[DeploymentState]) -> Iterator[Family]:
    told = deployments[:_MOST_DEPLOYMENTS]
    samples = [
        Sample((one.tenant, one.id, state), float(one.state == state))
        for one in told
        for state in get_args(DeploymentHealth)
    ]
    text = "1 for the state of a deployment: ok, failing, cooling_down or unknown."
    yield Family("headgate_deployment_state", "gauge", text, (TENANT, "deployment", "state"), samples)
    unhealthy = [Sample((one.tenant, one.id), float(one.is_unhealthy)) for one in told]
    text = "1 while the breaker of a deployment is open, so that calls skip it."
    yield Family("headgate_deployment_unhealthy", "gauge", text, (TENANT, "deployment"), unhealthy)
