"""Message threads of Anthropic's wire: `thread` begins a conversation, or continues an earlier answer by its id.

An exchange is `{"messages": [...], "system": ..., "tools": [...], "answer": {...}}`. The first one of
a thread has the system prompt and the tools, which hold for the whole thread.

An answer may be continued several times. Anthropic refuses that, and no client relies on it.

Source: `types/beta/beta_message_thread_param.py`, `lib/threads` and
`types/thread_*_error_details.py` of the `anthropic` SDK 2.x.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple, cast

import msgspec

from headgate.kernel.errors import HeadgateError, Invalid, NotFound, TooLarge
from headgate.wire.anthropic_assembling import AnthropicAssembler
from headgate.wire.anthropic_client_stream import AnthropicWriter
from headgate.wire.json_document import MAX_BODY_BYTES, JsonDocument
from headgate.wire.json_edits import Path, edit_fields
from headgate.wire.model_call import ModelCall, ModelEvent
from headgate.wire.sse import SseParser
from headgate.wire.stateful import State
from headgate.wire.token_counts import object_of

_THREAD: Final = "thread"
_FIXED: Final = ("system", "tools")
"""The fields that a thread has from its beginning."""

_HOLD_BLOCKS: Final = frozenset({"content", "source", "tool", "definition", "tool_references"})
"""The keys that hold blocks; others, such as `input`, hold a caller's own data."""


class ThreadUnknown(NotFound):
    """A call continues a thread that is not kept, or that belongs to someone else. SDKs send the whole conversation."""

    code = "thread_not_found"


class ThreadMismatch(Invalid):
    """A call that continues a thread has another system prompt or other tools."""

    code = "thread_fingerprint_mismatch"


_ABSENT: Final = msgspec.Raw(b"null")


class _Exchange(msgspec.Struct):
    messages: list[msgspec.Raw]
    answer: msgspec.Raw
    system: msgspec.Raw = _ABSENT
    tools: msgspec.Raw = _ABSENT


class _Answer(msgspec.Struct):
    content: list[msgspec.Raw]


_EXCHANGE: Final = msgspec.json.Decoder(_Exchange)
_ANSWER: Final = msgspec.json.Decoder(_Answer)


def check_thread(fields: Mapping[str, Any]) -> bool:
    """Check the field `thread`; return whether the call continues a thread.

    Raises:
        Invalid: it neither begins a thread nor names an answer.
    """
    thread = fields.get(_THREAD)
    if thread is None:
        return False
    said = object_of(thread)
    if said.get("type") == "create":
        return False
    if said.get("type") != "continue":
        raise Invalid("thread.type: must be create or continue", param="thread.type")
    if not isinstance(said.get("previous_message_id"), str):
        raise Invalid("thread.previous_message_id: field required", param="thread.previous_message_id")
    return True


def state_of(document: JsonDocument) -> State | None:
    """Return what a call wants of kept state; None for one without a thread."""
    fields = document.fields()
    if fields.get(_THREAD) is None:
        return None
    previous = object_of(fields[_THREAD]).get("previous_message_id") if check_thread(fields) else None
    return State(previous=previous, begins=previous is None)


def unknown() -> ThreadUnknown:
    """Return the error for a call that continues an unknown thread."""
    return ThreadUnknown(
        "No usable thread was found for `previous_message_id`. Send the whole conversation with"
        ' `thread: {"type": "create"}`.',
        param="thread.previous_message_id",
    )


def after(document: JsonDocument, exchanges: Sequence[bytes]) -> JsonDocument:
    """Return the body of a call with the thread before its own messages, and without `thread`.

    Raises:
        ThreadMismatch: its system prompt or its tools are not those of the thread.
        TooLarge: the conversation is larger than a body may be.
    """
    fields, found = document.fields(), [_EXCHANGE.decode(one) for one in exchanges]
    edits: dict[Path, bytes | None] = {(_THREAD,): None}
    if found:
        messages = [message for one in found for message in _messages_of(one)]
        size_bytes = len(document.raw) + sum(map(len, messages))
        if size_bytes > MAX_BODY_BYTES:
            raise TooLarge(f"the thread has {size_bytes} bytes; at most {MAX_BODY_BYTES} are accepted", param=_THREAD)
        edits["messages",] = msgspec.json.encode([*messages, *cast("list[Any]", fields["messages"])])
        for name in _FIXED:
            kept = cast("msgspec.Raw", getattr(found[0], name))
            if fields.get(name) is None:
                edits |= {} if kept == _ABSENT else {(name,): bytes(kept)}
            elif fields[name] != msgspec.json.decode(kept):
                raise ThreadMismatch(
                    f"{name}: a thread keeps the one it began with; send that one, or begin another thread with the"
                    " whole conversation",
                    param=name,
                )
    return document.edit_fields(edits)


def exchange(document: JsonDocument, body: bytes) -> bytes:
    """Return the exchange of a call and its whole answer.

    Marks of the prompt cache stay behind: each was meant for the call that had it, and a call may have few.
    """
    fields = document.fields()
    fixed = {name: fields[name] for name in _FIXED if fields.get(name) is not None}
    messages = _unmarked(fields["messages"])
    return msgspec.json.encode({"messages": messages, "answer": msgspec.Raw(body), **fixed})


def _messages_of(one: _Exchange) -> list[msgspec.Raw]:
    content = _ANSWER.decode(one.answer).content
    if not content:  # no provider takes an empty turn
        return one.messages
    return [*one.messages, msgspec.Raw(msgspec.json.encode({"role": "assistant", "content": content}))]


def _unmarked(value: Any) -> Any:
    """Return blocks without `cache_control`, at any depth."""
    if isinstance(value, list):
        return [_unmarked(item) for item in cast("list[Any]", value)]
    if not isinstance(value, dict):
        return value
    found = cast("dict[str, Any]", value)
    kept = {name: item for name, item in found.items() if name != "cache_control"}
    return {name: _unmarked(item) if name in _HOLD_BLOCKS else item for name, item in kept.items()}


def named(body: bytes, *, answer: str) -> bytes:
    """Return a whole answer under its id here."""
    return edit_fields(body, {("id",): msgspec.json.encode(answer)})


class _Frame(NamedTuple):
    """An event that was written, for the assembler."""

    kind: str
    data: bytes


class ThreadWriter:
    """Encodes one stream, and assembles what it has written; implements `KeepingWriter`.

    Attributes:
        answer: the whole answer as the client has it, once it is complete.
    """

    def __init__(self, call: ModelCall, *, answer_id: str) -> None:
        self._writer = AnthropicWriter(call, answer_id=answer_id)
        self._parser = SseParser()
        self._assembler = AnthropicAssembler()
        self.answer: bytes | None = None

    def write(self, event: ModelEvent) -> bytes:
        """Return the frames for an event."""
        return self._noted(self._writer.write(event))

    def end(self) -> bytes:
        """Return the final frames of a successful stream."""
        frames = self._noted(self._writer.end())
        if frames:
            self.answer = self._assembler.whole()
        return frames

    def fail(self, error: HeadgateError) -> bytes:
        """Return the error event; nothing follows it."""
        return self._writer.fail(error)

    def heartbeat(self) -> bytes:
        """Return a `ping` event."""
        return self._writer.heartbeat()

    def _noted(self, frames: bytes) -> bytes:
        for event in self._parser.feed(frames):
            self._assembler.add(cast("ModelEvent", _Frame(event.name, event.data)))
        return frames
