"""Answers in the background on OpenAI's Responses wire: `background`, and reading a stream from a number on.

Source: OpenAI's published API document, "Background mode".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from headgate.kernel.errors import HeadgateError, Invalid
from headgate.wire.json_edits import Path, edit_fields
from headgate.wire.openai_errors import envelope
from headgate.wire.openai_responses_encoding import response_head
from headgate.wire.sse import SseEvent, SseParser, frame


class _Numbered(msgspec.Struct):
    sequence_number: int


_NUMBERED: Final = msgspec.json.Decoder(_Numbered)
_MOST_DIGITS: Final = 9


def queued(fields: Mapping[str, Any], *, answer: str, model: str, created: int) -> bytes:
    """Return an answer in the background before it begins."""
    head = response_head(fields, answer=answer, model=model, created=created)
    return msgspec.json.encode({**head, "status": "queued"})


def with_status(body: bytes, status: str, *, error: HeadgateError | None = None) -> bytes:
    """Return a whole answer with another status, and the error of a failed one."""
    edits: dict[Path, bytes | None] = {("status",): msgspec.json.encode(status)}
    if error is not None:
        told = msgspec.json.decode(envelope(error))["error"]
        fault = {"code": told["code"] or "server_error", "message": told["message"]}
        edits["error",] = msgspec.json.encode(fault)
    return edit_fields(body, edits)


def failed_event(body: bytes, number: int, *, error: HeadgateError) -> bytes:
    """Return the last event of an answer that has failed."""
    failed = msgspec.Raw(with_status(body, "failed", error=error))
    kind = "response.failed"
    return frame(msgspec.json.encode({"type": kind, "sequence_number": number, "response": failed}), kind)


def starting_after(query: Mapping[str, str]) -> int | None:
    """Return the number after which a request reads a stream, or None if it reads the whole answer."""
    if query.get("stream") != "true":
        return None
    given = query.get("starting_after", "-1")
    if given != "-1" and not (given.isascii() and given.isdecimal() and len(given) <= _MOST_DIGITS):
        raise Invalid("starting_after must be the number of an event", param="starting_after")
    return int(given)


def numbers_in(frames: bytes) -> list[int]:
    """Return the numbers of the events in frames."""
    return [number for number, _ in _numbered(frames)]


def events_after(frames: bytes, number: int) -> bytes:
    """Return the events with a number above `number`."""
    return b"".join(frame(event.data, event.name) for found, event in _numbered(frames) if found > number)


def _numbered(frames: bytes) -> Iterator[tuple[int, SseEvent]]:
    for event in SseParser().feed(frames):
        yield _NUMBERED.decode(event.data).sequence_number, event
