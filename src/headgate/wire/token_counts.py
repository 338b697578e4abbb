"""Reads token counts of servers: numbers, numbers in strings, and invalid values.

An answer is never refused because of its usage. An invalid count is treated as missing.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, Final, cast

import msgspec

_MOST: Final = 1_000_000_000
"""The maximum count, above that of any real call. The cost of so many tokens fits 64 bits."""
_MOST_CHARS: Final = 20


def count_of(value: Any) -> int | None:
    """Return a count, also of `10.0` and `"10"`; None for anything else, such as a negative number."""
    if value is None:
        return None
    if type(value) is int:  # what nearly every server sends
        return value if 0 <= value <= _MOST else None
    if isinstance(value, str) and len(value) <= _MOST_CHARS and value.isascii():
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= _MOST:
        return None
    return int(value) if value == int(value) else None


def object_of(value: Any) -> Mapping[str, Any]:
    """Return a decoded object, or an empty one in place of anything else."""
    return cast("Mapping[str, Any]", value) if isinstance(value, dict) else {}


def leniently_decoded(data: bytes) -> Any:
    """Decode JSON with numbers beyond what other decoders take, such as `1e400`.

    Raises:
        ValueError: it is no JSON.
        RecursionError: it is nested too deep.
    """
    return json.loads(data, parse_int=_whole)


def decoded(data: bytes) -> Any:
    """Decode JSON as fast as may be, and leniently where its numbers demand it.

    Raises:
        ValueError, RecursionError: as `leniently_decoded`.
    """
    try:
        return msgspec.json.decode(data)
    except msgspec.DecodeError:
        return leniently_decoded(data)


def _whole(digits: str) -> float:
    return int(digits) if len(digits) <= _MOST_CHARS else math.inf
