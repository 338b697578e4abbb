"""Finds the strings in the input of tool calls, in wire formats that send the input as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from headgate.wire.json_edits import Path


def tool_input_strings(value: Any, path: Path = (), *, is_input: bool = False) -> Iterator[tuple[Path, str]]:
    """Yield the strings in the input of every tool call, except keys, with their paths. Linear."""
    if isinstance(value, str):
        if is_input:
            yield path, value
    elif isinstance(value, list):
        for index, item in enumerate(cast("list[Any]", value)):
            yield from tool_input_strings(item, (*path, index), is_input=is_input)
    elif isinstance(value, dict):
        fields = cast("dict[str, Any]", value)
        is_call = str(fields.get("type", "")).endswith("tool_use")
        is_gemini_call = path[-1:] == ("functionCall",)
        for key, item in fields.items():
            begins = (is_call and key == "input") or (is_gemini_call and key == "args")
            yield from tool_input_strings(item, (*path, key), is_input=is_input or begins)
