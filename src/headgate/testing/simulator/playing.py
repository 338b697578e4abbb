"""Plays an answer onto a connection as steps: bytes, pauses, stalls and cuts.

Callbacks of the event loop drive the steps, so an answer needs no task.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable, Iterator
from typing import Literal, NamedTuple

from headgate.testing.simulator.answer import Answer, Event
from headgate.testing.simulator.script import Framing, Script
from headgate.wire import aws_event_stream


class Pause(NamedTuple):
    """Waits `seconds`; 0 yields to the event loop."""

    seconds: float


Step = bytes | Pause | Literal["stall", "fin", "rst", "done"]

_TURN = Pause(0)
_REASONS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found", 429: "Too Many Requests"}
_LAST_CHUNK = b"0\r\n\r\n"
_RESET = struct.pack("ii", 1, 0)


class Player:
    """Plays the steps of one answer onto one transport.

    Args:
        over: called at the end, with True if the whole answer was played.
    """

    def __init__(self, transport: asyncio.Transport, steps: Iterator[Step], over: Callable[[bool], None]) -> None:
        self._transport = transport
        self._steps = steps
        self._over = over
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.Handle | None = None
        self.is_stalled = False

    def play(self) -> None:
        """Play steps until the answer waits or ends."""
        self._timer = None
        for step in self._steps:
            match step:
                case bytes():
                    self._transport.write(step)
                case Pause(seconds=seconds):
                    self._timer = self._loop.call_later(seconds, self.play) if seconds else self._soon()
                    return
                case "stall":
                    self.is_stalled = True
                    return
                case "done":
                    self._over(True)
                    return
                case "fin":
                    self._over(False)
                    self._transport.close()
                    return
                case "rst":
                    self._over(False)
                    _reset(self._transport)
                    return

    def resume(self) -> None:
        """Continue a stalled answer."""
        if self.is_stalled:
            self.is_stalled = False
            self.play()

    def stop(self) -> None:
        """Stop after the connection has closed."""
        if self._timer is not None:
            self._timer.cancel()

    def _soon(self) -> asyncio.Handle:
        return self._loop.call_soon(self.play)


def steps(answer: Answer, script: Script) -> Iterator[Step]:
    """Yield the steps of an answer."""
    if script.delay_s:
        yield Pause(script.delay_s)
    if script.stall == "headers":
        yield "stall"
    is_whole = answer.events is None or script.body is not None
    yield from _whole(answer, script) if is_whole else _stream(answer.events or (), answer, script)
    yield "fin" if script.close else "done"


def _whole(answer: Answer, script: Script) -> Iterator[Step]:
    body = answer.body if script.body is None else script.body
    head = _head(answer, script, "application/json", (("content-length", str(len(body))),))
    if script.stall is None and script.cut is None:
        yield head + body
        return
    yield head
    if script.stall is not None and script.stall != "headers":
        yield "stall"
    if script.cut is None:
        yield body
        return
    yield body[: len(body) // 2]
    yield _TURN
    yield "rst" if script.cut == "rst" else "fin"


def _stream(events: tuple[Event, ...], answer: Answer, script: Script) -> Iterator[Step]:
    kind = aws_event_stream.CONTENT_TYPE if answer.is_binary else "text/event-stream; charset=utf-8"
    head = _head(answer, script, kind, (("transfer-encoding", "chunked"),))
    framing = script.framing
    if script.stall == "first byte":
        yield head
        yield "stall"
        head = b""
    bom = b"\xef\xbb\xbf" if framing.bom else b""
    for place, event in enumerate(events):
        if script.stall == "stream" and place == script.stall_after:
            yield "stall"
        if script.cut is not None and place == script.cut_after:
            yield _TURN
            yield _LAST_CHUNK if script.cut == "short" else script.cut
            return
        if answer.is_binary:
            data = aws_event_stream.frame(event.name, event.data, kind="exception" if event.is_error else "event")
        else:
            data = bom + frame(event, framing, is_last=place == len(events) - 1)
        if script.malformed is not None and place == script.malformed_at:
            data = script.malformed + data
        bom = b""
        if framing.split_bytes is None:
            yield head + _chunk(data)
        else:
            yield head
            for start in range(0, len(data), framing.split_bytes):
                yield _chunk(data[start : start + framing.split_bytes])
                yield _TURN
        head = b""
        if script.spacing_s and place < len(events) - 1:
            yield Pause(script.spacing_s)
    yield _LAST_CHUNK


def frame(event: Event, framing: Framing, *, is_last: bool) -> bytes:
    """Return the bytes of one event in this framing."""
    end = b"\r\n" if framing.crlf else b"\n"
    space = b" " if framing.space else b""
    parts = [b": keep-alive" + end + end] if framing.comments else []
    if event.name:
        parts.append(b"event:" + space + event.name.encode() + end)
    parts.append(b"data:" + space + event.data + end)
    if framing.last_blank_line or not is_last:
        parts.append(end)
    return b"".join(parts)


def _head(answer: Answer, script: Script, kind: str, framing: tuple[tuple[str, str], ...]) -> bytes:
    status = answer.status if answer.status != 200 else script.status
    headers = {
        "content-type": script.content_type or kind,
        **dict(framing),
        **({"connection": "close"} if script.close else {}),
        **dict(answer.headers),
        **{name.lower(): value for name, value in script.headers},
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status} {_REASONS.get(status, 'Status')}\r\n{lines}\r\n".encode("latin-1")


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def _reset(transport: asyncio.Transport) -> None:
    """Close the connection with a reset.

    Sent bytes that the client has not read may be lost, as in production.
    """
    descriptor: int = transport.get_extra_info("socket").fileno()
    with socket.fromfd(descriptor, socket.AF_INET, socket.SOCK_STREAM) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    transport.abort()
