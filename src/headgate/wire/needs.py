"""The capabilities that a chat request needs, from the fields of all wire formats."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from headgate.wire.model_call import NEEDS_NOTHING, Need

_IMAGES: Final = ("image_url", "image", "input_image")


def needs_of(fields: Mapping[str, Any]) -> frozenset[Need]:
    """Return the needs of a checked request; tools that its choice forbids do not count.

    Linear in the number of parts.
    """
    needs: list[Need] = []
    if ("tools" in fields and _lets_call(fields, "tools", "tool_choice")) or (
        "functions" in fields and _lets_call(fields, "functions", "function_call")
    ):
        needs.append("tools")
    if _have_image(fields["messages"] if "messages" in fields else _turns(fields.get("input"))):
        needs.append("images")
    if (
        ("response_format" in fields and _has_schema(fields["response_format"]))
        or ("output_config" in fields and _has_schema(_inner(fields["output_config"], "format")))
        or ("text" in fields and _has_schema(_inner(fields["text"], "format")))
    ):
        needs.append("json_schema")
    return frozenset(needs) if needs else NEEDS_NOTHING


def _lets_call(fields: Mapping[str, Any], tools: str, choice: str) -> bool:
    if not fields.get(tools):
        return False
    chosen = fields.get(choice)
    return chosen != "none" and _inner(chosen, "type") != "none"


def _have_image(parts: Sequence[Any]) -> bool:
    """Whether messages, their parts or tool results hold an image."""
    for part in parts:
        if not isinstance(part, dict):
            continue
        fields = cast("dict[str, Any]", part)
        inner = fields.get("content")
        if inner is None and "output" in fields:
            inner = fields["output"]  # the result of a tool, on the Responses wire
        if fields.get("type") in _IMAGES or (isinstance(inner, list) and _have_image(cast("list[Any]", inner))):
            return True
    return False


def _turns(value: Any) -> Sequence[Any]:
    return cast("list[Any]", value) if isinstance(value, list) else ()


def _has_schema(form: Any) -> bool:
    return _inner(form, "type") == "json_schema"


def _inner(value: Any, name: str) -> Any:
    return cast("dict[str, Any]", value).get(name) if isinstance(value, dict) else None
