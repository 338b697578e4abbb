"""The declared kinds of the installed detectors: the only source of kinds in guard."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from headgate.kernel.detection import ANY, Detector, Kind, categories_of
from headgate.kernel.errors import Conflict, Invalid

MOST_LETTERS: Final = 16
"""The maximum length of the word in a pseudonym."""


class Kinds:
    """The declared kinds by category and name. Immutable.

    Raises:
        Invalid: a detector declares no kind.
        Conflict: two detectors declare the same kind differently.
    """

    __slots__ = ("_kinds", "categories")

    def __init__(self, detectors: Mapping[str, Detector]) -> None:
        self.categories = categories_of(detectors)
        """The categories of all declared kinds."""
        self._kinds: dict[tuple[str, str], Kind] = {}
        for name, detector in detectors.items():
            if not detector.manifest.kinds:
                raise Invalid(f"the detector {name} declares no kind of value that it finds")
            for kind in detector.manifest.kinds:
                if self._kinds.setdefault((kind.category, kind.name), kind) != kind:
                    raise Conflict(f"the detector {name} declares {kind.name} otherwise than another one does")

    def word(self, name: str, category: str | None) -> str:
        """Return the word in a kind's pseudonyms; it tells the model the kind of value."""
        kind = self._kind(name, category)
        if kind is not None and kind.word:
            return kind.word
        return "".join(char for char in name.upper() if "A" <= char <= "Z")[:MOST_LETTERS] or "VALUE"

    def is_restored(self, name: str, category: str | None) -> bool:
        """Tell whether pseudonyms of a kind may be restored."""
        kind = self._kind(name, category)
        return kind is None or kind.is_restored

    def is_complete(self, name: str, category: str) -> bool:
        """Tell whether a hit of a kind always covers the whole value."""
        kind = self._kind(name, category)
        return kind is not None and kind.is_complete

    def _kind(self, name: str, category: str | None) -> Kind | None:
        if category is None:
            return None
        return self._kinds.get((category, name)) or self._kinds.get((category, ANY))


NO_KINDS: Final = Kinds({})
"""No declared kinds; the words in pseudonyms are the letters of the kinds' names."""
