"""Reads one streamed answer of Gemini's wire into events that guard can edit.

Each event is an answer with a piece of each candidate. Channels, where C is a candidate and T a
function call in it:

- `content/C` is text, and `reasoning/C` is the text of thoughts. They close with the candidate.
- `tool_name/C/T` and `tool/C/T` are the name and the arguments of a function call, as JSON text.
  Function calls arrive whole, so both close in their event.
- `refusal/C` is the explanation of a blocked candidate. It closes in its event.
- `other/whole/N` is any other string, such as code or a source. It is complete in its event.

Source: Google's reference of the Generative Language API, "streamGenerateContent".
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

import msgspec

from headgate.kernel.content import TextSlot
from headgate.kernel.errors import Upstream
from headgate.wire.gemini_errors import read_error_event
from headgate.wire.gemini_event import GeminiEvent
from headgate.wire.gemini_words import ANSWER, call_id, is_finished, stop_reason_of, usage_from
from headgate.wire.json_edits import Path
from headgate.wire.json_strings import spelled_at
from headgate.wire.model_call import StopReason, Usage
from headgate.wire.sse import SseEvent
from headgate.wire.stream_strings import WHOLE_CHANNEL, strings_in
from headgate.wire.surrogates import Halves, has_halves, whole_characters
from headgate.wire.token_counts import decoded, leniently_decoded, object_of
from headgate.wire.tool_names import objects_in

_MAX_CANDIDATES: Final = 1024
_Json = dict[str, Any]


class _RawCall(msgspec.Struct):
    args: msgspec.Raw = msgspec.Raw(b"{}")


class _RawPart(msgspec.Struct, rename="camel"):
    function_call: _RawCall | None = None


class _RawContent(msgspec.Struct):
    parts: list[_RawPart] | None = None


class _RawCandidate(msgspec.Struct):
    content: _RawContent | None = None


class _RawEvent(msgspec.Struct):
    candidates: list[_RawCandidate] | None = None


_RAW: Final = msgspec.json.Decoder(_RawEvent)


class _Slots:
    """Collects the slots and closed channels of one event."""

    __slots__ = ("calls", "closes", "paths", "slots", "stop_reason", "taken")

    def __init__(self) -> None:
        self.slots: list[TextSlot] = []
        self.paths: list[Path] = []
        self.closes: list[str] = []
        self.calls: list[tuple[int, str]] = []
        self.taken: set[Path] = set()
        self.stop_reason: StopReason | None = None

    def add(self, channel: str, text: str, path: Path, *, is_whole: bool = False) -> None:
        self.slots.append(TextSlot(channel, text))
        self.paths.append(path)
        self.taken.add(path)
        if is_whole:
            self.closes.append(channel)


class _State:
    """The state of one candidate."""

    __slots__ = ("calls", "is_finished", "open")

    def __init__(self) -> None:
        self.calls = 0
        self.is_finished = False
        self.open: dict[str, None] = {}


class GeminiReader:
    """Decodes one stream; implements `EventReader`."""

    __slots__ = ("_candidates", "_halves", "_id", "_is_blocked", "_is_first", "_model", "_usage", "_wholes")

    def __init__(self) -> None:
        self._candidates: dict[int, _State] = {}
        self._halves = Halves()
        self._id = ""
        self._model = ""
        self._is_first = True
        self._is_blocked = False
        self._usage: Usage | None = None
        self._wholes = 0

    def feed(self, event: SseEvent) -> Sequence[GeminiEvent]:
        """Return the model event of an SSE event.

        Raises:
            Upstream: the event is malformed or an error.
        """
        data = event.data
        try:
            if self._halves.held or has_halves(data):
                data = self._with_whole_characters(data)
            value = decoded(data)
        except (ValueError, RecursionError) as exc:
            raise Upstream("the provider sent a stream event that is not of its own wire") from exc
        if not isinstance(value, dict):
            raise Upstream("the provider sent a stream event that is not of its own wire")
        fields = cast("_Json", value)
        if fields.get("error"):
            raise read_error_event(data)
        try:
            return (self._event(data, fields),)
        except (msgspec.DecodeError, UnicodeDecodeError) as exc:
            raise Upstream("the provider sent a stream event that is not of its own wire") from exc

    def finish(self) -> None:
        """Check that the stream is complete; call it when the connection has ended.

        Raises:
            Upstream: the stream has no finish reason for every candidate, and no block of the
                prompt.
        """
        if self._is_blocked:
            return
        if not self._candidates:
            raise Upstream("the provider's stream ended before it began")
        if not all(state.is_finished for state in self._candidates.values()):
            raise Upstream("the provider's stream was cut before its end")

    def _event(self, data: bytes, fields: _Json) -> GeminiEvent:
        self._id = self._id or str(fields.get("responseId") or "")
        model = fields.get("modelVersion")
        self._model = model if isinstance(model, str) else self._model
        slots = _Slots()
        raw = _RAW.decode(data).candidates if b'"functionCall"' in data or rb"\u" in data else None
        for place, candidate in objects_in(fields.get("candidates")):
            content = raw[place].content if raw else None
            self._take(place, candidate, content.parts if content is not None else None, slots)
        if object_of(fields.get("promptFeedback")).get("blockReason"):
            self._is_blocked = True
            slots.stop_reason = "content_filter"
            slots.closes.append("*")
        self._take_others(fields, slots)
        if "usageMetadata" in fields:
            usage = usage_from(fields["usageMetadata"])
            self._usage = usage if self._usage is None else self._usage.updated(usage)
        is_first = self._is_first
        self._is_first = False
        return GeminiEvent(
            data,
            slots=tuple(slots.slots),
            closes=tuple(slots.closes),
            usage=self._usage if "usageMetadata" in fields or slots.stop_reason is not None else None,
            stop_reason=slots.stop_reason,
            paths=tuple(slots.paths),
            id=self._id,
            model=self._model,
            is_first=is_first,
            call_ids=tuple(slots.calls),
            spelled=tuple(spelled_at(fields, ANSWER.spelling)),
        )

    def _take(self, place: int, candidate: Mapping[str, Any], raw_parts: list[_RawPart] | None, slots: _Slots) -> None:
        index = candidate.get("index", 0)
        if not isinstance(index, int) or not 0 <= index < _MAX_CANDIDATES:
            raise Upstream("the provider sent a candidate whose index is out of bounds")
        state = self._candidates.setdefault(index, _State())
        for at, part in objects_in(object_of(candidate.get("content")).get("parts")):
            path: Path = ("candidates", place, "content", "parts", at)
            text, call = part.get("text"), part.get("functionCall")
            if isinstance(text, str):
                channel = f"{'reasoning' if part.get('thought') is True else 'content'}/{index}"
                state.open[channel] = None
                slots.add(channel, text, (*path, "text"))
            elif isinstance(call, dict):
                raw = raw_parts[at].function_call if raw_parts is not None else None
                self._take_call(path, cast("_Json", call), raw or _RawCall(), index=index, slots=slots)
        reason = candidate.get("finishReason")
        if not is_finished(reason):
            return
        state.is_finished = True
        stop = stop_reason_of(reason, has_called=state.calls > 0)
        message = candidate.get("finishMessage")
        if isinstance(message, str) and message and stop == "content_filter":
            slots.add(f"refusal/{index}", message, ("candidates", place, "finishMessage"), is_whole=True)
        slots.closes += state.open
        state.open.clear()
        if index == 0:
            slots.stop_reason = stop

    def _take_call(self, path: Path, call: _Json, raw: _RawCall, *, index: int, slots: _Slots) -> None:
        state = self._candidates[index]
        number = state.calls
        state.calls += 1
        at = (*path, "functionCall")
        slots.add(f"tool_name/{index}/{number}", str(call.get("name") or ""), (*at, "name"), is_whole=True)
        arguments = bytes(raw.args).decode()
        slots.add(f"tool/{index}/{number}", "{}" if arguments == "null" else arguments, (*at, "args"), is_whole=True)
        if index == 0:
            slots.calls.append((number, call_id(call.get("id"), reply_id=self._id, index=number)))

    def _take_others(self, fields: _Json, slots: _Slots) -> None:
        """Give every other string a slot, so that a scan sees unknown fields."""
        calls = {path for path in slots.taken if path[-1] == "args"}
        for path, text in strings_in(fields):
            if path in slots.taken or path[:7] in calls or path[-2:] in _CALL_IDS:
                continue
            slots.add(f"{WHOLE_CHANNEL}{self._wholes}", text, path, is_whole=True)
            self._wholes += 1

    def _with_whole_characters(self, data: bytes) -> bytes:
        """Return an event without half characters; a half at the end waits for the next event."""
        value = leniently_decoded(data)
        for _, candidate in objects_in(object_of(value).get("candidates")):
            is_last = is_finished(candidate.get("finishReason"))
            for _, part in objects_in(object_of(candidate.get("content")).get("parts")):
                if isinstance(part.get("text"), str):
                    place = (str(candidate.get("index")), part.get("thought") is True)
                    part["text"] = self._halves.joined(place, part["text"], is_last=is_last)
        return whole_characters(json.dumps(value, ensure_ascii=False, separators=(",", ":"))).encode()


_CALL_IDS: Final = frozenset({("functionCall", "id"), ("functionCall", "name")})
