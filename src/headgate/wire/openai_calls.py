"""Checks chat requests on OpenAI's wire, and edits them before they leave.

Quirks of a deployment that change the output, here and in `openai_encoding`:

- `max_completion_tokens`: the deployment takes the limit by this name only, as OpenAI's reasoning
  models do. The gateway renames `max_tokens`.
- `max_tokens`: the deployment takes the limit by this name only, as older servers do. The gateway
  renames `max_completion_tokens`.
- `newer_limit_name`: the gateway writes `max_completion_tokens` for a limit that the client did
  not name itself, such as one of another wire. Every model of OpenAI's own servers takes this
  name. The client's own bytes stay.
- `fixed_sampling`: the deployment answers 400 to `temperature` and `top_p`, as reasoning models
  do. The gateway leaves them out.
- `no_stream_options`: the deployment answers 400 to `stream_options`. The gateway leaves them out,
  so the server may report usage or not.
- `developer_role`: the gateway writes system messages with the role `developer`.
- `reasoning_content`, `reasoning`: the gateway replays the reasoning of earlier turns under this
  name. Without either quirk it leaves the reasoning out.
- `reasoning_effort`: the deployment takes `reasoning_effort`.
- `top_k`: the deployment takes `top_k`, as vLLM and llama.cpp do.
- `system_turns`: the deployment takes several system messages, at any place. Without this quirk,
  the system messages of another wire become one at the start.
- `text_parts`: the deployment takes a list of text parts only. Without this quirk, the parts
  become one string.
- `cache_breakpoints`: the deployment takes `prompt_cache_breakpoint`. The gateway writes marks of
  cached prefixes in this form.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any, Final, cast

import msgspec

from headgate.kernel.errors import Invalid
from headgate.wire.dialect import Outgoing
from headgate.wire.json_document import JsonDocument
from headgate.wire.json_edits import Path
from headgate.wire.model_call import ModelCall
from headgate.wire.needs import needs_of
from headgate.wire.openai_words import CHAT, CHAT_REQUEST, document_of

QUIRKS: Final = frozenset(
    {
        *("max_completion_tokens", "max_tokens", "newer_limit_name", "fixed_sampling", "no_stream_options"),
        *("developer_role", "reasoning_content", "reasoning", "reasoning_effort", "top_k"),
    }
)
"""The quirks that a deployment's configuration may name; provider code sets the others."""

_MAX_CHOICES: Final = 128
_MAX_MODEL_CHARS: Final = 256
# The guard does not mask headers, so the gateway forwards only values of a known form.
_FORWARDED: Final[Mapping[str, re.Pattern[str]]] = {
    "openai-organization": re.compile(r"org-[A-Za-z0-9]{1,64}"),
    "openai-project": re.compile(r"proj_[A-Za-z0-9]{1,64}"),
    "openai-beta": re.compile(r"[a-z-]{1,40}=v[0-9]{1,3}"),
    "idempotency-key": re.compile(r".{1,255}"),  # the dispatcher replaces it by a digest
}
_LIMITS: Final = ("max_completion_tokens", "max_tokens")
_NEWER: Final = frozenset({"max_completion_tokens", "newer_limit_name"})

Check = Callable[[Any], bool]
"""Whether a value other than null has the form of its field."""


def read_chat_call(body: bytes, *, headers: Mapping[str, str]) -> ModelCall:
    """Decode and check a request; `headers` have names in lower case.

    Raises:
        Invalid: a known field is invalid; `param` names it. Unknown fields pass unchecked.
        TooLarge: the body is larger or deeper than allowed.
    """
    document = JsonDocument.parse(body, layout=CHAT_REQUEST)
    fields = document.fields()
    model = read_model(fields)
    for name, value in fields.items():
        rule = _RULES.get(name)
        if rule is not None and value is not None and not rule[0](value):
            raise Invalid(f"{name} must be {rule[1]}", param=name)
    _check_messages(fields.get("messages"))
    _check_choice(fields)
    return ModelCall(
        wire=CHAT,
        content=document,
        model=model,
        stream=fields.get("stream") is True,
        headers=forwarded(headers),
        output_limit=_output_limit(fields),
        needs=needs_of(fields),
    )


def forwarded(headers: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Return the client's headers that go to providers; their values have a known form."""
    return tuple(
        [
            (name, headers[name])
            for name, form in _FORWARDED.items()
            if name in headers and form.fullmatch(headers[name])
        ]
    )


def _output_limit(fields: Mapping[str, Any]) -> int | None:
    """Return the maximum number of tokens of all choices together."""
    # Of two limits a server may know only the larger one.
    limits = [fields[name] for name in _LIMITS if isinstance(fields.get(name), int)]
    return max(limits) * (fields.get("n") or 1) if limits else None


def read_model(fields: Mapping[str, Any]) -> str:
    """Return the alias that a request names.

    Raises:
        Invalid: the request names no alias.
    """
    model = fields.get("model")
    if not isinstance(model, str) or not model or len(model) > _MAX_MODEL_CHARS:
        raise Invalid(f"model must be the name of a model, of 1 to {_MAX_MODEL_CHARS} characters", param="model")
    return model


def write_chat_call(call: ModelCall, outgoing: Outgoing) -> bytes:
    """Return the client's bytes, edited for the deployment.

    The edits set the deployment's model, ask for usage, and lower the limit to the cap.
    """
    document = document_of(call.content, CHAT_REQUEST)
    fields = document.fields()
    edits: dict[Path, bytes | None] = {}
    if fields.get("model") != outgoing.model:
        edits["model",] = msgspec.json.encode(outgoing.model)
    if "no_stream_options" in outgoing.quirks:
        if "stream_options" in fields:
            edits["stream_options",] = None
    elif call.stream:
        edits.update(_usage_edits(fields))
    edits.update(_limit_edits(fields, outgoing))
    if "fixed_sampling" in outgoing.quirks:
        edits.update({(name,): None for name in ("temperature", "top_p") if name in fields})
    return document.edit_fields(edits).raw


def wants_usage(fields: Mapping[str, Any]) -> bool:
    """Whether a request asks for a usage chunk at the end of its stream."""
    options = fields.get("stream_options")
    return isinstance(options, dict) and cast("dict[str, Any]", options).get("include_usage") is True


def is_legacy(fields: Mapping[str, Any]) -> bool:
    """Whether a request uses the older `functions`, so that its answer needs `function_call`."""
    return bool(fields.get("functions")) and not fields.get("tools")


def limit_name(quirks: frozenset[str]) -> str:
    """Return the deployment's name for a limit that the client did not name itself."""
    if "max_tokens" in quirks:
        return "max_tokens"
    return "max_completion_tokens" if quirks & _NEWER else "max_tokens"


def _usage_edits(fields: Mapping[str, Any]) -> dict[Path, bytes | None]:
    if wants_usage(fields):
        return {}
    if isinstance(fields.get("stream_options"), dict):
        return {("stream_options", "include_usage"): b"true"}
    return {("stream_options",): b'{"include_usage":true}'}


def _limit_edits(fields: Mapping[str, Any], outgoing: Outgoing) -> dict[Path, bytes | None]:
    """Return edits that rename limits for the deployment, and lower them to the cap."""
    if outgoing.cap_output_tokens is None and not outgoing.quirks:
        return {}
    given = {name: value for name in _LIMITS if (value := fields.get(name)) is not None}
    only = next((name for name in _LIMITS if name in outgoing.quirks), None)
    wanted = dict(given)
    if only is not None and given:
        wanted = {only: min(given.values())}
    cap = outgoing.cap_output_tokens
    if cap is not None:
        wanted = {name: min(value, cap) for name, value in wanted.items()} or {limit_name(outgoing.quirks): cap}
    edits: dict[Path, bytes | None] = {(name,): None for name in given if name not in wanted}
    edits.update({(name,): b"%d" % value for name, value in wanted.items() if given.get(name) != value})
    return edits


def _check_messages(messages: Any) -> None:
    if not isinstance(messages, list) or not messages:
        raise Invalid("messages must be a list of at least one message", param="messages")
    for index, message in enumerate(cast("list[Any]", messages)):
        if not isinstance(message, dict):
            raise Invalid(f"messages[{index}] must be an object", param=f"messages[{index}]")
        fields = cast("dict[str, Any]", message)
        role = fields.get("role")
        if not isinstance(role, str) or not role:
            raise Invalid(f"messages[{index}].role must be a string", param=f"messages[{index}].role")
        content = fields.get("content")
        if content is not None and not isinstance(content, str) and not _is_objects(content):
            name = f"messages[{index}].content"
            raise Invalid(f"{name} must be a string, null or a list of parts", param=name)
        calls = fields.get("tool_calls")
        if calls is not None and not _is_objects(calls):
            name = f"messages[{index}].tool_calls"
            raise Invalid(f"{name} must be a list of objects", param=name)


def _check_choice(fields: Mapping[str, Any]) -> None:
    """Refuse a choice that names an absent tool."""
    choice = fields.get("tool_choice")
    if not isinstance(choice, dict):
        return
    named = cast("dict[str, Any]", choice)
    for kind in ("function", "custom"):
        inner = named.get(kind)
        if named.get("type") == kind and isinstance(inner, dict):
            name = cast("dict[str, Any]", inner).get("name")
            if not isinstance(name, str) or name not in _tool_names(fields, kind):
                raise Invalid("tool_choice names a tool that is not in tools", param="tool_choice")


def _tool_names(fields: Mapping[str, Any], kind: str) -> set[Any]:
    tools = cast("list[dict[str, Any]]", fields.get("tools") or [])
    inner = [tool.get(kind) for tool in tools]
    return {name for tool in inner if isinstance(tool, dict) and isinstance(name := _name(tool), str)}


def _name(tool: Any) -> Any:
    return tool.get("name")


def _is_bool(value: Any) -> bool:
    return isinstance(value, bool)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)


def _is_objects(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, dict) for item in cast("list[Any]", value))


def _is_text_or_object(value: Any) -> bool:
    return isinstance(value, (str, dict))


def _is_stop(value: Any) -> bool:
    return isinstance(value, str) or (
        isinstance(value, list) and all(isinstance(item, str) for item in cast("list[Any]", value))
    )


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_limit(value: Any) -> bool:
    return _is_integer(value) and 1 <= value < 2**31


def _is_count(value: Any) -> bool:
    return _is_integer(value) and 1 <= value <= _MAX_CHOICES


def _is_number(value: Any) -> bool:
    return _is_integer(value) or (isinstance(value, float) and math.isfinite(value))


_RULES: Final[Mapping[str, tuple[Check, str]]] = {
    **dict.fromkeys(("stream", "store", "logprobs", "parallel_tool_calls"), (_is_bool, "true or false")),
    **dict.fromkeys(_LIMITS, (_is_limit, "a whole number of tokens, at least 1")),
    **dict.fromkeys(
        ("temperature", "top_p", "frequency_penalty", "presence_penalty"), (cast("Check", _is_number), "a number")
    ),
    **dict.fromkeys(("stream_options", "response_format", "metadata", "logit_bias"), (_is_object, "an object")),
    **dict.fromkeys(("tools", "functions"), (_is_objects, "a list of objects")),
    **dict.fromkeys(("user", "reasoning_effort", "service_tier", "safety_identifier"), (_is_text, "a string")),
    **dict.fromkeys(("tool_choice", "function_call"), (_is_text_or_object, "a string or an object")),
    "seed": (_is_integer, "a whole number"),
    "stop": (_is_stop, "a string or a list of strings"),
    "n": (_is_count, f"a whole number from 1 to {_MAX_CHOICES}"),
}
