"""What a detector of values in text is: patterns that find candidates fast, and a judgement of each candidate.

A detector is an extension of kind `detectors`: one file that exports one object. Its manifest
declares the kinds of values that it finds, with their categories and masking; no other file knows
them. It never sees more than one segment, holds no state, does no I/O and is called once for every
candidate, so its judgement has to take bounded time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

from headgate.kernel.extensions import Manifest

ANY: Final = "*"
"""The name of a kind that stands for all kinds that the manifest does not name."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of value that a detector finds, and what becomes of it.

    Args:
        name: the name in `Hit.kind`, or `ANY`.
        category: the label of content that holds such a value. Rules mask by it.
        word: the word in the token of a masked value, such as `EMAIL`: at most 16 capital letters.
            With "", it is made of the letters of the kind's name.
        is_restored: whether the caller gets the value back where the model repeats its token.
        is_complete: whether a value that was found is whole. A key is not: the next text of a
            message may hold more of it.
    """

    name: str
    category: str
    word: str = ""
    is_restored: bool = True
    is_complete: bool = True


@dataclass(frozen=True, slots=True)
class DetectorManifest(Manifest):
    """What a detector says of itself.

    A hit of an undeclared kind gets the category of `ANY`, or else of the first kind, so that a
    mistake in a manifest never lets a value through.
    """

    kinds: tuple[Kind, ...] = ()


class Pattern(NamedTuple):
    """A regular expression of the syntax that RE2 and Hyperscan share, over the bytes of UTF-8 text.

    No look-around, no back-references; classes and `\\b` know ASCII only, so a letter beyond it is written as its
    bytes. A candidate is each leftmost, greedy match that begins after what was found in the one before.

    Args:
        id: unique within the detector; tells `judge` which expression matched.
        retry: after a candidate that held nothing, the next may begin this many bytes after its begin instead of after
            its end; for expressions of bounded length only, so that scanning stays linear.
    """

    id: str
    regex: str
    is_caseless: bool = False
    retry: int | None = None


class Candidate(NamedTuple):
    """One match of a pattern: characters `start` to `end` of `text`, the whole segment.

    Escapes are already resolved, digits, spaces and dashes of other scripts are already ASCII, and characters without
    width are gone.
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
        """Return at most `size` characters that precede the match."""
        return self.text[max(0, self.start - size) : self.start]

    def after(self, size: int) -> str:
        """Return at most `size` characters that follow the match."""
        return self.text[self.end : self.end + size]


class Hit(NamedTuple):
    """What a candidate turned out to hold, in the same offsets; the extent may differ from the candidate's.

    Args:
        kind: what it is, in lower case, digits and `_`, such as `email`.
        confidence: from 0 to 1; of two that overlap the surer one is kept.
    """

    start: int
    end: int
    kind: str
    confidence: float


class Detector(Protocol):
    """Recognises values of the kinds that its manifest declares."""

    @property
    def manifest(self) -> DetectorManifest:
        """What it is and what it finds; `name` appears in the findings."""
        ...

    @property
    def patterns(self) -> Sequence[Pattern]:
        """What it looks for; read once."""
        ...

    def judge(self, candidate: Candidate) -> Iterable[Hit]:
        """Return what the candidate really holds: checksums, ranges, context. Nothing where it is a coincidence."""
        ...


def categories_of(detectors: Mapping[str, Detector]) -> frozenset[str]:
    """Return the categories of everything that these detectors find."""
    return frozenset(kind.category for detector in detectors.values() for kind in detector.manifest.kinds)
