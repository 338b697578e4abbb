"""Offers: what one feature gives to the others, under a typed name that lies below the features."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Generic, NamedTuple, TypeVar, cast

from headgate.kernel.errors import Conflict

T = TypeVar("T")


class Port(Generic[T]):
    """The name of a contract between features. One feature offers it, and others ask for it.

    Args:
        name: of the contract in words, for errors.
        is_shared: whether several features may offer it.
    """

    __slots__ = ("is_shared", "name")

    def __init__(self, name: str, *, is_shared: bool = False) -> None:
        self.name = name
        self.is_shared = is_shared

    def by(self, implementation: T) -> Offer:
        """Return the offer of an implementation, for `Opened.offers`."""
        return Offer(self, implementation)


class Offer(NamedTuple):
    """A port with the implementation that a feature offers."""

    port: Port[Any]
    implementation: Any


class Offers:
    """The offers of the features that are open so far."""

    def __init__(self) -> None:
        self._found: dict[Port[Any], list[Any]] = {}

    def add(self, offers: Iterable[Offer]) -> None:
        """Add the offers of a feature.

        Raises:
            Conflict: another feature offers the same.
        """
        for port, implementation in offers:
            if port in self._found and not port.is_shared:
                raise Conflict(f"two features offer the {port.name}; remove one of them from the list")
            self._found.setdefault(port, []).append(implementation)

    def all(self, port: Port[T]) -> Sequence[T]:
        """Return all implementations of a port."""
        return cast("list[T]", self._found.get(port, []))

    def find(self, port: Port[T]) -> T | None:
        """Return the implementation of a port, or None if no open feature offers it."""
        return next(iter(self.all(port)), None)

    def ask(self, port: Port[T]) -> T:
        """Return the implementation of a port.

        Raises:
            Conflict: no open feature offers it.
        """
        if port not in self._found:
            raise Conflict(f"no feature offers the {port.name}; add one to the list, before the feature that asks")
        return self.all(port)[0]
