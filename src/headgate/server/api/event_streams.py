"""Server-sent events: the worker's sweep sends heartbeats, and a disconnect ends the stream."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import structlog

from headgate.admin.requests import Request
from headgate.kernel.errors import HeadgateError
from headgate.kernel.ports import Clock
from headgate.server.api.errors import body_of, refuse_undecided
from headgate.server.api.signed_in import while_signed_in
from headgate.server.asgi import SECURITY_HEADERS, ClientGone
from headgate.server.disconnect import until_disconnected
from headgate.server.streams import OpenStream, OpenStreams
from headgate.wire.model_call import ModelEvent

log = structlog.get_logger(__name__)

_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store, no-transform"),
    (b"x-accel-buffering", b"no"),
    *SECURITY_HEADERS,
]


class _Writer:
    """The `EventWriter` that the sweep uses for these streams."""

    def write(self, event: ModelEvent) -> bytes:
        """Return nothing: handlers write their own events."""
        return b""

    def end(self) -> bytes:
        """Return nothing: the last event ends the answer."""
        return b""

    def fail(self, error: HeadgateError) -> bytes:
        """Return the event `error`."""
        return b"event: error\ndata: " + body_of(error) + b"\n\n"

    def heartbeat(self) -> bytes:
        """Return a comment as heartbeat."""
        return b": still here\n\n"


class _Stream:
    """An open stream for handlers; see `admin.requests.EventStream`."""

    def __init__(self, stream: OpenStream, request: Request) -> None:
        self._stream = stream
        self._request = request

    @property
    def is_started(self) -> bool:
        """Whether status 200 was sent."""
        return self._stream.is_started

    async def begin(self, *headers: tuple[str, str]) -> None:
        """Send status 200 and the headers.

        Raises:
            UndecidedError: policy has not decided the operation's verb.
        """
        refuse_undecided(self._request)
        await self._stream.start([*_HEADERS, *((name.encode(), value.encode()) for name, value in headers)])

    async def send(self, frames: bytes) -> None:
        """Send whole events."""
        await self._stream.send(frames)

    async def heartbeat(self) -> None:
        """Send a heartbeat."""
        await self._stream.send(self._stream.writer.heartbeat())


@asynccontextmanager
async def event_stream(request: Request, *, streams: OpenStreams, clock: Clock) -> AsyncGenerator[_Stream]:
    """Answer a request with a stream; the block is cancelled when the client disconnects.

    An error inside the block becomes the event `error` after the stream has begun, and is raised before that.

    Raises:
        ClientGone: the client disconnected.
        Unauthenticated: the caller's session or key ended before the stream began.
    """
    writer = _Writer()
    stream = OpenStream(request.send, writer, clock)
    streams.add(stream)
    try:
        async with until_disconnected(request.scope), while_signed_in(request):
            yield _Stream(stream, request)
        if stream.is_started:
            await stream.end(b"")
    except ClientGone:
        raise
    except HeadgateError as error:
        if not stream.is_started:
            raise
        await stream.end(writer.fail(error))
    except Exception:
        if not stream.is_started:
            raise
        log.exception("stream_failed", operation=request.operation.id)
        await stream.end(writer.fail(HeadgateError("an internal error happened; Headgate's log has its cause")))
    finally:
        streams.remove(stream)
