"""Maps the vocabulary of Amazon Bedrock's Converse API to ours: fields, stop reasons, token counts.

Source: API reference of Amazon Bedrock Runtime, "Converse"; its service model in `botocore` 1.44.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from headgate.wire.json_strings import Layout
from headgate.wire.model_call import StopReason, Usage
from headgate.wire.token_counts import count_of, object_of

NAME: Final = "bedrock_converse"
"""The name of the dialect, as in `ModelReply.wire`."""

_KEYS: Final = frozenset(
    {
        *("output", "message", "role", "content", "text", "toolUse", "toolUseId", "name", "input", "reasoningContent"),
        *("reasoningText", "signature", "redactedContent", "stopReason", "usage", "inputTokens", "outputTokens"),
        *("totalTokens", "cacheReadInputTokens", "cacheWriteInputTokens", "cacheDetails", "ttl", "metrics"),
        *("latencyMs", "additionalModelResponseFields", "trace", "performanceConfig", "serviceTier", "latency", "type"),
        *("citationsContent", "citations", "title", "source", "sourceContent", "location", "guardContent", "image"),
        *("format", "bytes", "cachePoint", "cacheReadInputTokenCount", "cacheWriteInputTokenCount"),
    }
)
ANSWER: Final = Layout(
    known_keys=_KEYS,
    fields={"output": "assistant"},
    answers={"output": "message"},
    media_keys={"bytes": None, "redactedContent": None},
)
"""The origins of the strings in an answer."""

_STOP_REASONS: Final[Mapping[str, StopReason]] = {
    "end_turn": "stop",
    "stop_sequence": "stop_sequence",
    "max_tokens": "length",
    "model_context_window_exceeded": "context_length",
    "tool_use": "tool_use",
    "refusal": "refusal",
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
}


def stop_reason_of(said: Any) -> StopReason:
    """Return our stop reason; an unknown one, such as `malformed_tool_use`, is `unknown`."""
    return _STOP_REASONS.get(said, "unknown") if isinstance(said, str) else "unknown"


def usage_of(value: Any) -> Usage:
    """Return our usage from a decoded `usage` of any form; its input tokens exclude cached ones."""
    said = object_of(value)
    fresh, output = count_of(said.get("inputTokens")), count_of(said.get("outputTokens"))
    read = count_of(said.get("cacheReadInputTokens")) or 0
    written = count_of(said.get("cacheWriteInputTokens")) or 0
    written_1h = min(written, _written_for_an_hour(said.get("cacheDetails")))
    return Usage(
        input_tokens=None if fresh is None else fresh + read + written,
        output_tokens=output,
        cache_read_tokens=read,
        cache_write_tokens=written - written_1h,
        cache_write_1h_tokens=written_1h,
    )


def _written_for_an_hour(details: Any) -> int:
    if not isinstance(details, list):
        return 0
    entries = [object_of(one) for one in details]  # pyright: ignore[reportUnknownVariableType] - decoded JSON
    return sum(count_of(one.get("inputTokens")) or 0 for one in entries if one.get("ttl") == "1h")
