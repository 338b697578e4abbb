"""One streamed answer of Anthropic's wire: its events as items that guard can edit, and the reader that makes them.

Channels: `content/B` for text, `reasoning/B` for thinking and `tool/0/B` for tool input, where B is the index of the
content block; `refusal/0` for the explanation of a refusal; `other/N` for any other string that a block brings, such as
search results and citations, each closed as it comes.

Source: docs of the Messages API, "Streaming messages"; types of the `anthropic` SDK 2.x (raw_message_stream_event.py).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple, cast

import msgspec

from headgate.kernel.content import TextSlot
from headgate.kernel.errors import Upstream
from headgate.kernel.model_call import StopReason, Usage
from headgate.wire.anthropic_errors import upstream_error
from headgate.wire.anthropic_words import NAME, Tokens, stop_reason_of
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
from headgate.wire.sse import SseEvent
from headgate.wire.surrogates import Halves, has_halves, whole_characters

_OPAQUE: Final = frozenset({"type", "id", "tool_use_id", "encrypted_content", "encrypted_index", "signature", "data"})
_REFUSAL: Final = "refusal/0"
_DELTAS: Final = {"content": ("text_delta", "text"), "reasoning": ("thinking_delta", "thinking")}
_EVERY: Final = ("*",)


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


class _Place(NamedTuple):
    """A string in an event that is a slot."""

    path: Path
    text: str


class AnthropicEvent(msgspec.Struct, frozen=True):
    """One event. Implements `WireEvent`; a Struct because one is made for every few characters of an answer.

    Args:
        data: its JSON.
        kind: its type, which is also its name on the wire.
        paths: where in `data` each slot's text is.
        tool: which of the answer's tool calls, counted from 0, the event belongs to; -1 for none that is the client's.
        is_bare: whether it ends a tool call that was given no arguments.
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

    @property
    def wire(self) -> str:
        """The dialect of `data`."""
        return NAME

    def edit(self, texts: Sequence[str]) -> AnthropicEvent:
        """Return the event with its slots' texts replaced; all other bytes stay as they are."""
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
        """Return the data with its one text replaced where it is plain to see, in a quarter of the time; else None."""
        path, old = self.paths[0], self.slots[0].text
        field = b'"%b":' % str(path[-1]).encode()
        token = field + msgspec.json.encode(old)
        if path[0] != "delta" or len(path) != 2 or self.data.count(token) != 1:
            return None
        data = self.data.replace(token, field + msgspec.json.encode(text))
        # Whoever repeats a field in escapes of their own must not have the wrong one replaced.
        return data if getattr(_EVENT.decode(data).delta, str(path[1])) == text else None

    def without_spelling(self) -> AnthropicEvent:
        """Return the event: this wire tells no tokens."""
        return self

    def insert(self, slot: TextSlot) -> AnthropicEvent:
        """Return a `content_block_delta` of the slot's block that carries only its text.

        Raises:
            ValueError: the channel is not one that takes deltas; such channels close as they come, so nothing of
                theirs can be held back.
        """
        kind, _, rest = slot.channel.partition("/")
        if kind == "tool":
            kind, field, block = "input_json_delta", "partial_json", rest.removeprefix("0/")
        elif kind in _DELTAS:
            (kind, field), block = _DELTAS[kind], rest
        else:
            raise ValueError(f"no delta carries the channel {slot.channel}")
        return _block_delta(int(block), kind=kind, field=field, slot=slot, tool=self.tool)

    def deltas(self) -> Sequence[Delta]:
        """Return the typed form of the event as it is now."""
        return tuple(_deltas(self, _EVENT.decode(self.data)))


class AnthropicReader:
    """Decodes one upstream stream; implements `EventReader`."""

    __slots__ = ("_bare", "_halves", "_is_ended", "_serial", "_tokens", "_tools")

    def __init__(self) -> None:
        self._tokens = Tokens()
        self._tools: dict[int, int] = {}
        self._bare: set[int] = set()
        self._halves = Halves()
        self._serial = 0
        self._is_ended = False

    def feed(self, event: SseEvent) -> Sequence[AnthropicEvent]:
        """Return the events in it: two where a block begins with text, none for the end marker.

        Raises:
            Upstream: it is malformed, or it is the wire's error event.
        """
        data = event.data
        if self._is_ended:
            return ()
        try:
            if self._halves.held or has_halves(data):
                data = _with_whole_characters(data, self._halves)
            said = _EVENT.decode(data)
        except (msgspec.DecodeError, ValueError, RecursionError) as exc:
            raise Upstream("the provider sent a stream event that is not of its own wire") from exc
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
                # The output tokens said here are a beginning, not a count: of a stream cut short they would be billed.
                return (AnthropicEvent(data, kind, usage=replace(self._tokens.usage(), output_tokens=None)),)
            case "message_delta" if said.delta is not None:
                return (self._end(data, said, said.delta),)
            case "message_stop":
                self._is_ended = True
                return ()
            case "error":
                error = said.error or _Error()
                raise upstream_error(error.type, error.message, status=None)
            case _:
                return (self._other(data, kind),)

    def finish(self) -> None:
        """Say that the connection ended.

        Raises:
            Upstream: `message_stop` never came.
        """
        if not self._is_ended:
            raise Upstream("the provider's stream was cut before its end")

    def _delta(self, data: bytes, index: int, delta: _BlockDelta) -> AnthropicEvent:
        if delta.type == "text_delta" and delta.text is not None:
            return _one_slot(data, f"content/{index}", delta.text, field="text")
        if delta.type == "input_json_delta" and delta.partial_json is not None:
            tool = self._tools.get(index, -1)
            if index in self._bare and delta.partial_json.strip():
                self._bare.remove(index)
            return _one_slot(data, f"tool/0/{index}", delta.partial_json, field="partial_json", tool=tool)
        if delta.type == "thinking_delta" and delta.thinking is not None:
            return _one_slot(data, f"reasoning/{index}", delta.thinking, field="thinking")
        if delta.type == "signature_delta":
            # What is held back of the reasoning goes out before the signature that seals it.
            return AnthropicEvent(data, "content_block_delta", closes=(f"reasoning/{index}",))
        return self._other(data, "content_block_delta")

    def _start(self, data: bytes, index: int, block: _Block) -> Sequence[AnthropicEvent]:
        """Return the block's start, with what text it brings moved to a delta, where guard can hold parts of it."""
        match block.type:
            case "text":
                return _opened(data, index, kind="content", text=block.text)
            case "thinking":
                return _opened(data, index, kind="reasoning", text=block.thinking)
            case "redacted_thinking":
                return (AnthropicEvent(data, "content_block_start"),)
            case "tool_use":
                tool = self._tools.setdefault(index, len(self._tools))
                given = bytes(block.input).strip()
                opened = AnthropicEvent(data, "content_block_start", tool=tool)
                if given in (b"", b"{}", b"null"):
                    self._bare.add(index)
                    return (opened,)
                slot = TextSlot(f"tool/0/{index}", given.decode())
                opened = msgspec.structs.replace(opened, data=edit_fields(data, {("content_block", "input"): b"{}"}))
                return (
                    opened,
                    _block_delta(index, kind="input_json_delta", field="partial_json", slot=slot, tool=tool),
                )
            case _:
                return (self._other(data, "content_block_start"),)

    def _stop(self, data: bytes, index: int) -> AnthropicEvent:
        tool = self._tools.get(index, 0)
        closes = (f"content/{index}", f"reasoning/{index}", f"tool/0/{index}")
        return AnthropicEvent(data, "content_block_stop", closes=closes, tool=tool, is_bare=index in self._bare)

    def _end(self, data: bytes, said: _Event, delta: _BlockDelta) -> AnthropicEvent:
        if said.usage is not None:
            self._tokens = self._tokens.updated(said.usage)
        reason = stop_reason_of(delta.stop_reason) if delta.stop_reason is not None else None
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

    def _other(self, data: bytes, kind: str) -> AnthropicEvent:
        """Return an event with every string of it as a slot, for nothing passes unseen because it is new."""
        strings = [place for place in _strings(msgspec.json.decode(data), ()) if place.path[-1] not in _OPAQUE]
        slots = tuple(TextSlot(f"other/{serial}", place.text) for serial, place in enumerate(strings, self._serial))
        self._serial += len(slots)
        paths = tuple(place.path for place in strings)
        return AnthropicEvent(data, kind, slots, paths=paths, closes=tuple(slot.channel for slot in slots))


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
    """Return an event with no half of a character in it; one at the end of a delta waits for the next."""
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


def _strings(value: Any, path: Path) -> Iterator[_Place]:
    match value:
        case str():
            yield _Place(path, value)
        case list():
            for index, item in enumerate(cast("list[Any]", value)):
                yield from _strings(item, (*path, index))
        case dict():
            for key, item in cast("dict[str, Any]", value).items():
                yield from _strings(item, (*path, key))
        case _:
            return


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
        case "content_block_stop" if event.is_bare:
            # Other wires have no object but the one that is written out.
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
