"""Assembles an Anthropic stream into the equivalent whole answer.

All values except text keep their original JSON, so that signatures, numbers in tool input and
unknown fields are unchanged.

Source: docs of the Messages API, "Streaming messages"; `lib/streaming` of the `anthropic` SDK 2.x.
"""

from __future__ import annotations

from typing import Any, Final, cast

import msgspec

from headgate.kernel.errors import Upstream
from headgate.wire.anthropic_provider_stream import AnthropicEvent
from headgate.wire.model_call import ModelEvent
from headgate.wire.token_counts import count_of, leniently_decoded
from headgate.wire.tool_arguments import tool_input

_Fields = dict[str, msgspec.Raw]
_FIELDS: Final = msgspec.json.Decoder(_Fields)
_LIST: Final[msgspec.json.Decoder[list[msgspec.Raw] | None]] = msgspec.json.Decoder(list[msgspec.Raw] | None)
_TEXT: Final = msgspec.json.Decoder(str)
_NULL: Final = msgspec.Raw(b"null")


class AnthropicAssembler:
    """Assembles the events of one stream; implements `Assembler`. The reader detects truncation."""

    __slots__ = ("_blocks", "_message", "_usage")

    def __init__(self) -> None:
        self._message: _Fields = {}
        self._usage: _Fields = {}
        self._blocks: dict[int, _Block] = {}

    def add(self, event: ModelEvent) -> None:
        """Take the next event.

        Raises:
            Upstream: the event does not fit those before it.
        """
        kind = cast("AnthropicEvent", event).kind
        try:
            self._take(kind, _FIELDS.decode(event.data))
        except (msgspec.DecodeError, KeyError) as exc:
            raise Upstream("the provider sent a stream event that does not fit those before it") from exc

    def whole(self) -> bytes:
        """Return the whole answer.

        Raises:
            Upstream: no answer has begun, or a tool call's input is nested too deep for a body.
        """
        if not self._message:
            raise Upstream("the provider's stream ended before it began")
        content = [self._blocks[index].whole() for index in sorted(self._blocks)]
        usage = {"usage": self._usage} if self._usage else {}
        return msgspec.json.encode({**self._message, "content": content, **usage})

    def _take(self, kind: str, said: _Fields) -> None:
        match kind:
            case "message_start":
                self._message = _FIELDS.decode(said["message"])
                self._learn(self._message)
            case "content_block_start":
                self._blocks[_index(said)] = _Block(_FIELDS.decode(said["content_block"]))
            case "content_block_delta":
                self._blocks[_index(said)].grow(_FIELDS.decode(said["delta"]))
            case "message_delta":
                self._learn(said)
                # The event also carries fields of the message, such as `context_management`.
                told = {name: value for name, value in said.items() if name not in ("type", "delta", "usage")}
                self._message |= told | _FIELDS.decode(said["delta"])
            case _:
                pass

    def _learn(self, said: _Fields) -> None:
        """Take a cumulative usage report; a missing or zero value keeps the earlier one."""
        usage = bytes(said.get("usage", _NULL))
        if not usage.lstrip().startswith(b"{"):
            return
        for name, value in _FIELDS.decode(usage).items():
            if name not in self._usage or _says_something(value):
                self._usage[name] = value


class _Block:
    """One content block, from its start and its deltas."""

    __slots__ = ("_citations", "_fields", "_input", "_texts")

    def __init__(self, fields: _Fields) -> None:
        self._fields = fields
        self._texts: dict[str, list[str]] = {}
        self._citations: list[msgspec.Raw] = []
        self._input: list[str] = []

    def grow(self, delta: _Fields) -> None:
        """Take a delta: append every string, and replace every other value."""
        for name, value in delta.items():
            if name == "partial_json":
                self._input.append(_TEXT.decode(value))
            elif name == "citation":
                self._citations.append(value)
            elif name == "type":
                continue
            elif bytes(value).startswith(b'"'):
                self._texts.setdefault(name, self._begun(name)).append(_TEXT.decode(value))
            else:
                self._fields[name] = value

    def whole(self) -> dict[str, object]:
        """Return the block."""
        block: dict[str, object] = dict(self._fields)
        block.update({name: "".join(pieces) for name, pieces in self._texts.items()})
        if self._citations:
            given = _LIST.decode(self._fields.get("citations", _NULL)) or []
            block["citations"] = [*given, *self._citations]
        arguments = "".join(self._input)
        if arguments.strip():
            # An output limit may end the answer inside a tool input. `tool_input` wraps such text.
            block["input"] = tool_input(arguments, fault=Upstream)
        return block

    def _begun(self, name: str) -> list[str]:
        value = self._fields.get(name, _NULL)
        return [] if value == _NULL else [_TEXT.decode(value)]


def _says_something(value: msgspec.Raw) -> bool:
    """Whether a usage value is a positive count, or text such as a service tier."""
    said = leniently_decoded(bytes(value))
    if isinstance(said, dict):
        return any(count_of(count) for count in cast("dict[str, Any]", said).values())
    return bool(count_of(said)) or (isinstance(said, str) and count_of(said) is None)


def _index(said: _Fields) -> int:
    return msgspec.json.decode(said["index"], type=int) if "index" in said else 0
