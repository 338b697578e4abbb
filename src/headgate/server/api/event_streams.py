"""Answers as server-sent events: kept alive by the worker's sweep, ended when the client goes."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import msgspec
import structlog

from headgate.kernel.errors import HeadgateError
from headgate.kernel.ports import Clock
from headgate.server.api import schemas
from headgate.server.api.errors import body_of
from headgate.server.api.requests import Request
from headgate.server.asgi import SECURITY_HEADERS, ClientGone
from headgate.server.departure import until_gone
from headgate.server.streams import OpenStream, OpenStreams
from headgate.wire.model_call import ModelEvent

log = structlog.get_logger(__name__)

_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store, no-transform"),
    (b"x-accel-buffering", b"no"),
    *SECURITY_HEADERS,
]
_ANSWER = ("content", "refusal")


def frame(name: str, data: msgspec.Struct) -> bytes:
    """Return one event."""
    return f"event: {name}\ndata: ".encode() + msgspec.json.encode(data) + b"\n\n"


class ConsoleWriter:
    """The console's own form of a streamed answer; an `EventWriter` of the wire package."""

    def write(self, event: ModelEvent) -> bytes:
        """Return an event `delta` with the answer's text; reasoning and tool calls are left out."""
        text = "".join(slot.text for slot in event.slots if slot.channel.partition("/")[0] in _ANSWER)
        return frame("delta", schemas.ChatDelta(text=text)) if text else b""

    def end(self) -> bytes:
        """Return nothing: the event `gate` ended the answer."""
        return b""

    def fail(self, error: HeadgateError) -> bytes:
        """Return the event `error`."""
        return b"event: error\ndata: " + body_of(error) + b"\n\n"

    def heartbeat(self) -> bytes:
        """Return a comment."""
        return b": still here\n\n"


@asynccontextmanager
async def event_stream(request: Request, *, streams: OpenStreams, clock: Clock) -> AsyncGenerator[OpenStream, None]:
    """A stream for the request's answer; the block starts it, and is cancelled when the client goes.

    An error inside becomes the event `error` once the stream was started, and goes up before that.

    Raises:
        ClientGone: the client went away.
    """
    writer = ConsoleWriter()
    stream = OpenStream(request.send, writer, clock)
    streams.add(stream)
    try:
        async with until_gone(request.scope):
            yield stream
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
        await stream.end(writer.fail(HeadgateError("an internal error happened; its cause is in the log")))
    finally:
        streams.remove(stream)


async def start(stream: OpenStream, *headers: tuple[bytes, bytes]) -> None:
    """Commit the status."""
    await stream.start([*_HEADERS, *headers])
