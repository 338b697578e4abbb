"""The typed form of a chat, built only to translate between wire formats.

`Conversation.dropped` lists the fields that the typed form cannot carry, so that the gateway can
disclose them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from headgate.wire.model_call import StopReason, Usage


@dataclass(frozen=True, slots=True)
class Text:
    """Plain text; `cache` marks the end of a prefix that the caller wants cached (`5m` or `1h`)."""

    text: str
    cache: Literal["5m", "1h"] | None = None


@dataclass(frozen=True, slots=True)
class Image:
    """An image, inline (`data`, base64, with its media type) or by `url`."""

    data: str | None = None
    media_type: str | None = None
    url: str | None = None
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class Document:
    """A file for the model to read, such as a PDF, inline (base64) or by `url`.

    `name` is set only if the caller gave one.
    """

    data: str | None = None
    media_type: str | None = None
    url: str | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True)
class ToolUse:
    """The model's call of a tool; `arguments` is the model's JSON text, unchanged."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class ToolResult:
    """The answer of a tool."""

    tool_use_id: str
    parts: tuple[Text | Image | Document, ...]
    is_error: bool = False


@dataclass(frozen=True, slots=True)
class Reasoning:
    """A reasoning block.

    `signature` and `redacted` are the provider's exact bytes, and valid only at that provider.
    """

    text: str
    signature: str | None = None
    redacted: str | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """The model's explanation of why it refuses."""

    text: str


Part = Text | Image | Document | ToolUse | ToolResult | Reasoning | Refusal


@dataclass(frozen=True, slots=True)
class Message:
    """One turn. `system` messages may stand anywhere; tool results are parts of `user` messages."""

    role: Literal["system", "user", "assistant"]
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that the model may call; `schema` is JSON Schema as decoded."""

    name: str
    description: str | None
    schema: Mapping[str, Any]
    strict: bool | None = None


@dataclass(frozen=True, slots=True)
class ToolChoice:
    """The choice of a tool to call; `name` is set only for the mode `named`."""

    mode: Literal["auto", "none", "required", "named"]
    name: str | None = None


@dataclass(frozen=True, slots=True)
class OutputSchema:
    """The JSON schema that the answer must follow; `schema` None means any JSON object."""

    name: str
    schema: Mapping[str, Any] | None
    strict: bool | None = None


@dataclass(frozen=True, slots=True)
class Conversation:
    """A whole request in typed form."""

    messages: tuple[Message, ...]
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice | None = None
    parallel_tools: bool | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None
    output: OutputSchema | None = None
    reasoning_effort: str | None = None
    reasoning_tokens: int | None = None
    user: str | None = None
    stream: bool = False
    include_usage: bool = False
    dropped: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer in typed form."""

    id: str
    model: str
    parts: tuple[Part, ...]
    stop_reason: StopReason
    stop_sequence: str | None = None
    usage: Usage = field(default_factory=Usage)


@dataclass(frozen=True, slots=True)
class Begin:
    """The start of a streamed answer; `usage` has input tokens if the wire sends them first."""

    id: str
    model: str
    usage: Usage | None = None


@dataclass(frozen=True, slots=True)
class TextDelta:
    """More answer text."""

    text: str


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    """More reasoning text, or the signature or redacted data that closes a block."""

    text: str = ""
    signature: str | None = None
    redacted: str | None = None


@dataclass(frozen=True, slots=True)
class RefusalDelta:
    """More of the explanation of a refusal."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolBegin:
    """The start of a tool call; `index` counts the answer's tool calls from 0."""

    index: int
    id: str
    name: str


@dataclass(frozen=True, slots=True)
class ToolDelta:
    """More JSON text of a tool call's arguments; calls may interleave on wires that allow it."""

    index: int
    arguments: str


@dataclass(frozen=True, slots=True)
class End:
    """The end of generation; `usage` is final and cumulative, or None if it is unknown so far."""

    stop_reason: StopReason
    stop_sequence: str | None = None
    usage: Usage | None = None


@dataclass(frozen=True, slots=True)
class UsageUpdate:
    """A separate usage report, such as after the end."""

    usage: Usage


Delta = Begin | TextDelta | ReasoningDelta | RefusalDelta | ToolBegin | ToolDelta | End | UsageUpdate
