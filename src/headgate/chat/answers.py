"""Answers on their way in this worker. Each goes on when its reader leaves, until it is over or asked to stop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import structlog

from headgate.kernel.errors import HeadgateError, OverBudget, Unavailable
from headgate.kernel.identity import TenantId
from headgate.kernel.pipeline import Pipeline

log = structlog.get_logger(__name__)

MOST_AT_ONCE = 4
"""The limit of answers on their way for one person in one worker."""

_LOOK_S = 1.0
"""The interval in which answers are written for other workers, and look whether they shall stop."""


@dataclass(slots=True, eq=False)
class Answering:
    """An answer on its way.

    Args:
        person: the tenant and id of the person who asked.
        write: stores how far it came, and returns whether it shall stop.
        frames: its events so far.
        record: id of its record, once it has one.
        error: the reason of its end, if it failed.
        is_stored: whether `write` finds it. One that is not stored yet is not taken for one that was removed.
    """

    conversation: str
    person: tuple[TenantId, str]
    write: Callable[[], Awaitable[bool]]
    frames: list[bytes] = field(default_factory=list[bytes])
    record: str | None = None
    error: HeadgateError | None = None
    is_stored: bool = False
    is_over: bool = False
    is_stopped: bool = False
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _scope: asyncio.Timeout | None = None

    def send(self, frame: bytes, *, record: str) -> None:
        """Add an event for the reader."""
        self.record = record
        self.frames.append(frame)
        self._changed.set()

    def stop(self) -> None:
        """Stop the answer."""
        self.is_stopped = True
        if self._scope is not None and self._scope.when() is None:
            self._scope.reschedule(asyncio.get_running_loop().time())

    @asynccontextmanager
    async def until_stopped(self) -> AsyncGenerator[None]:
        """Run a block until the answer is stopped."""
        scope = self._scope = asyncio.timeout(0 if self.is_stopped else None)
        try:
            async with scope:
                yield
        except TimeoutError:
            if not scope.expired():
                raise
        finally:
            self._scope = None

    def end(self, error: HeadgateError | None) -> None:
        """Note the end. Does nothing after the first call."""
        if not self.is_over:
            self.error, self.is_over = error, True
            self._changed.set()

    async def follow(self) -> AsyncGenerator[bytes]:
        """Yield the events as they come, until the answer is over."""
        at = 0
        while True:
            self._changed.clear()
            while at < len(self.frames):
                at += 1
                yield self.frames[at - 1]
            if self.is_over:
                return
            await self._changed.wait()


class Answers:
    """The answers on their way in this worker."""

    def __init__(self) -> None:
        self._running: set[Answering] = set()
        self._group: asyncio.TaskGroup | None = None

    def start(self, answering: Answering, run: Callable[[Answering], Awaitable[None]]) -> None:
        """Run an answer apart from the request that asked for it.

        Raises:
            Unavailable: the worker is on its way up or down.
            OverBudget: the person has the most answers on their way that one may have.
        """
        if self._group is None:
            raise Unavailable("this worker is starting or stopping; ask again in a moment", retry_after_s=2)
        if sum(one.person == answering.person for one in self._running) >= MOST_AT_ONCE:
            raise OverBudget(
                f"{MOST_AT_ONCE} answers to you are on their way; wait until one ends, or stop one", retry_after_s=5
            )
        self._group.create_task(self._run(answering, run))
        self._running.add(answering)

    def stop(self, conversation: str) -> None:
        """Stop the answers of a conversation in this worker at once."""
        for one in self._running:
            if one.conversation == conversation:
                one.stop()

    async def run_forever(self, _: Pipeline) -> None:
        """Hold the answers' tasks, and write each of them every second."""
        async with asyncio.TaskGroup() as self._group:
            try:
                while True:
                    await asyncio.sleep(_LOOK_S)
                    for one in tuple(self._running):
                        await _look(one)
            finally:
                self._group = None

    async def _run(self, answering: Answering, run: Callable[[Answering], Awaitable[None]]) -> None:
        # No error may leave the task: it would cancel the answers of everybody else in this worker.
        try:
            await run(answering)
        except Exception as error:  # noqa: BLE001 - it is logged, and told to the reader
            answering.end(told_error(error, conversation=answering.conversation))
        finally:
            answering.end(None)
            self._running.discard(answering)


async def _look(answering: Answering) -> None:
    try:
        if answering.is_stored and not answering.is_over and await answering.write():
            answering.stop()
    except HeadgateError:
        return  # the database is away; the answer is kept at its end
    except Exception as error:  # noqa: BLE001 - it is logged, and ends this answer only
        told_error(error, conversation=answering.conversation)
        answering.stop()


def told_error(error: Exception, *, conversation: str) -> HeadgateError:
    """Return the error for the reader of an answer. Logs one that is not meant for readers."""
    if isinstance(error, HeadgateError):
        return error
    log.error("answer_failed", conversation=conversation, exc_info=error)
    return HeadgateError("an internal error happened; Headgate's log has its cause")
