"""Reads one streamed answer of OpenAI's chat wire, and turns its chunks into events.

Channels, where C is a choice and T a tool call in it:

- `content/C`, `reasoning/C`, `refusal/C` and `tool/C/T` stay open until their choice ends, because
  a client joins the pieces of each channel, even if channels alternate. Text after that end goes
  to `content/C.1` and so on.
- `other/C/PLACE` is any other string of a choice, such as the input of a custom tool.
- `other/PLACE` is a string outside the choices.
- `tool_name/C/T` closes in its own chunk.
- `other/whole/N` is a string that is complete in its chunk, such as a token of log probabilities.
  It closes in that chunk.
- `object/PLACE` is a string of an annotation. It closes in its own chunk.
- `objects/C` closes after the last annotation.

Source: schema `CreateChatCompletionStreamResponse` of OpenAI's API document; vLLM, DeepSeek and
OpenRouter for the fields that they add.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias, cast

import msgspec

from headgate.kernel.content import TextSlot
from headgate.kernel.errors import Upstream
from headgate.wire.conversation import ToolBegin
from headgate.wire.json_edits import Path, edit_fields
from headgate.wire.json_strings import spelled_at
from headgate.wire.model_call import StopReason
from headgate.wire.openai_chat_event import OpenAiChatEvent
from headgate.wire.openai_chunks import Piece, has_twins, pieces_of
from headgate.wire.openai_errors import read_error_event
from headgate.wire.openai_words import SPELLING, Tokens, matched_stop, stop_reason_of, tokens_from
from headgate.wire.sse import SseEvent
from headgate.wire.stream_strings import WHOLE_CHANNEL, Form, is_object, is_whole, place_of, strings_in
from headgate.wire.surrogates import Halves

_MAX_INDEX: Final = 1024
_DONE: Final = b"[DONE]"
_NO_REASON: Final = frozenset({"", "null", "none"})
"""Finish reasons that some servers send in place of null in every chunk but the last."""

_Others: TypeAlias = list[tuple[Path, str]]
_NO_OTHERS: Final[Mapping[int, _Others]] = {}
_BESIDE: Final = -1
"""The position of strings outside the choices."""

_REASONING: Final[Path] = ("choices", 0, "delta", "reasoning")


class _Function(msgspec.Struct, forbid_unknown_fields=True):
    name: str | None = None
    arguments: str | None = None


class _Call(msgspec.Struct, forbid_unknown_fields=True):
    index: int | None = None
    id: str | None = None
    type: str | None = None
    function: _Function | None = None


class _ChunkDelta(msgspec.Struct, forbid_unknown_fields=True):
    role: str | None = None
    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    refusal: str | None = None
    tool_calls: list[_Call] | None = None
    function_call: None = None
    audio: None = None
    annotations: None = None


class _Choice(msgspec.Struct, forbid_unknown_fields=True):
    index: int = 0
    delta: _ChunkDelta | None = None
    finish_reason: Any = None
    logprobs: None = None
    stop_reason: int | None = None
    token_ids: None = None
    native_finish_reason: str | None = None


class _Chunk(msgspec.Struct, forbid_unknown_fields=True):
    """A chunk with text in these fields only; a chunk with any other field takes the slow path."""

    id: str | None = None
    object: str | None = None
    created: int | float | None = None
    model: str | None = None
    system_fingerprint: str | None = None
    service_tier: str | None = None
    obfuscation: str | None = None
    choices: list[_Choice] | None = None
    usage: Tokens | None = None
    provider: str | None = None
    prompt_token_ids: None = None


_CHUNK: Final = msgspec.json.Decoder(_Chunk)


class _Loose(msgspec.Struct):
    """The form that every chunk must have; other fields may be present."""

    choices: list[Any] | None = None
    error: Any = None


class _Slots:
    """Collects the slots, closed channels and tool calls of one chunk."""

    __slots__ = ("begins", "closes", "others", "paths", "slots", "stop_reason", "tools", "value")

    def __init__(self, value: Any = None, others: Mapping[int, _Others] = _NO_OTHERS) -> None:
        """Keep the decoded chunk, and its strings in unknown fields by position of the choice."""
        self.value = value
        self.others = others
        self.tools: dict[Path, int] = {}
        self.slots: list[TextSlot] = []
        self.paths: list[tuple[Path, ...]] = []
        self.closes: list[str] = []
        self.begins: list[ToolBegin] = []
        self.stop_reason: StopReason | None = None

    def add(self, channel: str, text: str, *paths: Path) -> None:
        self.slots.append(TextSlot(channel, text))
        self.paths.append(paths)


class _ChoiceState:
    """The state of one choice.

    Attributes:
        tools: the ids of its tool calls.
        unnamed: the ids of the calls without a name so far, by our index.
        numbers: our index of a call by the server's index.
    """

    __slots__ = ("ends", "has_refused", "numbers", "open", "tools", "unnamed")

    def __init__(self) -> None:
        self.ends = 0
        self.open: dict[str, None] = {}
        self.tools: list[str] = []
        self.unnamed: dict[int, str] = {}
        self.numbers: dict[int, int] = {}
        self.has_refused = False

    def channel(self, kind: str, index: int) -> str:
        """Open the channel for more text of a kind, and return its name."""
        channel = self.name(kind, index)
        self.open[channel] = None
        return channel

    def name(self, kind: str, index: int) -> str:
        """Return the name of the channel for more text of a kind."""
        return f"{kind}/{index}.{self.ends}" if self.ends else f"{kind}/{index}"

    def finish(self, slots: _Slots) -> None:
        """Close every channel; later text of this choice goes to new channels."""
        self.ends += 1
        slots.closes += self.open
        self.open.clear()


class OpenAiChatReader:
    """Decodes one stream; implements `EventReader`."""

    __slots__ = (
        "_choices",
        "_created",
        "_forms",
        "_halves",
        "_id",
        "_is_done",
        "_is_first",
        "_model",
        "_reasoning_key",
        "_wholes",
    )

    def __init__(self) -> None:
        self._choices: dict[int, _ChoiceState] = {}
        self._halves = Halves()
        self._id = ""
        self._model = ""
        self._created = 0
        self._is_first = True
        self._is_done = False
        self._wholes = 0
        self._forms: dict[str, Form] = {}
        self._reasoning_key = "reasoning_content"

    def feed(self, event: SseEvent) -> Sequence[OpenAiChatEvent]:
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
            parsed = _CHUNK.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return self._feed_slowly(data)
        if self._halves.held or (parsed.choices and _needs_splitting(parsed.choices)):
            return self._feed_slowly(data)
        return (self._event(data, parsed, _Slots()),)

    def finish(self) -> None:
        """Check that the stream is complete; call it when the connection has ended.

        Raises:
            Upstream: the stream has neither an end marker nor a finish reason for every choice.
        """
        if not self._choices and self._is_first:
            raise Upstream("the provider's stream ended before it began")
        if self._is_done:
            return
        if not self._choices or not all(state.ends for state in self._choices.values()):
            raise Upstream("the provider's stream was cut before its end")

    def _feed_slowly(self, data: bytes) -> Sequence[OpenAiChatEvent]:
        """Take a chunk of an unusual form or with unknown fields."""
        try:
            return [self._slow_event(piece) for piece in pieces_of(data, self._halves)]
        except (msgspec.DecodeError, ValueError, RecursionError) as error:
            raise Upstream("the provider sent a chunk that is not of its wire's form") from error

    def _slow_event(self, piece: Piece) -> OpenAiChatEvent:
        """Return the event of a chunk; each string in an unknown field gets its own slot."""
        data, value = piece
        loose = msgspec.convert(value, _Loose)
        if loose.error:
            raise read_error_event(data)
        parsed, others = _known_part(value)
        slots = _Slots(value, others)
        event = self._event(data, parsed, slots)
        for path, text in others.get(_BESIDE, ()):
            self._take_other(f"other/{place_of(value, path)}", path, text, slots)
        # Perplexity repeats the whole answer so far in every chunk, and so part of a value early.
        said_twice = [
            ("choices", at, "message") for at, one in enumerate(value.get("choices") or ()) if "message" in one
        ]
        stop_sequence = _stop_sequence(value)
        return msgspec.structs.replace(
            event,
            slots=tuple(slots.slots),
            paths=tuple(slots.paths),
            closes=tuple(slots.closes),
            stop_reason="stop_sequence" if stop_sequence and event.stop_reason == "stop" else event.stop_reason,
            stop_sequence=stop_sequence,
            spelled=(*spelled_at(value, SPELLING), *said_twice),
        )

    def _take_other(self, channel: str, path: Path, text: str, slots: _Slots) -> bool:
        """Take a string of an unknown field; return whether its channel stays open."""
        if is_whole(path):
            if is_object(path) and path[2:3] == ("delta",):
                channel = f"object/{place_of(slots.value, path)}"
            else:
                channel = f"{WHOLE_CHANNEL}{self._wholes}"
                self._wholes += 1
            slots.closes.append(channel)
            slots.add(channel, text, path)
            return False
        self._forms[channel] = Form(slots.value, path)
        slots.add(channel, text, path)
        return True

    def _take_others(self, place: int, index: int, state: _ChoiceState, slots: _Slots) -> None:
        """Take the strings of a choice in unknown fields."""
        for path, text in slots.others.get(place, ()):
            tool = slots.tools.get(path[:5])
            channel = state.name("other", index)
            channel += f"/{place_of(slots.value, path)}" if tool is None else f"/{tool}.{path[5:]}"
            if self._take_other(channel, path, text, slots):
                state.open[channel] = None
            elif is_object(path):
                state.open[state.name("objects", index)] = None

    def _event(self, data: bytes, parsed: _Chunk, slots: _Slots) -> OpenAiChatEvent:
        choices = parsed.choices or ()
        repairs: dict[Path, bytes | None] = {}
        for place, choice in enumerate(choices):
            self._take_choice(place, choice, slots, repairs)
        if len(choices) > 1 and len({choice.index for choice in choices}) != len(choices):
            raise Upstream("the provider sent a chunk with two pieces of the same text")
        is_first = self._is_first and bool(choices)
        if is_first:
            self._is_first = False
            self._id, self._model, self._created = parsed.id or "", parsed.model or "", int(parsed.created or 0)
        return OpenAiChatEvent(
            edit_fields(data, repairs) if repairs else data,
            slots=tuple(slots.slots),
            closes=tuple(slots.closes),
            usage=None if parsed.usage is None else parsed.usage.usage(),
            stop_reason=slots.stop_reason,
            paths=tuple(slots.paths),
            id=self._id,
            model=parsed.model or self._model,
            created=self._created,
            is_first=is_first,
            has_choices=bool(choices),
            reasoning_key=self._reasoning_key,
            begins=tuple(slots.begins),
            forms=self._forms,
        )

    def _take_choice(self, place: int, choice: _Choice, slots: _Slots, repairs: dict[Path, bytes | None]) -> None:
        index = choice.index
        state = self._choices.get(index)
        if state is None:
            if not 0 <= index < _MAX_INDEX:
                raise Upstream("the provider sent a choice whose index is out of bounds")
            state = self._choices[index] = _ChoiceState()
        delta = choice.delta
        if delta is not None:
            if delta.reasoning_content or delta.reasoning:
                self._take_reasoning(place, index, delta, state, slots)
            if delta.content:
                slots.add(state.channel("content", index), delta.content, ("choices", place, "delta", "content"))
            if delta.refusal:
                state.has_refused = True
                slots.add(state.channel("refusal", index), delta.refusal, ("choices", place, "delta", "refusal"))
            if delta.tool_calls:
                for position, call in enumerate(delta.tool_calls):
                    path: Path = ("choices", place, "delta", "tool_calls", position)
                    _take_call(path, index, call, state, slots, repairs)
        if slots.others:
            self._take_others(place, index, state, slots)
        reason = choice.finish_reason
        if reason and isinstance(reason, str) and reason.strip().lower() not in _NO_REASON:
            state.finish(slots)
            if index == 0:
                slots.begins += [ToolBegin(tool, tool_id, "") for tool, tool_id in state.unnamed.items()]
                state.unnamed.clear()
                slots.stop_reason = stop_reason_of(reason, has_refused=state.has_refused, has_called=bool(state.tools))

    def _take_reasoning(self, place: int, index: int, delta: _ChunkDelta, state: _ChoiceState, slots: _Slots) -> None:
        path: Path = ("choices", place, "delta")
        channel = state.channel("reasoning", index)
        old, new = delta.reasoning_content, delta.reasoning
        self._reasoning_key = "reasoning_content" if old else "reasoning"
        if old and new and old != new:
            slots.add(channel, old, (*path, "reasoning_content"))
            channel = f"{state.name('other', index)}/reasoning"
            state.open[channel] = None
            self._forms[channel] = Form({"choices": [{"index": index, "delta": {"reasoning": ""}}]}, _REASONING)
            slots.add(channel, new, (*path, "reasoning"))
            return
        keys = [key for key, text in (("reasoning_content", old), ("reasoning", new)) if text]
        slots.add(channel, old or new or "", *((*path, key) for key in keys))


def _take_call(
    path: Path, choice: int, call: _Call, state: _ChoiceState, slots: _Slots, repairs: dict[Path, bytes | None]
) -> None:
    """Take a piece of a tool call; calls with equal or missing indices get distinct ones."""
    function = call.function or _Function()
    tool = _tool_index(call, state)
    if tool >= _MAX_INDEX:
        raise Upstream("the provider sent too many tool calls")
    if tool >= len(state.tools):
        tool = len(state.tools)
        state.tools.append(call.id or "")
        state.unnamed[tool] = call.id or ""
    if tool in state.unnamed and (function.name or function.arguments):
        # Some servers send the name after the id.
        tool_id = state.unnamed.pop(tool)
        if choice == 0:
            slots.begins.append(ToolBegin(tool, tool_id, function.name or ""))
    if function.name:
        name = f"tool_name/{choice}/{tool}"
        slots.add(name, function.name, (*path, "function", "name"))
        slots.closes.append(name)
    if call.index != tool:
        repairs[(*path, "index")] = b"%d" % tool
    if slots.others:
        slots.tools[path] = tool
    channel = f"tool/{choice}/{tool}"
    if state.ends:
        raise Upstream("the provider sent more of a tool call after its end")
    state.open[channel] = None
    if function.arguments:
        if any(slot.channel == channel for slot in slots.slots):
            raise Upstream("the provider sent a chunk with two pieces of the same text")
        slots.add(channel, function.arguments, (*path, "function", "arguments"))


def _tool_index(call: _Call, state: _ChoiceState) -> int:
    """Return the index of a piece's tool call; the number of calls if the piece begins another."""
    known = state.tools
    if call.id and call.id in known:
        ours = None if call.index is None else state.numbers.get(call.index)
        if ours is not None and known[ours] == call.id:
            return ours
        is_another = call.index is not None and ours is None and call.function is not None and call.function.name
        if not is_another:
            return known.index(call.id)
    if call.index is None:
        return len(known) if call.id else max(0, len(known) - 1)
    ours = state.numbers.get(call.index)
    if ours is None or (call.id and known[ours]):
        ours = state.numbers[call.index] = len(known)
    return ours


def _known_part(value: Any) -> tuple[_Chunk, dict[int, _Others]]:
    """Split a chunk into its known fields and its other strings, by the position of the choice."""
    others: dict[int, _Others] = {}
    found: _Others = []
    known = cast("dict[str, Any]", _pick(value, _SHAPE, (), found))
    for path, text in found:
        place = path[1] if len(path) > 1 and path[0] == "choices" else _BESIDE
        others.setdefault(cast("int", place), []).append((path, text))
    usage = known.pop("usage", None)
    chunk = msgspec.convert(known, _Chunk)
    if usage is not None:
        chunk.usage = tokens_from(usage)
    return chunk, others


_SHAPE: Final[Mapping[str, Any]] = {
    **dict.fromkeys(("id", "object", "created", "model", "system_fingerprint", "service_tier", "obfuscation")),
    "usage": None,
    "choices": {
        "index": None,
        "finish_reason": None,
        "delta": {
            **dict.fromkeys(("role", "content", "reasoning_content", "reasoning", "refusal")),
            "tool_calls": {
                **dict.fromkeys(("index", "id", "type")),
                "function": {"name": None, "arguments": None},
            },
        },
    },
}


def _pick(value: Any, shape: Mapping[str, Any], path: Path, others: _Others) -> Any:
    if isinstance(value, list):
        return [_pick(item, shape, (*path, i), others) for i, item in enumerate(cast("list[Any]", value))]
    if not isinstance(value, dict):
        return value
    picked: dict[str, Any] = {}
    for key, item in cast("dict[str, Any]", value).items():
        if key not in shape or (key == "content" and isinstance(item, dict)):
            others.extend(strings_in(item, (*path, key)))
        elif (inner := shape[key]) is None:
            picked[key] = item
        else:
            picked[key] = _pick(item, inner, (*path, key), others)
    return picked


def _needs_splitting(choices: Sequence[_Choice]) -> bool:
    """Whether a chunk holds two pieces of one choice or of one tool call."""
    # Slices are faster than lengths, and this runs for every chunk.
    if not choices[1:] and (choices[0].delta is None or choices[0].delta.tool_calls is None):
        return False
    if len({choice.index for choice in choices}) < len(choices):
        return True
    for choice in choices:
        calls = choice.delta.tool_calls if choice.delta is not None else None
        if calls and len(calls) > 1 and has_twins([(call.index, call.id) for call in calls]):
            return True
    return False


def _stop_sequence(value: Any) -> str | None:
    """Return the stop sequence in the first choice."""
    choices: Any = value.get("choices")
    return matched_stop(choices[0]) if choices else None
