"""Maps Anthropic's vocabulary to ours: stop reasons, token arithmetic, tool ids, prompt size.

Source: the types of the `anthropic` SDK 2.x (stop_reason.py, usage.py, cache_creation.py, message_delta_usage.py).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from headgate.kernel.content import Content
from headgate.wire.model_call import StopReason, Usage
from headgate.wire.token_counts import count_of, object_of

NAME: Final = "anthropic_messages"
"""The name of the dialect, as in `ModelCall.wire`."""

_STOP_REASONS: Final[Mapping[str, StopReason]] = {
    "end_turn": "stop",
    "stop_sequence": "stop_sequence",
    "max_tokens": "length",
    "model_context_window_exceeded": "context_length",
    "tool_use": "tool_use",
    "refusal": "refusal",
    "pause_turn": "pause",
}
_ANTHROPIC_REASONS: Final[Mapping[StopReason, str]] = {
    **{ours: theirs for theirs, ours in _STOP_REASONS.items()},
    "content_filter": "refusal",
}
_TOOL_ID: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_MEDIA: Final = re.compile(
    rb'"type"\s*+:\s*+"(?:image|image_url|input_image|document|file|input_file)"|"(?:inlineData|fileData)"\s*+:'
)
_MEDIA_TOKENS: Final = 1600
_CHARS_PER_TOKEN: Final = 3.5


class CacheCreation(msgspec.Struct):
    """Cache writes by their time to live."""

    ephemeral_5m_input_tokens: int | None = None
    ephemeral_1h_input_tokens: int | None = None


class OutputDetails(msgspec.Struct):
    """The breakdown of the output tokens."""

    thinking_tokens: int | None = None


class Tokens(msgspec.Struct):
    """The `usage` of a message, of `message_start` and of `message_delta`; None is unreported."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_creation: CacheCreation | None = None
    output_tokens_details: OutputDetails | None = None

    def updated(self, later: Tokens) -> Tokens:
        """Return these counts, updated by a later report.

        Reports are cumulative, so a zero or None in the later report keeps the earlier count.
        """
        merged = Tokens()
        for field in Tokens.__struct_fields__:
            said = getattr(later, field)
            setattr(merged, field, said if _says_something(said) else getattr(self, field))
        return merged

    def usage(self) -> Usage:
        """Return our usage, in which `input_tokens` includes cache reads and cache writes."""
        kinds, details = self.cache_creation, self.output_tokens_details
        written_1h = count_of(kinds.ephemeral_1h_input_tokens if kinds else None) or 0
        written_5m = count_of(kinds.ephemeral_5m_input_tokens if kinds else None) or 0
        written = count_of(self.cache_creation_input_tokens)
        if written:
            # message_delta has no breakdown. Writes outside a breakdown count as 5-minute writes.
            written_1h = min(written_1h, written)
            written_5m = written - written_1h
        read, fresh = count_of(self.cache_read_input_tokens) or 0, count_of(self.input_tokens)
        thinking = count_of(details.thinking_tokens if details else None) or 0
        output = count_of(self.output_tokens)
        if output is not None and thinking > output:
            output += thinking
        return Usage(
            input_tokens=None if fresh is None else fresh + read + written_5m + written_1h,
            output_tokens=output,
            cache_read_tokens=read,
            cache_write_tokens=written_5m,
            cache_write_1h_tokens=written_1h,
            reasoning_tokens=thinking,
        )


def _says_something(said: int | CacheCreation | OutputDetails | None) -> bool:
    if isinstance(said, msgspec.Struct):
        return any(count_of(value) for value in msgspec.structs.astuple(said))
    return bool(count_of(said))


def tokens_from(value: Any) -> Tokens:
    """Return the readable counts of a decoded `usage` of any form."""
    fields = object_of(value)
    kinds, details = object_of(fields.get("cache_creation")), object_of(fields.get("output_tokens_details"))
    return Tokens(
        input_tokens=count_of(fields.get("input_tokens")),
        output_tokens=count_of(fields.get("output_tokens")),
        cache_read_input_tokens=count_of(fields.get("cache_read_input_tokens")),
        cache_creation_input_tokens=count_of(fields.get("cache_creation_input_tokens")),
        cache_creation=CacheCreation(
            count_of(kinds.get("ephemeral_5m_input_tokens")), count_of(kinds.get("ephemeral_1h_input_tokens"))
        )
        if kinds
        else None,
        output_tokens_details=OutputDetails(count_of(details.get("thinking_tokens"))) if details else None,
    )


def tokens_of(usage: Usage) -> dict[str, Any]:
    """Return our usage as Anthropic's `usage` object; unknown counts are 0, for the SDK."""
    written = usage.cache_write_tokens + usage.cache_write_1h_tokens
    tokens: dict[str, Any] = {
        "input_tokens": max(0, (usage.input_tokens or 0) - usage.cache_read_tokens - written),
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": usage.cache_read_tokens,
        "output_tokens": usage.output_tokens or 0,
    }
    if written:
        tokens["cache_creation"] = {
            "ephemeral_5m_input_tokens": usage.cache_write_tokens,
            "ephemeral_1h_input_tokens": usage.cache_write_1h_tokens,
        }
    if usage.reasoning_tokens:
        tokens["output_tokens_details"] = {"thinking_tokens": usage.reasoning_tokens}
    return tokens


def stop_reason_of(anthropic: str | None) -> StopReason:
    """Return our stop reason for Anthropic's; an unknown one is `unknown`, never `stop`."""
    return _STOP_REASONS.get(anthropic or "", "unknown")


def anthropic_reason_of(reason: StopReason) -> str:
    """Return Anthropic's stop reason for ours.

    `unknown` becomes `max_tokens`, because the answer may be incomplete and clients need a reason.
    """
    return _ANTHROPIC_REASONS.get(reason, "max_tokens")


def anthropic_tool_id(tool_id: str) -> str:
    """Return an id that the API accepts (`^[a-zA-Z0-9_-]+$`).

    Any other id becomes a digest of itself. The digest is therefore the same in calls and results,
    in any turn and process, without a table.
    """
    if _TOOL_ID.fullmatch(tool_id):
        return tool_id
    return f"toolu_{hashlib.sha256(tool_id.encode()).hexdigest()[:32]}"


def anthropic_message_id(reply_id: str) -> str:
    """Return a message id of Anthropic's form for an answer of another wire."""
    if reply_id.startswith("msg_"):
        return reply_id
    return f"msg_{re.sub(r'[^a-zA-Z0-9_-]', '', reply_id)[:64] or 'unnamed'}"


def estimated_tokens(content: Content) -> int:
    """Estimate the tokens of a request of any wire from its strings, images and files."""
    chars = 0
    for segment in content.segments():
        text = segment.text
        # Scripts without spaces need about a token a character, so bytes give a better estimate.
        chars += len(text) if text.isascii() else len(text.encode())
    media = len(_MEDIA.findall(content.to_bytes()))
    return max(1, int(chars / _CHARS_PER_TOKEN) + media * _MEDIA_TOKENS)
