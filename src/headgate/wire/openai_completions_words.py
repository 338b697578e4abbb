"""The words of OpenAI's legacy completions: its fields, their origins, and their checks.

Quirks of a deployment:

- `completions_upstream`: the deployment has completions of its own, and takes those calls as they
  are. `completions_only`: it has no chats.
- `no_stream_options`: the deployment answers 400 to `stream_options`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

from headgate.kernel.errors import Invalid
from headgate.wire.json_document import Layout
from headgate.wire.openai_words import SPELLING

COMPLETIONS: Final = "openai_completions"
"""The name of the dialect, as in `ModelCall.wire`."""

QUIRKS: Final = frozenset({"completions_upstream", "completions_only", "no_stream_options"})
"""The quirks that a deployment's configuration may name."""

_MAX_PROMPTS: Final = 2048
_MAX_CHOICES: Final = 128
_USUAL_LIMIT: Final = 16
_KEYS: Final = frozenset(
    {
        *("model", "prompt", "suffix", "max_tokens", "temperature", "top_p", "top_k", "min_p", "n", "best_of"),
        *("stream", "stream_options", "include_usage", "include_obfuscation", "logprobs", "echo", "stop", "seed"),
        *("presence_penalty", "frequency_penalty", "logit_bias", "user"),
        *("id", "object", "created", "choices", "text", "index", "finish_reason", "usage", "system_fingerprint"),
        *("prompt_tokens", "completion_tokens", "total_tokens", "prompt_tokens_details", "cached_tokens"),
        *("completion_tokens_details", "reasoning_tokens", "stop_reason", "service_tier"),
        *("tokens", "token_logprobs", "top_logprobs", "text_offset"),
    }
)
REQUEST: Final = Layout(known_keys=_KEYS, fields={"prompt": "user", "suffix": "user"})
"""The origins of the strings in a request."""

REPLY: Final = Layout(
    known_keys=_KEYS, fields={"choices": "assistant"}, answers={"choices": ""}, parts="text", spelling=SPELLING
)
"""The origins of the strings in an answer."""


def checked_fields(fields: Mapping[str, Any]) -> None:
    """Check the fields that the gateway reads; others pass unchecked.

    Raises:
        Invalid: a field is invalid; `param` names it.
    """
    if not is_prompt(fields.get("prompt")):
        raise Invalid("prompt must be a string, or a list of strings or of tokens", param="prompt")
    for name in ("max_tokens", "n", "best_of", "seed"):
        value, least = fields.get(name), 0 if name in ("max_tokens", "seed") else 1
        if value is not None and (not is_integer(value) or (name != "seed" and value < least)):
            raise Invalid(f"{name} must be a whole number, at least {least}", param=name)
    for name in ("n", "best_of"):
        if (fields.get(name) or 1) > _MAX_CHOICES:
            raise Invalid(f"{name} must be at most {_MAX_CHOICES}", param=name)
    for name in ("stream", "echo"):
        if fields.get(name) is not None and not isinstance(fields[name], bool):
            raise Invalid(f"{name} must be true or false", param=name)
    for name in ("temperature", "top_p"):
        if fields.get(name) is not None and (
            isinstance(fields[name], bool) or not isinstance(fields[name], int | float)
        ):
            raise Invalid(f"{name} must be a number", param=name)
    for name in ("suffix", "user"):
        if fields.get(name) is not None and not isinstance(fields[name], str):
            raise Invalid(f"{name} must be a string", param=name)
    stop = fields.get("stop")
    if stop is not None and not isinstance(stop, str) and not _are_strings(stop):
        raise Invalid("stop must be a string or a list of strings", param="stop")


def output_limit(fields: Mapping[str, Any]) -> int:
    """Return the most tokens of all choices of all prompts."""
    limit = fields.get("max_tokens")
    each = _USUAL_LIMIT if limit is None else cast("int", limit)
    prompt: Any = fields["prompt"]
    prompts = len(cast("list[Any]", prompt)) if isinstance(prompt, list) and not is_integer(prompt[0]) else 1
    return each * max(fields.get("n") or 1, fields.get("best_of") or 1) * prompts


def is_prompt(value: Any) -> bool:
    """Whether a prompt is a string, or a list of strings, of tokens, or of lists of tokens."""
    if isinstance(value, str):
        return True
    items = cast("list[Any]", value) if isinstance(value, list) else []
    if not items or (len(items) > _MAX_PROMPTS and not _are_tokens(items)):
        return False
    return _are_strings(items) or _are_tokens(items) or all(_are_tokens(item) for item in items)


def has_tokens(prompt: Any) -> bool:
    """Whether a prompt has token ids, which no scan reads."""
    return isinstance(prompt, list) and not isinstance(prompt[0], str)


def is_integer(value: Any) -> bool:
    """Whether a value is a whole number."""
    return isinstance(value, int) and not isinstance(value, bool)


def _are_strings(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in cast("list[Any]", value))


def _are_tokens(value: Any) -> bool:
    items = cast("list[Any]", value) if isinstance(value, list) else []
    return bool(items) and all(is_integer(item) for item in items)
