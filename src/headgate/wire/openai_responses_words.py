"""Maps the vocabulary of OpenAI's Responses API to ours: fields, statuses, token arithmetic, ids.

Source: OpenAI's published API document, schemas `CreateResponse`, `Response`, `ResponseUsage` and neighbours.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final, NamedTuple, cast

import msgspec

from headgate.wire.json_document import Layout
from headgate.wire.model_call import StopReason, Usage
from headgate.wire.openai_words import Tokens, tokens_from
from headgate.wire.token_counts import object_of

RESPONSES: Final = "openai_responses"
"""The name of the dialect, as in `ModelCall.wire`."""

_KEYS: Final = frozenset(
    {
        *("model", "input", "instructions", "role", "content", "type", "text", "image_url", "detail", "file_data"),
        *("file_id", "file_url", "filename", "refusal", "id", "call_id", "name", "namespace", "arguments", "output"),
        *("status", "summary", "encrypted_content", "phase", "caller", "tools", "tool_choice", "mode", "description"),
        *("parameters", "strict", "format", "schema", "verbosity", "parallel_tool_calls", "max_output_tokens"),
        *("max_tool_calls", "temperature", "top_p", "top_logprobs", "reasoning", "effort", "stream", "stream_options"),
        *("include_obfuscation", "store", "metadata", "include", "truncation", "previous_response_id", "conversation"),
        *("prompt", "background", "user", "safety_identifier", "prompt_cache_key", "prompt_cache_retention"),
        *("service_tier", "properties", "required", "items", "additionalProperties", "enum", "anyOf", "context"),
        *("object", "created_at", "completed_at", "error", "incomplete_details", "usage", "annotations", "logprobs"),
        *("input_tokens", "output_tokens", "total_tokens", "input_tokens_details", "output_tokens_details"),
        *("cached_tokens", "cache_write_tokens", "reasoning_tokens", "billing", "payer", "moderation", "tool_usage"),
        *("prompt_cache_options", "client_metadata", "access_programs", "presence_penalty", "frequency_penalty"),
    }
)
_CALLS: Final = ("function_call", "custom_tool_call", "reasoning")
_RESULTS: Final = (
    *("function_call_output", "custom_tool_call_output", "computer_call_output", "local_shell_call_output"),
    *("shell_call_output", "apply_patch_call_output", "mcp_call", "mcp_list_tools", "web_search_call"),
    *("file_search_call", "code_interpreter_call", "tool_search_output"),
)
REQUEST: Final = Layout(
    known_keys=_KEYS,
    fields={"instructions": "system", "tools": "schema", "text": "schema", "input": "user"},
    turns={"input": "user"},
    roles={"system": "system", "developer": "system", "user": "user", "assistant": "assistant"},
    types={**dict.fromkeys(_CALLS, "assistant"), **dict.fromkeys(_RESULTS, "tool")},
    media_keys={"file_data": None},
)
"""The origins of the strings in a request."""

BODY: Final = replace(REQUEST, fields={}, turns={"items": "user"})
"""The origins of the strings in a body with items of a conversation."""

SPELLING: Final = frozenset({"logprobs"})
"""Fields that repeat an answer's text token by token."""

REPLY: Final = Layout(known_keys=_KEYS, fields={"output": "assistant"}, answers={"output": ""}, spelling=SPELLING)
"""The origins of the strings in an answer."""

_DEFAULTS: Final[Mapping[str, Any]] = {
    "background": False,
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "prompt_cache_key": None,
    "reasoning": {"effort": None, "summary": None},
    "safety_identifier": None,
    "service_tier": "default",
    "store": True,
    "temperature": 1.0,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_logprobs": 0,
    "top_p": 1.0,
    "truncation": "disabled",
    "user": None,
}
"""The fields of a request that an answer repeats, with their values if the request lacks them."""

ECHOED: Final = frozenset(_DEFAULTS) - {"service_tier"}
"""The fields of an answer that repeat the client's request, so that no scan has to read them."""

_CONVERSATION: Final = "conversation"
_UNFIT: Final = re.compile(r"[^a-zA-Z0-9]")
_MAX_ID_CHARS: Final = 48
_ENDS: Final[Mapping[StopReason, str | None]] = {
    **dict.fromkeys(("stop", "stop_sequence", "tool_use", "refusal"), None),
    "content_filter": "content_filter",
}


class CalledTool(NamedTuple):
    """The tool behind a name that is sent to another wire format.

    Args:
        namespace: the group of tools that holds it, or None.
        is_custom: whether the tool takes plain text instead of JSON.
    """

    name: str
    namespace: str | None = None
    is_custom: bool = False


def flat_name(name: str, namespace: str | None) -> str:
    """Return the name of a tool for a wire format without groups of tools."""
    return f"{namespace}__{name}" if namespace else name


def called_tools(fields: Mapping[str, Any]) -> Mapping[str, CalledTool]:
    """Return the tools of a request that other wire formats call by another name or form."""
    found: dict[str, CalledTool] = {}
    for tool, namespace in tools_of(fields.get("tools")):
        name, is_custom = tool.get("name"), tool.get("type") == "custom"
        if isinstance(name, str) and (namespace is not None or is_custom):
            found[flat_name(name, namespace)] = CalledTool(name, namespace, is_custom)
    return found


def is_reference(item: Mapping[str, Any]) -> bool:
    """Whether an item only names another one."""
    kind = item.get("type")
    return kind == "item_reference" or (kind is None and "role" not in item)


def tools_of(tools: Any) -> Iterator[tuple[Mapping[str, Any], str | None]]:
    """Yield each tool of a request with its namespace; the tools of a namespace come one by one."""
    for tool in cast("list[Any]", tools) if isinstance(tools, list) else ():
        said = object_of(tool)
        if said.get("type") != "namespace":
            yield said, None
            continue
        for inner in cast("list[Any]", said.get("tools") or []):
            yield object_of(inner), str(said.get("name"))


def echoed(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of an answer that repeat the request."""
    told = {name: default if (value := fields.get(name)) is None else value for name, default in _DEFAULTS.items()}
    told["text"] = {"format": {"type": "text"}, **object_of(told["text"])}
    told["reasoning"] = {"effort": None, "summary": None, **object_of(told["reasoning"])}
    if told["service_tier"] == "auto":
        told["service_tier"] = "default"
    given = fields.get(_CONVERSATION)
    told[_CONVERSATION] = {"id": given} if isinstance(given, str) else given
    return told


def usage_from(value: Any) -> Usage:
    """Return our usage for a decoded `usage` of any form."""
    said = object_of(value)
    tokens: Tokens = tokens_from(
        {
            "prompt_tokens": said.get("input_tokens"),
            "completion_tokens": said.get("output_tokens"),
            "total_tokens": said.get("total_tokens"),
            "prompt_tokens_details": said.get("input_tokens_details"),
            "completion_tokens_details": said.get("output_tokens_details"),
        }
    )
    return tokens.usage()


def usage_of(usage: Usage) -> dict[str, Any]:
    """Return our usage in this wire's form; unknown counts are 0, for the SDK."""
    sent, written = usage.input_tokens or 0, usage.output_tokens or 0
    return {
        "input_tokens": sent,
        "input_tokens_details": {
            "cached_tokens": usage.cache_read_tokens,
            "cache_write_tokens": usage.cache_write_tokens + usage.cache_write_1h_tokens,
        },
        "output_tokens": written,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": sent + written,
    }


def incomplete_reason(reason: StopReason, *, has_called: bool = False, has_refused: bool = False) -> str | None:
    """Return the reason of an incomplete answer; None for a complete one.

    A pause and an unknown reason count as the limit, because the answer may be incomplete.

    Args:
        has_refused: whether the answer has the model's explanation of its refusal as such. Without
            one, only the reason tells that the model refused.
    """
    if has_called and reason == "unknown":
        return None
    if reason == "refusal" and not has_refused:
        return "content_filter"
    return _ENDS.get(reason, "max_output_tokens")


def stop_reason_of(response: Mapping[str, Any], *, has_refused: bool, has_called: bool) -> StopReason:
    """Return our stop reason for a response that has ended."""
    if response.get("status") == "incomplete":
        match object_of(response.get("incomplete_details")).get("reason"):
            case "max_output_tokens":
                return "length"
            case "content_filter":
                return "content_filter"
            case _:
                return "unknown"
    if has_refused:
        return "refusal"
    return "tool_use" if has_called else "stop"


def response_id(reply_id: str) -> str:
    """Return an id of this wire's form for an answer of another wire."""
    return reply_id if reply_id.startswith("resp_") else f"resp_{_suffix(reply_id)}"


def item_id(prefix: str, response: str, index: int) -> str:
    """Return the id of an output item of a response; the same for the same place."""
    return f"{prefix}_{_suffix(response.removeprefix('resp_'))}{index:02d}"


def call_id(tool_id: str, response: str, index: int) -> str:
    """Return a call's id of at most 64 characters; a call without an id gets one from its place."""
    if not tool_id:
        return item_id("call", response, index)
    return tool_id if len(tool_id) <= 64 else f"call_{hashlib.sha256(tool_id.encode()).hexdigest()[:32]}"


def text_input(arguments: str) -> str:
    """Return the text for a tool without JSON from the arguments `{"input": text}`."""
    try:
        given = object_of(msgspec.json.decode(arguments)).get("input")
    except (msgspec.DecodeError, RecursionError):
        return arguments
    return given if isinstance(given, str) else arguments


def _suffix(text: str) -> str:
    return _UNFIT.sub("", text)[-_MAX_ID_CHARS:] or "unnamed"
