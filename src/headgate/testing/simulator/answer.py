"""What a wire makes of a script: a whole answer, or the events of a stream."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, NamedTuple

from headgate.testing.simulator.script import Failure


class Event(NamedTuple):
    """One server-sent event; `name` is empty where the wire has none."""

    data: bytes
    name: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer where `events` is None, else a stream."""

    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    events: tuple[Event, ...] | None = None


class Refused(Exception):
    """The request is not what the wire demands."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


def dump(value: Any) -> bytes:
    """Return compact JSON, characters beyond ASCII as they are."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def last_user_text(request: dict[str, Any]) -> str:
    """Return the text of the user's last message, in either wire."""
    for message in reversed(request.get("messages", [])):
        if message.get("role") == "user":
            content = message.get("content", "")
            if isinstance(content, str):
                return content
            return "".join(part.get("text", "") for part in content if part.get("type") == "text")
    return ""
