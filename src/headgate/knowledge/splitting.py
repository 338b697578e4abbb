"""Where a long text is cut: at the best place that keeps each part within its tokens. One pass, O(n)."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil
from typing import Final, NamedTuple

from headgate.knowledge.token_estimate import tokens, units

_ENDS: Final = frozenset(".!?…")
_WIDE_ENDS: Final = frozenset("。！？")
_ANYWHERE, _WORD, _SENTENCE, _LINE, _EMPTY_LINE = range(5)
_FULL_ENOUGH: Final = {_ANYWHERE: 0.0, _WORD: 0.1, _SENTENCE: 0.4, _LINE: 0.4, _EMPTY_LINE: 0.6}
"""How full a part must be for a cut at such a place, of its tokens."""
_ROW_FULL_ENOUGH: Final = 0.1
_EVEN: Final = 1.15


class Part(NamedTuple):
    """A part of a text.

    Args:
        start, end: in the text.
        tokens: the estimate.
    """

    start: int
    end: int
    tokens: float


class _Place(NamedTuple):
    at: int
    tokens: float


def parts_of(text: str, *, room: int, english: bool, by_lines: bool) -> Iterator[Part]:
    """Yield parts of about equal size, which cover the text.

    Args:
        room: the most estimated tokens of a part.
        english: as of `units`.
        by_lines: whether lines are rows, items or code, and stay whole where they fit.
    """
    total = tokens(text, english=english)
    if total <= room:
        yield Part(0, len(text), total)
        return
    even = min(float(room), total / ceil(total / room) * _EVEN)
    best: dict[int, _Place] = {}
    begun, now = _Place(0, 0.0), _Place(0, 0.0)
    before = ""
    for unit, cost in units(text, english=english):
        if now.at > begun.at and now.tokens + cost - begun.tokens > even:
            cut = _best_of(best, begun, even, by_lines=by_lines)
            yield Part(begun.at, cut.at, cut.tokens - begun.tokens)
            begun = cut
        now = _Place(now.at + len(unit), now.tokens + cost)
        best[_rank(before, unit, text, now.at)] = now
        before = unit
    yield Part(begun.at, now.at, now.tokens - begun.tokens)


def _best_of(best: dict[int, _Place], begun: _Place, room: float, *, by_lines: bool) -> _Place:
    for rank in sorted(best, reverse=True):
        full = _ROW_FULL_ENOUGH if by_lines and rank == _LINE else _FULL_ENOUGH[rank]
        place = best[rank]
        if place.at > begun.at and place.tokens - begun.tokens >= full * room:
            return place
    return max(best.values(), key=lambda place: place.at)


def _rank(before: str, unit: str, text: str, end: int) -> int:
    """Return how good the place after a unit is for a cut."""
    last = unit[-1]
    if last == "\n":
        return _EMPTY_LINE if before == "\n" else _LINE
    if last.isspace():
        return _SENTENCE if before[-1:] in _ENDS else _WORD
    if last in _WIDE_ENDS:
        return _SENTENCE
    return _ANYWHERE if last.isascii() or text[end : end + 1] in _WIDE_ENDS else _WORD
