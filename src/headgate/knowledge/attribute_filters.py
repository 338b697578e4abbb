"""Filters on the attributes of files, in OpenAI's form. A file without an attribute matches no comparison with it.

Source: OpenAI's API document, schemas `ComparisonFilter` and `CompoundFilter`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

from headgate.kernel.errors import Invalid

Value = str | int | float | bool
Attributes = Mapping[str, Value]
Operator = Literal["eq", "ne", "gt", "gte", "lt", "lte", "in", "nin"]

_MOST_DEPTH = 5
_MOST_PARTS = 100


@dataclass(frozen=True, slots=True)
class Comparison:
    """A comparison of one attribute. `values` has one value, or several for `in` and `nin`."""

    operator: Operator
    key: str
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Compound:
    """Filters of which all must match, or one."""

    is_all: bool
    filters: tuple[Filter, ...]


Filter = Comparison | Compound


def read_filter(given: Any, *, param: str = "filters") -> Filter:
    """Return a decoded filter of a client.

    Raises:
        Invalid: it has no such form, or too many parts.
    """
    return _read(given, param, depth=0)


def matches(one: Filter, attributes: Attributes) -> bool:
    """Return whether attributes match a filter."""
    if isinstance(one, Compound):
        found = (matches(part, attributes) for part in one.filters)
        return all(found) if one.is_all else any(found)
    value = attributes.get(one.key)
    return value is not None and _compared(one, value)


def _read(given: Any, param: str, *, depth: int) -> Filter:
    if not isinstance(given, dict):
        raise Invalid(f"{param} must be an object with type, key and value, or with type and filters", param=param)
    fields = cast("dict[str, Any]", given)
    kind = fields.get("type", "eq")
    if kind in ("and", "or"):
        return _compound(fields, param, depth=depth)
    if kind not in get_args(Operator):
        raise Invalid(f"{param}.type must be and, or, {', '.join(get_args(Operator))}", param=param)
    key, value = fields.get("key"), fields.get("value")
    values = cast("list[Any]", value if isinstance(value, list) else [value])
    if not isinstance(key, str) or len(values) > _MOST_PARTS:
        raise Invalid(f"{param} needs a key, and a value or at most {_MOST_PARTS} values", param=param)
    if isinstance(value, list) != (kind in ("in", "nin")) or not all(isinstance(one, Value) for one in values):
        raise Invalid(
            f"{param}.value must be a string, a number or true or false, and a list for in and nin", param=param
        )
    return Comparison(cast("Operator", kind), key, tuple(values))


def _compound(fields: Mapping[str, Any], param: str, *, depth: int) -> Compound:
    parts = fields.get("filters")
    if not isinstance(parts, list) or len(cast("list[Any]", parts)) > _MOST_PARTS or depth >= _MOST_DEPTH:
        raise Invalid(
            f"{param}.filters must be a list of at most {_MOST_PARTS} filters, {_MOST_DEPTH} deep", param=param
        )
    found = (_read(one, f"{param}.filters[{at}]", depth=depth + 1) for at, one in enumerate(cast("list[Any]", parts)))
    return Compound(fields["type"] == "and", tuple(found))


def _compared(one: Comparison, value: Value) -> bool:
    match one.operator:
        case "eq" | "in":
            return any(_is_same(value, other) for other in one.values)
        case "ne" | "nin":
            return not any(_is_same(value, other) for other in one.values)
        case _:
            return _is_ordered(one.operator, value, one.values[0])


def _is_same(value: Value, other: Value) -> bool:
    # True is no 1 here.
    return isinstance(value, bool) == isinstance(other, bool) and value == other


def _is_ordered(operator: Operator, value: Value, other: Value) -> bool:
    """Return whether two numbers or two strings are in this order."""
    if isinstance(value, str) != isinstance(other, str):
        return False
    one, another = cast("Any", value), cast("Any", other)
    rank = int(one > another) - int(one < another)
    return {"gt": rank > 0, "gte": rank >= 0, "lt": rank < 0, "lte": rank <= 0}[operator]
