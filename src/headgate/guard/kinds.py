"""The kinds of values that the installed detectors declare: the only source for all of guard."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from headgate.kernel.detection import ANY, Detector, Kind, categories_of
from headgate.kernel.errors import Conflict, Invalid

MOST_LETTERS: Final = 16
"""Of the word in a token."""


class Kinds:
    """The declared kinds by category and name. Immutable.

    Raises:
        Invalid: a detector declares no kind.
        Conflict: two detectors declare the same kind differently.
    """

    __slots__ = ("_kinds", "categories")

    def __init__(self, detectors: Mapping[str, Detector]) -> None:
        self.categories = categories_of(detectors)
        """The categories of everything that may be found."""
        self._kinds: dict[tuple[str, str], Kind] = {}
        for name, detector in detectors.items():
            if not detector.manifest.kinds:
                raise Invalid(f"the detector {name} declares no kind of value that it finds")
            for kind in detector.manifest.kinds:
                if self._kinds.setdefault((kind.category, kind.name), kind) != kind:
                    raise Conflict(f"the detector {name} declares {kind.name} otherwise than another one does")

    def word(self, name: str, category: str | None) -> str:
        """Return the word in the tokens of a kind; it tells the model what the token stands for."""
        kind = self._kind(name, category)
        if kind is not None and kind.word:
            return kind.word
        return "".join(char for char in name.upper() if "A" <= char <= "Z")[:MOST_LETTERS] or "VALUE"

    def is_restored(self, name: str, category: str | None) -> bool:
        """Tell whether values of a kind may come back in the place of their tokens."""
        kind = self._kind(name, category)
        return kind is None or kind.is_restored

    def is_complete(self, name: str, category: str) -> bool:
        """Tell whether a value of a kind is whole as it was found."""
        kind = self._kind(name, category)
        return kind is not None and kind.is_complete

    def _kind(self, name: str, category: str | None) -> Kind | None:
        if category is None:
            return None
        return self._kinds.get((category, name)) or self._kinds.get((category, ANY))


NO_KINDS: Final = Kinds({})
"""No declared kinds; words in tokens are made of the letters of the kinds' names."""
