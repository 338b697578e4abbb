"""Reads token counts of servers: numbers, numbers in strings, and invalid values.

The gateway never refuses an answer because of its usage. An invalid count counts as missing.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, Final, cast

import msgspec

_MOST: Final = 1_000_000_000
"""The maximum count, larger than in any real call. The cost of this many tokens fits 64 bits."""
_MOST_CHARS: Final = 20


def count_of(value: Any) -> int | None:
    """Return a count, also for `10.0` and `"10"`; None for any other value, such as -1."""
    if value is None:
        return None
    if type(value) is int:  # nearly every server sends an int
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
    """Return a decoded object, or an empty one for any other value."""
    return cast("Mapping[str, Any]", value) if isinstance(value, dict) else {}


def leniently_decoded(data: bytes) -> Any:
    """Decode JSON with numbers that are out of range for other decoders, such as `1e400`.

    Raises:
        ValueError: the data is not JSON.
        RecursionError: the data is nested too deep.
    """
    return json.loads(data, parse_int=_whole)


def decoded(data: bytes) -> Any:
    """Decode JSON by the fast decoder, or leniently if that fails.

    Raises:
        ValueError, RecursionError: as `leniently_decoded`.
    """
    try:
        return msgspec.json.decode(data)
    except msgspec.DecodeError:
        return leniently_decoded(data)


def _whole(digits: str) -> float:
    return int(digits) if len(digits) <= _MOST_CHARS else math.inf
