"""Streams that are open in this worker: kept alive while the model is silent, by one sweep for all of them."""

from __future__ import annotations

import asyncio

from headgate.kernel.ports import Clock
from headgate.server.asgi import Send
from headgate.wire.dialect import EventWriter

SILENCE_S = 12.0
"""A heartbeat is sent after this; clients of some wires warn their users after 20 s without one."""


class OpenStream:
    """One answer that is being streamed. `send` is for whole frames only, so that heartbeats may come in between."""

    __slots__ = ("_clock", "_is_over", "_send", "_turn", "is_started", "last_s", "writer")

    def __init__(self, send: Send, writer: EventWriter, clock: Clock) -> None:
        self._send = send
        self._clock = clock
        self._turn = asyncio.Lock()
        self._is_over = False
        self.writer = writer
        self.last_s = clock.monotonic()
        self.is_started = False

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
        """Whether nothing was said since; a client that does not read what was said is not kept waiting by us."""
        return self.is_started and self.last_s < since_s and not self._turn.locked()

    async def heartbeat(self) -> None:
        """Send a sign of life, unless the answer is over."""
        async with self._turn:
            if not self._is_over:
                self.last_s = self._clock.monotonic()
                await self._send({"type": "http.response.body", "body": self.writer.heartbeat(), "more_body": True})


class OpenStreams:
    """All open streams of a worker."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._streams: set[OpenStream] = set()

    def __len__(self) -> int:
        return len(self._streams)

    def add(self, stream: OpenStream) -> None:
        """Look after a stream from now on."""
        self._streams.add(stream)

    def remove(self, stream: OpenStream) -> None:
        """Stop looking after it."""
        self._streams.discard(stream)

    async def sweep_forever(self, *, every_s: float = 2.0) -> None:
        """Send heartbeats where a stream has been silent; end it by cancelling.

        Each waits for its own client, at most one for a stream: who does not read holds up nobody else.
        """
        async with asyncio.TaskGroup() as group:
            while True:
                await asyncio.sleep(every_s)
                silent_since_s = self._clock.monotonic() - SILENCE_S
                for stream in [one for one in self._streams if one.is_silent(silent_since_s)]:
                    group.create_task(stream.heartbeat())
