"""One chunk of a streamed answer on OpenAI's chat wire, as an item that guard can edit.

`openai_provider_stream` lists the channels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

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
    UsageUpdate,
)
from headgate.wire.json_edits import Path, edit_fields, replace_text
from headgate.wire.model_call import StopReason, Usage
from headgate.wire.openai_words import CHAT
from headgate.wire.stream_strings import Form, form_with

_WORDS = ("content/", "reasoning/", "refusal/")
_NO_FORMS: Mapping[str, Form] = {}


class OpenAiChatEvent(msgspec.Struct, frozen=True):
    """One chunk. Implements `WireEvent`.

    Args:
        data: the chunk's JSON.
        paths: the paths of each slot's text in `data`. Some servers send the same reasoning under
            two names.
        id, model, created: fields of the answer, for chunks that `insert` makes from this one.
        is_first: whether the answer begins in this chunk.
        has_choices: whether the chunk is more than a usage report.
        reasoning_key: the name under which this server sends reasoning.
        begins: the tool calls that begin in this chunk.
        spelled: the paths in `data` that repeat the text token by token.
        forms: the stream's form of text in channels other than its wire's own.
    """

    data: bytes
    slots: tuple[TextSlot, ...] = ()
    closes: tuple[str, ...] = ()
    usage: Usage | None = None
    stop_reason: StopReason | None = None
    stop_sequence: str | None = None
    paths: tuple[tuple[Path, ...], ...] = ()
    id: str = ""
    model: str = ""
    created: int = 0
    is_first: bool = False
    has_choices: bool = True
    reasoning_key: str = "reasoning_content"
    begins: tuple[ToolBegin, ...] = ()
    spelled: tuple[Path, ...] = ()
    forms: Mapping[str, Form] = _NO_FORMS

    @property
    def wire(self) -> str:
        """The dialect of `data`."""
        return CHAT

    @property
    def ends_runs(self) -> bool:
        """Whether a choice ends here, so that its text does not continue in another channel."""
        return any(channel.startswith(_WORDS) for channel in self.closes)

    def run(self, channel: str) -> str | None:
        """Return the channel's run, or None; text and reasoning of a choice may alternate."""
        return channel.partition("/")[2].partition(".")[0] if channel.startswith(_WORDS) else None

    def edit(self, texts: Sequence[str]) -> OpenAiChatEvent:
        """Return the chunk with its slots' texts replaced; all other bytes stay unchanged."""
        data = self.data
        for paths, slot, text in zip(self.paths, self.slots, texts, strict=True):
            if text != slot.text:
                new = msgspec.json.encode(text)
                for path in paths:
                    data = replace_text(data, path, old=slot.text, new=new)
        if data is self.data:
            return self
        slots = tuple([TextSlot(slot.channel, text) for slot, text in zip(self.slots, texts, strict=True)])
        return msgspec.structs.replace(self, data=data, slots=slots)

    def without_spelling(self) -> OpenAiChatEvent:
        """Return the chunk with null in place of log probabilities and token ids."""
        if not self.spelled:
            return self
        kept = [
            index
            for index, paths in enumerate(self.paths)
            if not any(path[: len(place)] == place for path in paths for place in self.spelled)
        ]
        return msgspec.structs.replace(
            self,
            data=edit_fields(self.data, dict.fromkeys(self.spelled, b"null")),
            slots=tuple(self.slots[index] for index in kept),
            paths=tuple(self.paths[index] for index in kept),
            spelled=(),
        )

    def insert(self, slot: TextSlot) -> OpenAiChatEvent:
        """Return a chunk of the same answer that carries only the slot's text.

        Raises:
            ValueError: the channel takes no more text. Such a channel closes in its own chunk, so
                the guard holds back none of its text.
        """
        form = self.forms.get(slot.channel)
        data, path = self._inserted(slot) if form is None else self._formed(form, slot.text)
        return OpenAiChatEvent(
            data,
            slots=(slot,),
            paths=((path,),),
            id=self.id,
            model=self.model,
            created=self.created,
            reasoning_key=self.reasoning_key,
            forms=self.forms,
        )

    def _inserted(self, slot: TextSlot) -> tuple[bytes, Path]:
        kind, _, rest = slot.channel.partition("/")
        choice, _, tool = rest.partition("/")
        delta: dict[str, Any]
        path: Path = ("choices", 0, "delta")
        if kind == "tool":
            delta = {"tool_calls": [{"index": int(tool), "function": {"arguments": slot.text}}]}
            path += ("tool_calls", 0, "function", "arguments")
        elif kind in ("content", "refusal", "reasoning"):
            key = self.reasoning_key if kind == "reasoning" else kind
            delta = {key: slot.text}
            path += (key,)
        else:
            raise ValueError(f"nothing can be inserted into {slot.channel}")
        return chunk(self.id, self.model, self.created, index=int(choice.partition(".")[0]), delta=delta), path

    def _formed(self, form: Form, text: str) -> tuple[bytes, Path]:
        """Return a chunk that carries the text in the server's own form."""
        made, path = form_with(form, text)
        head = {"id": self.id, "object": "chat.completion.chunk", "created": self.created, "model": self.model}
        for choice in made.setdefault("choices", []):
            choice.setdefault("finish_reason", None)
        return msgspec.json.encode({**head, **made}), path

    def deltas(self) -> Sequence[Delta]:
        """Return the typed form of the first choice; other wires have only one choice."""
        deltas: list[Delta] = [Begin(self.id, self.model)] if self.is_first else []
        begins = {begin.index: begin for begin in self.begins}
        for channel, text in self.slots:
            kind, _, rest = channel.partition("/")
            choice, _, tool = rest.partition("/")
            if choice != "0" and not choice.startswith("0."):
                continue
            match kind:
                case "content":
                    deltas.append(TextDelta(text))
                case "reasoning":
                    deltas.append(ReasoningDelta(text))
                case "refusal":
                    deltas.append(RefusalDelta(text))
                case "tool_name":
                    # Some servers repeat the name, which begins no further call.
                    begin = begins.pop(int(tool), None)
                    if begin is not None:
                        deltas.append(ToolBegin(begin.index, begin.id, text))
                case "tool":
                    if int(tool) in begins:
                        deltas.append(begins.pop(int(tool)))
                    deltas.append(ToolDelta(int(tool), text))
                case _:
                    pass
        deltas += begins.values()
        if self.stop_reason is not None:
            deltas.append(End(self.stop_reason, self.stop_sequence, self.usage))
        elif self.usage is not None:
            deltas.append(UsageUpdate(self.usage))
        return deltas


def chunk(
    answer_id: str,
    model: str,
    created: int,
    *,
    index: int,
    delta: Mapping[str, Any],
    finish_reason: str | None = None,
) -> bytes:
    """Return a chunk of one choice."""
    return msgspec.json.encode(
        {
            "id": answer_id,
            "object": "chat.completion.chunk",
            "created": created,
            "model": model,
            "choices": [{"index": index, "delta": delta, "finish_reason": finish_reason}],
        }
    )
