"""Writes arrays of tables as TOML 1.0 that people like to edit. Source: toml.io/en/v1.0.0."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, cast

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_LITERAL = re.compile(r"[^\x00-\x08\x0b-\x1f\x7f]*")
_WIDE_CHARS = 100


def array_of_tables(name: str, tables: Sequence[Mapping[str, Any]]) -> str:
    """Return `[[name]]` once for each table, in order, with a blank line between them."""
    return "\n".join("".join(f"{line}\n" for line in _table(f"[[{_key(name)}]]", _key(name), one)) for one in tables)


def _table(head: str, path: str, table: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines of a table: its values first, then its inner tables."""
    yield head
    inner: list[tuple[str, Mapping[str, Any]]] = []
    for key, value in table.items():
        if isinstance(value, Mapping):
            inner.append((_key(key), cast("Mapping[str, Any]", value)))
        else:
            yield f"{_key(key)} = {_value(value)}"
    for key, value in inner:
        yield from _table(f"[{path}.{key}]", f"{path}.{key}", value)


def _value(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return _text(value)
        case int():
            return str(value)
        case float():
            return repr(value)
        case Decimal():
            return f"{value:f}"
        case date():
            return value.isoformat()
        case Mapping():
            pairs = cast("Mapping[str, Any]", value).items()
            return "{ " + ", ".join(f"{_key(key)} = {_value(one)}" for key, one in pairs) + " }" if pairs else "{}"
        case list() | tuple():
            return _array([_value(one) for one in cast("Sequence[Any]", value)])
        case _:
            raise TypeError(f"TOML has no value of the type {type(value).__name__}")


def _array(values: Sequence[str]) -> str:
    line = f"[{', '.join(values)}]"
    return line if len(line) <= _WIDE_CHARS else "[\n" + "".join(f"  {value},\n" for value in values) + "]"


def _text(text: str) -> str:
    """Return a string. Text of several lines stays readable where TOML's literal strings can hold it."""
    if "\n" in text and "'''" not in text and not text.endswith("'") and _LITERAL.fullmatch(text):
        return f"'''\n{text}'''"
    return _quoted(text)


def _quoted(text: str) -> str:
    # JSON's escapes are valid in TOML's basic strings, but for DEL, which JSON leaves as it is.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _key(key: str) -> str:
    return key if _BARE_KEY.fullmatch(key) else _quoted(key)
