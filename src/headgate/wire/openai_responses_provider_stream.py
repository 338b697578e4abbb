"""Reads one streamed answer of OpenAI's Responses wire into events that guard can edit.

Channels, where O is the index of an output item and P of a part in it:

- `content/O.P` is text, `refusal/O.P` is a refusal, and `tool/0/O` are the arguments of a call.
- `reasoning/O.P` is reasoning text, and `reasoning/O.sP` is a summary of reasoning.
- `input/O` is the plain text input of a custom tool.
- `tool_name/0/O` closes in its own event.
- `other/KIND/O` is the text of any other delta, such as the code of an interpreter.
- `other/whole/N` is a string that is complete in its event, such as an annotation. It closes in
  that event.

Fields that repeat the client's request have no channel: the writer puts the client's own values there.

Source: schema `ResponseStreamEvent` of OpenAI's API document.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple, cast

import msgspec

from headgate.kernel.content import TextSlot
from headgate.kernel.errors import Upstream
from headgate.wire.conversation import ToolBegin
from headgate.wire.json_edits import Path, edit_fields
from headgate.wire.json_strings import spelled_at
from headgate.wire.openai_errors import read_error_event
from headgate.wire.openai_responses_event import Place, ResponsesEvent
from headgate.wire.openai_responses_words import ECHOED, SPELLING, stop_reason_of, usage_from
from headgate.wire.sse import SseEvent
from headgate.wire.stream_strings import WHOLE_CHANNEL, strings_in
from headgate.wire.surrogates import Halves, has_halves, whole_characters
from headgate.wire.token_counts import decoded, leniently_decoded, object_of

_MAX_OUTPUT: Final = 4096
_BEGINS: Final = frozenset({"response.created", "response.in_progress", "response.queued"})
_ENDS: Final = frozenset({"response.completed", "response.incomplete"})
_EVERY: Final = ("*",)


class _Text(NamedTuple):
    """The text of one kind of delta: its field in the last event, its channel and its part's index."""

    field: str
    channel: str
    part: str | None


_TEXTS: Final[Mapping[str, _Text]] = {
    "response.output_text": _Text("text", "content/", "content_index"),
    "response.refusal": _Text("refusal", "refusal/", "content_index"),
    "response.reasoning_text": _Text("text", "reasoning/", "content_index"),
    "response.reasoning_summary_text": _Text("text", "reasoning/", "summary_index"),
    "response.function_call_arguments": _Text("arguments", "tool/0/", None),
    "response.custom_tool_call_input": _Text("input", "input/", None),
}
_PARTS: Final = {
    "output_text": ("response.output_text", "text"),
    "refusal": ("response.refusal", "refusal"),
    "reasoning_text": ("response.reasoning_text", "text"),
    "summary_text": ("response.reasoning_summary_text", "text"),
}
_INPUTS: Final = {
    "function_call": ("response.function_call_arguments", "arguments"),
    "custom_tool_call": ("response.custom_tool_call_input", "input"),
}
_CALL_PREFIX: Final = "response."


class _PlainDelta(msgspec.Struct, forbid_unknown_fields=True):
    """A delta with text in this field only; any other event takes the slow path."""

    type: Literal["response.output_text.delta"]
    item_id: str
    output_index: int
    content_index: int
    delta: str
    sequence_number: int = 0
    logprobs: list[None] | None = None
    obfuscation: str | None = None


class _Copy(NamedTuple):
    """A whole text in an event: its path, its channel, and the place of its deltas."""

    path: Path
    text: str
    channel: str
    place: Place


class _Made:
    """Collects the slots, copies and closed channels of one event."""

    __slots__ = ("closes", "edits", "fills", "paths", "slots")

    def __init__(self) -> None:
        self.slots: list[TextSlot] = []
        self.paths: list[Path] = []
        self.closes: list[str] = []
        self.fills: list[tuple[Path, str]] = []
        self.edits: dict[Path, bytes | None] = {}

    def add(self, channel: str, text: str, path: Path, *, is_whole: bool = False) -> None:
        """Add a slot; a whole one closes its channel."""
        self.slots.append(TextSlot(channel, text))
        self.paths.append(path)
        if is_whole:
            self.closes.append(channel)

    def fill(self, path: Path, channel: str, *, has_text: bool = True) -> None:
        """Take out a copy of a channel's text."""
        if has_text:
            self.edits[path] = b'""'
        self.fills.append((path, channel))


_PLAIN: Final = msgspec.json.Decoder(_PlainDelta)


class ResponsesReader:
    """Decodes one upstream stream; implements `EventReader`."""

    __slots__ = ("_halves", "_has_refused", "_is_begun", "_is_ended", "_names", "_places", "_seen", "_serial", "_tools")

    def __init__(self) -> None:
        self._places: dict[str, Place] = {}
        self._seen: set[str] = set()
        self._tools: dict[int, int] = {}
        self._names: set[str] = set()
        self._halves = Halves()
        self._serial = 0
        self._has_refused = False
        self._is_begun = False
        self._is_ended = False

    def feed(self, event: SseEvent) -> Sequence[ResponsesEvent]:
        """Return the model events of an SSE event; an event with new whole text yields several.

        Raises:
            Upstream: the event is malformed, or it is one of the wire's errors.
        """
        data = event.data
        if self._is_ended or data[:6] == b"[DONE]":
            return ()
        if not self._halves.held:
            try:
                plain = _PLAIN.decode(data)
            except (msgspec.DecodeError, UnicodeDecodeError):
                pass
            else:
                if plain.logprobs in (None, []) and f"content/{plain.output_index}.{plain.content_index}" in self._seen:
                    return (self._plain(data, plain),)
        try:
            if self._halves.held or has_halves(data):
                data = self._with_whole_characters(data)
            value = decoded(data)
            if not isinstance(value, dict):
                raise ValueError("an event is no object")
            return self._read(data, cast("dict[str, Any]", value), event.name)
        except (ValueError, RecursionError, TypeError, KeyError) as exc:
            raise Upstream("the provider sent a stream event that is not of its own wire") from exc

    def finish(self) -> None:
        """Check that the stream is complete; call it when the connection has ended.

        Raises:
            Upstream: the stream has no last event.
        """
        if not self._is_ended:
            raise Upstream(
                "the provider's stream was cut before its end"
                if self._is_begun
                else "the provider's stream ended before it began"
            )

    def _plain(self, data: bytes, plain: _PlainDelta) -> ResponsesEvent:
        channel = f"content/{plain.output_index}.{plain.content_index}"
        return ResponsesEvent(
            data, plain.type, (TextSlot(channel, plain.delta),), paths=(("delta",),), places=self._places
        )

    def _read(self, data: bytes, value: dict[str, Any], name: str) -> Sequence[ResponsesEvent]:
        kind = str(value.get("type") or name)
        if kind == "error" or (not kind and "error" in value):
            raise read_error_event(data if "error" in value else msgspec.json.encode({"error": value}))
        if kind == "response.failed":
            fault: Any = object_of(value.get("response")).get("error")
            raise read_error_event(msgspec.json.encode({"error": fault or {}}))
        if kind in _BEGINS or kind in _ENDS:
            return self._lifecycle(data, kind, value)
        stem, _, phase = kind.rpartition(".")
        if phase == "delta" and isinstance(value.get("delta"), str):
            return (self._delta(data, kind, stem, value),)
        copies = list(_copies_in(value, kind))
        return self._with_copies(data, kind, value, copies)

    def _lifecycle(self, data: bytes, kind: str, value: dict[str, Any]) -> Sequence[ResponsesEvent]:
        response = object_of(value["response"])
        events = self._with_copies(data, kind, value, list(_copies_in(value, kind)))
        last = events[-1]
        if kind in _BEGINS:
            if self._is_begun:
                return events
            self._is_begun = True
            begun = (str(response.get("id") or ""), str(response.get("model") or ""))
            return (*events[:-1], msgspec.structs.replace(last, begun=begun))
        self._is_ended = self._is_begun = True
        usage = response.get("usage")
        reason = stop_reason_of(response, has_refused=self._has_refused, has_called=bool(self._tools))
        ended = msgspec.structs.replace(
            last, closes=_EVERY, usage=None if usage is None else usage_from(usage), stop_reason=reason
        )
        return (*events[:-1], ended)

    def _delta(self, data: bytes, kind: str, stem: str, value: dict[str, Any]) -> ResponsesEvent:
        channel = _channel(stem, value)
        place = self._places.get(channel)
        if place is None:
            place = self._open(channel, kind, value)
        made = _Made()
        made.add(channel, value["delta"], ("delta",))
        self._add_others(value, made)
        return ResponsesEvent(
            data,
            kind,
            tuple(made.slots),
            tuple(made.closes),
            paths=tuple(made.paths),
            tool=place.tool,
            spelled=tuple(_spelled(value)),
            places=self._places,
        )

    def _open(self, channel: str, kind: str, value: Mapping[str, Any]) -> Place:
        """Open a channel; its later text comes in events of this form."""
        left_out = ("delta", "logprobs", "obfuscation", "sequence_number")
        fields: dict[str, Any] = {name: one for name, one in value.items() if name not in left_out}
        if kind == "response.output_text.delta":
            fields["logprobs"] = []
        return self._opened(channel, Place({**fields, "type": kind}, self._tool_of(value)))

    def _opened(self, channel: str, place: Place) -> Place:
        self._seen.add(channel)
        self._has_refused = self._has_refused or channel.startswith("refusal/")
        self._places[channel] = place
        return place

    def _tool_of(self, value: Mapping[str, Any]) -> int:
        return self._tools.get(_output_index(value), 0)

    def _with_copies(
        self, data: bytes, kind: str, value: dict[str, Any], copies: list[_Copy]
    ) -> Sequence[ResponsesEvent]:
        """Return the event without its copies of text; text that no delta had becomes a delta of its own."""
        self._note_tools(value)
        made, new = _Made(), list[ResponsesEvent]()
        for copy in copies:
            if copy.text and copy.channel not in self._seen:
                new.append(self._first_delta(copy))
            made.fill(copy.path, copy.channel, has_text=bool(copy.text))
        if kind.endswith(".done"):
            made.closes += [channel for _, channel in made.fills]
        is_added = kind.endswith(".added")
        begins = self._take_names(value, made)
        self._add_others(value, made)
        event = ResponsesEvent(
            edit_fields(data, made.edits) if made.edits else data,
            kind,
            tuple(made.slots),
            tuple(made.closes),
            paths=tuple(made.paths),
            fills=() if is_added else tuple(made.fills),
            tool=self._tool_of(value),
            begins=begins,
            is_custom=object_of(value.get("item")).get("type") == "custom_tool_call",
            spelled=tuple(_spelled(value)),
            places=self._places,
        )
        return (event, *new) if is_added else (*new, event)

    def _first_delta(self, copy: _Copy) -> ResponsesEvent:
        """Return the event of a whole text that came without deltas."""
        tool = self._tools.get(_output_of(copy.channel), 0)
        place = self._opened(copy.channel, copy.place._replace(tool=tool))
        data = msgspec.json.encode({**place.fields, "delta": copy.text})
        slots = (TextSlot(copy.channel, copy.text),)
        return ResponsesEvent(data, place.fields["type"], slots, paths=(("delta",),), tool=tool, places=self._places)

    def _note_tools(self, value: Mapping[str, Any]) -> None:
        """Count the tool calls that begin, also those without an event of their own for that."""
        for index, item in _items_in(value):
            if item.get("type") in _INPUTS and index not in self._tools:
                self._tools[index] = len(self._tools)

    def _take_names(self, value: Mapping[str, Any], made: _Made) -> ToolBegin | None:
        """Take the names of called tools; return the call that begins in this event."""
        begins: ToolBegin | None = None
        for index, item in _items_in(value):
            if item.get("type") not in _INPUTS:
                continue
            path: Path = ("item", "name") if "item" in value else ("response", "output", index, "name")
            channel = f"tool_name/0/{index}"
            if channel in self._names:
                made.fill(path, channel)
                continue
            self._names.add(channel)
            made.add(channel, str(item["name"]), path, is_whole=True)
            begins = ToolBegin(self._tools[index], str(item.get("call_id") or item.get("id") or ""), "")
        return begins

    def _add_others(self, value: dict[str, Any], made: _Made) -> None:
        """Add a slot for every other string of an event, so that a scan sees unknown fields."""
        skipped = {*made.paths, *(path for path, _ in made.fills)}
        for path, text in strings_in(value):
            if path in skipped or path[-1] in ("item_id", "call_id") or _is_echo(path):
                continue
            made.add(f"{WHOLE_CHANNEL}{self._serial}", text, path, is_whole=True)
            self._serial += 1

    def _with_whole_characters(self, data: bytes) -> bytes:
        """Return the event without half characters; a half at the end of a delta waits for the next one."""
        value: Any = leniently_decoded(data)
        said = cast("dict[str, Any]", value)
        if isinstance(said.get("delta"), str):
            place = _channel(str(said.get("type")).removesuffix(".delta"), said)
            said["delta"] = self._halves.joined(place, said["delta"])
        else:
            self._halves.held.clear()
        return whole_characters(json.dumps(said, ensure_ascii=False)).encode()


def _channel(stem: str, value: Mapping[str, Any]) -> str:
    """Return the channel of a delta, by its kind without `.delta`."""
    index = _output_index(value)
    known = _TEXTS.get(stem)
    if known is None:
        return f"other/{stem.removeprefix(_CALL_PREFIX)}/{index}"
    if known.part is None:
        return f"{known.channel}{index}"
    mark = "s" if known.part == "summary_index" else ""
    return f"{known.channel}{index}.{mark}{int(value.get(known.part) or 0)}"


def _output_index(value: Mapping[str, Any]) -> int:
    index = int(value.get("output_index") or 0)
    if not 0 <= index < _MAX_OUTPUT:
        raise ValueError("an output index is out of bounds")
    return index


def _output_of(channel: str) -> int:
    return int(channel.rpartition("/")[2].partition(".")[0])


def _copies_in(value: Mapping[str, Any], kind: str) -> Iterator[_Copy]:
    """Yield the whole texts of an event that deltas carry as well."""
    stem, _, phase = kind.rpartition(".")
    known = _TEXTS.get(stem)
    if known is not None and phase == "done":
        text = value.get(known.field)
        if isinstance(text, str):
            yield _copy((known.field,), text, stem, value)
        return
    if "part" in value:
        yield from _copies_of_part(("part",), value["part"], value)
    for index, item in _items_in(value):
        base: Path = ("item",) if "item" in value else ("response", "output", index)
        yield from _copies_of_item(base, item, index)


def _copies_of_item(base: Path, item: Mapping[str, Any], index: int) -> Iterator[_Copy]:
    head: dict[str, Any] = {"item_id": item.get("id"), "output_index": index}
    known = _INPUTS.get(str(item.get("type")))
    if known is not None:
        stem, field = known
        text = item.get(field)
        if isinstance(text, str):
            yield _copy((*base, field), text, stem, head)
        return
    for key, name in (("content", "content_index"), ("summary", "summary_index")):
        parts = item.get(key)
        for at, part in enumerate(cast("list[Any]", parts) if isinstance(parts, list) else ()):
            yield from _copies_of_part((*base, key, at), part, {**head, name: at})


def _copies_of_part(base: Path, part: Any, beside: Mapping[str, Any]) -> Iterator[_Copy]:
    said = object_of(part)
    known = _PARTS.get(str(said.get("type")))
    text = said.get(known[1]) if known is not None else None
    if known is not None and isinstance(text, str):
        yield _copy((*base, known[1]), text, known[0], beside)


def _copy(path: Path, text: str, stem: str, beside: Mapping[str, Any]) -> _Copy:
    names = ("item_id", "output_index", "content_index", "summary_index")
    fields: dict[str, Any] = {name: beside[name] for name in names if name in beside}
    kind = f"{stem}.delta"
    if kind == "response.output_text.delta":
        fields["logprobs"] = []
    return _Copy(path, text, _channel(stem, beside), Place({"type": kind, **fields}))


def _items_in(value: Mapping[str, Any]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yield the output items of an event with their indices."""
    item = value.get("item")
    if isinstance(item, dict):
        yield _output_index(value), cast("Mapping[str, Any]", item)
        return
    items = object_of(value.get("response")).get("output")
    for index, one in enumerate(cast("list[Any]", items) if isinstance(items, list) else ()):
        yield index, object_of(one)


def _is_echo(path: Path) -> bool:
    """Whether the string at a path repeats the request, or is the reason of an incomplete answer."""
    return path[0] == "response" and path[1] in _NOT_TEXT


_NOT_TEXT: Final = ECHOED | {"incomplete_details", "conversation"}


def _spelled(value: Any) -> Iterator[Path]:
    return (path for path in spelled_at(value, SPELLING) if _at(value, path))


def _at(value: Any, path: Path) -> Any:
    for step in path:
        value = value[step]
    return value
