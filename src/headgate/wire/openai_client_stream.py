"""Writes streams for clients of OpenAI's chat wire, from events of any wire."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

import msgspec

from headgate.kernel.errors import HeadgateError
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
from headgate.wire.json_edits import edit_fields, replace_text
from headgate.wire.model_call import ModelCall, ModelEvent, Usage
from headgate.wire.openai_calls import is_legacy, wants_usage
from headgate.wire.openai_chat_event import OpenAiChatEvent
from headgate.wire.openai_errors import envelope
from headgate.wire.openai_words import CHAT_REQUEST, document_of, finish_reason_of, openai_tool_id, tokens_of
from headgate.wire.sse import comment, frame

_DONE: Final = frame(b"[DONE]")
_MODEL: Final = b'"model"'
_HEARTBEAT: Final = comment("keep-alive")


class OpenAiChatWriter:
    """Encodes one stream for the client that sent `call`; implements `EventWriter`.

    Chunks of this wire keep their bytes except for the model's name. The gateway always asks the
    upstream for usage. Only a client that asked for usage gets it, exactly once, in a last chunk
    without choices.
    """

    __slots__ = (
        *("_alias", "_created", "_has_called", "_id", "_is_legacy", "_is_usage_told", "_model", "_usage"),
        "_wants_usage",
    )

    def __init__(self, call: ModelCall, *, created: int = 0) -> None:
        fields = document_of(call.content, CHAT_REQUEST).fields()
        self._alias = msgspec.json.encode(call.model)
        self._model = call.model
        self._wants_usage = wants_usage(fields)
        self._is_legacy = is_legacy(fields)
        self._has_called = False
        self._usage: Usage | None = None
        self._is_usage_told = False
        self._id = ""
        self._created = created

    def write(self, event: ModelEvent) -> bytes:
        """Return the frames for an event; none for usage that the client did not ask for."""
        if isinstance(event, OpenAiChatEvent):
            return self._write_own(event)
        return b"".join([self._write_delta(delta) for delta in cast("WireEvent", event).deltas()])

    def end(self) -> bytes:
        """Return the end marker, after the usage chunk if the client asked for it and lacks it."""
        if self._wants_usage and not self._is_usage_told and self._usage is not None:
            self._is_usage_told = True
            return self._frame(choices=[], usage=tokens_of(self._usage)) + _DONE
        return _DONE

    def fail(self, error: HeadgateError) -> bytes:
        """Return the error frame that ends a failed stream; the SDK raises on it."""
        return frame(envelope(error))

    def heartbeat(self) -> bytes:
        """Return a comment frame."""
        return _HEARTBEAT

    def _write_own(self, event: OpenAiChatEvent) -> bytes:
        if event.usage is not None:
            self._note(event.usage)
            if not event.has_choices:
                if not self._wants_usage or self._is_usage_told:
                    return b""
                self._is_usage_told = True
            elif not self._wants_usage:
                event = msgspec.structs.replace(event, data=edit_fields(event.data, {("usage",): None}))
        if event.has_choices:
            self._id, self._created = event.id, event.created
        return frame(self._renamed(event))

    def _renamed(self, event: OpenAiChatEvent) -> bytes:
        """Return the chunk's bytes with the alias as its model."""
        data = event.data
        if _MODEL not in data:
            return data
        return replace_text(data, ("model",), old=event.model, new=self._alias)

    def _write_delta(self, delta: Delta) -> bytes:
        match delta:
            case Begin(answer_id, _, usage):
                self._id = answer_id
                self._note(usage)
                return self._chunk({"role": "assistant", "content": ""})
            case TextDelta(text):
                return self._chunk({"content": text})
            case ReasoningDelta(text):
                # Signatures and redacted blocks are useful only on their own wire.
                return self._chunk({"reasoning_content": text}) if text else b""
            case RefusalDelta(text):
                return self._chunk({"refusal": text})
            case ToolBegin(index, tool_id, name):
                function = {"name": name, "arguments": ""}
                self._has_called = True
                if self._is_legacy:
                    return self._chunk({"function_call": function}) if index == 0 else b""
                call = {"index": index, "id": openai_tool_id(tool_id), "type": "function", "function": function}
                return self._chunk({"tool_calls": [call]})
            case ToolDelta(index, arguments):
                if self._is_legacy:
                    return self._chunk({"function_call": {"arguments": arguments}}) if index == 0 else b""
                return self._chunk({"tool_calls": [{"index": index, "function": {"arguments": arguments}}]})
            case End(reason, _, usage):
                self._note(usage)
                finish = finish_reason_of(reason, has_called=self._has_called)
                if self._is_legacy and finish == "tool_calls":
                    finish = "function_call"
                return self._chunk({}, finish_reason=finish)
            case UsageUpdate(usage):
                self._note(usage)
                return b""

    def _note(self, usage: Usage | None) -> None:
        if usage is not None:
            self._usage = usage if self._usage is None else self._usage.updated(usage)

    def _chunk(self, delta: Mapping[str, Any], finish_reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        return self._frame(choices=[choice], usage=None)

    def _frame(self, *, choices: list[dict[str, Any]], usage: Mapping[str, Any] | None) -> bytes:
        said: dict[str, Any] = {
            "id": self._id,
            "object": "chat.completion.chunk",
            "created": self._created,
            "model": self._model,
            "choices": choices,
        }
        if self._wants_usage:
            said["usage"] = usage
        return frame(msgspec.json.encode(said))
