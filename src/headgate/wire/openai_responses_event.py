"""One event of a streamed answer on OpenAI's Responses wire, as an item that guard can edit.

`openai_responses_provider_stream` lists the channels.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from headgate.kernel.content import TextSlot
from headgate.wire.conversation import (
    Begin,
    Delta,
    End,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    ToolBegin,
    ToolDelta,
)
from headgate.wire.json_edits import Path, edit_fields, replace_text
from headgate.wire.model_call import StopReason, Usage
from headgate.wire.openai_responses_words import RESPONSES

_NO_PLACES: Mapping[str, Place] = {}
_WORDS: Final = ("content/", "reasoning/")
_DELTA: Final[Path] = ("delta",)
_OPENING, _CLOSING = '{"input":"', '"}'


class Place(NamedTuple):
    """The place of a channel's text.

    Args:
        fields: the fields of an event with more of the text, without the text.
        tool: the index of the tool call, counted from 0.
    """

    fields: Mapping[str, Any]
    tool: int = 0


class ResponsesEvent(msgspec.Struct, frozen=True):
    """One event. Implements `WireEvent`.

    The wire repeats the text of an answer in events such as `response.output_text.done`. The reader
    takes these copies out, and the writer fills in the text that it has sent. So guard sees each
    text once, and all copies agree.

    Args:
        data: the event's JSON.
        kind: the event's type, which is also its name on the wire.
        paths: the path of each slot's text in `data`.
        fills: the paths of the copies that were taken out, with the channels of their text.
        tool: the index of the event's tool call, counted from 0.
        begins: the tool call that begins in this event.
        is_custom: whether the event belongs to a tool call with plain text as its input.
        begun: the id and model of the answer that begins in this event.
        spelled: the paths in `data` that repeat the text token by token.
        places: the stream's places of text, by channel.
    """

    data: bytes
    kind: str
    slots: tuple[TextSlot, ...] = ()
    closes: tuple[str, ...] = ()
    usage: Usage | None = None
    stop_reason: StopReason | None = None
    paths: tuple[Path, ...] = ()
    fills: tuple[tuple[Path, str], ...] = ()
    tool: int = 0
    begins: ToolBegin | None = None
    is_custom: bool = False
    begun: tuple[str, str] | None = None
    spelled: tuple[Path, ...] = ()
    places: Mapping[str, Place] = _NO_PLACES

    @property
    def wire(self) -> str:
        """The dialect of `data`."""
        return RESPONSES

    @property
    def ends_runs(self) -> bool:
        """Whether the answer ends here, so that no text continues in another item."""
        return "*" in self.closes

    def run(self, channel: str) -> str | None:
        """Return the channel's run, or None; the text and the reasoning of an answer form one run."""
        return "words" if channel.startswith(_WORDS) else None

    def edit(self, texts: Sequence[str]) -> ResponsesEvent:
        """Return the event with its slots' texts replaced; all other bytes stay unchanged."""
        edits = {
            path: msgspec.json.encode(text)
            for path, slot, text in zip(self.paths, self.slots, texts, strict=True)
            if text != slot.text
        }
        if not edits:
            return self
        slots = tuple([TextSlot(slot.channel, text) for slot, text in zip(self.slots, texts, strict=True)])
        if len(edits) == 1 and _DELTA in edits:
            data = replace_text(self.data, _DELTA, old=self.slots[0].text, new=edits[_DELTA])
        else:
            data = edit_fields(self.data, edits)
        return msgspec.structs.replace(self, data=data, slots=slots)

    def without_spelling(self) -> ResponsesEvent:
        """Return the event with empty lists in place of log probabilities."""
        if not self.spelled:
            return self
        kept = [
            index
            for index, path in enumerate(self.paths)
            if not any(path[: len(place)] == place for place in self.spelled)
        ]
        return msgspec.structs.replace(
            self,
            data=edit_fields(self.data, dict.fromkeys(self.spelled, b"[]")),
            slots=tuple(self.slots[index] for index in kept),
            paths=tuple(self.paths[index] for index in kept),
            spelled=(),
        )

    def insert(self, slot: TextSlot) -> ResponsesEvent:
        """Return a delta event of the slot's channel that carries only its text.

        Raises:
            ValueError: the channel takes no deltas. Such a channel closes in its own event, so the
                guard holds back none of its text.
        """
        place = self.places.get(slot.channel)
        if place is None:
            raise ValueError(f"no delta carries the channel {slot.channel}")
        return ResponsesEvent(
            msgspec.json.encode({**place.fields, "delta": slot.text}),
            place.fields["type"],
            slots=(slot,),
            paths=(_DELTA,),
            tool=place.tool,
            places=self.places,
        )

    def deltas(self) -> Sequence[Delta]:
        """Return the typed form of the event, after any edit."""
        return tuple(self._deltas())

    def _deltas(self) -> Iterator[Delta]:
        if self.begun is not None:
            yield Begin(*self.begun)
        begins = self.begins
        for channel, text in self.slots:
            kind = channel.partition("/")[0]
            match kind:
                case "content":
                    yield TextDelta(text)
                case "reasoning":
                    yield ReasoningDelta(text)
                case "refusal":
                    yield RefusalDelta(text)
                case "tool_name" if begins is not None:
                    yield ToolBegin(begins.index, begins.id, text)
                    if self.is_custom:
                        yield ToolDelta(begins.index, _OPENING)
                case "tool":
                    yield ToolDelta(self.tool, text)
                case "input":
                    # The typed form carries the plain text of a call as JSON.
                    yield ToolDelta(self.tool, msgspec.json.encode(text).decode()[1:-1])
                case _:
                    pass
        if self.is_custom and self.kind == "response.output_item.done":
            yield ToolDelta(self.tool, _CLOSING)
        if self.stop_reason is not None:
            yield End(self.stop_reason, None, self.usage)
