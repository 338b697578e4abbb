"""Turns Gemini's OpenAPI schemas into JSON Schema, and back.

Gemini writes types in capitals, `nullable` in place of the type `null`, and the order of the
properties as `propertyOrdering`.

Source: Google's reference of the Generative Language API, "Schema".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

_Json = dict[str, Any]

_KEPT: Final = frozenset(
    {
        *("type", "format", "title", "description", "nullable", "enum", "items", "minItems", "maxItems", "properties"),
        *("required", "minProperties", "maxProperties", "minLength", "maxLength", "pattern", "example", "anyOf"),
        *("propertyOrdering", "default", "minimum", "maximum"),
    }
)
"""The keywords of Gemini's schemas."""

_COUNTS: Final = frozenset({"minItems", "maxItems", "minProperties", "maxProperties", "minLength", "maxLength"})


def json_schema_of(schema: Mapping[str, Any]) -> _Json:
    """Return the JSON Schema that means the same as an OpenAPI schema of Gemini's."""
    said: _Json = {}
    for key, value in schema.items():
        match key:
            case "type":
                if value != "TYPE_UNSPECIFIED":
                    said["type"] = value.lower() if isinstance(value, str) else value
            case "nullable" | "propertyOrdering":
                pass
            case "example":
                said["examples"] = [value]
            case "properties" if isinstance(value, dict):
                said[key] = {name: _inner(one) for name, one in cast("_Json", value).items()}
            case "anyOf" if isinstance(value, list):
                said[key] = [_inner(one) for one in cast("list[Any]", value)]
            case "items" | "additionalProperties":
                said[key] = _inner(value)
            case _ if key in _COUNTS and isinstance(value, str) and value.isdecimal():
                said[key] = int(value)  # ProtoJSON writes integers of 64 bits as strings
            case _:
                said[key] = value
    return _nullable(said) if schema.get("nullable") is True else said


def openapi_schema_of(schema: Mapping[str, Any], removed: list[str]) -> _Json:
    """Return Gemini's OpenAPI schema for a JSON Schema.

    References are resolved, except where they recur. `removed` collects the keywords without a
    counterpart.
    """
    defs = {**_object(schema.get("$defs")), **_object(schema.get("definitions"))}
    return _openapi(schema, defs, removed, depth=0)


def _inner(value: Any) -> Any:
    return json_schema_of(cast("_Json", value)) if isinstance(value, dict) else value


def _nullable(schema: _Json) -> _Json:
    kind = schema.get("type")
    if isinstance(kind, str):
        said = {**schema, "type": [kind, "null"]}
        return {**said, "enum": [*schema["enum"], None]} if isinstance(schema.get("enum"), list) else said
    if isinstance(schema.get("anyOf"), list):
        return {**schema, "anyOf": [*schema["anyOf"], {"type": "null"}]}
    return schema


_MAX_DEPTH: Final = 32


def _openapi(schema: Mapping[str, Any], defs: _Json, removed: list[str], *, depth: int) -> _Json:
    reference = schema.get("$ref")
    if isinstance(reference, str):
        target = defs.get(reference.rpartition("/")[2])
        if not isinstance(target, dict) or depth > _MAX_DEPTH:
            removed.append("$ref")
            return {"type": "OBJECT"}
        rest = {key: value for key, value in schema.items() if key != "$ref"}
        return _openapi({**cast("_Json", target), **rest}, defs, removed, depth=depth + 1)
    said: _Json = {}
    for key, value in schema.items():
        match key:
            case "$defs" | "definitions" | "$schema" | "$id":
                pass
            case "type":
                said.update(_openapi_type(value))
            case "const":
                said["enum"] = [str(value)]
            case "anyOf" | "oneOf" if isinstance(value, list):
                said.update(_choices(cast("list[Any]", value), defs, removed, depth=depth))
            case "properties":
                fields = _object(value)
                said[key] = {
                    one: _openapi(_object(inner), defs, removed, depth=depth + 1) for one, inner in fields.items()
                }
            case "items":
                said[key] = _openapi(_object(value), defs, removed, depth=depth + 1)
            case "enum" if isinstance(value, list):
                said[key] = [one for one in cast("list[Any]", value) if one is not None]
            case "additionalProperties" if value is False:
                pass  # Gemini's objects are closed
            case _ if key in _KEPT:
                said[key] = value
            case _:
                removed.append(key)
    return said


def _openapi_type(value: Any) -> _Json:
    if isinstance(value, str):
        return {"type": value.upper()}
    kinds = [kind for kind in cast("list[Any]", value) if isinstance(kind, str)] if isinstance(value, list) else []
    named = [kind.upper() for kind in kinds if kind != "null"]
    said: _Json = {"nullable": True} if "null" in kinds else {}
    if len(named) == 1:
        return {**said, "type": named[0]}
    return {**said, "anyOf": [{"type": kind} for kind in named]} if named else said


def _choices(variants: list[Any], defs: _Json, removed: list[str], *, depth: int) -> _Json:
    """Return `anyOf`; a choice between one schema and null is that schema, nullable."""
    schemas = [_object(one) for one in variants]
    others = [one for one in schemas if one.get("type") != "null"]
    said: _Json = {"nullable": True} if len(others) < len(schemas) else {}
    made = [_openapi(one, defs, removed, depth=depth + 1) for one in others]
    return {**made[0], **said} if len(made) == 1 else {**said, "anyOf": made}


def _object(value: Any) -> _Json:
    return cast("_Json", value) if isinstance(value, dict) else {}
