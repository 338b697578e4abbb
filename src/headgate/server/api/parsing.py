"""Parses requests to the admin API and checks them against their operation."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar, cast
from urllib.parse import parse_qsl, unquote_to_bytes

import msgspec

from headgate.admin.operations import Method, Operation, Parameter
from headgate.admin.requests import QueryValue
from headgate.kernel.errors import Invalid, NotFound
from headgate.server.api.errors import MethodNotAllowed, UnsupportedMediaType
from headgate.server.asgi import Scope
from headgate.substrate.misfits import misfit_of

S = TypeVar("S")

_MAX_PATH_CHARS = 2_000
_MAX_QUERY_CHARS = 8_000
_MAX_VALUE_CHARS = 1_000
_INTEGER = re.compile(r"-?[0-9]{1,15}")
_MAX_DEPTH = 64


class Route:
    """An operation and the pattern of its path."""

    __slots__ = ("_names", "_segments", "operation")

    def __init__(self, operation: Operation) -> None:
        self.operation = operation
        self._segments = operation.path.strip("/").split("/")
        self._names = [part[1:-1] if part.startswith("{") else None for part in self._segments]

    def match(self, segments: Sequence[str]) -> dict[str, str] | None:
        """Return the path's parameters, or None if the path does not match."""
        if len(segments) != len(self._segments):
            return None
        found: dict[str, str] = {}
        for given, wanted, name in zip(segments, self._segments, self._names, strict=True):
            if name is not None:
                found[name] = given
            elif given != wanted:
                return None
        return found


def find(routes: Sequence[Route], scope: Scope) -> tuple[Operation, dict[str, str]]:
    """Return the requested operation and the parameters of its path; the first matching route wins.

    Raises:
        NotFound: the path does not exist.
        MethodNotAllowed: the path does not offer this method.
        Invalid: the path is not UTF-8, or holds characters that no id may hold.
    """
    segments = _segments(scope)
    method: str = "GET" if scope["method"] == "HEAD" else scope["method"]
    allowed: list[Method] = []
    for route in routes:
        found = route.match(segments)
        if found is None:
            continue
        if route.operation.method == method:
            for name, value in found.items():
                check_text(value, name, limit=_MAX_VALUE_CHARS)
                if not value:
                    raise NotFound(f"the path has no {name}; add it", param=name)
            return route.operation, found
        allowed.append(route.operation.method)
    if allowed:
        raise MethodNotAllowed(method, allowed=allowed)
    raise NotFound("the admin API has no such path; GET /api/openapi.json lists what it offers")


def read_query(scope: Scope, parameters: Sequence[Parameter]) -> dict[str, QueryValue]:
    """Return the typed parameters of the query.

    Raises:
        Invalid: a parameter is unknown, repeated or of the wrong type.
    """
    raw: bytes = scope.get("query_string", b"")
    if len(raw) > _MAX_QUERY_CHARS:
        raise Invalid("the query is too long")
    declared = {one.name: one for one in parameters}
    values: dict[str, QueryValue] = {}
    try:
        pairs = parse_qsl(raw.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=64)
    except ValueError as error:
        raise Invalid("the query is not of the form name=value&..., in UTF-8") from error
    for name, text in pairs:
        parameter = declared.get(name)
        if parameter is None:
            known = ", ".join(declared) or "none"
            raise Invalid(f"this operation has no such query parameter; it has {known}", param=name[:100])
        if name in values:
            raise Invalid("this query parameter was sent twice; send it once", param=name)
        values[name] = _value(text, parameter)
    return values


def decode_body(raw: bytes, kind: type[S]) -> S:
    """Decode the body.

    Raises:
        Invalid: the body is not JSON, does not fit the type, is nested too deeply, or holds a NUL character.
    """
    try:
        body = msgspec.json.decode(raw, type=kind)
    except msgspec.ValidationError as error:
        misfit = misfit_of(error, kind)
        raise Invalid(misfit.words, param=misfit.path.lstrip(".") or None) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Invalid("the body is not JSON in UTF-8") from error
    _check_texts(msgspec.to_builtins(body), _MAX_DEPTH)
    return body


def require_json(headers: Mapping[str, str]) -> None:
    """Require the content type JSON, which a form of a foreign page cannot send without a preflight.

    Raises:
        UnsupportedMediaType: the content type is another one.
    """
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise UnsupportedMediaType("send the body as content-type: application/json", param="content-type")


def check_text(text: str, name: str, *, limit: int) -> None:
    """Refuse text that is too long or that PostgreSQL cannot store.

    Raises:
        Invalid: the text holds a NUL or an unpaired surrogate, or is over the limit.
    """
    if len(text) > limit:
        raise Invalid(f"the text is longer than {limit} characters; shorten it", param=name)
    if "\x00" in text:
        raise Invalid("the text holds a NUL character; remove it", param=name)
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise Invalid("the text holds half of a surrogate pair; send valid Unicode", param=name)


def _segments(scope: Scope) -> list[str]:
    """Split the path before unquoting, so that an id may hold a slash."""
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    if len(raw) > _MAX_PATH_CHARS:
        raise Invalid("the path is too long")
    try:
        return [unquote_to_bytes(part).decode() for part in raw.partition(b"?")[0].removeprefix(b"/").split(b"/")]
    except UnicodeDecodeError as error:
        raise Invalid("the path is not UTF-8") from error


def _value(text: str, parameter: Parameter) -> QueryValue:
    check_text(text, parameter.name, limit=_MAX_VALUE_CHARS)
    match parameter.kind:
        case "string":
            return text
        case "integer":
            if not _INTEGER.fullmatch(text):
                raise Invalid("write a whole number", param=parameter.name)
            return int(text)
        case "boolean":
            if text not in ("true", "false"):
                raise Invalid("write true or false", param=parameter.name)
            return text == "true"


def _check_texts(value: Any, depth: int) -> None:
    if depth == 0:
        raise Invalid("the body is nested too deeply")
    if isinstance(value, str):
        if "\x00" in value:
            raise Invalid("a text in the body holds a NUL character; remove it")
    elif isinstance(value, dict):
        for key, inner in cast("dict[str, Any]", value).items():
            _check_texts(key, depth - 1)
            _check_texts(inner, depth - 1)
    elif isinstance(value, list):
        for inner in cast("list[Any]", value):
            _check_texts(inner, depth - 1)
