"""Writes streams for clients of Gemini's wire, from events of any wire.

Function calls of this wire are whole. The writer therefore holds the calls of other wires until
the end of the answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, cast

import msgspec

from headgate.kernel.errors import HeadgateError, Upstream
from headgate.wire.conversation import (
    Begin,
    Delta,
    End,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    ToolBegin,
    ToolDelta,
    UsageUpdate,
)
from headgate.wire.dialect import WireEvent
from headgate.wire.gemini_encoding import call_of
from headgate.wire.gemini_errors import envelope
from headgate.wire.gemini_event import GeminiEvent, chunk_of
from headgate.wire.gemini_words import REQUEST, document_of, finish_reason_of, metadata_of
from headgate.wire.json_edits import edit_fields
from headgate.wire.model_call import ModelCall, ModelEvent, StopReason, Usage
from headgate.wire.sse import frame
from headgate.wire.token_counts import object_of

MAX_WAITING_CHARS: Final = 4 * 1024 * 1024
"""The maximum number of waiting characters of function calls."""

_Json = dict[str, Any]


class _Call:
    """A function call whose arguments are not complete yet."""

    __slots__ = ("arguments", "id", "name")

    def __init__(self, call_id: str, name: str) -> None:
        self.id = call_id
        self.name = name
        self.arguments: list[str] = []


class GeminiWriter:
    """Encodes one stream for the client that sent `call`; implements `EventWriter`.

    Events of this wire keep their bytes except for the model's name.
    """

    __slots__ = ("_alias", "_calls", "_end", "_has_thoughts", "_id", "_is_passing", "_refusal", "_usage", "_waiting")

    def __init__(self, call: ModelCall) -> None:
        self._alias = call.model
        self._has_thoughts = has_thoughts(call)
        self._calls: dict[int, _Call] = {}
        self._waiting = 0
        self._end: End | None = None
        self._id = ""
        self._is_passing = False
        self._refusal: list[str] = []
        self._usage: Usage | None = None

    def write(self, event: ModelEvent) -> bytes:
        """Return the frames for an event; empty if the event has to wait.

        Raises:
            Upstream: this format cannot express the stream, such as arguments of an unknown call.
        """
        if isinstance(event, GeminiEvent):
            return self._pass(event)
        return b"".join([self._take(delta) for delta in cast("WireEvent", event).deltas()])

    def end(self) -> bytes:
        """Return the last event, with the function calls, the finish reason and the usage."""
        if self._is_passing:
            return b""
        # Some servers end a stream successfully without a stop reason.
        reason: StopReason = self._end.stop_reason if self._end else "tool_use" if self._calls else "stop"
        refusal = "".join(self._refusal)
        ending: _Json = {"finishReason": finish_reason_of("refusal" if refusal else reason)}
        if refusal:
            ending["finishMessage"] = refusal
        calls = [{"functionCall": call_of(one.id, one.name, "".join(one.arguments))} for one in self._calls.values()]
        data = chunk_of(calls or [{"text": ""}], answer_id=self._id, model=self._alias, ending=ending)
        if self._usage is not None:
            data = edit_fields(data, {("usageMetadata",): msgspec.json.encode(metadata_of(self._usage))})
        return frame(data)

    def fail(self, error: HeadgateError) -> bytes:
        """Return the error event that ends a failed stream; the SDK raises on it."""
        return frame(envelope(error))

    def heartbeat(self) -> bytes:
        """Return an event with an empty text.

        Google's SDKs read no comments: they take each line without `data:` for JSON.
        """
        return self._chunk({"text": ""})

    def _pass(self, event: GeminiEvent) -> bytes:
        self._is_passing = True
        self._id = event.id
        data = event.data.replace(b"\n", b"").replace(b"\r", b"")
        if b'"modelVersion"' in data:
            data = edit_fields(data, {("modelVersion",): msgspec.json.encode(self._alias)})
        return frame(data)

    def _take(self, delta: Delta) -> bytes:
        match delta:
            case Begin(answer_id, _, usage):
                self._id = answer_id
                self._learn(usage)
            case TextDelta(text):
                return self._chunk({"text": text}) if text else b""
            case ReasoningDelta(text):
                # Signatures and redacted blocks are useful only on their own wire.
                return self._chunk({"text": text, "thought": True}) if text and self._has_thoughts else b""
            case RefusalDelta(text):
                # Clients show text only. The refusal is text here, and the explanation at the end.
                self._refusal.append(text)
                return self._chunk({"text": text}) if text else b""
            case ToolBegin(index, call_id, name):
                self._calls[index] = _Call(call_id, name)
                self._wait(name)
            case ToolDelta(index, arguments):
                call = self._calls.get(index)
                if call is None:
                    raise Upstream("the provider sent arguments of a tool call that it had not begun")
                call.arguments.append(arguments)
                self._wait(arguments)
            case End(_, _, usage):
                self._end = delta
                self._learn(usage)
            case UsageUpdate(usage):
                self._learn(usage)
        return b""

    def _learn(self, usage: Usage | None) -> None:
        if usage is not None:
            self._usage = usage if self._usage is None else self._usage.updated(usage)

    def _wait(self, text: str) -> None:
        self._waiting += len(text) + 1
        if self._waiting > MAX_WAITING_CHARS:
            raise Upstream(f"the provider sent more than {MAX_WAITING_CHARS} characters of tool calls")

    def _chunk(self, *parts: _Json) -> bytes:
        said: Sequence[_Json] = parts
        return frame(chunk_of(said, answer_id=self._id, model=self._alias))


def has_thoughts(call: ModelCall) -> bool:
    """Whether the client asked for thoughts."""
    config = object_of(document_of(call.content, REQUEST).fields().get("generationConfig"))
    return object_of(config.get("thinkingConfig")).get("includeThoughts") is True
