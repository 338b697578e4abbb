"""The detector interface: patterns that find candidates fast, and a judgement of each candidate.

A detector is an extension of kind `detectors`: one file that exports one object.
Its manifest declares the kinds of values that it finds, with their categories and masking.
No other file knows them.
A detector sees one segment at a time, holds no state and does no I/O.
The engine calls it once for every candidate, so its judgement has to take bounded time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

from headgate.kernel.extensions import Manifest

ANY: Final = "*"
"""The wildcard kind: it covers all kinds that the manifest does not name."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of value that a detector finds, with its category and its masking.

    Args:
        name: the name in `Hit.kind`, or `ANY`.
        category: the label of content that holds such a value. Rules mask by category.
        word: the word in the pseudonym of a masked value, such as `EMAIL`: at most 16 capital
            letters. With "", the letters of the kind's name.
        is_restored: whether the caller gets the value back where the model repeats its pseudonym.
        is_complete: whether a hit always covers the whole value. A key's hit may not: the next
            text of a message may hold the rest of the key.
    """

    name: str
    category: str
    word: str = ""
    is_restored: bool = True
    is_complete: bool = True


@dataclass(frozen=True, slots=True)
class DetectorManifest(Manifest):
    """The manifest of a detector.

    A hit of an undeclared kind gets the category of `ANY`, or else of the first kind.
    So a mistake in a manifest never lets a value through.
    """

    kinds: tuple[Kind, ...] = ()


class Pattern(NamedTuple):
    """A regular expression over the bytes of UTF-8 text, in the common syntax of RE2 and Hyperscan.

    There is no look-around and no back-reference. Classes and `\\b` know ASCII only, so a pattern
    writes every other letter as its bytes. A candidate is a leftmost, greedy match. It begins after
    the hits in the candidate before.

    Args:
        id: unique within the detector; tells `judge` which expression matched.
        retry: after a candidate without a hit, the next one may begin this many bytes after its
            start instead of after its end. Only for expressions of bounded length, so that scanning
            stays linear.
    """

    id: str
    regex: str
    is_caseless: bool = False
    retry: int | None = None


class Candidate(NamedTuple):
    """One match of a pattern: characters `start` to `end` of `text`, the whole segment.

    The text is already normalised: escapes are resolved, digits, spaces and dashes of other scripts
    are ASCII, and zero-width characters are gone.
    """

    text: str
    start: int
    end: int
    pattern: str

    @property
    def value(self) -> str:
        """The matched text."""
        return self.text[self.start : self.end]

    def before(self, size: int) -> str:
        """Return at most `size` characters before the match."""
        return self.text[max(0, self.start - size) : self.start]

    def after(self, size: int) -> str:
        """Return at most `size` characters after the match."""
        return self.text[self.end : self.end + size]


class Hit(NamedTuple):
    """A value found in a candidate, in the same offsets. It may differ from the match.

    Args:
        kind: the kind of value, in lower case, digits and `_`, such as `email`.
        confidence: from 0 to 1; of two overlapping hits the one with the higher confidence is kept.
    """

    start: int
    end: int
    kind: str
    confidence: float


class Detector(Protocol):
    """Recognises values of the kinds that its manifest declares."""

    @property
    def manifest(self) -> DetectorManifest:
        """The detector's manifest; its `name` appears in the findings."""
        ...

    @property
    def patterns(self) -> Sequence[Pattern]:
        """The patterns of candidates; read once."""
        ...

    def judge(self, candidate: Candidate) -> Iterable[Hit]:
        """Return the hits in the candidate, after checks of checksum, range and context."""
        ...


def categories_of(detectors: Mapping[str, Detector]) -> frozenset[str]:
    """Return the categories of all kinds that these detectors declare."""
    return frozenset(kind.category for detector in detectors.values() for kind in detector.manifest.kinds)
