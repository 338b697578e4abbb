"""Values that know their hash: the lattice is asked the same few questions at every call, and the answers are kept."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TypeVar, cast

T = TypeVar("T")


class HashedOnce:
    """Base of frozen dataclasses that `hashed_once` decorates: the place for the hash."""

    __slots__ = ("_hash",)

    _hash: int


H = TypeVar("H", bound=HashedOnce)


def same(value: T) -> T:
    """Return the first equal value that was seen, of which what is remembered is found without comparing fields."""
    return cast("T", _first_of(value))


@lru_cache(maxsize=4096)
def _first_of(value: object) -> object:
    return value


def hashed_once(kind: type[H]) -> type[H]:
    """Have a frozen dataclass compute its hash when it is first asked, and keep it."""
    compute: Callable[[H], int] = kind.__hash__

    def __hash__(self: H) -> int:
        try:
            return self._hash  # pyright: ignore[reportPrivateUsage] - it is this function's own
        except AttributeError:
            value = compute(self)
            object.__setattr__(self, "_hash", value)
            return value

    kind.__hash__ = __hash__
    return kind
