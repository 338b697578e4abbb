"""Answers of the simulator: a whole body, or the events of a stream."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

from headgate.testing.simulator.script import Failure


class Event(NamedTuple):
    """One event; `name` is empty for a wire without names. `is_error` marks an exception of AWS."""

    data: bytes
    name: str = ""
    is_error: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer if `events` is None, else a stream: server-sent events, or AWS's binary frames."""

    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    events: tuple[Event, ...] | None = None
    is_binary: bool = False


class Refused(Exception):
    """The request breaks the rules of the wire."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


def dump(value: Any) -> bytes:
    """Return compact JSON, without escapes for characters beyond ASCII."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def last_user_text(request: dict[str, Any]) -> str:
    """Return the text of the user's last message, from any wire."""
    given: Any = request.get("messages") or request.get("input") or []
    if isinstance(given, str):
        return given
    for message in reversed(cast("list[dict[str, Any]]", given)):
        if message.get("role") == "user":
            content = message.get("content", "")
            if isinstance(content, str):
                return content
            return "".join(
                part.get("text", "") for part in content if part.get("type", "text") in ("text", "input_text")
            )
    return ""
