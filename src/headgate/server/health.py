"""Whether we are alive and ready, and the numbers that graphs are made of."""

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
from headgate.server.metrics import Board, Family, Sample, WorkerNumbers, number, render
from headgate.server.streams import OpenStreams
from headgate.substrate.database import Database
from headgate.substrate.egress import Egress, Request

ModelState = Literal["ready", "loading", "absent"]

_LOOK_S = 1.0
_CALM_LOOK_S = 10.0
_SEEN_LASTS_S = 3.0
_MOST_NAMED = 20


class Counts:
    """What this worker counts; the numbers start at nought when it does."""

    def __init__(self) -> None:
        self.requests: Counter[tuple[str, int]] = Counter()
        self.outcomes: Counter[str] = Counter()


class CountingRecorder:
    """A recorder that counts what becomes of actions on the way to the real one."""

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
    """What health is judged by.

    Args:
        worker: its label in the metrics.
        backlog_bytes: of this worker's journal.
        is_database_up: whether it answered lately.
        counts_limits: whether keys' limits are counted over all workers.
        backlog_limit_bytes: over which the journal refuses.
        is_journal_sound: whether the disk took what was last written.
        board: where the numbers of the other workers are.
        left_out: stored entries that cannot be used, by name.
        set_aside: how many frames of the journal could not be shipped and were set aside.
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
    board: Board
    left_out: Callable[[], Sequence[str]] = tuple
    set_aside: Callable[[], int] = int


class DatabaseWatch:
    """Looks at the database every second, for people who ask whether it is there.

    Who asks never waits for it: a server that stands still answers nobody, and a look that is given up waits too.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._seen_s: float | None = None

    def is_up(self) -> bool:
        """Tell whether it answered within the last seconds."""
        return self._seen_s is not None and self._clock.monotonic() - self._seen_s < _SEEN_LASTS_S

    async def run_forever(self, *, every_s: float = _LOOK_S) -> None:
        """Look again and again; end it by cancelling."""
        while True:
            try:
                await self._database.check()
                self._seen_s = self._clock.monotonic()
            except HeadgateError:
                self._seen_s = None
            await asyncio.sleep(every_s)


class ModelWatch:
    """Looks at the embedded model process from time to time, for people who ask whether it is ready.

    No action: we ask a child of our own, on loopback, whether it lives, and nothing of anybody's goes there. See
    docs/decisions/0006-looking-after-our-own-parts.md.
    """

    def __init__(self, egress: Egress, *, port: int | None) -> None:
        self._egress = egress
        self._port = port
        self._state: ModelState = "absent" if port is None else "loading"

    def state(self) -> ModelState:
        """Return what was seen last."""
        return self._state

    async def run_forever(self) -> None:
        """Look again and again; end it by cancelling."""
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
    """Answers `/healthz`, `/readyz` and `/metrics`. One for a worker."""

    def __init__(self, parts: HealthParts) -> None:
        self._parts = parts

    async def alive(self, send: Send) -> None:
        """Answer 200: who can answer is alive."""
        await respond(send, 200, b'{"status":"ok"}')

    async def ready(self, send: Send) -> None:
        """Answer 200 when calls can be decided and recorded, else 503; the body says what is amiss.

        With the database away, a worker stays ready as long as its journal takes records and its policies are at hand.
        `degraded` then names what does not work as it should: keys with a limit of money are answered from what the
        worker has leased, and then refused with 503.
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
        # What does not keep this worker from answering, and needs a person all the same.
        amiss = {"left_out": list(parts.left_out())[:_MOST_NAMED], "records_set_aside": parts.set_aside()}
        state |= {name: value for name, value in amiss.items() if value}
        is_ready = is_loaded and is_taking
        degraded = [name for name, is_well in state.items() if is_well is False]
        said = {"ready": is_ready, "degraded": degraded, **state}
        await respond(send, 200 if is_ready else 503, msgspec.json.encode(said))

    async def metrics(self, send: Send) -> None:
        """Answer with the numbers of every worker that lives, in Prometheus' text format."""
        board = self._parts.board
        await board.leave(self.numbers)
        workers = await asyncio.to_thread(board.living)
        if all(one.worker != self._parts.worker for one in workers):
            workers = [self.numbers(), *workers]
        body = "".join(render(workers)).encode()
        await respond(send, 200, body, kind="text/plain; version=0.0.4; charset=utf-8")

    async def publish_forever(self) -> None:
        """Leave this worker's numbers for the others; end it by cancelling."""
        await self._parts.board.leave_forever(self.numbers)

    def numbers(self) -> WorkerNumbers:
        """Return this worker's numbers."""
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
