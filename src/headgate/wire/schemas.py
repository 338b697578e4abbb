"""Adapts JSON schemas to a provider, and removes the keywords that the provider refuses.

`const`, `enum`, `default` and `examples` hold values, not schemas, so they stay unchanged.

Source: docs of Anthropic's structured outputs, "JSON Schema limitations"; of OpenAI's, "Supported schemas".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, cast

import msgspec

_Json = dict[str, Any]
Schema = Mapping[str, Any]

_NAMED: Final = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
_LISTED: Final = ("anyOf", "allOf", "oneOf", "prefixItems")
_SINGLE: Final = (
    *("items", "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames"),
    *("unevaluatedProperties", "unevaluatedItems", "contentSchema", "additionalItems"),
)
_REFUSED: Final = (
    *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength", "pattern"),
    *("maxItems", "uniqueItems", "contains", "minContains", "maxContains", "prefixItems", "additionalItems"),
    *("minProperties", "maxProperties", "patternProperties", "propertyNames", "dependentRequired", "dependentSchemas"),
    *("unevaluatedProperties", "unevaluatedItems", "not", "if", "then", "else", "contentEncoding"),
    *("contentMediaType", "contentSchema"),
)
_FORMATS: Final = frozenset(
    {"date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"}
)
_NOT_STRICT: Final = frozenset(
    {"allOf", "oneOf", "not", "if", "then", "else", "dependentRequired", "dependentSchemas", "patternProperties"}
)


def anthropic_strict(schema: Schema, removed: list[str]) -> _Json:
    """Return a schema that Anthropic can enforce: closed objects, without refused keywords.

    The description states each removed keyword with its value, so that the model can still follow
    it. `removed` collects the names.
    """
    return _mapped(schema, lambda node: _enforceable(node, removed))


def input_schema_of(schema: Schema, removed: list[str]) -> _Json:
    """Return a tool's input schema in a form that both wires take.

    It is an object without a choice of schemas at its top. `removed` collects the names of the
    removed keywords.
    """
    said: _Json = {"type": "object", "properties": {}, **schema}
    for keyword in ("anyOf", "oneOf", "allOf"):
        if keyword not in said:
            continue
        removed.append(keyword)
        for variant in _list(said.pop(keyword)):
            fields = _object(variant)
            said["properties"] = {**_object(fields.get("properties")), **_object(said["properties"])}
            if keyword == "allOf" and "required" in fields:
                said["required"] = list(dict.fromkeys([*_names(said), *_names(fields)]))
    return said


def openai_parameters(schema: Schema) -> _Json:
    """Return a tool's input schema in OpenAI's form: every object has `properties`."""
    return _mapped(schema, lambda node: {**node, "properties": {}} if _is_bare_object(node) else node)


def is_openai_strict(schema: Schema) -> bool:
    """Whether OpenAI can enforce a schema: every object is closed and requires each of its properties."""
    if schema.get("type") != "object":
        return False
    return all(_is_strict(node) for node in _nodes(schema))


def _is_strict(node: _Json) -> bool:
    if not _NOT_STRICT.isdisjoint(node):
        return False
    if node.get("type") != "object" and "properties" not in node:
        return True
    return node.get("additionalProperties") is False and _object(node.get("properties")).keys() == set(_names(node))


def _is_bare_object(node: _Json) -> bool:
    return node.get("type") == "object" and "properties" not in node


def _enforceable(node: _Json, removed: list[str]) -> _Json:
    said, left_out = dict(node), dict[str, Any]()
    for keyword in _REFUSED:
        if keyword in said:
            left_out[keyword] = said.pop(keyword)
    if "oneOf" in said:
        said.setdefault("anyOf", said["oneOf"])
        removed.append("oneOf")
        del said["oneOf"]
    if str(said.get("format", "date")) not in _FORMATS:
        left_out["format"] = said.pop("format")
    if said.get("minItems", 0) not in (0, 1):
        left_out["minItems"] = said.pop("minItems")
    if said.get("type") == "object" or "properties" in said:
        if said.get("additionalProperties", False) is not False:
            removed.append("additionalProperties")
        said["additionalProperties"] = False
    if left_out:
        removed += left_out
        rules = ", ".join(f"{name}: {msgspec.json.encode(value).decode()}" for name, value in left_out.items())
        described = said.get("description")
        said["description"] = f"{described} ({rules})" if described and isinstance(described, str) else f"({rules})"
    return said


def _mapped(schema: Schema, change: Callable[[_Json], _Json]) -> _Json:
    """Return a schema with `change` applied to every schema in it, from the inside out."""

    def inner(value: Any) -> Any:
        return _mapped(cast("_Json", value), change) if isinstance(value, dict) else value

    said = dict(schema)
    for keyword, value in schema.items():
        if keyword in _NAMED and isinstance(value, dict):
            said[keyword] = {name: inner(one) for name, one in cast("_Json", value).items()}
        elif isinstance(value, list) and (keyword in _LISTED or keyword == "items"):
            said[keyword] = [inner(one) for one in cast("list[Any]", value)]
        elif keyword in _SINGLE:
            said[keyword] = inner(value)
    return change(said)


def _object(value: Any) -> _Json:
    return cast("_Json", value) if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return cast("list[Any]", value) if isinstance(value, list) else []


def _names(node: _Json) -> list[str]:
    """Return the names of the properties that a schema requires."""
    return [name for name in _list(node.get("required")) if isinstance(name, str)]


def _nodes(schema: Schema) -> Iterator[_Json]:
    """Return an iterator over a schema and every schema in it."""
    found: list[_Json] = []

    def note(node: _Json) -> _Json:
        found.append(node)
        return node

    _mapped(schema, note)
    return iter(found)
