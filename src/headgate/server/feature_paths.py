"""Finds the operations that features declare on the wires of clients."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from headgate.admin.wire_operations import WireOperation
from headgate.server.api.errors import MethodNotAllowed
from headgate.wire.plane import Plane

_NAME = re.compile(r"{([a-z_]+)}")
_SEGMENT = r"(?P<\1>[^/]{1,128})"


@dataclass(frozen=True, slots=True)
class FeaturePath:
    """A path that a feature serves.

    Args:
        path: as declared, without text from the client.
        names: the named segments of the request's path.
        service: of the feature.
    """

    path: str
    plane: Plane
    service: Any = field(repr=False)
    operations: Mapping[str, WireOperation]
    names: Mapping[str, str] = field(default_factory=dict[str, str])

    def operation(self, method: str) -> WireOperation:
        """Return the operation of a method; HEAD is not offered.

        Raises:
            MethodNotAllowed: there is none.
        """
        try:
            return self.operations[method]
        except KeyError:
            raise MethodNotAllowed(method, allowed=tuple(self.operations)) from None


class FeaturePaths:
    """The paths of every feature. A path without names comes before one with them."""

    def __init__(self, features: Iterable[tuple[Sequence[WireOperation], Any]]) -> None:
        found: dict[str, FeaturePath] = {}
        for operations, service in features:
            for one in operations:
                known = found.get(one.path)
                others: Mapping[str, WireOperation] = {} if known is None else known.operations
                found[one.path] = FeaturePath(one.path, one.plane, service, {**others, one.method: one})
        self._exact = {path: one for path, one in found.items() if "{" not in path}
        self._patterns = [
            (re.compile(_NAME.sub(_SEGMENT, path)), one) for path, one in found.items() if path not in self._exact
        ]

    def find(self, path: str) -> FeaturePath | None:
        """Return what serves a normalised path, or None."""
        found = self._exact.get(path)
        if found is not None:
            return found
        for pattern, one in self._patterns:
            if (match := pattern.fullmatch(path)) is not None:
                return FeaturePath(one.path, one.plane, one.service, one.operations, match.groupdict())
        return None
