"""Streams of requests that are passed through: server-sent events of any provider.

Each string of an event's JSON has a slot. Its channel is its place, because a provider may split any
text over several events. Text that is complete in its event, and the text of an event that is not
JSON, has the channel `other/whole/N`, which closes in that event.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

import msgspec

from headgate.kernel.content import TextSlot
from headgate.kernel.errors import HeadgateError
from headgate.wire.conversation import Delta
from headgate.wire.json_edits import Path, edit_fields
from headgate.wire.model_call import NO_USAGE, ModelEvent, StopReason, Usage
from headgate.wire.openai_errors import envelope
from headgate.wire.openai_words import tokens_from
from headgate.wire.sse import SseEvent, comment, frame
from headgate.wire.stream_strings import WHOLE_CHANNEL, Form, form_with, is_whole, place_of, strings_in
from headgate.wire.token_counts import count_of, decoded, object_of

RAW: Final = "raw"
"""The name of the dialect, as in `ModelCall.wire`."""

_HEARTBEAT: Final = comment("keep-alive")
_NO_FORMS: Mapping[str, Form] = {}


class RawEvent(msgspec.Struct, frozen=True):
    """One event. Implements `WireEvent`.

    Args:
        data: the event's payload.
        name: the event's name, or "".
        paths: the path of each slot's text in `data`; empty for an event that is not JSON.
        forms: the events with more text of a channel, by channel.
    """

    data: bytes
    name: str = ""
    slots: tuple[TextSlot, ...] = ()
    closes: tuple[str, ...] = ()
    usage: Usage | None = None
    stop_reason: StopReason | None = None
    paths: tuple[Path, ...] = ()
    forms: Mapping[str, Form] = _NO_FORMS

    @property
    def wire(self) -> str:
        """The dialect of `data`."""
        return RAW

    @property
    def ends_runs(self) -> bool:
        """Whether the stream ends here."""
        return "*" in self.closes

    def run(self, channel: str) -> str | None:
        """Return None: each place stands by itself."""
        return None

    def edit(self, texts: Sequence[str]) -> RawEvent:
        """Return the event with its slots' texts replaced."""
        slots = tuple([TextSlot(slot.channel, text) for slot, text in zip(self.slots, texts, strict=True)])
        if not self.paths:
            return msgspec.structs.replace(self, data=texts[0].encode(), slots=slots) if slots else self
        edits = {
            path: msgspec.json.encode(text)
            for path, slot, text in zip(self.paths, self.slots, texts, strict=True)
            if text != slot.text
        }
        return msgspec.structs.replace(self, data=edit_fields(self.data, edits), slots=slots) if edits else self

    def without_spelling(self) -> RawEvent:
        """Return the event: nothing is known of its fields."""
        return self

    def insert(self, slot: TextSlot) -> RawEvent:
        """Return an event that carries only the slot's text.

        Raises:
            ValueError: the channel closes in its own event, so the guard holds back none of its text.
        """
        if slot.channel not in self.forms:
            raise ValueError(f"no event carries the channel {slot.channel}")
        value, path = form_with(self.forms[slot.channel], slot.text)
        return RawEvent(msgspec.json.encode(value), self.name, slots=(slot,), paths=(path,), forms=self.forms)

    def deltas(self) -> Sequence[Delta]:
        """Return nothing: the events cross to no other wire."""
        return ()


class RawReader:
    """Decodes one stream; implements `EventReader`."""

    __slots__ = ("_forms", "_wholes")

    def __init__(self) -> None:
        self._forms: dict[str, Form] = {}
        self._wholes = 0

    def feed(self, event: SseEvent) -> Sequence[RawEvent]:
        """Return the event."""
        try:
            value: Any = decoded(event.data)
        except (ValueError, RecursionError):
            value = None
        if not isinstance(value, dict | list):
            return (self._plain(event),)
        slots: list[TextSlot] = []
        paths: list[Path] = []
        closes: list[str] = []
        for path, text in strings_in(value):
            if is_whole(path):
                channel = self._whole()
                closes.append(channel)
            else:
                channel = f"other/{place_of(value, path)}"
                self._forms[channel] = Form(value, path)
            slots.append(TextSlot(channel, text))
            paths.append(path)
        usage = usage_in(cast("Any", value))
        return (
            RawEvent(
                event.data,
                event.name or "",
                tuple(slots),
                tuple(closes),
                usage if usage is not NO_USAGE else None,
                paths=tuple(paths),
                forms=self._forms,
            ),
        )

    def finish(self) -> None:
        """Do nothing: nothing is known of the end of the stream."""

    def _plain(self, event: SseEvent) -> RawEvent:
        text = event.data.decode("utf-8", "replace")
        if not text:
            return RawEvent(event.data, event.name or "")
        channel = self._whole()
        return RawEvent(event.data, event.name or "", (TextSlot(channel, text),), (channel,))

    def _whole(self) -> str:
        self._wholes += 1
        return f"{WHOLE_CHANNEL}{self._wholes}"


class RawWriter:
    """Encodes one stream for its client; implements `EventWriter`."""

    __slots__ = ()

    def write(self, event: ModelEvent) -> bytes:
        """Return the frame of an event."""
        return frame(event.data, event.name if isinstance(event, RawEvent) else "")

    def end(self) -> bytes:
        """Return nothing: the provider's own last event went before."""
        return b""

    def fail(self, error: HeadgateError) -> bytes:
        """Return the error as a last event."""
        return frame(envelope(error), "error")

    def heartbeat(self) -> bytes:
        """Return a comment frame."""
        return _HEARTBEAT


def usage_in(value: Any) -> Usage:
    """Return the tokens that an answer of OpenAI's, Anthropic's or Gemini's form reports; NO_USAGE without any."""
    fields = object_of(value)
    for inner in (fields, object_of(fields.get("response")), object_of(fields.get("message"))):
        usage = object_of(inner.get("usage"))
        if "input_tokens" in usage or "output_tokens" in usage:
            return _anthropic(usage)
        if "prompt_tokens" in usage or "total_tokens" in usage:
            return tokens_from(usage).usage()
        meta = object_of(inner.get("usageMetadata"))
        if meta:
            thoughts = count_of(meta.get("thoughtsTokenCount")) or 0
            output = count_of(meta.get("candidatesTokenCount")) or 0
            return Usage(count_of(meta.get("promptTokenCount")), output + thoughts)
    return NO_USAGE


def _anthropic(usage: Mapping[str, Any]) -> Usage:
    """Return the tokens of Anthropic's form, or of OpenAI's Responses, whose input includes cached tokens."""
    sent, output = count_of(usage.get("input_tokens")), count_of(usage.get("output_tokens"))
    cached = object_of(usage.get("input_tokens_details")).get("cached_tokens")
    if cached is not None:
        return Usage(sent, output, cache_read_tokens=count_of(cached) or 0)
    read = count_of(usage.get("cache_read_input_tokens")) or 0
    written = count_of(usage.get("cache_creation_input_tokens")) or 0
    total = None if sent is None else sent + read + written
    return Usage(total, output, cache_read_tokens=read, cache_write_tokens=written)
