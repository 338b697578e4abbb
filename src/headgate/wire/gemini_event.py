"""One event of a streamed answer on Gemini's wire, as an item that guard can edit.

`gemini_provider_stream` lists the channels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from headgate.kernel.content import TextSlot
from headgate.kernel.errors import Upstream
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
from headgate.wire.gemini_words import NAME
from headgate.wire.json_edits import Path, edit_fields
from headgate.wire.model_call import StopReason, Usage
from headgate.wire.tool_arguments import tool_input

_WORDS = ("content/", "reasoning/")


class GeminiEvent(msgspec.Struct, frozen=True):
    """One event. Implements `WireEvent`.

    Args:
        data: the event's JSON.
        paths: the path of each slot's text in `data`; that of a function call's arguments is the
            path of a JSON object.
        id, model: fields of the answer, for events that `insert` makes from this one.
        is_first: whether the answer begins in this event.
        call_ids: the ids of the function calls in this event, by their index in the answer.
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
    is_first: bool = False
    call_ids: tuple[tuple[int, str], ...] = ()
    spelled: tuple[Path, ...] = ()

    @property
    def wire(self) -> str:
        """The dialect of `data`."""
        return NAME

    @property
    def ends_runs(self) -> bool:
        """Whether a candidate ends here, so that its text does not continue in another channel."""
        return any(channel == "*" or channel.startswith(_WORDS) for channel in self.closes)

    def run(self, channel: str) -> str | None:
        """Return the channel's run, or None; text and thoughts of a candidate may alternate."""
        return channel.partition("/")[2] if channel.startswith(_WORDS) else None

    def edit(self, texts: Sequence[str]) -> GeminiEvent:
        """Return the event with its slots' texts replaced; all other bytes stay unchanged."""
        edits: dict[Path, bytes | None] = {
            path: _written(slot.channel, text)
            for path, slot, text in zip(self.paths, self.slots, texts, strict=True)
            if text != slot.text
        }
        if not edits:
            return self
        slots = tuple([TextSlot(slot.channel, text) for slot, text in zip(self.slots, texts, strict=True)])
        return msgspec.structs.replace(self, data=edit_fields(self.data, edits), slots=slots)

    def without_spelling(self) -> GeminiEvent:
        """Return the event with null in place of log probabilities."""
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

    def insert(self, slot: TextSlot) -> GeminiEvent:
        """Return an event of the same answer that carries only the slot's text.

        Raises:
            ValueError: the channel takes no more text. Such a channel closes in its own event, so
                the guard holds back none of its text.
        """
        kind, _, candidate = slot.channel.partition("/")
        if f"{kind}/" not in _WORDS:
            raise ValueError(f"nothing can be inserted into {slot.channel}")
        part: dict[str, Any] = {"text": slot.text, "thought": True} if kind == "reasoning" else {"text": slot.text}
        data = chunk_of([part], index=int(candidate), answer_id=self.id, model=self.model)
        path: Path = ("candidates", 0, "content", "parts", 0, "text")
        return GeminiEvent(data, (slot,), paths=(path,), id=self.id, model=self.model)

    def deltas(self) -> Sequence[Delta]:
        """Return the typed form of the first candidate; other wires have only one answer."""
        deltas: list[Delta] = [Begin(self.id, self.model)] if self.is_first else []
        ids = dict(self.call_ids)
        for channel, text in self.slots:
            kind, _, rest = channel.partition("/")
            candidate, _, call = rest.partition("/")
            if candidate != "0":
                continue
            match kind:
                case "content" if text:
                    deltas.append(TextDelta(text))
                case "reasoning" if text:
                    deltas.append(ReasoningDelta(text))
                case "refusal":
                    deltas.append(RefusalDelta(text))
                case "tool_name":
                    deltas.append(ToolBegin(int(call), ids.get(int(call), ""), text))
                case "tool":
                    deltas.append(ToolDelta(int(call), text))
                case _:
                    pass
        if self.stop_reason is not None:
            deltas.append(End(self.stop_reason, usage=self.usage))
        elif self.usage is not None:
            deltas.append(UsageUpdate(self.usage))
        return deltas


def chunk_of(
    parts: Sequence[Any], *, index: int = 0, answer_id: str, model: str, ending: dict[str, Any] | None = None
) -> bytes:
    """Return an event of one candidate; `ending` has further fields of the candidate."""
    candidate = {"content": {"parts": parts, "role": "model"}, **(ending or {}), "index": index}
    return msgspec.json.encode({"candidates": [candidate], "modelVersion": model, "responseId": answer_id})


def _written(channel: str, text: str) -> bytes:
    """Return the JSON of a slot's text; the arguments of a function call are an object."""
    if not channel.startswith("tool/"):
        return msgspec.json.encode(text)
    return msgspec.json.encode(tool_input(text, fault=Upstream))
