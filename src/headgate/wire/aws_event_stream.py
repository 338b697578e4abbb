"""The binary event streams of AWS: `application/vnd.amazon.eventstream`.

A message is a prelude (its size, the size of its headers, and a checksum of both), headers, a
payload, and a checksum of everything before. The parser turns each message into an event whose name
is the message's type and whose data is its payload. The payload of a `chunk` of
InvokeModelWithResponseStream is the event of the model's own wire, in base64.

Source: AWS, "Event stream encoding" of Smithy (amazon-eventstream); `botocore/eventstream.py`.
"""

from __future__ import annotations

import binascii
import struct
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from headgate.kernel.errors import Upstream
from headgate.wire.bedrock_errors import exception_of
from headgate.wire.sse import MAX_EVENT_BYTES, SseEvent

CONTENT_TYPE: Final = "application/vnd.amazon.eventstream"

_PRELUDE: Final = struct.Struct(">III")
_CHECKSUM: Final = struct.Struct(">I")
_LEAST_BYTES: Final = _PRELUDE.size + _CHECKSUM.size
_MOST_HEADER_BYTES: Final = 128 * 1024
_SIZES: Final[Mapping[int, int]] = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
"""The sizes of header values by type: booleans, integers, a time and a UUID."""
_COUNTED: Final = frozenset({6, 7})
"""The types of header values with their size before them: bytes and text."""
_TEXT: Final = 7


class _Chunk(msgspec.Struct):
    bytes: str


_CHUNK: Final = msgspec.json.Decoder(_Chunk)


class EventStreamParser:
    """Parses a stream in pieces of any size. Use one parser for each stream, in one task."""

    __slots__ = ("_held", "_max_event_bytes")

    def __init__(self, *, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self._held = bytearray()
        self._max_event_bytes = max_event_bytes

    def feed(self, data: bytes) -> Iterator[SseEvent]:
        """Yield the events that these bytes complete. Linear.

        Raises:
            Upstream: a message is larger than allowed, a checksum is wrong, or the message is an
                exception of the provider. The events before it were yielded.
        """
        held = self._held
        held += data
        start = 0
        try:
            while len(held) - start >= _PRELUDE.size:
                size, headers_size = self._prelude(start)
                if len(held) - start < size:
                    return
                message = bytes(held[start : start + size])
                start += size
                yield from _events(message, headers_size)
        finally:
            del held[:start]

    def finish(self) -> None:
        """End the stream. An incomplete message at its end is dropped, as its checksum is missing."""
        self._held.clear()

    def _prelude(self, start: int) -> tuple[int, int]:
        size, headers_size, checksum = _PRELUDE.unpack_from(self._held, start)
        if checksum != binascii.crc32(self._held[start : start + 8]):
            raise _broken("the checksum of a message's beginning is wrong")
        if size > self._max_event_bytes:
            raise Upstream(
                f"the provider sent an event of more than {self._max_event_bytes} bytes; the stream is cut",
                retryable=False,  # an event of that size is an answer, already billed
            )
        if headers_size > _MOST_HEADER_BYTES or size < _LEAST_BYTES + headers_size:
            raise _broken("the sizes of a message do not fit")
        return size, headers_size


def frame(name: str, payload: bytes, *, kind: str = "event") -> bytes:
    """Return a message in its binary form.

    Args:
        kind: `event`, or `exception` for an error.
    """
    said = {f":{kind}-type": name, ":content-type": "application/json", ":message-type": kind}
    headers = b"".join(
        struct.pack(">B", len(key)) + key.encode() + struct.pack(">BH", _TEXT, len(value)) + value.encode()
        for key, value in said.items()
    )
    sizes = struct.pack(">II", _LEAST_BYTES + len(headers) + len(payload), len(headers))
    message = sizes + _CHECKSUM.pack(binascii.crc32(sizes)) + headers + payload
    return message + _CHECKSUM.pack(binascii.crc32(message))


def _events(message: bytes, headers_size: int) -> Iterator[SseEvent]:
    body_end = len(message) - _CHECKSUM.size
    (checksum,) = _CHECKSUM.unpack_from(message, body_end)
    if checksum != binascii.crc32(message[:body_end]):
        raise _broken("the checksum of a message is wrong")
    headers_end = _PRELUDE.size + headers_size
    headers = _headers(message[_PRELUDE.size : headers_end])
    payload = message[headers_end:body_end]
    match headers.get(":message-type"):
        case "exception":
            raise exception_of(headers.get(":exception-type", ""), payload)
        case "error":
            raise exception_of(headers.get(":error-code", ""), _error_body(headers.get(":error-message", "")))
        case _:
            name = headers.get(":event-type", "")
            yield SseEvent("", _inner(payload)) if name == "chunk" else SseEvent(name, payload)


def _headers(data: bytes) -> Mapping[str, str]:
    """Return the headers with text as their value."""
    found: dict[str, str] = {}
    at = 0
    try:
        while at < len(data):
            name_end = at + 1 + data[at]
            name, kind = data[at + 1 : name_end].decode(), data[name_end]
            at = name_end + 1
            if kind in _COUNTED:
                at += 2
                size = int.from_bytes(data[at - 2 : at], "big")
            else:
                size = _SIZES[kind]
            value = data[at : at + size]
            at += size
            if at > len(data):
                raise _broken("a header of a message is cut off")
            if kind == _TEXT:
                found[name] = value.decode()
    except (IndexError, KeyError, UnicodeDecodeError) as exc:
        raise _broken("the headers of a message cannot be read") from exc
    return found


def _inner(payload: bytes) -> bytes:
    try:
        return binascii.a2b_base64(_CHUNK.decode(payload).bytes, strict_mode=True)
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError) as exc:
        raise _broken("the content of a chunk cannot be read") from exc


def _error_body(message: str) -> bytes:
    said: dict[str, Any] = {"message": message}
    return msgspec.json.encode(said)


def _broken(why: str) -> Upstream:
    return Upstream(f"the provider's stream is broken: {why}")
