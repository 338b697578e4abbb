"""One HTTP/1.1 client connection: one exchange at a time, with strict framing of responses.

The parser rejects the tools of request smuggling (both lengths, two lengths, bare line feeds, folded headers). This
module rejects unexpected responses, bytes after a response, transfer codings other than chunked, and unbounded heads.
Source: RFC 9112 sections 6 and 9; RFC 9110 section 15.2.
"""

from __future__ import annotations

import asyncio
import select
from collections.abc import Callable
from typing import NamedTuple, NoReturn, cast

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from headgate.kernel.errors import HeadgateError, Upstream, UpstreamTimeout
from headgate.substrate.egress.body import BodyQueue
from headgate.substrate.egress.profile import NetworkProfile
from headgate.substrate.egress.response import Framing, Headers, Response

_IDLE, _HEAD, _BODY, _DONE, _CLOSED = range(5)
_MAX_HEADERS = 256
_MAX_INTERIM = 8
_JOIN_BELOW = 64 * 1024
_FIRST_LETTER = b"H"[0]


class _RefusedError(Exception):
    """Aborts the parser. The connection has the reason."""


class TimeLimit(NamedTuple):
    """Time limit of a whole exchange, and its deadline on the loop's clock."""

    seconds: float
    until: float


class Connection(asyncio.Protocol):
    """A connection and the exchange on it.

    Args:
        loop: the running loop.
        peer: `host:port` for messages.
        profile: its limits and times.
        on_lost: callback when the connection is closed.

    Attributes:
        deadline: loop time at which the sweep calls `expire`. Its meaning depends on the phase.
        was_answered: whether the current exchange received any byte.
    """

    __slots__ = (
        "_body_bytes",
        "_framing",
        "_head_bytes",
        "_headers",
        "_interim",
        "_is_head",
        "_is_paused",
        "_length",
        "_loop",
        "_on_lost",
        "_parser",
        "_peer",
        "_poll",
        "_profile",
        "_queue",
        "_quiet_bytes",
        "_refusal",
        "_reusable",
        "_says_close",
        "_state",
        "_status",
        "_total_deadline",
        "_total_s",
        "_transfer",
        "_transport",
        "_waiter",
        "deadline",
        "was_answered",
    )

    _transport: asyncio.Transport
    _parser: HttpResponseParser | None
    _queue: BodyQueue

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        *,
        peer: str,
        profile: NetworkProfile,
        on_lost: Callable[[Connection], None],
    ) -> None:
        self._loop = loop
        self._peer = peer
        self._profile = profile
        self._on_lost = on_lost
        self._state = _IDLE
        self._waiter: asyncio.Future[None] | None = None
        self._refusal: HeadgateError | None = None
        self._is_paused = False
        self.deadline = loop.time() + profile.keep_alive_s

    # The caller's side

    async def exchange(self, head: bytes, body: bytes, *, is_head: bool, limit: TimeLimit) -> Response:
        """Write a request and wait for the head of its response.

        Cancelling closes the connection.

        Raises:
            Upstream: there was no response, or it broke the protocol. `was_answered` tells the two apart.
            UpstreamTimeout: the response was not in time.
        """
        loop = self._loop
        if self._state != _IDLE:
            self.was_answered = False
            raise Upstream(f"{self._peer} closed the connection before it was used.")
        self._begin(is_head=is_head, limit=limit)
        if len(body) < _JOIN_BELOW:
            self._transport.write(head + body)
        else:
            self._transport.writelines((head, body))
        waiter = self._waiter = loop.create_future()
        try:
            await waiter
        except asyncio.CancelledError:
            self.abort()
            raise
        finally:
            self._waiter = None
        return Response(self._status, Headers(tuple(self._headers)), framing=self._framing, queue=self._queue)

    def is_alive(self) -> bool:
        """Whether an idle connection is usable: not closed, and no unexpected bytes received.

        Checks the socket, so it notices a close that the loop has not seen yet.
        """
        return self._state == _IDLE and not self._transport.is_closing() and not self._poll.poll(0)

    def release(self, now: float) -> bool:
        """End the exchange. Return True if the connection is reusable; otherwise close it."""
        transport = self._transport
        if self._state != _DONE or not self._reusable or transport.is_closing() or transport.get_write_buffer_size():
            self.abort()
            return False
        self._state = _IDLE
        self._queue.is_full = False
        if self._is_paused:
            self._resume()
        self.deadline = now + self._profile.keep_alive_s
        return True

    def abort(self, error: HeadgateError | None = None) -> None:
        """Close immediately, which stops the other side. A waiting reader gets the error."""
        if self._state != _CLOSED:
            self._report(error or Upstream(f"The exchange with {self._peer} was left before its end.", retryable=False))
            self._state = _CLOSED
            self._transport.abort()

    def expire(self, now: float) -> None:
        """Close after the deadline, with an error that names the timeout."""
        profile = self._profile
        if self._state in (_IDLE, _DONE):
            what = ""
        elif now >= self._total_deadline:
            what = f"did not finish within {self._total_s:g} s"
        elif self._state == _HEAD or not self._body_bytes:
            what = f"did not begin to answer within {profile.first_byte_s:g} s"
        else:
            what = f"stopped answering for {profile.idle_s:g} s"
        self.abort(UpstreamTimeout(f"{self._peer} {what}; the connection was closed."))

    # The transport's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Store the transport."""
        self._transport = cast(asyncio.Transport, transport)
        self._parser = HttpResponseParser(self)
        self._poll = select.poll()
        self._poll.register(transport.get_extra_info("socket").fileno(), select.POLLIN)

    def data_received(self, data: bytes) -> None:
        """Parse the bytes, extend the deadline and wake the reader."""
        parser = self._parser
        if self._state not in (_HEAD, _BODY) or parser is None:
            self.abort()
            return
        if not self.was_answered:
            self.was_answered = True
            if data[0] != _FIRST_LETTER:
                self._fail(Upstream(f"{self._peer} did not answer in HTTP/1.1."))
                return
        received_before = self._body_bytes
        try:
            parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade):
            self._fail(self._refusal or Upstream(f"{self._peer} sent an answer that breaks HTTP/1.1."))
            return
        if self._body_bytes != received_before:
            self._quiet_bytes = 0
            if not self._is_paused:
                self._await_more()
            self._queue.wake()
        else:
            self._count_quiet(len(data))
        if self._state != _HEAD:
            self._wake_caller()

    def connection_lost(self, exc: Exception | None) -> None:
        """End the running exchange, because the transport is closed."""
        if self._state == _BODY and self._framing == "eof" and exc is None:
            self._state = _DONE
            self._queue.end()
        elif self._state == _HEAD:
            what = "in the middle of its answer's head" if self.was_answered else "before answering"
            self._report(Upstream(f"{self._peer} closed the connection {what}."))
        elif self._state == _BODY:
            self._report(Upstream(f"The answer of {self._peer} was cut before its end."))
        self._state = _CLOSED
        self._parser = None
        self._on_lost(self)

    # The parser's side

    def on_message_begin(self) -> None:
        """Handle the start of a status line. Rejects one after the final response."""
        if self._state != _HEAD:
            self._refuse("sent more than it was asked for")

    def on_header(self, name: bytes, value: bytes) -> None:
        """Handle one header. Notes the headers that decide the framing."""
        if self._state != _HEAD:
            return
        size = len(name)
        self._headers.append((name, value))
        self._head_bytes += size + len(value) + 4
        if self._head_bytes > self._profile.max_head_bytes or len(self._headers) > _MAX_HEADERS:
            self._refuse("sent headers larger than the profile's max_head_bytes")
        if size == 17 and name.lower() == b"transfer-encoding":
            self._transfer = value.lower() if self._transfer is None else b"twice"
        elif size == 14 and name.lower() == b"content-length":
            self._length = value
        elif size == 10 and name.lower() == b"connection":
            self._says_close = self._says_close or b"close" in value.lower()

    def on_headers_complete(self) -> None:
        """Handle a complete head: skip an interim response, or decide the framing of the body."""
        assert self._parser is not None
        status = self._parser.get_status_code()
        if status < 200:
            self._skip_interim(status)
            return
        version = self._parser.get_http_version()
        if version not in ("1.1", "1.0"):
            self._refuse("answered in a version of HTTP that was not offered")
        self._status = status
        self._framing = self._decide_framing(is_old=version == "1.0")
        self._state = _BODY
        if self._framing == "none":
            # The parser may wait for a body that never comes, so reuse the connection only if no header promised one.
            self._complete(reusable=not self._is_head and self._transfer is None and self._length in (None, b"0"))

    def on_body(self, piece: bytes) -> None:
        """Handle a piece of the body, without its framing."""
        if self._state != _BODY:
            self._refuse("sent a body where there is none")
        self._body_bytes += len(piece)
        if self._body_bytes > self._profile.max_body_bytes:
            self._refuse("sent a body larger than the profile's max_body_bytes")
        if self._queue.put(piece):
            self._is_paused = True
            self.deadline = self._total_deadline
            self._transport.pause_reading()

    def on_message_complete(self) -> None:
        """Handle the end of the response."""
        if self._state == _BODY:
            self._complete(reusable=True)

    # Inside

    def _begin(self, *, is_head: bool, limit: TimeLimit) -> None:
        self._state = _HEAD
        self._is_head = is_head
        self._queue = BodyQueue(self._loop, self._resume)
        self._headers: list[tuple[bytes, bytes]] = []
        self._transfer: bytes | None = None
        self._length: bytes | None = None
        self._says_close = False
        self._framing: Framing = "none"
        self._status = 0
        self._head_bytes = self._quiet_bytes = self._body_bytes = self._interim = 0
        self._reusable = False
        self.was_answered = False
        self._total_s, self._total_deadline = limit
        self.deadline = min(self._loop.time() + self._profile.first_byte_s, self._total_deadline)

    def _skip_interim(self, status: int) -> None:
        self._interim += 1
        if status in (100, 102, 103) and self._interim <= _MAX_INTERIM:
            self._headers.clear()
            self._transfer = self._length = None
            self._says_close = False
            return
        self._refuse("sent too many interim answers" if self._interim > _MAX_INTERIM else "switched protocols unasked")

    def _decide_framing(self, *, is_old: bool) -> Framing:
        if self._is_head or self._status in (204, 304):
            return "none"
        if self._transfer is not None:
            if self._transfer.strip() != b"chunked" or self._length is not None or is_old:
                self._refuse("sent a body in a transfer coding that is not plain chunked")
            return "chunked"
        if self._length is not None:
            return "length"
        if not is_old and not self._says_close:
            self._refuse("did not say how long its answer is")
        return "eof"

    def _complete(self, *, reusable: bool) -> None:
        assert self._parser is not None
        self._reusable = reusable and not self._says_close and self._parser.should_keep_alive()
        self._state = _DONE
        self._queue.end()

    def _count_quiet(self, size: int) -> None:
        """Limit bytes that the parser reports as neither head nor body: open heads, chunk extensions and trailers."""
        self._quiet_bytes += size
        if self._quiet_bytes > self._profile.max_head_bytes and self._state in (_HEAD, _BODY):
            self._fail(Upstream(f"{self._peer} sent a head or trailer larger than the profile's max_head_bytes."))

    def _await_more(self) -> None:
        self.deadline = min(self._loop.time() + self._profile.idle_s, self._total_deadline)

    def _resume(self) -> None:
        self._is_paused = False
        if self._state != _CLOSED:
            self._await_more()
            self._transport.resume_reading()

    def _refuse(self, what: str) -> NoReturn:
        self._refusal = Upstream(f"{self._peer} {what}; the connection was closed.", retryable=False)
        raise _RefusedError

    def _fail(self, error: HeadgateError) -> None:
        if self._state == _DONE:
            # The response is complete, so only the connection is discarded.
            self._wake_caller()
        self.abort(error)

    def _report(self, error: HeadgateError) -> None:
        """Pass an error to the caller of `exchange` before the head, and to the body's reader after it."""
        waiter = self._waiter
        if self._state == _HEAD:
            if waiter is not None and not waiter.done():
                waiter.set_exception(error)
        elif self._state == _BODY:
            self._queue.fail(error)
            self._wake_caller()

    def _wake_caller(self) -> None:
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)
