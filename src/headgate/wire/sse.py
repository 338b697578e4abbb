"""Server-sent events: an incremental parser and a writer.

Source: WHATWG HTML, section 9.2.6 "Interpreting an event stream".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from headgate.kernel.errors import Upstream

MAX_EVENT_BYTES = 8 * 1024 * 1024
"""The largest event that an upstream may send."""

_BOM = b"\xef\xbb\xbf"


class SseEvent(NamedTuple):
    """One dispatched event: its name, or `""`, and its data, with lines joined by a newline."""

    name: str
    data: bytes


class SseParser:
    """Parses a stream in pieces of any size. Use one parser for each stream, in one task."""

    __slots__ = ("_has_data", "_is_at_start", "_lines", "_max_event_bytes", "_name", "_pieces", "_size", "_skip_lf")

    def __init__(self, *, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self._max_event_bytes = max_event_bytes
        self._pieces: list[bytes] = []
        self._lines: list[bytes] = []
        self._name = ""
        self._has_data = False
        self._size = 0
        self._is_at_start = True
        self._skip_lf = False

    def feed(self, data: bytes) -> list[SseEvent]:
        """Return the events that these bytes complete, if any.

        Raises:
            Upstream: an event is larger than allowed.
        """
        if self._is_at_start:
            data = self._without_bom(data)
        if not data:
            return []
        if not self._pieces and not self._size and data[-2:] == b"\n\n" and b"\r" not in data and not self._skip_lf:
            return self._feed_whole(data)
        return self._feed_lines(data)

    def finish(self) -> SseEvent | None:
        """End the stream; return the last, unterminated event if it has data.

        A browser drops that event. A reader of an upstream may use it, because some servers omit
        the last blank line. If the stream broke off within its JSON, the JSON does not decode.
        """
        pending = b"".join(self._pieces)
        self._pieces = []
        self._size -= len(pending)
        if self._is_at_start:
            pending = pending.removeprefix(_BOM)
        if pending:
            self._take_line(pending)
        event = self._dispatch() if self._has_data else None
        self._reset()
        return event

    def _without_bom(self, data: bytes) -> bytes:
        """Return the stream's first bytes without a byte order mark; empty until it is certain."""
        data = b"".join((*self._pieces, data))
        self._pieces = []
        if len(data) < 3 and _BOM.startswith(data):
            self._pieces.append(data)
            return b""
        self._is_at_start = False
        return data.removeprefix(_BOM)

    def _feed_whole(self, data: bytes) -> list[SseEvent]:
        """Take whole events with line feeds only, the form that nearly every server sends."""
        events: list[SseEvent] = []
        limit = self._max_event_bytes
        for block in data[:-2].split(b"\n\n"):
            if block[:6] == b"data: " and b"\n" not in block and len(block) <= limit:
                events.append(SseEvent("", block[6:]))
            else:
                events += self._feed_lines(block + b"\n\n")
        return events

    def _feed_lines(self, data: bytes) -> list[SseEvent]:
        if self._skip_lf:
            self._skip_lf = False
            data = data.removeprefix(b"\n")
        if b"\r" in data:
            self._skip_lf = data[-1:] == b"\r"
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        first, *rest = data.split(b"\n")
        self._pieces.append(first)
        self._size += len(first)
        self._check_size()
        if not rest:
            return []
        lines = [b"".join(self._pieces), *rest[:-1]]
        self._pieces = [rest[-1]] if rest[-1] else []
        return self._take_lines(lines, pending_bytes=len(rest[-1]))

    def _take_lines(self, lines: Sequence[bytes], *, pending_bytes: int) -> list[SseEvent]:
        """Take complete lines; the size already includes the bytes of the first one."""
        events: list[SseEvent] = []
        self._size -= len(lines[0])
        for line in lines:
            if line:
                self._take_line(line)
                continue
            if self._has_data:
                events.append(self._dispatch())
            self._reset()
        self._size += pending_bytes
        self._check_size()
        return events

    def _take_line(self, line: bytes) -> None:
        self._size += len(line) + 1
        self._check_size()
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            self._lines.append(value)
            self._has_data = True
        elif field == b"event":
            self._name = value.decode("utf-8", "replace")

    def _dispatch(self) -> SseEvent:
        lines = self._lines
        return SseEvent(self._name, lines[0] if len(lines) == 1 else b"\n".join(lines))

    def _reset(self) -> None:
        self._lines = []
        self._name = ""
        self._has_data = False
        self._size = 0

    def _check_size(self) -> None:
        if self._size > self._max_event_bytes:
            raise Upstream(
                f"the provider sent an event of more than {self._max_event_bytes} bytes; the stream is cut",
                retryable=False,  # an event of that size is an answer, already billed
            )


def frame(data: bytes, name: str = "") -> bytes:
    """Return an event in its wire form; each line of the data becomes a `data:` line."""
    if b"\n" in data or b"\r" in data:
        data = b"\ndata: ".join(_lines(data))
    return b"event: %b\ndata: %b\n\n" % (name.encode(), data) if name else b"data: %b\n\n" % data


def comment(text: str) -> bytes:
    """Return a comment frame, which parsers skip; the line breaks of `text` become spaces."""
    return b": %b\n\n" % " ".join(text.splitlines()).encode()


def _lines(data: bytes) -> Sequence[bytes]:
    return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
