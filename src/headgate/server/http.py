"""HTTP with limits that uvicorn lacks: on the size of a head, on time, and on unread bytes."""

from __future__ import annotations

import asyncio
import http
from functools import partial
from typing import Any, ClassVar, cast

import msgspec
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from headgate.server.asgi import WHOLE, Message
from headgate.server.disconnect import DISCONNECT, Disconnect

MAX_HEAD_BYTES = 64 << 10
HEAD_S = 10.0
"""Time for a request's head, counted from the start of the connection or of the request."""

BODY_S = 300.0
MAX_UNREAD_BYTES = 64 << 20
"""Bytes of a refused body that are read and dropped, so that the client can read the refusal."""


UNREAD_S = 60.0
"""Time that a client may read nothing while its answer waits."""


def bounded_http(*, unread_s: float) -> type[BoundedHttp]:
    """Return the protocol class with this limit on unread answers."""

    class Http(BoundedHttp):
        most_unread_s = unread_s

    return Http


class BoundedHttp(HttpToolsProtocol):
    """uvicorn's protocol with limits: it disconnects clients that send too much, send too slowly, or do not read."""

    most_unread_s: ClassVar[float] = UNREAD_S

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._due_s: float | None = None
        self._look: asyncio.TimerHandle | None = None
        self._is_in_head = True
        self._head_bytes = 0
        self._piece_bytes = 0
        self._bound_bytes = 0
        """An upper bound of the head: the bytes since the piece in which the last request ended, with that piece."""
        self._unread_bytes = 0
        self._refusal = (400, "the request is not valid HTTP/1.1")
        self._takes_nothing: asyncio.TimerHandle | None = None
        self._departure = Disconnect()

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Start the timer for the head."""
        super().connection_made(transport)
        self._expect(HEAD_S)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop all timers and run the disconnect callback."""
        self._expect(None)
        if self._look is not None:
            self._look.cancel()
        self._expect_reader(None)
        super().connection_lost(exc)
        self._departure.leave()

    def pause_writing(self) -> None:
        """Start the timer for unread bytes."""
        super().pause_writing()
        self._expect_reader(self.most_unread_s)

    def resume_writing(self) -> None:
        """Stop the timer for unread bytes."""
        self._expect_reader(None)
        super().resume_writing()

    def data_received(self, data: bytes) -> None:
        """Refuse a head that is too large before it ends."""
        self._piece_bytes = len(data)
        self._bound_bytes += len(data)
        if self._is_in_head:
            self._head_bytes += len(data)
            if self._due_s is None:
                self._expect(HEAD_S)
        super().data_received(data)
        # The parser reports only complete headers; an endless one has to be found here.
        if self._is_in_head and self._head_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
            self._refuse_head()
            self.send_400_response("")

    def on_headers_complete(self) -> None:
        """Refuse a head that is too large; start the timer for the body."""
        if self._bound_bytes > MAX_HEAD_BYTES and self._is_head_too_large():
            self._refuse_head()
            raise ValueError("head too large")  # the parser turns it into its own error, which refuses the request
        self._is_in_head = False
        self._expect(BODY_S)
        ours = cast("dict[str, Any]", self.scope)
        ours[DISCONNECT] = self._departure
        super().on_headers_complete()
        ours[WHOLE] = partial(self._answer, self.cycle)

    def on_body(self, body: bytes) -> None:
        """Close the connection if too much of a refused body arrives."""
        if self.cycle.response_complete:
            self._unread_bytes += len(body)
            if self._unread_bytes > MAX_UNREAD_BYTES:
                self.transport.close()
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Stop the timer until the next request."""
        self._expect(None)
        self._is_in_head, self._head_bytes, self._unread_bytes = True, 0, 0
        self._bound_bytes = self._piece_bytes
        super().on_message_complete()
        if not self.pipeline:
            # A large body paused reading; without reading, a disconnect would go unseen.
            self.flow.resume_reading()

    def send_400_response(self, msg: str) -> None:
        """Refuse an unreadable request in a form that OpenAI and Anthropic clients read; `msg` is not sent."""
        status, message = self._refusal
        said = {"type": "invalid_request_error", "code": "invalid_http", "param": None, "message": message}
        body = msgspec.json.encode({"type": "error", "error": said})
        head = (
            f"HTTP/1.1 {status} {http.HTTPStatus(status).phrase}\r\ncontent-type: application/json\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode("ascii") + body)
        self.transport.close()

    async def _answer(self, cycle: RequestResponseCycle, message: Message) -> None:
        """Write a whole answer in one system call, with the same effect as `cycle.send` for each half."""
        if self.flow.write_paused and not cycle.disconnected:
            await self.flow.drain()
        if cycle.disconnected:
            return
        cycle.response_started = cycle.response_complete = True
        lines = [STATUS_LINE[message["status"]]]
        for name, value in (*cycle.default_headers, *message["headers"]):
            lines += (name, b": ", value, b"\r\n")
        lines.append(b"\r\n" if cycle.keep_alive else b"connection: close\r\n\r\n")
        if cycle.scope["method"] != "HEAD":
            lines.append(message["body"])
        self.transport.write(b"".join(lines))
        cycle.message_event.set()
        if not cycle.keep_alive:
            self.transport.close()
        cycle.on_response()

    def _refuse_head(self) -> None:
        self._refusal = (431, f"the request line and headers are larger than {MAX_HEAD_BYTES >> 10} KiB; send fewer")

    def _is_head_too_large(self) -> bool:
        """Count the head alone, without a body that came with it."""
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers) > MAX_HEAD_BYTES

    def _expect(self, within_s: float | None) -> None:
        """Set the deadline for the next bytes from the client; None removes it.

        One timer for each connection checks the deadline, so that requests set and cancel no timers.
        """
        if within_s is None:
            self._due_s = None
            return
        self._due_s = self.loop.time() + within_s
        if self._look is None:
            self._look = self.loop.call_later(min(within_s, HEAD_S), self._look_again)

    def _look_again(self) -> None:
        self._look = None
        if self._due_s is None:
            return
        left_s = self._due_s - self.loop.time()
        if left_s <= 0:
            self._due_s = None
            self._is_late()
        else:
            self._look = self.loop.call_later(min(left_s, HEAD_S), self._look_again)

    def _expect_reader(self, within_s: float | None) -> None:
        if self._takes_nothing is not None:
            self._takes_nothing.cancel()
        self._takes_nothing = (
            None
            if within_s is None
            else self.loop.call_later(within_s, self._look_at_unread, self.transport.get_write_buffer_size())
        )

    def _look_at_unread(self, before_bytes: int) -> None:
        """Abort the connection if the client read nothing; its handlers then close upstreams and records."""
        if self.transport.get_write_buffer_size() < before_bytes:
            self._expect_reader(self.most_unread_s)
        else:
            self.transport.abort()

    def _is_late(self) -> None:
        if self.transport.is_closing():
            return
        if self.flow.read_paused:
            # We paused reading, so the client is not late.
            self._expect(BODY_S)
        elif (self._is_in_head and not self._head_bytes) or self._is_answering():
            self.transport.close()
        else:
            self._refusal = (408, "the request took too long to arrive; send it again")
            self.send_400_response("")

    def _is_answering(self) -> bool:
        """Whether an answer has started and not ended; nothing else may be written now."""
        return self.cycle is not None and self.cycle.response_started and not self.cycle.response_complete  # pyright: ignore[reportUnnecessaryComparison] - uvicorn sets it later
