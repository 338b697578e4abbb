"""Reads stored calls and answers of any wire as a conversation, for people who look back.

A record keeps the bytes of a call and of its answer, but not their wire. Each installed dialect
tries to read them, and the reading with the most parts and text wins: a dialect that does not know
a field would leave it out. A streamed answer is stored as one event a line, and a masked one as the
texts of its channels.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple

import msgspec

from headgate.wire.conversation import (
    Delta,
    End,
    Image,
    Message,
    Part,
    Reasoning,
    ReasoningDelta,
    Refusal,
    RefusalDelta,
    Text,
    TextDelta,
    ToolBegin,
    ToolDelta,
    ToolResult,
    ToolUse,
)
from headgate.wire.dialect import ClientDialect, Match, ProviderDialect
from headgate.wire.dialects import Dialects
from headgate.wire.sse import SseEvent

_CHAT = Match("chat")
_channels = msgspec.json.Decoder(dict[str, str])


class Answer(NamedTuple):
    """The parts of an answer; `is_whole` is false if the stored stream breaks off before its end."""

    parts: tuple[Part, ...]
    is_whole: bool


def read_messages(sent: bytes, dialects: Dialects) -> tuple[Message, ...] | None:
    """Return the messages of a stored call, or None if no dialect reads it as a chat."""
    readings = [found for one in dialects.clients.values() if (found := _messages(one, sent)) is not None]
    return max(readings, key=_amount, default=None)


def read_answer(answer: bytes, dialects: Dialects) -> Answer | None:
    """Return the parts of a stored answer, whole or streamed, or None if no dialect reads it."""
    wholes = [found for one in dialects.providers.values() if (found := _whole(one, answer)) is not None]
    if wholes:
        return Answer(max(wholes, key=len), is_whole=True)
    if (masked := _masked(answer)) is not None:
        return masked
    streams = [found for one in dialects.providers.values() if (found := _streamed(one, answer)).parts]
    return max(streams, key=lambda one: sum(map(_size, one.parts)), default=None)


def _messages(dialect: ClientDialect, sent: bytes) -> tuple[Message, ...] | None:
    try:
        call = dialect.read_call(sent, headers={}, match=_CHAT)
        return dialect.to_conversation(call.content).messages if call.operation == "chat" else None
    except Exception:  # noqa: BLE001 - a dialect of a plugin may fail in any way on the bytes of another one
        return None


def _whole(dialect: ProviderDialect, answer: bytes) -> tuple[Part, ...] | None:
    try:
        return dialect.to_reply(dialect.read_reply(answer, headers={})).parts
    except Exception:  # noqa: BLE001 - a dialect of a plugin may fail in any way on the bytes of another one
        return None


def _streamed(dialect: ProviderDialect, answer: bytes) -> Answer:
    writing = _Writing()
    try:
        reader = dialect.read_events()
        for line in answer.splitlines():
            for event in reader.feed(SseEvent("", line)) if line else ():
                writing.add(event.deltas())
    except Exception:  # noqa: BLE001 - as in `_whole`
        return Answer(writing.parts, is_whole=False)
    return Answer(writing.parts, is_whole=writing.has_ended)


def _masked(answer: bytes) -> Answer | None:
    """Return the parts of a masked stream, which is stored as JSON of its channels' texts."""
    try:
        channels = _channels.decode(answer)
    except msgspec.MsgspecError:
        return None
    writing = _Writing()
    for name, text in channels.items():
        kind, _, rest = name.partition("/")
        _, _, tool = rest.partition("/")
        match kind:
            case "content":
                writing.add([TextDelta(text)])
            case "reasoning":
                writing.add([ReasoningDelta(text)])
            case "refusal":
                writing.add([RefusalDelta(text)])
            case "tool_name" if tool.isdecimal():
                writing.add([ToolBegin(int(tool), "", text)])
            case "tool" if tool.isdecimal():
                writing.add([ToolDelta(int(tool), text)])
            case _:
                pass
    return Answer(writing.parts, is_whole=True) if writing.parts else None


class _Writing:
    """The parts of a streamed answer, as they grow."""

    def __init__(self) -> None:
        self._parts: list[Part] = []
        self._tools: dict[int, int] = {}
        self.has_ended = False

    @property
    def parts(self) -> tuple[Part, ...]:
        """The parts so far, without empty ones."""
        return tuple(part for part in self._parts if _size(part))

    def add(self, deltas: Iterable[Delta]) -> None:
        """Add the deltas of an event."""
        for delta in deltas:
            match delta:
                case TextDelta(text=text):
                    self._grow(Text(text))
                case ReasoningDelta(text=text):
                    self._grow(Reasoning(text))
                case RefusalDelta(text=text):
                    self._grow(Refusal(text))
                case ToolBegin(index=index, id=tool_id, name=name):
                    self._tool(index, id=tool_id, name=name)
                case ToolDelta(index=index, arguments=arguments):
                    self._tool(index, arguments=arguments)
                case End():
                    self.has_ended = True
                case _:
                    pass

    def _grow(self, more: Text | Reasoning | Refusal) -> None:
        last = self._parts[-1] if self._parts else None
        if isinstance(last, Text | Reasoning | Refusal) and type(last) is type(more):
            self._parts[-1] = replace(last, text=last.text + more.text)
        else:
            self._parts.append(more)

    def _tool(self, index: int, **more: str) -> None:
        place = self._tools.setdefault(index, len(self._parts))
        if place == len(self._parts):
            self._parts.append(ToolUse("", "", ""))
        known = self._parts[place]
        assert isinstance(known, ToolUse)
        self._parts[place] = replace(known, **{name: getattr(known, name) + text for name, text in more.items()})


def _amount(messages: Sequence[Message]) -> int:
    return sum(1 + _size(part) for message in messages for part in message.parts)


def _size(part: Part) -> int:
    """Return the number of characters of a part."""
    match part:
        case Text(text=text) | Reasoning(text=text) | Refusal(text=text):
            return len(text)
        case ToolUse(name=name, arguments=arguments):
            return len(name) + len(arguments)
        case ToolResult(parts=parts):
            return 1 + sum(map(_size, parts))
        case _:
            return 1


def plain_text(parts: Sequence[Part]) -> str:
    """Return the words of parts as plain text, for a search or a terminal; images and files by their names."""
    return "\n".join(text for part in parts if (text := _words(part)))


def _words(part: Part) -> str:
    match part:
        case Text(text=text) | Reasoning(text=text) | Refusal(text=text):
            return text
        case ToolUse(name=name, arguments=arguments):
            return f"{name}({arguments})"
        case ToolResult(parts=parts):
            return plain_text(parts)
        case Image():
            return "[image]"
        case _:
            return f"[{part.name or 'file'}]"
