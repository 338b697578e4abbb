"""Streams of OpenAI's legacy completions: read from providers, and written for clients.

Channels: `content/C` is the text of choice C, and closes with its finish reason. `other/whole/N` is
any other string, such as a token of log probabilities. It closes in its own chunk.

Source: schema `CreateCompletionResponse` of OpenAI's API document: a chunk has the form of an answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

import msgspec

from headgate.kernel.content import TextSlot
from headgate.kernel.errors import HeadgateError, Upstream
from headgate.wire.conversation import Begin, Delta, End, RefusalDelta, TextDelta, UsageUpdate
from headgate.wire.dialect import WireEvent
from headgate.wire.json_edits import Path, edit_fields
from headgate.wire.json_strings import spelled_at
from headgate.wire.model_call import ModelCall, ModelEvent, StopReason, Usage
from headgate.wire.openai_calls import wants_usage
from headgate.wire.openai_completions_words import COMPLETIONS, REQUEST
from headgate.wire.openai_errors import envelope, read_error_event
from headgate.wire.openai_words import (
    SPELLING,
    document_of,
    finish_reason_of,
    stop_reason_of,
    tokens_from,
    tokens_of,
)
from headgate.wire.sse import SseEvent, comment, frame
from headgate.wire.stream_strings import WHOLE_CHANNEL, strings_in
from headgate.wire.token_counts import decoded
from headgate.wire.tool_names import objects_in

_DONE: Final = b"[DONE]"
_CONTENT: Final = "content/"
_HEARTBEAT: Final = comment("keep-alive")


class CompletionsEvent(msgspec.Struct, frozen=True):
    """One chunk. Implements `WireEvent`.

    Args:
        data: the chunk's JSON.
        paths: the path of each slot's text in `data`.
        id, model, created: fields of the answer, for chunks that `insert` makes from this one.
        is_first: whether the answer begins in this chunk.
        has_choices: whether the chunk is more than a usage report.
        spelled: the paths in `data` that repeat the text token by token.
    """

    data: bytes
    slots: tuple[TextSlot, ...] = ()
    closes: tuple[str, ...] = ()
    usage: Usage | None = None
    stop_reason: StopReason | None = None
    paths: tuple[Path, ...] = ()
    id: str = ""
    model: str = ""
    created: int = 0
    is_first: bool = False
    has_choices: bool = True
    spelled: tuple[Path, ...] = ()

    @property
    def wire(self) -> str:
        """The dialect of `data`."""
        return COMPLETIONS

    @property
    def ends_runs(self) -> bool:
        """Whether a choice ends here."""
        return any(channel.startswith(_CONTENT) for channel in self.closes)

    def run(self, channel: str) -> str | None:
        """Return None: the text of each choice stands by itself."""
        return None

    def edit(self, texts: Sequence[str]) -> CompletionsEvent:
        """Return the chunk with its slots' texts replaced; all other bytes stay unchanged."""
        edits = {
            path: msgspec.json.encode(text)
            for path, slot, text in zip(self.paths, self.slots, texts, strict=True)
            if text != slot.text
        }
        if not edits:
            return self
        slots = tuple([TextSlot(slot.channel, text) for slot, text in zip(self.slots, texts, strict=True)])
        return msgspec.structs.replace(self, data=edit_fields(self.data, edits), slots=slots)

    def without_spelling(self) -> CompletionsEvent:
        """Return the chunk with null in place of log probabilities and token ids."""
        if not self.spelled:
            return self
        kept = [
            index
            for index, path in enumerate(self.paths)
            if not any(path[: len(place)] == place for place in self.spelled)
        ]
        return msgspec.structs.replace(
            self,
            data=edit_fields(self.data, dict.fromkeys(self.spelled, b"null")),
            slots=tuple(self.slots[index] for index in kept),
            paths=tuple(self.paths[index] for index in kept),
            spelled=(),
        )

    def insert(self, slot: TextSlot) -> CompletionsEvent:
        """Return a chunk of the same answer that carries only the slot's text.

        Raises:
            ValueError: the channel is not the text of a choice, so the guard holds back none of it.
        """
        kind, _, index = slot.channel.partition("/")
        if kind != "content":
            raise ValueError(f"no chunk carries the channel {slot.channel}")
        choice = {"text": slot.text, "index": int(index), "logprobs": None, "finish_reason": None}
        data = _chunk(self.id, self.created, self.model, [choice])
        path: Path = ("choices", 0, "text")
        return CompletionsEvent(data, (slot,), paths=(path,), id=self.id, model=self.model, created=self.created)

    def deltas(self) -> Sequence[Delta]:
        """Return the typed form of the first choice, after any edit."""
        found: list[Delta] = [Begin(self.id, self.model)] if self.is_first else []
        found += [TextDelta(slot.text) for slot in self.slots if slot.channel == "content/0"]
        if self.stop_reason is not None:
            found.append(End(self.stop_reason, None, self.usage))
        elif self.usage is not None:
            found.append(UsageUpdate(self.usage))
        return found


class CompletionsReader:
    """Decodes one stream; implements `EventReader`."""

    __slots__ = ("_ended", "_is_done", "_open", "_wholes")

    def __init__(self) -> None:
        self._open: set[str] = set()
        self._ended: set[str] = set()
        self._is_done = False
        self._wholes = 0

    def feed(self, event: SseEvent) -> Sequence[CompletionsEvent]:
        """Return the chunk in an event; the end marker yields none.

        Raises:
            Upstream: the event is malformed or an error.
        """
        data = event.data
        if self._is_done:
            return ()
        if data[:6] == _DONE:
            self._is_done = True
            return ()
        if event.name == "error":
            raise read_error_event(data)
        try:
            value = decoded(data)
        except (ValueError, RecursionError) as error:
            raise Upstream("the provider sent a chunk that is not of its wire's form") from error
        if not isinstance(value, dict):
            raise Upstream("the provider sent a chunk that is not of its wire's form")
        fields = cast("dict[str, Any]", value)
        if fields.get("error"):
            raise read_error_event(data)
        return (self._event(data, fields),)

    def finish(self) -> None:
        """Check that the stream is complete; call it when the connection has ended.

        Raises:
            Upstream: the stream has neither an end marker nor a finish reason for every choice.
        """
        if not self._open and not self._ended:
            raise Upstream("the provider's stream ended before it began")
        if not self._is_done and self._open:
            raise Upstream("the provider's stream was cut before its end")

    def _event(self, data: bytes, fields: dict[str, Any]) -> CompletionsEvent:
        is_first = not self._open and not self._ended
        texts, closes = dict[Path, str](), list[str]()
        reason: StopReason | None = None
        choices = objects_in(fields.get("choices"))
        for place, choice in choices:
            index = choice.get("index")
            channel = f"{_CONTENT}{index if isinstance(index, int) else place}"
            texts["choices", place, "text"] = channel
            self._open.add(channel)
            if choice.get("finish_reason"):
                closes.append(channel)
                self._open.discard(channel)
                self._ended.add(channel)
                if channel == "content/0":
                    reason = stop_reason_of(str(choice["finish_reason"]))
        slots: list[TextSlot] = []
        paths: list[Path] = []
        for path, text in strings_in(fields):
            channel = texts.get(path)
            if channel is None:
                self._wholes += 1
                channel = f"{WHOLE_CHANNEL}{self._wholes}"
                closes.append(channel)
            slots.append(TextSlot(channel, text))
            paths.append(path)
        usage = fields.get("usage")
        created = fields.get("created")
        return CompletionsEvent(
            data,
            tuple(slots),
            tuple(closes),
            usage=tokens_from(usage).usage() if isinstance(usage, dict) else None,
            stop_reason=reason,
            paths=tuple(paths),
            id=str(fields.get("id") or ""),
            model=str(fields.get("model") or ""),
            created=created if isinstance(created, int) else 0,
            is_first=is_first,
            has_choices=bool(choices),
            spelled=tuple(spelled_at(fields, SPELLING)),
        )


class CompletionsWriter:
    """Encodes one stream for the client that sent `call`; implements `EventWriter`."""

    __slots__ = ("_created", "_id", "_is_usage_told", "_model", "_usage", "_wants_usage")

    def __init__(self, call: ModelCall, *, created: int = 0) -> None:
        self._model = call.model
        self._wants_usage = wants_usage(document_of(call.content, REQUEST).fields())
        self._usage: Usage | None = None
        self._is_usage_told = False
        self._id = ""
        self._created = created

    def write(self, event: ModelEvent) -> bytes:
        """Return the frames for an event; none for usage that the client did not ask for."""
        if isinstance(event, CompletionsEvent):
            return self._write_own(event)
        return b"".join([self._write_delta(delta) for delta in cast("WireEvent", event).deltas()])

    def end(self) -> bytes:
        """Return the end marker, after the usage chunk if the client asked for it and lacks it."""
        if self._wants_usage and not self._is_usage_told and self._usage is not None:
            self._is_usage_told = True
            data = _chunk(self._id, self._created, self._model, [], usage=tokens_of(self._usage))
            return frame(data) + frame(_DONE)
        return frame(_DONE)

    def fail(self, error: HeadgateError) -> bytes:
        """Return the error frame that ends a failed stream; the SDK raises on it."""
        return frame(envelope(error))

    def heartbeat(self) -> bytes:
        """Return a comment frame."""
        return _HEARTBEAT

    def _write_own(self, event: CompletionsEvent) -> bytes:
        edits: dict[Path, bytes | None] = {}
        if event.model:
            edits["model",] = msgspec.json.encode(self._model)
        if event.usage is not None:
            self._note(event.usage)
            if not event.has_choices and (not self._wants_usage or self._is_usage_told):
                return b""
            if self._wants_usage:
                self._is_usage_told = True
            else:
                edits["usage",] = None
        return frame(edit_fields(event.data, edits) if edits else event.data)

    def _write_delta(self, delta: Delta) -> bytes:
        match delta:
            case Begin(answer_id, _, usage):
                self._id = answer_id
                self._note(usage)
            case TextDelta(text) | RefusalDelta(text) if text:
                return self._choice(text)
            case End(reason, _, usage):
                self._note(usage)
                return self._choice("", finish_reason_of(reason))
            case UsageUpdate(usage):
                self._note(usage)
            case _:
                pass  # reasoning and tools have no place in a completion
        return b""

    def _note(self, usage: Usage | None) -> None:
        if usage is not None:
            self._usage = usage if self._usage is None else self._usage.updated(usage)

    def _choice(self, text: str, finish_reason: str | None = None) -> bytes:
        choice = {"text": text, "index": 0, "logprobs": None, "finish_reason": finish_reason}
        return frame(_chunk(self._id, self._created, self._model, [choice]))


def _chunk(
    answer_id: str,
    created: int,
    model: str,
    choices: Sequence[Mapping[str, Any]],
    *,
    usage: Mapping[str, Any] | None = None,
) -> bytes:
    said: dict[str, Any] = {
        "id": answer_id,
        "object": "text_completion",
        "created": created,
        "model": model,
        "choices": choices,
    }
    if usage is not None:
        said["usage"] = usage
    return msgspec.json.encode(said)
