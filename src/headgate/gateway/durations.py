"""Durations in declared entries, such as `800ms` or `10m`."""

from __future__ import annotations

import re
from typing import Annotated, Final

import msgspec

Duration = Annotated[
    str, msgspec.Meta(pattern="^[0-9]{1,6}(ms|s|m|h)$", description="A duration, such as 800ms, 30s, 10m or 2h.")
]

_FORM: Final = re.compile(r"([0-9]{1,6})(ms|s|m|h)")
_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def seconds_of(duration: str) -> float:
    """Return the seconds of a duration that the pattern of `Duration` accepts."""
    found = _FORM.fullmatch(duration)
    assert found is not None
    return int(found[1]) * _SECONDS[found[2]]
