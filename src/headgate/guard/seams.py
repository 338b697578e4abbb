"""Values that are split over texts which the model reads one after the other.

A message may be sent in parts, and half a card number in each is a card number to whoever reads them; so it is where
several messages of one author follow one another. Only the seams are looked at: what lies inside a text was found
there.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import NamedTuple

from headgate.guard.kinds import Kinds
from headgate.kernel.content import Finding, Run, Segment

_REACH = 128
"""Characters on each side of a seam that are looked at, and on to the end of the word: keys are words."""

_LONGEST = 4096
"""And never more, on either side; a private key, the one value of many words, has fewer."""

_JOINTS = ("", "\n")
"""Models are given parts one right after the other, or one a line."""

_SPACE = re.compile(r"\s")
_SENTENCE_OF_NUMBER = re.compile(r"[0-9][.,;:!?)]{1,3}\s{0,8}\Z")


class _Seam(NamedTuple):
    """Ends that meet, with the joint between them; `begins` is where each begins in the whole text."""

    ends: Sequence[_End]
    joint: str
    is_one_text: bool
    begins: Sequence[int]

    @property
    def text(self) -> str:
        """All of it."""
        return self.joint.join([end.text for end in self.ends])


class _End(NamedTuple):
    """A beginning or an end of a part, or all of it: `text` is the segment's from `written` on."""

    segment: int
    written: int
    text: str


def found_across(
    segments: Sequence[Segment],
    runs: Sequence[Run],
    *,
    scan: Callable[[Sequence[Segment]], Sequence[Finding]],
    known: Sequence[Finding],
    kinds: Kinds,
) -> list[Finding]:
    """Return what is split over the texts of these runs, one finding for each piece of it.

    Args:
        scan: finds values in segments.
        known: what was found in the segments by themselves.
        kinds: tells whether values of a kind are whole where they are found.
    """
    open_ends = {one.segment: one.start for one in known if one.end == len(segments[one.segment].text)}
    seams = [
        _seam(ends, joint, is_one_text)
        for run, is_one_text in runs
        for ends in _ends(segments, run, open_ends)
        for joint in _JOINTS
    ]
    found: list[Finding] = []
    whole: dict[int, list[Finding]] = {}
    for one in known:
        whole.setdefault(one.segment, []).append(one)
    for finding in scan([Segment(seam.text, "user") for seam in seams]):
        seam = seams[finding.segment]
        pieces = list(_cut(finding, seam))
        if len(pieces) > 1 and not _is_chance(pieces, whole, seam, kinds):
            found += pieces
    return found


def _seam(ends: Sequence[_End], joint: str, is_one_text: bool) -> _Seam:
    sizes = (len(end.text) + len(joint) for end in ends)
    return _Seam(ends, joint, is_one_text, [0, *accumulate(sizes)][:-1])


def _is_chance(pieces: Sequence[Finding], known: Mapping[int, Sequence[Finding]], seam: _Seam, kinds: Kinds) -> bool:
    """Tell a value that is split from one that is whole by itself and has words of a neighbour beside it.

    Of messages, a value that is whole in one of them says that nothing was split, save where it goes on line by line;
    and a number that ends with its sentence does not go on.
    """
    is_complete = kinds.is_complete(pieces[0].kind, pieces[0].category)
    if seam.is_one_text:
        return is_complete and _is_known(pieces[0], known)
    if (is_complete or not seam.joint) and any(_is_known(piece, known) for piece in pieces):
        return True
    inner = {piece.segment for piece in pieces[:-1]}
    return any(end.segment in inner and _SENTENCE_OF_NUMBER.search(end.text) for end in seam.ends)


def _ends(segments: Sequence[Segment], run: Sequence[int], open_ends: Mapping[int, int]) -> Iterator[list[_End]]:
    """Give the ends of parts that lie around seams; a part that is short joins the seams before and after it."""
    ends: list[_End] = []
    goes_on = False
    for index in run:
        text = segments[index].text
        head = min(len(text), _LONGEST) if goes_on else _word_end(text)
        tail = max(open_ends.get(index, len(text)), len(text) - _LONGEST)
        goes_on = tail < len(text) or (goes_on and head == len(text))
        tail = min(tail, _word_start(text))
        if head >= tail:
            ends.append(_End(index, 0, text))
            continue
        if ends:
            yield [*ends, _End(index, 0, text[:head])]
        ends = [_End(index, tail, text[tail:])]
    if len(ends) > 1:
        yield ends


def _word_end(text: str) -> int:
    """Return where the head of a part ends: with the word that goes on beyond its reach."""
    most = min(len(text), _LONGEST)
    space = _SPACE.search(text, _REACH, most) if most > _REACH else None
    return most if space is None else space.start()


def _word_start(text: str) -> int:
    """Return where the tail of a part begins: with the word that reaches into it."""
    least, at = max(0, len(text) - _LONGEST), len(text) - _REACH
    return least if at <= least else max(least, *(text.rfind(space, least, at) + 1 for space in (" ", "\n")))


def _cut(finding: Finding, seam: _Seam) -> Iterator[Finding]:
    """Give what of the finding lies in each text."""
    for index in range(bisect_right(seam.begins, finding.start) - 1, bisect_left(seam.begins, finding.end)):
        (segment, written, text), at = seam.ends[index], seam.begins[index]
        start, end = max(finding.start, at), min(finding.end, at + len(text))
        if start < end:
            yield finding._replace(segment=segment, start=start - at + written, end=end - at + written)


def _is_known(piece: Finding, known: Mapping[int, Sequence[Finding]]) -> bool:
    """Whether the value is whole where it begins, so that the next part's words only look like more of it."""
    return any(
        one.kind == piece.kind and one.start <= piece.start <= piece.end <= one.end
        for one in known.get(piece.segment, ())
    )
