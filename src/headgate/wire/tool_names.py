"""Replaces tool names that another wire format does not accept, and restores them in answers.

The sent name depends only on the original name, so definitions, choices and earlier calls agree.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, cast

import msgspec

from headgate.kernel.content import TextSlot
from headgate.wire.anthropic_provider_stream import AnthropicEvent
from headgate.wire.conversation import Conversation, ToolUse
from headgate.wire.dialect import EventReader, WireEvent
from headgate.wire.json_document import JsonDocument
from headgate.wire.json_edits import Path, edit_fields
from headgate.wire.model_call import ModelReply
from headgate.wire.names import sent_name
from headgate.wire.sse import SseEvent

_BLOCK_NAME: Final = ("content_block", "name")


def names_to_restore(conversation: Conversation) -> Mapping[str, str]:
    """Return the original names of renamed tools by their sent names; usually empty."""
    names = {tool.name for tool in conversation.tools}
    names |= {part.name for message in conversation.messages for part in message.parts if isinstance(part, ToolUse)}
    return {sent: name for name in names if (sent := sent_name(name)) != name}


def with_names(
    reply: ModelReply, document: JsonDocument, called: Iterable[tuple[Path, str]], names: Mapping[str, str]
) -> ModelReply:
    """Return a whole answer with the tools' original names.

    Args:
        document: the answer's content.
        called: the path and the name of each called tool in the content.
        names: the original names by the sent names.
    """
    edits: dict[Path, bytes | None] = {path: msgspec.json.encode(names[name]) for path, name in called if name in names}
    return reply.with_content(document.edit_fields(edits))


class RestoringReader:
    """Decodes one upstream stream and restores the tools' original names.

    Implements `EventReader`.
    """

    def __init__(self, reader: EventReader, names: Mapping[str, str]) -> None:
        self._reader = reader
        self._names = names

    def feed(self, event: SseEvent) -> Sequence[WireEvent]:
        """Return the model events of an SSE event."""
        return [_restored(one, self._names) for one in self._reader.feed(event)]

    def finish(self) -> None:
        """Check that the stream is complete; call it when the connection has ended."""
        self._reader.finish()


def _restored(event: WireEvent, names: Mapping[str, str]) -> WireEvent:
    if isinstance(event, AnthropicEvent):
        return _restored_block(event, names)
    texts = [names.get(text, text) if channel.startswith("tool_name/") else text for channel, text in event.slots]
    return cast("WireEvent", event.edit(texts))


def _restored_block(event: AnthropicEvent, names: Mapping[str, str]) -> AnthropicEvent:
    if event.kind != "content_block_start":
        return event
    block: dict[str, Any] = msgspec.json.decode(event.data)["content_block"]
    name = str(block.get("name"))
    if block.get("type") != "tool_use" or name not in names:
        return event
    data = edit_fields(event.data, {_BLOCK_NAME: msgspec.json.encode(names[name])})
    slots = tuple(
        TextSlot(slot.channel, names[name]) if path == _BLOCK_NAME else slot
        for path, slot in zip(event.paths, event.slots, strict=True)
    )
    return msgspec.structs.replace(event, data=data, slots=slots)


def objects_in(value: Any) -> list[tuple[int, dict[str, Any]]]:
    """Return the objects of a decoded list with their indices; empty for any other value."""
    items = cast("list[Any]", value) if isinstance(value, list) else []
    return [(place, cast("dict[str, Any]", item)) for place, item in enumerate(items) if isinstance(item, dict)]
