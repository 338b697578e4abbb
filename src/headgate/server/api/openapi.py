"""The OpenAPI 3.1 document, generated from the declared operations and their bodies."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

import msgspec

from headgate.admin.bodies import ErrorBody
from headgate.admin.operations import Operation

_PLACEHOLDER = re.compile(r"{([a-z_]+)(:path)?}")


def document(operations: Sequence[Operation], *, version: str) -> Mapping[str, Any]:
    """Return the document as builtins for JSON."""
    types: list[type[msgspec.Struct]] = [ErrorBody]
    for operation in operations:
        types += operation.events
        types += [one for one in (operation.body, operation.answer) if one not in (None, str, bytes)]  # pyright: ignore[reportAssignmentType] - the others were taken out
    unique = list(dict.fromkeys(types))
    schemas, components = msgspec.json.schema_components(unique, ref_template="#/components/schemas/{name}")
    named = dict(zip(unique, schemas, strict=True))
    _open_free_objects(components)
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        path = _PLACEHOLDER.sub(r"{\1}", operation.path)
        paths.setdefault(path, {})[operation.method.lower()] = _operation(operation, named)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Headgate",
            "version": version,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "key": {"type": "http", "scheme": "bearer"},
                "session": {"type": "apiKey", "in": "cookie", "name": "headgate_session"},
            },
        },
        "security": [{"key": []}, {"session": []}],
    }


def _open_free_objects(schema: Any) -> None:
    """Allow any fields in objects that declare none; generators would otherwise allow none."""
    if isinstance(schema, dict):
        known = cast("dict[str, Any]", schema)
        if known.get("type") == "object" and not known.keys() & {"properties", "additionalProperties"}:
            known["additionalProperties"] = True
        for value in list(known.values()):
            _open_free_objects(value)
    elif isinstance(schema, list):
        for value in cast("list[Any]", schema):
            _open_free_objects(value)


def _operation(operation: Operation, named: Mapping[type[msgspec.Struct], Any]) -> dict[str, Any]:
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name, _ in _PLACEHOLDER.findall(operation.path)
    ]
    parameters += [
        {"name": one.name, "in": "query", "description": one.description, "schema": {"type": one.kind}}
        for one in operation.parameters
    ]
    described: dict[str, Any] = {
        "operationId": operation.id,
        "summary": operation.summary,
        "parameters": parameters,
        "responses": _responses(operation, named),
    }
    if operation.body is not None:
        content = {"application/json": {"schema": named[operation.body]}}
        described["requestBody"] = {"required": True, "content": content}
    if operation.public:
        described["security"] = []
    if operation.verb is not None:
        described["x-headgate-verb"] = operation.verb.name
    return described


def _responses(operation: Operation, named: Mapping[type[msgspec.Struct], Any]) -> dict[str, Any]:
    error = {"description": "An error.", "content": {"application/json": {"schema": named[ErrorBody]}}}
    match operation.answer:
        case None:
            good: dict[str, Any] = {"204": {"description": "Done."}}
        case answer if answer is str:
            # Without a schema: a reader of the document could take it for that of each event.
            content: dict[str, Any] = {"text/event-stream": {}}
            good = {"200": {"description": "Server-sent events.", "content": content}}
        case answer if answer is bytes:
            content = {kind: {"schema": {"type": "string", "format": "binary"}} for kind in operation.files}
            good = {"200": {"description": "A file.", "content": content}}
        case answer:
            good = {"200": {"description": "Done.", "content": {"application/json": {"schema": named[answer]}}}}  # pyright: ignore[reportArgumentType] - str is the case above
    return {**good, "default": error}
