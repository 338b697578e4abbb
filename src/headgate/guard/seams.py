"""Values that are split over parts which the model reads as one text.

A message may be sent in parts, and half a card number in each is a card number to whoever reads them. Only the seams
are looked at: what lies inside a part was found there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from headgate.kernel.content import Finding, Segment

_REACH = 128
"""Characters on each side of a seam that are looked at, and on to the end of the word: keys are words."""

_LONGEST = 4096
"""And never more, on either side; a private key, the one value of many words, has fewer."""

_JOINTS = ("", "\n")
"""Models are given parts one right after the other, or one a line."""

_SPACE = re.compile(r"\s")

_CHECKED = frozenset({"pii", "pci", "phi"})
"""Categories whose values are complete where they are found: what follows such a value is not more of it."""


class _End(NamedTuple):
    """A beginning or an end of a part, or all of it: `text` is the segment's from `written` on."""

    segment: int
    written: int
    text: str


def found_across(
    segments: Sequence[Segment],
    runs: Sequence[Sequence[int]],
    *,
    scan: Callable[[Sequence[Segment]], Sequence[Finding]],
    known: Sequence[Finding],
) -> list[Finding]:
    """Return what is split over the parts of these runs, one finding for each piece of it.

    Args:
        runs: indices of the segments that are read as one text, in order.
        scan: finds values in segments.
        known: what was found in the segments by themselves.
    """
    open_ends = {one.segment: one.start for one in known if one.end == len(segments[one.segment].text)}
    seams = [(ends, joint) for run in runs for ends in _ends(segments, run, open_ends) for joint in _JOINTS]
    texts = [joint.join([end.text for end in ends]) for ends, joint in seams]
    found: list[Finding] = []
    whole: dict[int, list[Finding]] = {}
    for one in known:
        whole.setdefault(one.segment, []).append(one)
    for finding in scan([Segment(text, "user") for text in texts]):
        pieces = list(_cut(finding, *seams[finding.segment]))
        if len(pieces) > 1 and not (finding.category in _CHECKED and _is_known(pieces[0], whole)):
            found += pieces
    return found


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


def _cut(finding: Finding, ends: Sequence[_End], joint: str) -> Iterator[Finding]:
    """Give what of the finding lies in each part."""
    at = 0
    for segment, written, text in ends:
        start, end = max(finding.start, at), min(finding.end, at + len(text))
        if start < end:
            yield finding._replace(segment=segment, start=start - at + written, end=end - at + written)
        at += len(text) + len(joint)


def _is_known(piece: Finding, known: Mapping[int, Sequence[Finding]]) -> bool:
    """Whether the value is whole where it begins, so that the next part's words only look like more of it."""
    return any(
        one.kind == piece.kind and one.start <= piece.start <= piece.end <= one.end
        for one in known.get(piece.segment, ())
    )
