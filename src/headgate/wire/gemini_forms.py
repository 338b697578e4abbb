"""Brings a request of Gemini's wire into its canonical form.

Google's JSON parser takes each field by its `lowerCamelCase` name or by its `snake_case` name, and
takes a single value in place of a list. Labels, rules and translation read one form only. A
canonical request keeps its bytes.

Source: Protocol Buffers documentation, "ProtoJSON Format".
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final, cast

from headgate.kernel.errors import Invalid
from headgate.wire.json_document import JsonDocument, Layout

_Json = dict[str, Any]

_SNAKE_KEY: Final = re.compile(rb'"[a-z0-9]+(?:_[a-z0-9]+)++"[ \t\r\n]*+:')
_UNDERSCORE: Final = re.compile(r"(?<=[a-z0-9])_([a-z0-9])")
_FREE: Final = frozenset(
    {
        *("args", "response", "parametersJsonSchema", "responseJsonSchema", "schema", "labels", "partMetadata"),
        *("default", "example", "defs", "$defs", "metadata"),
    }
)
"""The fields whose keys the caller chooses."""

_LISTS: Final = ("contents", "tools", "safetySettings", "requests")


def canonical(body: bytes, layout: Layout) -> JsonDocument:
    """Decode a request, and return it in canonical form. Linear.

    Raises:
        Invalid: the body is not a JSON object, or names a field twice.
        TooLarge: the body is larger or deeper than allowed.
    """
    document = JsonDocument.parse(body, layout=layout)
    fields = document.fields()
    said = fields
    if _SNAKE_KEY.search(body) is not None or b"\\u" in body:
        said = cast("_Json", _renamed(fields, ""))
    said = _listed(said)
    if said is fields or said == fields:
        return document
    raw = json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode()
    return JsonDocument(raw, value=said, layout=layout)


def _renamed(value: Any, where: str) -> Any:
    if isinstance(value, list):
        return [_renamed(item, where) for item in cast("list[Any]", value)]
    if not isinstance(value, dict):
        return value
    said: _Json = {}
    for key, item in cast("_Json", value).items():
        name = _UNDERSCORE.sub(lambda found: found[1].upper(), key)
        if name in said:
            raise Invalid(f"{where}{name[:80]} is given twice, in two spellings; send one of them", param=name[:80])
        if name in _FREE:
            said[name] = item
        elif name == "properties" and isinstance(item, dict):
            schemas = cast("_Json", item)
            said[name] = {one: _renamed(schema, f"{where}properties.") for one, schema in schemas.items()}
        else:
            said[name] = _renamed(item, f"{where}{name[:80]}.")
    return said


def _listed(fields: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the fields with a list in place of each single value; the same object without any."""
    edits: _Json = {name: [fields[name]] for name in _LISTS if isinstance(fields.get(name), dict)}
    said = {**fields, **edits} if edits else fields
    for name, key in (("contents", "parts"), ("tools", "functionDeclarations")):
        items = said.get(name)
        if isinstance(items, list):
            found = [_with_list(item, key) for item in cast("list[Any]", items)]
            if any(one is not item for one, item in zip(found, cast("list[Any]", items), strict=True)):
                said = {**said, name: found}
    for name, key in (("systemInstruction", "parts"), ("content", "parts"), ("generationConfig", "stopSequences")):
        if name in said and (changed := _with_list(said[name], key)) is not said[name]:
            said = {**said, name: changed}
    return said


def _with_list(value: Any, key: str) -> Any:
    if not isinstance(value, dict):
        return value
    fields = cast("_Json", value)
    return {**fields, key: [fields[key]]} if isinstance(fields.get(key), (dict, str)) else fields
