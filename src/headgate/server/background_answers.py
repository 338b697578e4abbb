"""Answers in the background: written by a task of this worker while no client waits, and read through any worker.

The task notes its progress in the database several times a second, and so learns that it is to stop. An answer whose
worker is gone has failed after half a minute, because nobody prolongs its time.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import NamedTuple

import structlog

from headgate.admin.background import Background, BackgroundState, Events
from headgate.admin.turns import Turn, Turns
from headgate.kernel.action import Action
from headgate.kernel.errors import HeadgateError, Unavailable
from headgate.kernel.identity import Principal
from headgate.kernel.labels import Labels
from headgate.kernel.pipeline import Pipeline
from headgate.kernel.ports import Clock
from headgate.server.kept_answers import lost
from headgate.wire.model_call import ModelCall, ModelEvent, ModelReply
from headgate.wire.stateful import ReadableDialect

log = structlog.get_logger(__name__)

MOST_AT_ONCE = 8
"""The limit of answers in the background on their way for one principal."""

_MOST_S = 3_600.0
_LOOK_S = 0.25
_PROLONGED_S = 1.0
"""The interval in which an answer without new events is prolonged."""


class Reading(NamedTuple):
    """A request for the events of an answer with a number above `after`."""

    dialect: ReadableDialect
    answer: str
    after: int
    principal: Principal


@dataclass(slots=True, eq=False)
class _Writing:
    """An answer that a task of this worker writes."""

    turn: Turn
    dialect: ReadableDialect
    body: bytes
    labels: Labels
    noted_s: float
    scope: asyncio.Timeout
    frames: list[bytes] = field(default_factory=list[bytes])
    is_stopped: bool = False
    noting: asyncio.Lock = field(default_factory=asyncio.Lock)

    def stop(self) -> None:
        """End the task, unless it is ending."""
        if not (self.is_stopped or self.scope.expired()):
            self.is_stopped = True
            self.scope.reschedule(asyncio.get_running_loop().time())


class BackgroundAnswers:
    """Writes answers in the background, and follows their events."""

    def __init__(self, pipeline: Pipeline, turns: Turns, store: Background, clock: Clock) -> None:
        self._pipeline = pipeline
        self._turns = turns
        self._store = store
        self._clock = clock
        self._group: asyncio.TaskGroup | None = None
        self._writings: set[_Writing] = set()

    async def begin(self, turn: Turn, action: Action[ModelCall, ModelEvent, ModelReply], *, created: int) -> bytes:
        """Begin to write an answer; return it as it is before its beginning.

        Raises:
            OverBudget: the caller has too many such answers on their way.
            Unavailable: this worker begins no answers now.
        """
        group = self._group
        if group is None:
            raise Unavailable("answers in the background do not begin at this moment; try again", retry_after_s=1.0)
        dialect, labels = self._turns.readable(turn), action.context.floor
        body = dialect.queued(turn.asked, answer=turn.answer, created=created)
        await self._store.begin(turn.answer, body, labels=labels, principal=turn.principal, most=MOST_AT_ONCE)
        writing = _Writing(turn, dialect, body, labels, self._clock.monotonic(), asyncio.timeout(_MOST_S))
        turn.is_in_background = True
        group.create_task(self._write(writing, action, created))
        return body

    async def run_forever(self) -> None:
        """Note the progress of the answers of this worker, until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                while True:
                    await asyncio.sleep(_LOOK_S)
                    for writing in [one for one in self._writings if self._is_due(one)]:
                        group.create_task(self._note(writing, "in_progress"))
        finally:
            self._group = None

    async def follow(self, reading: Reading) -> AsyncIterator[bytes]:
        """Yield the events of an answer until its end."""
        dialect, answer, after, principal = reading
        while True:
            found = await self._store.find(answer, principal=principal)
            if found is None or not found.labels.flows_to(principal.clearance):
                return
            events = await self._store.events(answer, after=after, principal=principal)
            for one in events:
                yield dialect.events_after(one.frames, after)
                after = one.last
            if events:
                continue
            if found.is_lost:
                yield dialect.failed_event(found.body, after + 1, error=lost())
                return
            if found.state not in ("queued", "in_progress"):
                return
            await asyncio.sleep(_LOOK_S)

    def _is_due(self, writing: _Writing) -> bool:
        is_old = self._clock.monotonic() - writing.noted_s >= _PROLONGED_S
        return (bool(writing.frames) or is_old) and not writing.noting.locked()

    async def _write(self, writing: _Writing, action: Action[ModelCall, ModelEvent, ModelReply], created: int) -> None:
        """Write an answer to its end. Raises nothing, as the other answers of the group go on."""
        writer = writing.turn.writer(created=created)
        self._writings.add(writing)
        error: HeadgateError | None = None
        try:
            async with writing.scope, self._pipeline.stream(action) as opened:
                async for event in opened.items:
                    writing.labels = opened.run.labelled.labels.join(opened.run.output_labels)
                    writing.frames.append(writer.write(event))
                    await self._turns.keep(writing.turn, writer.answer, opened.run)
                last = writer.end()
                await self._turns.keep(writing.turn, writer.answer, opened.run)
                if not writing.turn.was_kept:
                    raise Unavailable("the answer is whole, but could not be kept; its cause is in the log")
                writing.frames.append(last)
        except TimeoutError:
            error = HeadgateError(f"the answer took longer than {_MOST_S:.0f} s")
        except HeadgateError as caught:
            error = caught
        except Exception:
            log.exception("background_answer_failed", answer=writing.turn.answer)
            error = HeadgateError("an internal error happened; its cause is in the log")
        finally:
            self._writings.discard(writing)
            await self._turns.let_go(writing.turn)
        if writing.is_stopped:
            return
        if error is None:
            await self._note(writing, "completed")
            return
        writing.frames.append(writer.fail(error))
        body = writing.dialect.with_status(writing.body, "failed", error=error)
        await self._note(writing, "failed", body=body)

    async def _note(self, writing: _Writing, state: BackgroundState, *, body: bytes | None = None) -> None:
        """Note how far an answer came; stop it if it is to stop."""
        async with writing.noting:
            taken, writing.frames = b"".join(writing.frames), []
            writing.noted_s = self._clock.monotonic()
            numbers = writing.dialect.numbers_in(taken)
            events = Events(numbers[0], numbers[-1], taken) if numbers else None
            turn = writing.turn
            try:
                goes_on = await self._store.write(
                    turn.answer, events, state=state, labels=writing.labels, principal=turn.principal, body=body
                )
            except HeadgateError as error:
                writing.frames.insert(0, taken)
                log.warning("background_answer_not_noted", answer=turn.answer, why=str(error))
                return
        if not goes_on and writing in self._writings:
            writing.stop()
