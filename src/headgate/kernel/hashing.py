"""Values with a cached hash, for fast lookups in the caches of the lattice."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TypeVar, cast

T = TypeVar("T")


class HashedOnce:
    """Base of frozen dataclasses that `hashed_once` decorates; holds the cached hash."""

    __slots__ = ("_hash",)

    _hash: int


H = TypeVar("H", bound=HashedOnce)


def interned(value: T) -> T:
    """Intern `value`: return the canonical equal instance, so that cached lookups hit by identity.

    Without it, a lookup in a cache compares all fields.
    """
    return cast("T", _first_of(value))


@lru_cache(maxsize=4096)
def _first_of(value: object) -> object:
    return value


def hashed_once(kind: type[H]) -> type[H]:
    """Cache the hash of a frozen dataclass at its first use."""
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
