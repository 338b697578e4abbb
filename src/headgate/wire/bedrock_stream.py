"""Reads one streamed answer of Amazon Bedrock's Converse API into events that guard can edit.

The parser of the binary stream gives each event its name and its payload. The data of our events is
`{NAME: PAYLOAD}`, the form of the API's own union `ConverseStreamOutput`, so that a stored stream can
be read again without the binary frames.

Channels, where B is the index of a content block:

- `content/B` is text, `reasoning/B` is reasoning, and `tool/0/B` is tool input.
- `tool_name/0/T` is the name of the answer's tool call T. It closes in its own event.
- `other/whole/N` is any other string of an event, such as a citation. It closes in that event.

Source: API reference of Amazon Bedrock Runtime, "ConverseStream".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, cast

import msgspec

from headgate.kernel.content import TextSlot
from headgate.kernel.errors import Upstream
from headgate.wire.bedrock_errors import exception_of
from headgate.wire.bedrock_words import NAME, stop_reason_of, usage_of
from headgate.wire.conversation import (
    Begin,
    Delta,
    End,
    ReasoningDelta,
    TextDelta,
    ToolBegin,
    ToolDelta,
    UsageUpdate,
)
from headgate.wire.json_edits import Path, edit_fields
from headgate.wire.model_call import StopReason, Usage
from headgate.wire.sse import SseEvent
from headgate.wire.stream_strings import WHOLE_CHANNEL, strings_in
from headgate.wire.surrogates import Halves
from headgate.wire.token_counts import decoded, object_of

_DELTA: Final = "contentBlockDelta"
_ANSWER_ID: Final = "converse"
"""The id of every answer: the API sends none."""
_TEXTS: Final[Mapping[str, Path]] = {
    "content": ("text",),
    "reasoning": ("reasoningContent", "text"),
    "tool": ("toolUse", "input"),
}
"""The path of a channel's text in a delta, by the kind of the channel."""
_IDENTIFIERS: Final = frozenset({"role", "toolUseId", "stopReason", "signature", "redactedContent", "latency", "ttl"})
"""Keys whose strings are identifiers, enumerations and ciphertext; no scan reads them."""
_TOOL_NAME: Final[Path] = ("contentBlockStart", "start", "toolUse", "name")
_EVERY: Final = ("*",)


class BedrockEvent(msgspec.Struct, frozen=True):
    """One event. Implements `WireEvent`.

    Args:
        data: the event's JSON, an object with the event's name as its only key.
        kind: the event's name.
        paths: the path of each slot's text in `data`.
        tool: the index of the event's tool call, counted from 0; -1 for a call of the provider's own tool.
        is_bare: whether the event ends a tool call without arguments.
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

    @property
    def ends_runs(self) -> bool:
        """Whether the answer ends here, so that no text continues in another block."""
        return "*" in self.closes

    def run(self, channel: str) -> str | None:
        """Return the channel's run, or None; text and reasoning blocks form one run."""
        return "words" if channel.startswith(("content/", "reasoning/")) else None

    def edit(self, texts: Sequence[str]) -> BedrockEvent:
        """Return the event with its slots' texts replaced; all other bytes stay unchanged."""
        edits: dict[Path, bytes | None] = {
            path: msgspec.json.encode(text)
            for path, slot, text in zip(self.paths, self.slots, texts, strict=True)
            if text != slot.text
        }
        if not edits:
            return self
        slots = tuple(TextSlot(slot.channel, text) for slot, text in zip(self.slots, texts, strict=True))
        return msgspec.structs.replace(self, data=edit_fields(self.data, edits), slots=slots)

    def without_spelling(self) -> BedrockEvent:
        """Return the event unchanged: this wire sends no log probabilities or token ids."""
        return self

    def insert(self, slot: TextSlot) -> BedrockEvent:
        """Return a delta of the slot's block that carries only its text.

        Raises:
            ValueError: the channel takes no deltas. Such a channel closes in its own event, so the
                guard holds back none of its text.
        """
        kind, _, rest = slot.channel.partition("/")
        if kind not in _TEXTS:
            raise ValueError(f"no delta carries the channel {slot.channel}")
        return _delta(int(rest.rpartition("/")[2]), kind=kind, slot=slot, tool=self.tool)

    def deltas(self) -> Sequence[Delta]:
        """Return the typed form of the event, after any edit."""
        return tuple(_deltas(self, object_of(object_of(decoded(self.data)).get(self.kind))))


class BedrockReader:
    """Decodes one stream; implements `EventReader`."""

    __slots__ = ("_bare", "_calls", "_halves", "_is_ended", "_serial", "_tools")

    def __init__(self) -> None:
        self._tools: dict[int, int] = {}
        self._bare: set[int] = set()
        self._calls = 0
        self._serial = 0
        self._halves = Halves()
        self._is_ended = False

    def feed(self, event: SseEvent) -> Sequence[BedrockEvent]:
        """Return the model event of an event of the stream.

        An event without a name holds its name as the only key of its data.

        Raises:
            Upstream: the event is malformed, or it is an exception.
        """
        try:
            kind, said = _named(event)
            return (self._read(kind, said),)
        except (msgspec.MsgspecError, ValueError, RecursionError) as exc:
            raise Upstream("the provider sent a stream event that is not of its own wire") from exc

    def finish(self) -> None:
        """Check that the stream is complete; call it when the connection has ended.

        Raises:
            Upstream: the stream has no `messageStop`.
        """
        if not self._is_ended:
            raise Upstream("the provider's stream was cut before its end")

    def _read(self, kind: str, said: dict[str, Any]) -> BedrockEvent:
        index = said.get("contentBlockIndex", 0)
        if not isinstance(index, int):
            raise ValueError("an index is no number")
        match kind:
            case "contentBlockDelta":
                return self._delta(said, index)
            case "contentBlockStart":
                return self._start(said, index)
            case "contentBlockStop":
                closes = (f"content/{index}", f"reasoning/{index}", f"tool/0/{index}")
                tool, is_bare = self._tools.get(index, 0), index in self._bare
                return BedrockEvent(_data(kind, said), kind, closes=closes, tool=tool, is_bare=is_bare)
            case "messageStop":
                self._is_ended = True
                reason = stop_reason_of(said.get("stopReason"))
                return self._with_others(BedrockEvent(_data(kind, said), kind, closes=_EVERY, stop_reason=reason))
            case "metadata":
                return self._with_others(BedrockEvent(_data(kind, said), kind, usage=usage_of(said.get("usage"))))
            case _ if kind.endswith("Exception"):
                raise exception_of(kind, msgspec.json.encode(said))
            case _:
                return self._with_others(BedrockEvent(_data(kind, said), kind))

    def _start(self, said: dict[str, Any], index: int) -> BedrockEvent:
        call = object_of(object_of(said.get("start")).get("toolUse"))
        if call:
            is_ours = call.get("type") != "server_tool_use"
            self._tools[index] = self._calls if is_ours else -1
            self._calls += is_ours
            if is_ours:
                self._bare.add(index)
        event = BedrockEvent(_data("contentBlockStart", said), "contentBlockStart", tool=self._tools.get(index, 0))
        return self._with_others(event)

    def _delta(self, said: dict[str, Any], index: int) -> BedrockEvent:
        """Return the event of a delta; a half character at its end waits for the next one."""
        delta = object_of(said.get("delta"))
        for kind, path in _TEXTS.items():
            holder = delta if len(path) == 1 else delta.get(str(path[0]))
            if not isinstance(holder, dict):
                continue
            fields = cast("dict[str, Any]", holder)
            text: Any = fields.get(str(path[-1]))
            if not isinstance(text, str):
                continue
            text = fields[str(path[-1])] = self._halves.joined((index, kind), text)
            channel = f"tool/0/{index}" if kind == "tool" else f"{kind}/{index}"
            if kind == "tool" and text.strip():
                self._bare.discard(index)
            event = BedrockEvent(
                _data(_DELTA, said),
                _DELTA,
                slots=(TextSlot(channel, text),),
                paths=((_DELTA, "delta", *path),),
                tool=self._tools.get(index, 0) if kind == "tool" else 0,
            )
            return event if len(delta) == 1 and len(fields) == 1 else self._with_others(event)
        is_seal = bool(object_of(delta.get("reasoningContent")).get("signature"))
        # The guard must release all held reasoning before the signature over it.
        closes = (f"reasoning/{index}",) if is_seal else ()
        return self._with_others(BedrockEvent(_data(_DELTA, said), _DELTA, closes=closes))

    def _with_others(self, event: BedrockEvent) -> BedrockEvent:
        """Return an event with a slot for every string, so that a scan sees unknown fields."""
        slots, paths, closes = list(event.slots), list(event.paths), list(event.closes)
        for path, text in strings_in(decoded(event.data)):
            if path in event.paths or path[-1] in _IDENTIFIERS:
                continue
            channel = f"tool_name/0/{event.tool}" if path == _TOOL_NAME else f"{WHOLE_CHANNEL}{self._serial}"
            self._serial += path != _TOOL_NAME
            slots.append(TextSlot(channel, text))
            paths.append(path)
            closes.append(channel)
        return msgspec.structs.replace(event, slots=tuple(slots), paths=tuple(paths), closes=tuple(closes))


def _named(event: SseEvent) -> tuple[str, dict[str, Any]]:
    """Return the name and the fields of an event, without the padding against observers of sizes.

    Raises:
        ValueError: the event has another form.
    """
    value: Any = decoded(event.data)
    if not event.name:
        if not isinstance(value, dict) or len(cast("dict[str, Any]", value)) != 1:
            raise ValueError("an event has no name")
        ((name, value),) = cast("dict[str, Any]", value).items()
    else:
        name = event.name
    if not isinstance(value, dict):
        raise ValueError("an event is no object")
    said = cast("dict[str, Any]", value)
    said.pop("p", None)
    return name, said


def _data(kind: str, said: Mapping[str, Any]) -> bytes:
    return msgspec.json.encode({kind: said})


def _delta(index: int, *, kind: str, slot: TextSlot, tool: int) -> BedrockEvent:
    said: Any = slot.text
    for step in reversed(_TEXTS[kind]):
        said = {step: said}
    data = _data(_DELTA, {"delta": said, "contentBlockIndex": index})
    return BedrockEvent(data, _DELTA, slots=(slot,), paths=((_DELTA, "delta", *_TEXTS[kind]),), tool=tool)


def _deltas(event: BedrockEvent, said: Mapping[str, Any]) -> Iterator[Delta]:
    match event.kind:
        case "messageStart":
            yield Begin(_ANSWER_ID, "")
        case "contentBlockStart":
            call = object_of(object_of(said.get("start")).get("toolUse"))
            if call and event.tool >= 0:
                yield ToolBegin(event.tool, str(call.get("toolUseId", "")), str(call.get("name", "")))
        case "contentBlockDelta":
            yield from _block_deltas(event, object_of(said.get("delta")))
        case "contentBlockStop" if event.is_bare:
            # Other wires need an explicit empty object.
            yield ToolDelta(event.tool, "{}")
        case "messageStop":
            yield End(event.stop_reason or "unknown", _stop_sequence(said))
        case "metadata":
            yield UsageUpdate(event.usage or Usage())
        case _:
            return


def _block_deltas(event: BedrockEvent, delta: Mapping[str, Any]) -> Iterator[Delta]:
    text, reasoning, call = delta.get("text"), object_of(delta.get("reasoningContent")), object_of(delta.get("toolUse"))
    if isinstance(text, str) and text:
        yield TextDelta(text)
    if isinstance(words := reasoning.get("text"), str) and words:
        yield ReasoningDelta(words)
    if isinstance(signature := reasoning.get("signature"), str) and signature:
        yield ReasoningDelta(signature=signature)
    if isinstance(redacted := reasoning.get("redactedContent"), str) and redacted:
        yield ReasoningDelta(redacted=redacted)
    if isinstance(arguments := call.get("input"), str) and arguments and event.tool >= 0:
        yield ToolDelta(event.tool, arguments)


def _stop_sequence(said: Mapping[str, Any]) -> str | None:
    """Return the stop sequence, if the request asked the model for it."""
    found = object_of(said.get("additionalModelResponseFields")).get("stop_sequence")
    return found if isinstance(found, str) else None
