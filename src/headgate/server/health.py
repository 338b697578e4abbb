"""Liveness, readiness and metrics of one worker."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec

from headgate.kernel.errors import HeadgateError
from headgate.kernel.ports import Clock, Recorder, Ticket
from headgate.kernel.record import Closing, Opening
from headgate.policy.snapshot import SnapshotHolder
from headgate.server.asgi import Send, respond
from headgate.server.metrics import Family, Sample, SharedMetrics, WorkerNumbers, number, render
from headgate.server.streams import OpenStreams
from headgate.substrate.database import Database
from headgate.substrate.egress import Egress, Request

ModelState = Literal["ready", "loading", "absent"]

_LOOK_S = 1.0
_CALM_LOOK_S = 10.0
_SEEN_LASTS_S = 3.0
_MOST_NAMED = 20


class Counts:
    """The counters of this worker; they start at zero with it."""

    def __init__(self) -> None:
        self.requests: Counter[tuple[str, int]] = Counter()
        self.outcomes: Counter[str] = Counter()


class CountingRecorder:
    """A recorder that counts outcomes and passes records on."""

    def __init__(self, recorder: Recorder, counts: Counts) -> None:
        self._recorder = recorder
        self._counts = counts

    def open(self, opening: Opening) -> Ticket:
        """As `Recorder.open`."""
        return self._recorder.open(opening)

    def close(self, closing: Closing) -> Ticket:
        """As `Recorder.close`."""
        self._counts.outcomes[closing.outcome] += 1
        return self._recorder.close(closing)


@dataclass(frozen=True, slots=True)
class HealthParts:
    """The inputs of the health checks.

    Args:
        worker: label of this worker in the metrics.
        backlog_bytes: size of this worker's unshipped journal.
        is_database_up: whether the database answered within the last seconds.
        counts_limits: whether key limits are counted over all workers.
        backlog_limit_bytes: the journal refuses records above this size.
        is_journal_sound: whether the last write reached the disk.
        board: the metrics of the other workers.
        left_out: names of stored entries that cannot be used.
        set_aside: number of journal frames that could not be shipped.
    """

    worker: str
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


class Health:
    """Answers `/healthz`, `/readyz` and `/metrics`; one for each worker."""

    def __init__(self, parts: HealthParts) -> None:
        self._parts = parts

    async def alive(self, send: Send) -> None:
        """Answer 200."""
        await respond(send, 200, b'{"status":"ok"}')

    async def ready(self, send: Send) -> None:
        """Answer 200 if this worker can decide and record calls, else 503; the body names the parts that fail.

        Without the database a worker stays ready while its journal takes records and its policies are loaded.
        `degraded` names the failing parts. Keys with a cost limit then work until the worker's lease is used up;
        after that they get 503.
        """
        parts = self._parts
        is_loaded = parts.holder.latest is not None
        is_taking = parts.backlog_bytes() < parts.backlog_limit_bytes and parts.is_journal_sound()
        state: dict[str, object] = {
            "database": parts.is_database_up(),
            "journal": is_taking,
            "policies": is_loaded,
            "limits": parts.is_database_up() and parts.counts_limits(),
            "embedded_model": parts.model_state(),
        }
        # These do not stop the worker, but a person has to look at them.
        amiss = {"left_out": list(parts.left_out())[:_MOST_NAMED], "records_set_aside": parts.set_aside()}
        state |= {name: value for name, value in amiss.items() if value}
        is_ready = is_loaded and is_taking
        degraded = [name for name, is_well in state.items() if is_well is False]
        said = {"ready": is_ready, "degraded": degraded, **state}
        await respond(send, 200 if is_ready else 503, msgspec.json.encode(said))

    async def metrics(self, send: Send) -> None:
        """Answer with the metrics of every live worker in Prometheus' text format."""
        board = self._parts.board
        await board.leave(self.numbers)
        workers = await asyncio.to_thread(board.living)
        if all(one.worker != self._parts.worker for one in workers):
            workers = [self.numbers(), *workers]
        body = "".join(render(workers)).encode()
        await respond(send, 200, body, kind="text/plain; version=0.0.4; charset=utf-8")

    async def publish_forever(self) -> None:
        """Publish this worker's metrics for the others until cancelled."""
        await self._parts.board.leave_forever(self.numbers)

    def numbers(self) -> WorkerNumbers:
        """Return this worker's metrics."""
        parts, counts = self._parts, self._parts.counts
        age_s = parts.holder.age_s() if parts.holder.latest is not None else float("inf")
        requests = [
            Sample(f',plane="{plane}",status="{status}"', number(count))
            for (plane, status), count in sorted(counts.requests.items())
        ]
        outcomes = [
            Sample(f',outcome="{outcome}"', number(count)) for outcome, count in sorted(counts.outcomes.items())
        ]
        gauges = (
            ("headgate_open_streams", "Streams that are being answered.", float(len(parts.streams))),
            ("headgate_journal_backlog_bytes", "Records that wait for the database.", float(parts.backlog_bytes())),
            ("headgate_policy_age_seconds", "Since the database confirmed the policies.", age_s),
            ("headgate_entries_left_out", "Stored entries that cannot be used.", float(len(parts.left_out()))),
            ("headgate_records_set_aside", "Journal frames that could not be shipped.", float(parts.set_aside())),
        )
        return WorkerNumbers(
            parts.worker,
            [
                Family("headgate_requests_total", "counter", "Requests answered.", requests),
                Family("headgate_actions_total", "counter", "Actions by outcome.", outcomes),
                *(Family(name, "gauge", text, [Sample("", number(value))]) for name, text, value in gauges),
            ],
        )
