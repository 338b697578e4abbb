"""Reads one streamed answer of Anthropic's wire into events that guard can edit.

Channels, where B is the index of a content block:

- `content/B` is text, `reasoning/B` is thinking, and `tool/0/B` is tool input.
- `refusal/0` is the explanation of a refusal.
- `other/B/PLACE` is any other string of a block's deltas.
- `other/EVENT/PLACE` is a string of an unknown event.
- `other/whole/N` is a string that is complete in its event, such as a search result. It closes in
  that event.
- `object/B/PLACE` is a string of a citation. It closes in its own event.

Source: docs of the Messages API, "Streaming messages"; types of the `anthropic` SDK 2.x (raw_message_stream_event.py).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Literal, cast

import msgspec

from headgate.kernel.content import TextSlot
from headgate.kernel.errors import Upstream
from headgate.wire.anthropic_errors import upstream_error
from headgate.wire.anthropic_words import NAME, Tokens, stop_reason_of, tokens_from
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
from headgate.wire.json_edits import Path, edit_fields
from headgate.wire.model_call import StopReason, Usage
from headgate.wire.sse import SseEvent
from headgate.wire.stream_strings import WHOLE_CHANNEL, Form, form_with, is_object, is_whole, place_of, strings_in
from headgate.wire.surrogates import Halves, has_halves, whole_characters
from headgate.wire.token_counts import decoded, leniently_decoded, object_of

_WHOLE: Final = frozenset({"message_start", "content_block_start", "content_block_stop", "message_delta"})
"""Events whose strings outside the known fields are complete."""

_REFUSAL: Final = "refusal/0"
_DELTAS: Final = {"content": ("text_delta", "text"), "reasoning": ("thinking_delta", "thinking")}
_EVERY: Final = ("*",)
_REDACTED: Final = ("content_block", "data")


class _PlainDelta(msgspec.Struct, forbid_unknown_fields=True):
    type: str
    text: str | None = None
    thinking: str | None = None
    partial_json: str | None = None


class _PlainEvent(msgspec.Struct, forbid_unknown_fields=True):
    """A delta with text in these fields only; any other event takes the slow path."""

    type: Literal["content_block_delta"]
    index: int
    delta: _PlainDelta


class _BlockDelta(msgspec.Struct):
    type: str = ""
    text: str | None = None
    thinking: str | None = None
    partial_json: str | None = None
    signature: str | None = None
    stop_reason: str | None = None
    stop_sequence: str | None = None
    stop_details: dict[str, Any] | None = None


class _Block(msgspec.Struct):
    type: str = ""
    id: str = ""
    name: str = ""
    text: str = ""
    thinking: str = ""
    signature: str = ""
    data: str = ""
    input: msgspec.Raw = msgspec.Raw(b"{}")


class _Message(msgspec.Struct):
    id: str = ""
    model: str = ""
    usage: Tokens | None = None


class _Error(msgspec.Struct):
    type: str = ""
    message: str = ""


class _Event(msgspec.Struct):
    type: str = ""
    index: int = 0
    delta: _BlockDelta | None = None
    content_block: _Block | None = None
    message: _Message | None = None
    usage: Tokens | None = None
    error: _Error | None = None


_EVENT: Final = msgspec.json.Decoder(_Event)
_PLAIN: Final = msgspec.json.Decoder(_PlainEvent)
_NO_FORMS: Mapping[str, Form] = {}


class AnthropicEvent(msgspec.Struct, frozen=True):
    """One event. Implements `WireEvent`.

    It is a Struct for speed, because every few characters of an answer make one.

    Args:
        data: the event's JSON.
        kind: the event's type, which is also its name on the wire.
        paths: the path of each slot's text in `data`.
        tool: the index of the event's tool call, counted from 0. It is -1 for a call that the
            client does not run.
        is_bare: whether the event ends a tool call without arguments.
        forms: the stream's form of text in channels other than its wire's own.
    """

    data: bytes
    kind: str
    slots: tuple[TextSlot, ...] = ()
    closes: tuple[str, ...] = ()
    usage: Usage | None = None
    stop_reason: StopReason | None = None
    paths: tuple[Path, ...] = ()
    tool: int = 0
    is_bare: bool = False
    forms: Mapping[str, Form] = _NO_FORMS

    @property
    def wire(self) -> str:
        """The dialect of `data`."""
        return NAME

    @property
    def ends_runs(self) -> bool:
        """Whether the answer ends here, so that no text continues in another block."""
        return "*" in self.closes

    def run(self, channel: str) -> str | None:
        """Return the channel's run, or None; text and thinking blocks form one run."""
        return "words" if channel.startswith(("content/", "reasoning/")) else None

    def edit(self, texts: Sequence[str]) -> AnthropicEvent:
        """Return the event with its slots' texts replaced; all other bytes stay unchanged."""
        edits = {
            path: msgspec.json.encode(text)
            for path, slot, text in zip(self.paths, self.slots, texts, strict=True)
            if text != slot.text
        }
        if not edits:
            return self
        slots = tuple(TextSlot(slot.channel, text) for slot, text in zip(self.slots, texts, strict=True))
        data = self._spliced(texts[0]) if len(texts) == 1 else None
        return msgspec.structs.replace(self, data=data or edit_fields(self.data, edits), slots=slots)

    def _spliced(self, text: str) -> bytes | None:
        """Return the data with its only text replaced, or None if the text is not found at once.

        This takes a quarter of the time of `edit_fields`.
        """
        path, old = self.paths[0], self.slots[0].text
        field = b'"%b":' % str(path[-1]).encode()
        token = field + msgspec.json.encode(old)
        if path[0] != "delta" or len(path) != 2 or self.data.count(token) != 1:
            return None
        data = self.data.replace(token, field + msgspec.json.encode(text))
        # A provider may repeat the field with other escapes, so check that the right one changed.
        return data if getattr(_EVENT.decode(data).delta, str(path[1]), None) == text else None

    def without_spelling(self) -> AnthropicEvent:
        """Return the event unchanged: this wire sends no log probabilities or token ids."""
        return self

    def insert(self, slot: TextSlot) -> AnthropicEvent:
        """Return a `content_block_delta` of the slot's block that carries only its text.

        Raises:
            ValueError: the channel takes no deltas. Such a channel closes in its own event, so the
                guard holds back none of its text.
        """
        form = self.forms.get(slot.channel)
        if form is not None:
            made, path = form_with(form, slot.text)
            data = msgspec.json.encode(made)
            return AnthropicEvent(data, made["type"], (slot,), paths=(path,), tool=self.tool, forms=self.forms)
        kind, _, rest = slot.channel.partition("/")
        if kind == "tool":
            kind, field, block = "input_json_delta", "partial_json", rest.removeprefix("0/")
        elif kind in _DELTAS:
            (kind, field), block = _DELTAS[kind], rest
        else:
            raise ValueError(f"no delta carries the channel {slot.channel}")
        return _block_delta(int(block), kind=kind, field=field, slot=slot, tool=self.tool)

    def deltas(self) -> Sequence[Delta]:
        """Return the typed form of the event, after any edit."""
        return tuple(_deltas(self, _decoded(self.data)))


def _decoded(data: bytes) -> _Event:
    """Decode an event; its usage may have any form."""
    try:
        return _EVENT.decode(data)
    except msgspec.ValidationError:
        value = object_of(leniently_decoded(data))
    message = object_of(value.get("message"))
    edits: dict[Path, bytes | None] = {("usage",): None} if "usage" in value else {}
    if "usage" in message:
        edits["message", "usage"] = None
    said = _EVENT.decode(edit_fields(data, edits))
    if "usage" in value:
        said.usage = tokens_from(value["usage"])
    if said.message is not None and "usage" in message:
        said.message.usage = tokens_from(message["usage"])
    return said


class AnthropicReader:
    """Decodes one upstream stream; implements `EventReader`."""

    __slots__ = ("_bare", "_calls", "_forms", "_halves", "_is_ended", "_open", "_serial", "_tokens", "_tools")

    def __init__(self) -> None:
        self._tokens = Tokens()
        self._tools: dict[int, int] = {}
        self._bare: set[int] = set()
        self._calls = 0
        self._halves = Halves()
        self._serial = 0
        self._forms: dict[str, Form] = {}
        self._open: dict[int, dict[str, None]] = {}
        self._is_ended = False

    def feed(self, event: SseEvent) -> Sequence[AnthropicEvent]:
        """Return the model events of an SSE event.

        A block that begins with text yields two events. The end marker yields none.

        Raises:
            Upstream: the event is malformed, or it is the wire's error event.
        """
        data = event.data
        if self._is_ended:
            return ()
        if self._halves.held or has_halves(data):
            try:
                data = _with_whole_characters(data, self._halves)
            except (ValueError, RecursionError) as exc:
                raise Upstream("the provider sent a stream event that is not of its own wire") from exc
            event = event._replace(data=data)
        try:
            plain = _PLAIN.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return self._feed_slowly(event)
        made = self._plain(data, plain.index, plain.delta)
        return self._feed_slowly(event) if made is None else (made,)

    def _plain(self, data: bytes, index: int, delta: _PlainDelta) -> AnthropicEvent | None:
        """Return the event of a known delta, or None if the delta has text in further fields."""
        kind, text, thinking, piece, tool = delta.type, delta.text, delta.thinking, delta.partial_json, 0
        if kind == "text_delta" and text is not None and thinking is None and piece is None:
            channel, field = f"content/{index}", "text"
        elif kind == "thinking_delta" and thinking is not None and text is None and piece is None:
            channel, field, text = f"reasoning/{index}", "thinking", thinking
        elif kind == "input_json_delta" and piece is not None and text is None and thinking is None:
            channel, field, text, tool = f"tool/0/{index}", "partial_json", piece, self._tools.get(index, 0)
            if index in self._bare and piece.strip():
                self._bare.remove(index)
        else:
            return None
        slots = (TextSlot(channel, text),)
        return AnthropicEvent(
            data, "content_block_delta", slots, paths=(("delta", field),), tool=tool, forms=self._forms
        )

    def _feed_slowly(self, event: SseEvent) -> Sequence[AnthropicEvent]:
        """Take an event that is more than a piece of text; unknown strings also become slots."""
        data = event.data
        try:
            said = _decoded(data)
            events = self._read(event, said)
            if not events:
                return ()
            events = (self._with_others(events[0], said.index), *events[1:])
        except (msgspec.DecodeError, ValueError, RecursionError) as exc:
            raise Upstream("the provider sent a stream event that is not of its own wire") from exc
        if not self._forms:
            return events
        return [msgspec.structs.replace(event, forms=self._forms) for event in events]

    def _read(self, event: SseEvent, said: _Event) -> Sequence[AnthropicEvent]:
        data = event.data
        kind = said.type or event.name
        match kind:
            case "content_block_delta" if said.delta is not None:
                return (self._delta(data, said.index, said.delta),)
            case "content_block_start" if said.content_block is not None:
                return self._start(data, said.index, said.content_block)
            case "content_block_stop":
                return (self._stop(data, said.index),)
            case "message_start" if said.message is not None:
                self._tokens = said.message.usage or Tokens()
                # This output count is preliminary. If the stream broke off, we would bill it.
                self._tokens.output_tokens = None
                return (AnthropicEvent(data, kind, usage=self._tokens.usage()),)
            case "message_delta" if said.delta is not None:
                return (self._end(data, said, said.delta),)
            case "message_stop":
                self._is_ended = True
                return ()
            case "error":
                error = said.error or _Error()
                raise upstream_error(error.type, error.message, status=None)
            case _:
                return (AnthropicEvent(data, kind),)

    def finish(self) -> None:
        """Check that the stream is complete; call it when the connection has ended.

        Raises:
            Upstream: the stream has no `message_stop`.
        """
        if not self._is_ended:
            raise Upstream("the provider's stream was cut before its end")

    def _delta(self, data: bytes, index: int, delta: _BlockDelta) -> AnthropicEvent:
        """Return the event of a delta with further fields, or of an unknown kind."""
        known = _PlainDelta(delta.type)
        if delta.type == "text_delta":
            known.text = delta.text
        elif delta.type == "input_json_delta":
            known.partial_json = delta.partial_json
        elif delta.type == "thinking_delta":
            known.thinking = delta.thinking
        made = self._plain(data, index, known)
        if made is not None:
            return made
        # The guard must release all held reasoning before the signature over it.
        is_seal = delta.type == "signature_delta" and delta.signature
        return AnthropicEvent(data, "content_block_delta", closes=(f"reasoning/{index}",) if is_seal else ())

    def _start(self, data: bytes, index: int, block: _Block) -> Sequence[AnthropicEvent]:
        """Return the block's start, with its text moved to a delta.

        Guard can hold back parts of a delta, but not of a block's start.
        """
        match block.type:
            case "text":
                return _opened(data, index, kind="content", text=block.text)
            case "thinking":
                return _opened(data, index, kind="reasoning", text=block.thinking)
            case "redacted_thinking":
                return (AnthropicEvent(data, "content_block_start"),)
            case _ if block.type == "tool_use" or block.type.endswith("_tool_use"):
                tool = self._tools.setdefault(index, self._calls if block.type == "tool_use" else -1)
                self._calls += tool == self._calls
                given = bytes(block.input).strip()
                opened = AnthropicEvent(data, "content_block_start", tool=tool)
                if given in (b"", b"{}", b"null"):
                    if tool >= 0:
                        self._bare.add(index)
                    return (opened,)
                slot = TextSlot(f"tool/0/{index}", given.decode())
                opened = msgspec.structs.replace(opened, data=edit_fields(data, {("content_block", "input"): b"{}"}))
                return (
                    opened,
                    _block_delta(index, kind="input_json_delta", field="partial_json", slot=slot, tool=tool),
                )
            case _:
                return (AnthropicEvent(data, "content_block_start"),)

    def _stop(self, data: bytes, index: int) -> AnthropicEvent:
        tool = self._tools.get(index, 0)
        closes = (f"content/{index}", f"reasoning/{index}", f"tool/0/{index}", *self._open.pop(index, ()))
        return AnthropicEvent(data, "content_block_stop", closes=closes, tool=tool, is_bare=index in self._bare)

    def _end(self, data: bytes, said: _Event, delta: _BlockDelta) -> AnthropicEvent:
        if said.usage is not None:
            self._tokens = self._tokens.updated(said.usage)
        reason = stop_reason_of(delta.stop_reason) if delta.stop_reason and delta.stop_reason.strip() else None
        explanation = (delta.stop_details or {}).get("explanation")
        slots: tuple[TextSlot, ...] = ()
        paths: tuple[Path, ...] = ()
        if isinstance(explanation, str):
            slots, paths = (TextSlot(_REFUSAL, explanation),), (("delta", "stop_details", "explanation"),)
        return AnthropicEvent(
            data,
            "message_delta",
            slots=slots,
            paths=paths,
            closes=_EVERY if reason is not None else (_REFUSAL,),
            usage=self._tokens.usage(),
            stop_reason=reason,
        )

    def _with_others(self, event: AnthropicEvent, index: int) -> AnthropicEvent:
        """Return an event with a slot for every string, so that a scan sees unknown fields."""
        value = decoded(event.data)
        slots, paths, closes = list(event.slots), list(event.paths), list(event.closes)
        is_delta = event.kind == "content_block_delta"
        for path, text in strings_in(value):
            if path in event.paths or (event.kind == "content_block_start" and path[:2] == _REDACTED):
                continue
            if is_delta and is_object(path):
                channel = f"object/{index}/{place_of(value, path)}"
                closes.append(channel)
            elif event.kind in _WHOLE or is_whole(path):
                channel = f"{WHOLE_CHANNEL}{self._serial}"
                self._serial += 1
                closes.append(channel)
            else:
                channel = f"other/{index if is_delta else event.kind}/{place_of(value, path)}"
                self._forms[channel] = Form({"type": event.kind, **value}, path)
                if is_delta:
                    self._open.setdefault(index, {})[channel] = None
            slots.append(TextSlot(channel, text))
            paths.append(path)
        if len(slots) == len(event.slots):
            return event
        return msgspec.structs.replace(event, slots=tuple(slots), paths=tuple(paths), closes=tuple(closes))


def _one_slot(data: bytes, channel: str, text: str, *, field: str, tool: int = 0) -> AnthropicEvent:
    slots = (TextSlot(channel, text),)
    return AnthropicEvent(data, "content_block_delta", slots, paths=(("delta", field),), tool=tool)


def _block_delta(index: int, *, kind: str, field: str, slot: TextSlot, tool: int) -> AnthropicEvent:
    said = {"type": "content_block_delta", "index": index, "delta": {"type": kind, field: slot.text}}
    return _one_slot(msgspec.json.encode(said), slot.channel, slot.text, field=field, tool=tool)


def _opened(data: bytes, index: int, *, kind: str, text: str) -> Sequence[AnthropicEvent]:
    if not text:
        return (AnthropicEvent(data, "content_block_start"),)
    delta_type, field = _DELTAS[kind]
    opened = AnthropicEvent(edit_fields(data, {("content_block", field): b'""'}), "content_block_start")
    slot = TextSlot(f"{kind}/{index}", text)
    return (opened, _block_delta(index, kind=delta_type, field=field, slot=slot, tool=0))


def _with_whole_characters(data: bytes, halves: Halves) -> bytes:
    """Return an event without half characters; a half at the end waits for the next delta."""
    value: Any = json.loads(data)
    fields = cast("dict[str, Any]", value) if isinstance(value, dict) else {}
    delta: Any = fields.get("delta")
    if isinstance(delta, dict):
        said = cast("dict[str, Any]", delta)
        place = str(fields.get("index"))
        for key in ("text", "thinking", "partial_json"):
            if isinstance(said.get(key), str):
                said[key] = halves.joined((place, key), said[key])
    return whole_characters(json.dumps(value, ensure_ascii=False, separators=(",", ":"))).encode()


def _deltas(event: AnthropicEvent, said: _Event) -> Iterator[Delta]:
    match event.kind:
        case "message_start" if said.message is not None:
            yield Begin(said.message.id, said.message.model, usage=event.usage)
        case "content_block_start" if said.content_block is not None:
            block = said.content_block
            if block.type == "tool_use":
                yield ToolBegin(event.tool, block.id, block.name)
            elif block.type == "redacted_thinking":
                yield ReasoningDelta(redacted=block.data)
        case "content_block_delta" if said.delta is not None:
            yield from _block_deltas(event, said.delta)
        case "content_block_stop" if event.is_bare and event.tool >= 0:
            # Other wires need an explicit empty object.
            yield ToolDelta(event.tool, "{}")
        case "message_delta" if said.delta is not None:
            explanation = (said.delta.stop_details or {}).get("explanation")
            if isinstance(explanation, str) and explanation:
                yield RefusalDelta(explanation)
            if event.stop_reason is not None:
                yield End(event.stop_reason, stop_sequence=said.delta.stop_sequence, usage=event.usage)
            else:
                yield UsageUpdate(event.usage or Usage())
        case _:
            return


def _block_deltas(event: AnthropicEvent, delta: _BlockDelta) -> Iterator[Delta]:
    match delta.type:
        case "text_delta" if delta.text:
            yield TextDelta(delta.text)
        case "thinking_delta" if delta.thinking:
            yield ReasoningDelta(delta.thinking)
        case "signature_delta":
            yield ReasoningDelta(signature=delta.signature)
        case "input_json_delta" if delta.partial_json and event.tool >= 0:
            yield ToolDelta(event.tool, delta.partial_json)
        case _:
            return
