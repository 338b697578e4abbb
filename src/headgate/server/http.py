"""HTTP with bounds that uvicorn does not set: on a request's head, on the time that it takes, on what nobody reads."""

from __future__ import annotations

import asyncio
import http
from functools import partial
from typing import Any, ClassVar, cast

import msgspec
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from headgate.server.asgi import WHOLE, Message
from headgate.server.departure import DEPARTURE, Departure

MAX_HEAD_BYTES = 64 << 10
HEAD_S = 10.0
"""From the beginning of a connection, or of a later request on it, to the end of the head."""

BODY_S = 300.0
MAX_UNREAD_BYTES = 64 << 20
"""What is taken and thrown away of a body that was refused, so that honest clients get to read the refusal."""


UNREAD_S = 60.0
"""From when an answer stopped fitting into what the client has not taken yet, for as long as it takes none of it."""


def bounded_http(*, unread_s: float) -> type[BoundedHttp]:
    """Return the protocol for clients that may leave an answer unread for so long."""

    class Http(BoundedHttp):
        most_unread_s = unread_s

    return Http


class BoundedHttp(HttpToolsProtocol):
    """uvicorn's protocol, which lets go of clients that send too much or too slowly, or do not read."""

    most_unread_s: ClassVar[float] = UNREAD_S

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._due_s: float | None = None
        self._look: asyncio.TimerHandle | None = None
        self._is_in_head = True
        self._head_bytes = 0
        self._piece_bytes = 0
        self._bound_bytes = 0
        """No head is larger: what came since the piece in which the last request ended, that piece included."""
        self._unread_bytes = 0
        self._refusal = (400, "the request is no valid HTTP/1.1")
        self._takes_nothing: asyncio.TimerHandle | None = None
        self._departure = Departure()

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Expect a head."""
        super().connection_made(transport)
        self._expect(HEAD_S)

    def connection_lost(self, exc: Exception | None) -> None:
        """Expect nothing any more."""
        self._expect(None)
        if self._look is not None:
            self._look.cancel()
        self._expect_reader(None)
        super().connection_lost(exc)
        self._departure.leave()

    def pause_writing(self) -> None:
        """Expect the client to take what is there for it: one timer for each time that it falls behind."""
        super().pause_writing()
        self._expect_reader(self.most_unread_s)

    def resume_writing(self) -> None:
        """Expect nothing: it reads."""
        self._expect_reader(None)
        super().resume_writing()

    def data_received(self, data: bytes) -> None:
        """Refuse a head that does not end."""
        self._piece_bytes = len(data)
        self._bound_bytes += len(data)
        if self._is_in_head:
            self._head_bytes += len(data)
            if self._due_s is None:
                self._expect(HEAD_S)
        super().data_received(data)
        # The parser tells of a header once it is whole; one that never ends has to be found here.
        if self._is_in_head and self._head_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
            self._refuse_head()
            self.send_400_response("")

    def on_headers_complete(self) -> None:
        """Refuse a head that is too large; expect the body."""
        if self._bound_bytes > MAX_HEAD_BYTES and self._is_head_too_large():
            self._refuse_head()
            raise ValueError("head too large")  # the parser makes its own error of it, which refuses the request
        self._is_in_head = False
        self._expect(BODY_S)
        ours = cast("dict[str, Any]", self.scope)
        ours[DEPARTURE] = self._departure
        super().on_headers_complete()
        ours[WHOLE] = partial(self._answer, self.cycle)

    def on_body(self, body: bytes) -> None:
        """Close the connection when too much comes that nobody reads."""
        if self.cycle.response_complete:
            self._unread_bytes += len(body)
            if self._unread_bytes > MAX_UNREAD_BYTES:
                self.transport.close()
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Expect nothing until the next request begins."""
        self._expect(None)
        self._is_in_head, self._head_bytes, self._unread_bytes = True, 0, 0
        self._bound_bytes = self._piece_bytes
        super().on_message_complete()
        if not self.pipeline:
            # A large body had it paused, and a client's leaving is not seen while nothing is read.
            self.flow.resume_reading()

    def send_400_response(self, msg: str) -> None:
        """Refuse what cannot be read, in words that clients of both wires find; `msg` is uvicorn's own and not said."""
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
        """Write a whole answer as `cycle.send` writes its halves, but at once: one call of the system, one segment."""
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
        self._refusal = (431, f"the request's line and headers are larger than {MAX_HEAD_BYTES >> 10} KiB; send less")

    def _is_head_too_large(self) -> bool:
        """Count the head alone: a body may have come with it."""
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers) > MAX_HEAD_BYTES

    def _expect(self, within_s: float | None) -> None:
        """Have the client send what is due within that time; None: nothing is due.

        One timer a connection looks from time to time, so that a request sets and cancels none.
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
        """Let go of a client that took nothing. Whoever answers it sees it leave: upstreams are closed, records too."""
        if self.transport.get_write_buffer_size() < before_bytes:
            self._expect_reader(self.most_unread_s)
        else:
            self.transport.abort()

    def _is_late(self) -> None:
        if self.transport.is_closing():
            return
        if self.flow.read_paused:
            # It is us who do not read, so the client cannot be late.
            self._expect(BODY_S)
        elif (self._is_in_head and not self._head_bytes) or self._is_answering():
            self.transport.close()
        else:
            self._refusal = (408, "the request took too long to arrive")
            self.send_400_response("")

    def _is_answering(self) -> bool:
        """Whether an answer is under way, into which nothing may be written."""
        return self.cycle is not None and self.cycle.response_started and not self.cycle.response_complete  # pyright: ignore[reportUnnecessaryComparison] - uvicorn sets it later
