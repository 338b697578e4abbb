"""Maps OpenAI's vocabulary to ours: fields, finish reasons, token arithmetic and ids.

Source: OpenAI's published API document, schemas `CreateChatCompletionRequest`, `CompletionUsage` and neighbours.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from headgate.kernel.content import Content
from headgate.wire.json_document import JsonDocument, Layout
from headgate.wire.model_call import StopReason, Usage
from headgate.wire.token_counts import count_of, object_of

CHAT: Final = "openai_chat"
"""The name of the chat dialect, as in `ModelCall.wire`."""

_KEYS: Final = frozenset(
    {
        *("model", "messages", "role", "content", "name", "type", "text", "image_url", "url", "detail", "input_audio"),
        *("data", "format", "file", "file_data", "file_id", "filename", "refusal", "audio", "id", "tool_calls"),
        *("tool_call_id", "function", "arguments", "function_call", "custom", "input", "index", "tools", "tool_choice"),
        *("parallel_tool_calls", "functions", "description", "parameters", "strict", "response_format", "json_schema"),
        *("schema", "properties", "required", "items", "additionalProperties", "enum", "anyOf", "stream"),
        *("stream_options", "include_usage", "include_obfuscation", "max_tokens", "max_completion_tokens", "n", "stop"),
        *("temperature", "top_p", "top_k", "min_p", "seed", "logprobs", "top_logprobs", "logit_bias", "metadata"),
        *("frequency_penalty", "presence_penalty", "service_tier", "store", "prediction", "modalities", "user"),
        *("safety_identifier", "prompt_cache_key", "prompt_cache_retention", "reasoning_effort", "verbosity"),
        *("web_search_options", "reasoning_content", "reasoning", "cache_control", "ttl"),
        *("object", "created", "choices", "message", "delta", "finish_reason", "usage", "system_fingerprint"),
        *("prompt_tokens", "completion_tokens", "total_tokens", "prompt_tokens_details", "completion_tokens_details"),
        *("cached_tokens", "cache_write_tokens", "audio_tokens", "reasoning_tokens", "accepted_prediction_tokens"),
        *("rejected_prediction_tokens", "annotations", "token", "logprob", "bytes", "stop_reason", "error"),
        *("matched_stop", "allowed_tools", "mode", "prompt_cache_breakpoint"),
    }
)
CHAT_REQUEST: Final = Layout(
    known_keys=_KEYS,
    fields={"tools": "schema", "functions": "schema", "response_format": "schema"},
    turns={"messages": "user"},
    roles={
        "system": "system",
        "developer": "system",
        "user": "user",
        "assistant": "assistant",
        "tool": "tool",
        "function": "tool",
    },
    media_keys={"file_data": None, "data": ("format", "")},
)
"""The origins of the strings in a chat request."""

SPELLING: Final = frozenset({"logprobs", "prompt_logprobs", "token_ids", "prompt_token_ids", "tokens"})
"""Fields that repeat an answer's text token by token, with bytes and ids as numbers.

The last three are fields of vLLM and llama.cpp.
"""

CHAT_REPLY: Final = Layout(
    known_keys=_KEYS,
    fields={"choices": "assistant"},
    answers={"choices": "message"},
    spelling=SPELLING,
    media_keys={"data": ("transcript", "")},
)
"""The origins of the strings in a chat answer."""

_STOP_REASONS: Final[Mapping[str, StopReason]] = {
    **dict.fromkeys(("stop", "eos", "eos_token", "end_turn", "completed"), "stop"),
    "stop_sequence": "stop_sequence",
    **dict.fromkeys(("length", "max_tokens", "max_output_tokens", "model_length"), "length"),
    **dict.fromkeys(("tool_calls", "function_call", "tool_call", "tool_use"), "tool_use"),
    **dict.fromkeys(("content_filter", "safety", "recitation"), "content_filter"),
}
"""OpenAI's finish reasons, then those of other servers, such as Mistral's `model_length`."""

_FINISH_REASONS: Final[Mapping[StopReason, str]] = {
    "stop": "stop",
    "stop_sequence": "stop",
    "length": "length",
    "context_length": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
    "content_filter": "content_filter",
}
_MAX_TOOL_ID_CHARS: Final = 40


class _PromptDetails(msgspec.Struct):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None


class _CompletionDetails(msgspec.Struct):
    reasoning_tokens: int | None = None


class Tokens(msgspec.Struct):
    """The `usage` object in OpenAI's form; only DeepSeek sends `prompt_cache_hit_tokens`."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None
    prompt_tokens_details: _PromptDetails | None = None
    completion_tokens_details: _CompletionDetails | None = None
    prompt_cache_hit_tokens: int | None = None

    def usage(self) -> Usage:
        """Return our usage: the prompt includes cached tokens, and the output includes reasoning.

        Some servers count cached or reasoning tokens separately. Their totals reveal it: xAI's
        total includes reasoning that its completion lacks, and Gemini's total includes reasoning
        that no other field reports.
        """
        prompt, completion = count_of(self.prompt_tokens), count_of(self.completion_tokens)
        total = count_of(self.total_tokens)
        inner, outer = self.prompt_tokens_details, self.completion_tokens_details
        read = count_of(inner.cached_tokens if inner else None) or count_of(self.prompt_cache_hit_tokens) or 0
        written = count_of(inner.cache_write_tokens if inner else None) or 0
        reasoning = count_of(outer.reasoning_tokens if outer else None) or 0
        if total is not None:
            if not prompt:
                prompt = prompt if completion is None else max(0, total - completion)
            elif completion is None:
                completion = max(0, total - prompt)
        if prompt is not None and completion is not None:
            beyond = max(0, total - prompt - completion) if total is not None else 0
            cached = read + written
            if cached and (cached > prompt or (beyond in (cached, cached + reasoning) and beyond != reasoning)):
                prompt, beyond = prompt + cached, max(0, beyond - cached)
            if not beyond and reasoning > completion:
                beyond = reasoning
            completion, reasoning = completion + beyond, max(reasoning, beyond)
        return Usage(
            input_tokens=prompt,
            output_tokens=completion,
            cache_read_tokens=read,
            cache_write_tokens=written,
            reasoning_tokens=reasoning,
        )


def tokens_from(value: Any) -> Tokens:
    """Return the readable counts of a decoded `usage` of any form."""
    fields = object_of(value)
    prompt = object_of(fields.get("prompt_tokens_details"))
    completion = object_of(fields.get("completion_tokens_details"))
    return Tokens(
        prompt_tokens=count_of(fields.get("prompt_tokens")),
        completion_tokens=count_of(fields.get("completion_tokens")),
        total_tokens=count_of(fields.get("total_tokens")),
        prompt_tokens_details=_PromptDetails(
            count_of(prompt.get("cached_tokens")), count_of(prompt.get("cache_write_tokens"))
        ),
        completion_tokens_details=_CompletionDetails(count_of(completion.get("reasoning_tokens"))),
        prompt_cache_hit_tokens=count_of(fields.get("prompt_cache_hit_tokens")),
    )


def tokens_of(usage: Usage) -> dict[str, Any]:
    """Return our usage as OpenAI's `usage` object; unknown counts are 0, for the SDK."""
    prompt, completion = usage.input_tokens or 0, usage.output_tokens or 0
    details: dict[str, int] = {"cached_tokens": usage.cache_read_tokens}
    written = usage.cache_write_tokens + usage.cache_write_1h_tokens
    if written:
        details["cache_write_tokens"] = written
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": details,
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
    }


def stop_reason_of(finish_reason: str | None, *, has_refused: bool = False, has_called: bool = False) -> StopReason:
    """Return our stop reason for OpenAI's; an unknown one is `unknown`, never `stop`.

    OpenAI also ends a refusal, and calls of a tool that the client named, with `stop`. The content
    of the message tells them from an answer. Some servers send no reason with a complete answer.
    """
    reason: StopReason = _STOP_REASONS.get(finish_reason.lower(), "unknown") if finish_reason else "stop"
    if reason == "stop" and has_refused:
        return "refusal"
    return "tool_use" if has_called and reason in ("stop", "unknown") else reason


def finish_reason_of(reason: StopReason, *, has_called: bool = False) -> str:
    """Return OpenAI's finish reason for ours.

    A pause and an unknown reason become `length`, because the answer may be incomplete.
    """
    if has_called and reason == "unknown":
        return "tool_calls"
    return _FINISH_REASONS.get(reason, "length")


def matched_stop(choice: Mapping[str, Any]) -> str | None:
    """Return the stop sequence that ended a choice.

    vLLM reports it as `stop_reason`, and SGLang as `matched_stop`.
    """
    for name in ("stop_reason", "matched_stop"):
        found = choice.get(name)
        if isinstance(found, str) and found:
            return found
    return None


def openai_tool_id(tool_id: str) -> str:
    """Return an id of at most 40 characters.

    A longer id becomes a digest of itself, the same in the call and in the result.
    """
    if len(tool_id) <= _MAX_TOOL_ID_CHARS:
        return tool_id
    return f"call_{hashlib.sha256(tool_id.encode()).hexdigest()[:32]}"


def document_of(content: Content, layout: Layout) -> JsonDocument:
    """Return the content as a document; parse content that a test or an extension made."""
    return content if isinstance(content, JsonDocument) else JsonDocument.parse(content.to_bytes(), layout=layout)
