"""The registry of extensions: built-ins and third-party packages use the same entry points.

An extension is one file that exports one object with a `manifest`. Kinds: `providers`, `detectors`, `dialects`,
`connectors`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from typing import Literal, Protocol, get_args

from headgate.kernel.errors import Conflict, Invalid, NotFound

ExtensionKind = Literal["providers", "detectors", "dialects", "connectors"]


@dataclass(frozen=True, slots=True)
class Manifest:
    """The manifest of an extension.

    Args:
        name: unique within its kind; lower case, digits and `_`.
        summary: one sentence for people.
        version: of the extension. A detector's version is recorded with its findings.
    """

    kind: ExtensionKind
    name: str
    summary: str
    version: str = "1"


class Extension(Protocol):
    """Anything with a manifest."""

    @property
    def manifest(self) -> Manifest:
        """The extension's manifest."""
        ...


def load(kind: ExtensionKind, found: Iterable[EntryPoint] | None = None) -> Mapping[str, Extension]:
    """Return the installed extensions of one kind by name, sorted.

    Args:
        found: entry points to load instead of the installed ones of the group `headgate.<kind>`.

    Raises:
        Invalid: an extension's manifest is missing or of another kind.
        Conflict: two extensions have one name.
    """
    points = _installed(kind, tuple(sys.path)) if found is None else found
    loaded: dict[str, Extension] = {}
    for point in points:
        extension = point.load()
        manifest = getattr(extension, "manifest", None)
        if not isinstance(manifest, Manifest) or manifest.kind != kind:
            raise Invalid(f"{point.value} is not an extension of kind {kind}: it has no such manifest")
        if manifest.name in loaded:
            raise Conflict(f"two {kind} are named {manifest.name}; uninstall one of their packages")
        loaded[manifest.name] = extension
    return dict(sorted(loaded.items()))


@lru_cache(maxsize=len(get_args(ExtensionKind)))
def _installed(kind: ExtensionKind, _: tuple[str, ...]) -> tuple[EntryPoint, ...]:
    """Return the entry points of a kind. Reading the metadata of all packages takes a tenth of a second."""
    return tuple(entry_points(group=f"headgate.{kind}"))


def pick(extensions: Mapping[str, Extension], name: str) -> Extension:
    """Return the extension of that name.

    Raises:
        NotFound: no such extension; the message lists the installed ones.
    """
    try:
        return extensions[name]
    except KeyError:
        raise NotFound(f"there is no extension {name!r}; installed: {', '.join(extensions)}") from None
