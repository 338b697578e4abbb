"""Messages of msgspec about a value of the wrong form, in words for people.

A type with a pattern has a `description`: a noun phrase, such as `a duration, such as 10m`.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple, cast

import msgspec

_PATTERN = re.compile(r"^Expected `str` matching regex ")
_LENGTH = re.compile(r"^Expected `(?P<kind>str|array|object)` of length (?P<side>>=|<=) (?P<length>\d+)$")
_PLACE = re.compile(r" - at `(?P<key>key` in `)?\$(?P<path>[^`]*)`$")
_TYPE = re.compile(r"`(\w+)`")
_TYPES = {
    "str": "a text",
    "int": "a whole number",
    "float": "a number",
    "decimal": "a number",
    "bool": "true or false",
    "array": "a list",
    "object": "a table",
    "null": "nothing",
}
_PARTS = {"str": ("character", "characters"), "array": ("entry", "entries"), "object": ("key", "keys")}


class Misfit(NamedTuple):
    """What msgspec says of a value: the message in its own words, the dotted path of the value, and the message for
    people.
    """

    raw: str
    path: str
    words: str


def misfit_of(error: msgspec.ValidationError, of: type[Any], *, item: str = "") -> Misfit:
    """Return the misfit of an error.

    Args:
        of: the type that was decoded, or that of the items of the list that was decoded.
        item: the beginning of the path that is not of the type, as a pattern, such as that of an index.
    """
    text, path, is_key = str(error), "", False
    if found := _PLACE.search(text):
        path, is_key, text = found["path"], found["key"] is not None, text[: found.start()]
    below = re.sub(f"^{item}", "", path) if item else path
    return Misfit(text, path, _words(text, of, below, is_key=is_key))


def _words(text: str, of: type[Any], path: str, *, is_key: bool) -> str:
    if _PATTERN.match(text):
        described = _description(of, path, is_key=is_key)
        return f"write {described}" if described else "it has another form than it must have"
    if (found := _LENGTH.match(text)) is not None:
        length = int(found["length"])
        if found["kind"] == "str" and length == 1 and found["side"] == ">=":
            return "it is empty"
        parts = _PARTS[found["kind"]][length != 1]
        return f"it needs at {'least' if found['side'] == '>=' else 'most'} {length:,} {parts}"
    if text == "Invalid decimal string":
        return "write a number, such as 0.25"
    words = _TYPE.sub(lambda kind: _TYPES.get(kind[1], kind[0]), text)
    return words[:1].lower() + words[1:]


def type_at(of: type[Any], path: str) -> Any:
    """Return msgspec's description of the type at a dotted path below `of`, such as `.price.currency`."""
    info = _bare(msgspec.inspect.type_info(of))
    for step in filter(None, path.replace("[", ".[").split(".")):
        info = _bare(_step(info, step))
    return info


def _description(of: type[Any], path: str, *, is_key: bool) -> str:
    """Return the description of the type at a path, or of its keys."""
    if is_key:
        info = type_at(of, path).key_type
    else:
        parent, _, last = path.rpartition("[" if path.endswith("]") else ".")
        info = _step(type_at(of, parent), last)
    one: Any
    for one in getattr(info, "types", (info,)):
        if (extra := getattr(one, "extra_json_schema", None)) is not None:
            told = cast("dict[str, str]", extra).get("description", "")
            return told[:1].lower() + told[1:].rstrip(".")
    return ""


def _step(info: Any, step: str) -> Any:
    """Return the type of a field, or of the items of a list or table."""
    for field in getattr(info, "fields", ()):
        if field.encode_name == step:
            return field.type
    return getattr(info, "item_type", None) or getattr(info, "value_type", None) or info


def _bare(info: Any) -> Any:
    """Return a type without its description, and of a choice with None the other one."""
    if isinstance(info, msgspec.inspect.Metadata):
        info = info.type
    if isinstance(info, msgspec.inspect.UnionType):
        info = next((one for one in info.types if isinstance(one, msgspec.inspect.StructType)), info)
    return info
