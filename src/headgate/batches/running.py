"""Running batches: each line through the pipeline, as a call of the principal who made the batch.

The result of a line is stored under the lease of the run, and a line with a result does not run again. A line that was
on its way when its worker died runs again. A limit that says when to come back makes the batch wait.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

import structlog

from headgate.admin.file_search import SearchCaller
from headgate.admin.key_holders import Holder, KeyHolders
from headgate.admin.provider_batches import BATCH, LINE, LineLeft
from headgate.admin.wire_calls import WireCalls
from headgate.batches import store
from headgate.batches.handing import Handing, Provider
from headgate.batches.lines import FORMS, Fault, Line, LineFault, count_lines, custom_id_of, faults_of, lines_of
from headgate.batches.service import Batches, Facts
from headgate.batches.store import BatchRow, BatchState, EndedLine, FileRow, Outcome
from headgate.kernel.errors import (
    Denied,
    ExceedsLimit,
    HeadgateError,
    Invalid,
    OverBudget,
    Unauthenticated,
    Unavailable,
    Upstream,
)
from headgate.kernel.identity import TenantId
from headgate.kernel.labels import Labels, parse_labels
from headgate.kernel.pipeline import Pipeline
from headgate.substrate.durable import DurableRun, Later, LeaseLost
from headgate.substrate.item_keys import ItemKey
from headgate.wire.openai_plane import OPENAI

log = structlog.get_logger(__name__)

LINES_AT_ONCE = 4
"""The limit of lines on their way in one worker, of all batches together: interactive calls come first."""

CHANNEL = {"channel": "batch"}
"""Attributes of the actions of lines, for rules."""

_LONG_WAIT_S = 20.0
"""A batch that has to wait for longer gives its place in the queue to others."""

_MOST_TRIES = 3
_MOST_PAUSE_S = 300.0
_CHUNK = 500

Reason = Literal["canceled", "expired", "unauthenticated"]


@dataclass(frozen=True, slots=True)
class Runner:
    """The work of the queue of batches.

    Args:
        knows: whether a tenant has a model of a name.
        room: for lines on their way.
    """

    batches: Batches
    calls: WireCalls
    holders: KeyHolders
    provider: Provider
    knows: Callable[[TenantId, str], bool]
    room: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(LINES_AT_ONCE))

    async def work(self, run: DurableRun, pipeline: Pipeline) -> None:
        """Run the lines of a batch that have not ended, and end the batch."""
        batches, tenant = self.batches, run.tenant
        async with batches.database.transaction(tenant=tenant) as tx:
            row = await store.batch(tx, run.id, tenant=tenant)
            if row is None or row.ended_at is not None:
                return
            ended = await store.ended_lines(tx, run.id, tenant=tenant)
            source = await store.file(tx, row.input, tenant=tenant, owner=row.owner, now=row.created_at)
        if source is None:
            await self._end(run, row, "failed", fault="the input file was deleted before all of its lines had run")
            return
        text = await batches.files.text(source, tenant=tenant)
        if row.started_at is None and row.wire == OPENAI.name:
            faults = await asyncio.to_thread(
                faults_of, text, FORMS[row.wire], endpoint=row.endpoint, knows=partial(self.knows, tenant)
            )
            if faults:
                await self._end(run, row, "failed", fault=_summary(faults), faults=faults)
                return
        total = await asyncio.to_thread(count_lines, text)
        async with batches.database.transaction(tenant=tenant) as tx:
            await run.hold(tx)
            await store.start_batch(tx, run.id, tenant=tenant, total=total, now=batches.clock.now())
        attempt = _Attempt(self, run, pipeline, row, text, ended)
        await attempt.go()
        if attempt.later_s is not None and attempt.reason is None:
            raise Later(attempt.later_s)
        await attempt.leave_the_rest()
        await self._end(run, row, _STATES.get(attempt.reason, "completed"))

    async def give_up(self, run: DurableRun, why: str) -> None:
        """End a batch that cannot be run."""
        async with self.batches.database.transaction(tenant=run.tenant) as tx:
            row = await store.batch(tx, run.id, tenant=run.tenant)
        if row is not None:
            await self._end(
                run, row, "failed", fault=f"the batch could not be run: {why}; Headgate's log has its cause"
            )

    async def _end(
        self, run: DurableRun, row: BatchRow, state: BatchState, *, fault: str = "", faults: Sequence[Fault] = ()
    ) -> None:
        sealed = self.batches.sealed_faults(row, faults, tenant=run.tenant) if faults else None
        tenant, now = run.tenant, self.batches.clock.now()
        files: dict[str, str | None] = {"output": None, "errors": None}
        async with self.batches.database.transaction(tenant=tenant) as tx:
            await run.hold(tx)
            if row.wire == OPENAI.name:
                current = await store.batch(tx, row.id, tenant=tenant) or row
                for name, is_output in (("output", True), ("errors", False)):
                    size = await store.size_of_lines(tx, row.id, tenant=tenant, is_output=is_output)
                    if size:
                        files[name] = await self._add_results(tx, current, f"{row.id}_{name}.jsonl", size, run=run)
            await store.end_batch(tx, row.id, state, tenant=tenant, now=now, fault=fault, faults=sealed, **files)

    async def _add_results(self, tx: Any, row: BatchRow, name: str, size: int, *, run: DurableRun) -> str:
        """Add a file whose text is the results of a batch."""
        files = self.batches.files
        file_id = f"file-{files.ids.ulid().lower()}"
        key = files.keys.new(tenant=run.tenant, owner=row.owner, item=file_id)
        new = FileRow(
            id=file_id,
            owner=row.owner,
            purpose="batch_output",
            key=key.wrapped,
            name=key.seal(name.encode(), name="name"),
            size_bytes=size,
            labels=row.labels,
            batch=row.id,
            created_at=files.clock.now(),
            expires_at=row.keeps_until,
        )
        await store.add_file(tx, new, tenant=run.tenant)
        return file_id


_STATES: dict[Reason | None, BatchState] = {"canceled": "cancelled", "expired": "expired"}


@dataclass(slots=True)
class _Attempt:
    """One worker's attempt to run what is left of a batch.

    Attributes:
        reason: why the rest of the lines does not run.
        later_s: seconds after which the batch can go on.
    """

    runner: Runner
    run: DurableRun
    pipeline: Pipeline
    row: BatchRow
    text: bytes
    ended: set[int]
    reason: Reason | None = None
    later_s: float | None = None
    error: HeadgateError | None = None
    _pauses: int = 0
    _on_way: int = 0
    _lines: Iterator[tuple[int, bytes]] = field(init=False)
    _has_more: bool = True
    _handing: Handing = field(init=False)
    _group: asyncio.TaskGroup = field(default_factory=asyncio.TaskGroup)
    _unstored: list[EndedLine] = field(default_factory=list[EndedLine])
    _storing: asyncio.Lock = field(default_factory=asyncio.Lock)
    _labels: Labels = field(init=False)
    _floor: Labels = field(init=False)
    _key: ItemKey = field(init=False)
    _facts: Facts = field(init=False)

    def __post_init__(self) -> None:
        batches, tenant = self.runner.batches, self.run.tenant
        self._labels, self._floor = parse_labels(self.row.labels), parse_labels(self.row.floor)
        self._key = batches.key_of(self.row, tenant=tenant)
        self._facts = batches.facts_of(self.row, tenant=tenant)
        self._lines = self._fresh()
        self._handing = Handing(
            self.runner.provider,
            self.run,
            self.pipeline,
            expires_at=self.row.expires_at,
            waiting=self._waiting,
            note=self._note_handed,
        )

    async def go(self) -> None:
        """Run lines until all have ended, or none may run now."""
        try:
            with self.runner.provider.batches.taking(self.row.id, self._handing):
                async with self._group:
                    for _ in range(LINES_AT_ONCE):
                        self._begin()
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from None

    async def leave_the_rest(self) -> None:
        """Store a result for each line that does not run."""
        chunk: list[EndedLine] = []
        for number, line in self._fresh():
            chunk.append(self._left(number, line))
            if len(chunk) == _CHUNK:
                await self._store(chunk)
                chunk = []
        if chunk:
            await self._store(chunk)

    def _fresh(self) -> Iterator[tuple[int, bytes]]:
        return ((number, line) for number, line in lines_of(self.text) if number not in self.ended)

    def _may_go_on(self) -> bool:
        if self.reason is None and self.run.cancelled.is_set():
            self.reason = "canceled"
        elif self.reason is None and self._left_s() <= 0:
            self.reason = "expired"
        return self.reason is None and self.later_s is None

    def _left_s(self) -> float:
        return (self.row.expires_at - self.runner.batches.clock.now()).total_seconds()

    def _begin(self) -> None:
        self._on_way += 1
        self._group.create_task(self._run_lines())

    async def _run_lines(self) -> None:
        while self._may_go_on():
            found = next(self._lines, None)
            if found is None:
                self._has_more = False
                break
            number, text = found
            ended = await self._ended(number, text)
            if ended is None:
                break
            await self._keep(ended)
        self._step_aside()

    def _step_aside(self) -> None:
        """Count a line out that ends or waits. Once none is on its way, what was gathered goes to its provider."""
        self._on_way -= 1
        if not self._on_way:
            self._handing.send(self._group.create_task)

    @asynccontextmanager
    async def _waiting(self) -> AsyncGenerator[None]:
        """Let other lines run while one waits for a provider's batch."""
        room = self.runner.room
        room.release()
        if self._on_way <= LINES_AT_ONCE and self._has_more and not self._handing.is_full and self._may_go_on():
            self._begin()
        self._step_aside()
        try:
            yield
        finally:
            self._on_way += 1
            await room.acquire()

    async def _ended(self, number: int, text: bytes) -> EndedLine | None:
        """Run a line and return its result, or None if it may not run now."""
        form = FORMS[self.row.wire]
        try:
            line = form.read(text, endpoint=self.row.endpoint)
        except LineFault as fault:
            return self._result(number, "errored", form.errored(fault.custom_id, fault, record=self._unique(number)))
        tries = 0
        while self._may_go_on():
            try:
                async with self.runner.room:
                    body, record = await self._answer(number, line)
                return self._result(number, "succeeded", form.succeeded(line, body, record=record), record=record)
            except LeaseLost:
                raise
            except LineLeft as left:
                body = form.left(line.custom_id, left.why, record=left.record_id or self._unique(number))
                return self._result(number, left.why, body, record=left.record_id)
            except HeadgateError as error:
                tries += 1
                if not self._may_go_on() and self.reason is not None:
                    return None
                if (pause_s := _pause_s(error, tries)) is not None:
                    await self._pause(pause_s)
                    continue
                failure = error
            except Exception:
                log.exception("batch_line_failed", batch=self.row.id, line=number)
                failure = HeadgateError("an internal error happened; Headgate's log has its cause")
            record = failure.record_id
            body = form.errored(line.custom_id, failure, record=record or self._unique(number))
            return self._result(number, "errored", body, record=record)
        return None

    async def _answer(self, number: int, line: Line) -> tuple[bytes, str]:
        """Run a line as a call of the key's holder; return the answer and the id of its record.

        Raises:
            HeadgateError: it was refused or failed. If the key is gone, `reason` is set.
        """
        holder = self._holder()
        calls, batches = self.runner.calls, self.runner.batches
        dialect, match = batches.door(self.row.wire, self.row.endpoint)
        begun = await calls.begin(dialect, match, line.body, headers=self._facts.headers, principal=holder.principal)
        try:
            if begun.call.stream:
                raise Invalid("stream: a batch has no streams; leave stream out", param="stream")
            search = SearchCaller(self.pipeline, holder.principal, holder.use_case, self._floor)
            await calls.search_files(begun, search)
            action = calls.action(
                begun,
                holder.principal,
                holder.use_case,
                floor=self._floor,
                deadline_s=self.pipeline.clock.monotonic() + self._left_s(),
                attributes=CHANNEL,
                facts={BATCH: self.row.id, LINE: number, "custom_id": line.custom_id},
            )
            done = await self.pipeline.run(action)
            self._pauses = 0
            self._labels = self._labels.join(done.run.labelled.labels).join(done.run.output_labels)
            created = int(batches.clock.now().timestamp())
            return await calls.answer(begun, done, created=created), done.run.record_id
        finally:
            await calls.end(begun)

    def _holder(self) -> Holder:
        try:
            return self.runner.holders.holder(self.row.api_key, tenant=self.run.tenant, use_case=self.row.use_case)
        except (Unauthenticated, Denied) as error:
            self.reason, self.error = "unauthenticated", error
            raise

    async def _pause(self, pause_s: float) -> None:
        """Wait before the next try; give the place in the queue to others for a long wait."""
        self._pauses += 1
        pause_s = min(max(pause_s, 2.0 ** min(self._pauses - 1, 8) / 4), _MOST_PAUSE_S, max(self._left_s(), 0.0))
        if pause_s > _LONG_WAIT_S:
            self.later_s = max(pause_s, self.later_s or 0.0)
            return
        self._step_aside()
        try:
            async with asyncio.timeout(pause_s):
                await self.run.cancelled.wait()
        except TimeoutError:
            return
        finally:
            self._on_way += 1

    def _left(self, number: int, text: bytes) -> EndedLine:
        """Return the result of a line that does not run."""
        form, custom_id, record = FORMS[self.row.wire], custom_id_of(text), self._unique(number)
        if self.reason == "canceled" or self.reason == "expired":
            return self._result(number, self.reason, form.left(custom_id, self.reason, record=record))
        error = self.error or HeadgateError("this request was not executed")
        return self._result(number, "errored", form.errored(custom_id, error, record=record))

    def _result(self, number: int, outcome: Outcome, body: bytes, *, record: str | None = None) -> EndedLine:
        return EndedLine(number, outcome, record, self._key.seal(body, name=f"line/{number}"), len(body) + 1)

    def _unique(self, number: int) -> str:
        """Return an id for the result of a line without a record."""
        return f"{self.row.id.rpartition('_')[2]}_{number}"

    async def _note_handed(self, count: int) -> None:
        async with self.runner.batches.database.transaction(tenant=self.run.tenant) as tx:
            await self.run.hold(tx, is_progress=True)
            await store.note_handed(tx, self.row.id, count, tenant=self.run.tenant)

    async def _keep(self, ended: EndedLine) -> None:
        """Store a result, with all that end meanwhile: a provider answers thousands of lines at once."""
        self._unstored.append(ended)
        async with self._storing:
            while self._unstored:
                lines = self._unstored[:_CHUNK]
                del self._unstored[:_CHUNK]
                await self._store(lines)
                self.ended.update(line.number for line in lines)

    async def _store(self, lines: list[EndedLine]) -> None:
        tenant = self.run.tenant
        async with self.runner.batches.database.transaction(tenant=tenant) as tx:
            await self.run.hold(tx, is_progress=True)
            await store.add_lines(tx, self.row.id, lines, tenant=tenant, labels=str(self._labels))


def _summary(faults: Sequence[Fault]) -> str:
    """Return the faults in one sentence without content, for people who may not read the file."""
    first = faults[0]
    where = "" if first.line is None else f" in line {first.line}"
    return f"the input file was refused: {first.code}{where}" + (f", and {len(faults) - 1} more" if faults[1:] else "")


def _pause_s(error: HeadgateError, tries: int) -> float | None:
    """Return the seconds after which a line is tried again, or None if its failure is its result.

    A limit that says when to come back is waited for, as long as the batch may run. A failure that may pass is tried
    again a few times.
    """
    if error.is_final or isinstance(error, ExceedsLimit | Denied | Invalid):
        return None
    if isinstance(error, OverBudget | Unavailable) and error.retry_after_s is not None:
        return error.retry_after_s
    if isinstance(error, Upstream):
        if error.retry_after_s is not None and error.upstream_status in (429, 503, 529):
            return error.retry_after_s
        return 1.0 * tries if error.retryable and tries < _MOST_TRIES else None
    return 1.0 * tries if isinstance(error, Unavailable) and tries < _MOST_TRIES else None
