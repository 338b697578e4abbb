"""Checks requests on OpenAI's Responses wire, and edits them before they leave.

Quirks of a deployment:

- `responses_upstream`: the deployment has a Responses endpoint, which calls of this wire use.
- `responses_only`: the deployment answers at its Responses endpoint only, as some models do. Calls
  of every wire use it.
- `fixed_sampling`: as in `openai_calls`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, cast

import msgspec

from headgate.kernel.errors import Invalid
from headgate.wire.dialect import Match, Outgoing
from headgate.wire.json_document import JsonDocument
from headgate.wire.json_edits import Path
from headgate.wire.model_call import ModelCall
from headgate.wire.needs import needs_of
from headgate.wire.openai_calls import forwarded, read_model
from headgate.wire.openai_responses_binding import bound_to, sent_items
from headgate.wire.openai_responses_words import REQUEST, RESPONSES, tools_of
from headgate.wire.openai_words import document_of
from headgate.wire.token_counts import object_of
from headgate.wire.unportable import refuse_openai

UPSTREAM: Final = "responses_upstream"
ONLY: Final = "responses_only"
QUIRKS: Final = frozenset({UPSTREAM, ONLY, "fixed_sampling"})
"""The quirks that a deployment's configuration may name."""

_MAX_ITEMS: Final = 50_000
_MAX_KEYS: Final = 16


def read_responses_call(body: bytes, *, headers: Mapping[str, str], match: Match) -> ModelCall:
    """Decode and check a request; `headers` have names in lower case.

    Raises:
        Invalid: a known field is invalid; `param` names it. Unknown fields pass unchecked.
        TooLarge: the body is larger or deeper than allowed.
    """
    document = JsonDocument.parse(body, layout=REQUEST)
    fields = document.fields()
    model = read_model(fields)
    for name, value in fields.items():
        rule = _RULES.get(name)
        if rule is not None and value is not None and not rule[0](value):
            raise Invalid(f"{name} must be {rule[1]}", param=name)
    _check_input(fields)
    _check_state(fields)
    _check_tools(fields)
    return ModelCall(
        wire=RESPONSES,
        content=document,
        model=model,
        operation=match.operation,
        stream=fields.get("stream") is True and match.operation == "chat",
        headers=forwarded(headers),
        output_limit=fields.get("max_output_tokens"),
        needs=needs_of(fields),
        bound_to=bound_to(items_in(fields)),
    )


def write_responses_call(call: ModelCall, outgoing: Outgoing) -> bytes:
    """Return the client's bytes, edited for the deployment.

    The provider stores nothing: the gateway keeps answers itself. Reasoning that only the provider
    holds is left out, because it would be unknown there, and so is reasoning that another deployment
    issued.
    """
    document = document_of(call.content, REQUEST)
    fields = document.fields()
    for name in ("previous_response_id", "conversation", "background"):
        if fields.get(name) not in (None, False):
            # Behind one key at the provider, every caller could continue everyone's answers.
            refuse_openai(name)
    edits: dict[Path, bytes | None] = {("store",): b"false"}
    if fields.get("model") != outgoing.model:
        edits["model",] = msgspec.json.encode(outgoing.model)
    if call.stream and fields.get("stream") is not True:
        edits["stream",] = b"true"
    cap = outgoing.cap_output_tokens
    if cap is not None and (fields.get("max_output_tokens") or cap + 1) > cap:
        edits["max_output_tokens",] = b"%d" % cap
    if "fixed_sampling" in outgoing.quirks:
        edits.update({(name,): None for name in ("temperature", "top_p") if name in fields})
    items = fields.get("input")
    if isinstance(items, list):
        edits.update(sent_items(cast("list[Any]", items), outgoing.tag))
    return document.edit_fields(edits).raw


def _check_input(fields: Mapping[str, Any]) -> None:
    given = fields.get("input")
    if given is None:
        if fields.get("previous_response_id") is None and fields.get("conversation") is None:
            raise Invalid("input must be a string or a list of items", param="input")
        return
    if isinstance(given, str):
        return
    items = cast("list[Any]", given)
    if len(items) > _MAX_ITEMS:
        raise Invalid(f"input must have at most {_MAX_ITEMS} items", param="input")
    for index, item in enumerate(items):
        check_item(cast("dict[str, Any]", item), f"input[{index}]")


def check_item(item: Mapping[str, Any], where: str) -> None:
    """Check an item of a request.

    Raises:
        Invalid: a known field is invalid.
    """
    kind = item.get("type", "message" if "role" in item else "item_reference")
    if not isinstance(kind, str):
        raise Invalid(f"{where}.type must be a string", param=f"{where}.type")
    if kind == "message":
        if item.get("role") not in ("user", "assistant", "system", "developer"):
            raise Invalid(f"{where}.role must be user, assistant, system or developer", param=f"{where}.role")
        content = item.get("content")
        if not isinstance(content, str) and not is_objects(content):
            raise Invalid(f"{where}.content must be a string or a list of parts", param=f"{where}.content")
        return
    for name in _NEEDED.get(kind, ()):
        if not isinstance(item.get(name), str):
            raise Invalid(f"{where}.{name} must be a string", param=f"{where}.{name}")
    if kind in _OUTPUTS:
        output = item.get("output")
        if not isinstance(output, str) and not is_objects(output):
            raise Invalid(f"{where}.output must be a string or a list of parts", param=f"{where}.output")


def _check_state(fields: Mapping[str, Any]) -> None:
    """Refuse state that the gateway does not keep; a provider's state belongs to everyone with its key."""
    if fields.get("background") and fields.get("store") is False:
        raise Invalid("background: an answer in the background is kept; leave out store", param="background")
    if fields.get("conversation") is not None:
        if not conversation_in(fields):
            raise Invalid("conversation must be an id, or an object with an id", param="conversation")
        if fields.get("previous_response_id") is not None:
            raise Invalid("send either previous_response_id or conversation", param="previous_response_id")
    if fields.get("prompt") is not None:
        raise Invalid("prompt: stored prompts are not held here; send their text instead", param="prompt")


def conversation_in(fields: Mapping[str, Any]) -> str | None:
    """Return the id of the conversation in a request, or None."""
    given = fields.get("conversation")
    found = given if isinstance(given, str) else object_of(given).get("id")
    return found if isinstance(found, str) else None


def _check_tools(fields: Mapping[str, Any]) -> None:
    """Refuse tools without a name, and a choice that names an absent tool."""
    named: set[tuple[str, str]] = set()
    for index, (tool, _) in enumerate(tools_of(fields.get("tools"))):
        kind, name = tool.get("type"), tool.get("name")
        if not isinstance(kind, str):
            raise Invalid(f"tools[{index}].type must be a string", param=f"tools[{index}].type")
        if kind in ("function", "custom"):
            if not isinstance(name, str) or not name:
                raise Invalid(f"tools[{index}].name must be a string", param=f"tools[{index}].name")
            named.add((kind, name))
    choice = object_of(fields.get("tool_choice"))
    kind = choice.get("type")
    if kind in ("function", "custom") and (kind, choice.get("name")) not in named:
        raise Invalid("tool_choice names a tool that is not in tools", param="tool_choice")


def items_in(fields: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """Return the items of a request; none for plain text."""
    given = fields.get("input")
    return cast("list[Mapping[str, Any]]", given) if isinstance(given, list) else ()


_OUTPUTS: Final = frozenset({"function_call_output", "custom_tool_call_output"})
_NEEDED: Final[Mapping[str, Sequence[str]]] = {
    "item_reference": ("id",),
    "function_call": ("call_id", "name", "arguments"),
    "custom_tool_call": ("call_id", "name", "input"),
    "function_call_output": ("call_id",),
    "custom_tool_call_output": ("call_id",),
}


def is_objects(value: Any) -> bool:
    """Whether a value is a list of objects."""
    return isinstance(value, list) and all(isinstance(item, dict) for item in cast("list[Any]", value))


def _is_bool(value: Any) -> bool:
    return isinstance(value, bool)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)


def _is_input(value: Any) -> bool:
    return isinstance(value, str) or is_objects(value)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value < 2**31


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def is_metadata(value: Any) -> bool:
    """Whether a value is metadata: some short strings by name."""
    if not isinstance(value, dict):
        return False
    said = cast("dict[str, Any]", value)
    return len(said) <= _MAX_KEYS and all(isinstance(one, str) for one in said.values())


def _is_text_or_object(value: Any) -> bool:
    return isinstance(value, (str, dict))


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in cast("list[Any]", value))


Check = Callable[[Any], bool]

_RULES: Final[Mapping[str, tuple[Check, str]]] = {
    **dict.fromkeys(("stream", "store", "background", "parallel_tool_calls"), (_is_bool, "true or false")),
    **dict.fromkeys(("max_output_tokens", "max_tool_calls"), (_is_count, "a whole number, at least 1")),
    **dict.fromkeys(("temperature", "top_p"), (_is_number, "a number")),
    **dict.fromkeys(("text", "reasoning", "stream_options", "prompt"), (_is_object, "an object")),
    **dict.fromkeys(
        ("instructions", "user", "safety_identifier", "prompt_cache_key", "service_tier", "truncation"),
        (_is_text, "a string"),
    ),
    **dict.fromkeys(("tool_choice", "conversation"), (_is_text_or_object, "a string or an object")),
    "previous_response_id": (_is_text, "a string"),
    "input": (_is_input, "a string or a list of items"),
    "tools": (is_objects, "a list of objects"),
    "include": (_is_texts, "a list of strings"),
    "metadata": (is_metadata, f"an object of at most {_MAX_KEYS} strings"),
}
