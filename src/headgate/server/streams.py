"""The open streams of this worker: one job commits them and sends heartbeats.

The task of a request reads its stream from the first item to the last, so that a performer can keep
a timeout or another context open between items. The job's own tasks work while that task waits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

import structlog

from headgate.kernel.ports import Clock
from headgate.server.asgi import Send
from headgate.wire.sse import comment

log = structlog.get_logger(__name__)

COMMIT_S = 10.0
"""Status 200 is committed at the first content, or after this time.

A failure before that gets its own status.
"""

SILENCE_S = 12.0
"""The interval of heartbeats. Some clients warn their users after 20 s without one."""


class Heart(Protocol):
    """The part of a writer that a stream needs by itself."""

    def heartbeat(self) -> bytes:
        """Return a heartbeat."""
        ...


class Following:
    """The heartbeats of a stream whose events were written before."""

    def heartbeat(self) -> bytes:
        """Return a comment frame."""
        return comment("keep-alive")


class OpenStream:
    """One streamed answer. `send` takes only whole frames, so that heartbeats fit between them."""

    __slots__ = ("_clock", "_is_over", "_send", "_turn", "is_started", "last_s", "timer", "writer")

    def __init__(self, send: Send, writer: Heart, clock: Clock) -> None:
        self._send = send
        self._clock = clock
        self._turn = asyncio.Lock()
        self._is_over = False
        self.writer = writer
        self.last_s = clock.monotonic()
        self.is_started = False
        self.timer: asyncio.TimerHandle | None = None
        """The timer until the commit of the status."""

    async def start(self, headers: list[tuple[bytes, bytes]]) -> None:
        """Commit status 200."""
        self.is_started = True
        self.last_s = self._clock.monotonic()
        async with self._turn:
            await self._send({"type": "http.response.start", "status": 200, "headers": headers})

    async def send(self, frames: bytes) -> None:
        """Send whole frames."""
        if frames:
            self.last_s = self._clock.monotonic()
            async with self._turn:
                await self._send({"type": "http.response.body", "body": frames, "more_body": True})

    async def end(self, frames: bytes) -> None:
        """Send the last frames and end the answer."""
        async with self._turn:
            self._is_over = True
            await self._send({"type": "http.response.body", "body": frames, "more_body": False})

    def is_silent(self, since_s: float) -> bool:
        """Whether nothing was sent since `since_s`; False while a send waits for a slow client."""
        return self.is_started and self.last_s < since_s and not self._turn.locked()

    async def heartbeat(self) -> None:
        """Send a heartbeat, unless the answer is over."""
        async with self._turn:
            if not self._is_over:
                self.last_s = self._clock.monotonic()
                await self._send({"type": "http.response.body", "body": self.writer.heartbeat(), "more_body": True})


class OpenStreams:
    """All open streams of a worker."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._streams: set[OpenStream] = set()
        self._group: asyncio.TaskGroup | None = None

    def __len__(self) -> int:
        return len(self._streams)

    def add(self, stream: OpenStream) -> None:
        """Start to watch a stream."""
        self._streams.add(stream)

    def remove(self, stream: OpenStream) -> None:
        """Stop watching a stream."""
        self._streams.discard(stream)
        if stream.timer is not None:
            stream.timer.cancel()

    def commit_later(self, stream: OpenStream, start: Callable[[], Awaitable[None]]) -> None:
        """Call `start` after `COMMIT_S`, in another task, if the stream still waits for an item."""
        stream.timer = asyncio.get_running_loop().call_later(COMMIT_S, self._commit, stream, start)

    def _commit(self, stream: OpenStream, start: Callable[[], Awaitable[None]]) -> None:
        if self._group is not None:
            self._group.create_task(self._committed(stream, start))

    async def _committed(self, stream: OpenStream, start: Callable[[], Awaitable[None]]) -> None:
        if stream not in self._streams or stream.is_started:
            return
        try:
            await start()
        except Exception:
            log.exception("stream_not_committed")

    async def sweep_forever(self, *, every_s: float = 2.0) -> None:
        """Commit streams and send heartbeats to silent ones, until cancelled.

        Each stream has at most one such send in flight, so a slow client blocks no other stream.
        """
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                while True:
                    await asyncio.sleep(every_s)
                    silent_since_s = self._clock.monotonic() - SILENCE_S
                    for stream in [one for one in self._streams if one.is_silent(silent_since_s)]:
                        group.create_task(stream.heartbeat())
        finally:
            self._group = None
