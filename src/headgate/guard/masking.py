"""Replaces what was found in a content by tokens, or removes it for good."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from headgate.guard.pseudonyms import FRAME, TOKEN, Book, Entry
from headgate.guard.quotation import SCALAR, Quotation, is_json
from headgate.guard.restore import json_unescaped
from headgate.kernel.content import Content, Finding, Segment

LITERAL = "text"
"""The kind of what the client wrote that only looks like a token: it gets its own token, and comes back as it was."""


class Masked(NamedTuple):
    """A content after masking, and how many values of each kind were replaced."""

    content: Content
    counts: Mapping[str, int]


class _Place(NamedTuple):
    start: int
    end: int
    kind: str
    category: str | None
    confidence: float


def masked(content: Content, findings: Iterable[Finding], *, categories: frozenset[str], book: Book) -> Masked:
    """Return the content with every finding of these categories replaced by its token.

    Where anything is replaced, token-like text that the client wrote is replaced too, so that it can neither be
    confused with a token nor read out what one stands for.
    """
    places: dict[int, list[_Place]] = {}
    for finding in findings:
        if finding.category in categories:
            place = _Place(finding.start, finding.end, finding.kind, finding.category, finding.confidence)
            places.setdefault(finding.segment, []).append(place)
    if not places:
        return Masked(content, {})
    segments = content.segments()
    for index, segment in enumerate(segments):
        if FRAME in segment.text:
            places.setdefault(index, []).extend(_literals(segment.text))
    counts: Counter[str] = Counter()
    texts = {
        index: _replaced(segments[index], _merged(spots), book, counts) for index, spots in places.items() if spots
    }
    return Masked(content.edit(texts), dict(counts))


def removed(text: str, findings: Sequence[Finding], *, quotation: Quotation | None, base: int = 0) -> str:
    """Return the text with these findings of it replaced by notices that say no more than the category.

    Args:
        quotation: where in JSON the text begins, moved on to where it ends; None where it is no JSON.
        base: how many characters the findings are counted from before the text.
    """
    places = _merged([_Place(f.start - base, f.end - base, f.kind, f.category, f.confidence) for f in findings])
    return _joined(text, places, [f"[removed:{place.category}]" for place in places], quotation)


def _literals(text: str) -> list[_Place]:
    return [_Place(match.start(), match.end(), LITERAL, None, 0.0) for match in TOKEN.finditer(text)]


def _merged(places: Iterable[_Place]) -> list[_Place]:
    """Return the places in order, those that overlap as one, named after the surest."""
    merged: list[_Place] = []
    for place in sorted(places, key=lambda each: (each.start, -each.end)):
        if merged and place.start < merged[-1].end:
            last = merged[-1]
            named = max(last, place, key=lambda each: each.confidence)
            merged[-1] = named._replace(start=last.start, end=max(last.end, place.end))
        else:
            merged.append(place)
    return merged


def _replaced(segment: Segment, places: Sequence[_Place], book: Book, counts: Counter[str]) -> str:
    text = segment.text
    quotation = Quotation() if is_json(text) else None
    tokens: list[str] = []
    for place in places:
        value = text[place.start : place.end]
        entry = Entry(value if quotation is None else json_unescaped(value), place.kind, place.category)
        tokens.append(book.token(entry))
        if place.category is not None:
            counts[place.kind] += 1
    return _joined(text, places, tokens, quotation)


def _joined(text: str, places: Sequence[_Place], news: Sequence[str], quotation: Quotation | None) -> str:
    """Return the text with the places replaced; in JSON, what takes the place of a bare number is a string."""
    pieces: list[str] = []
    done = 0
    for (start, end, *_), new in zip(places, news, strict=True):
        if end <= done:
            continue
        if quotation is not None:
            quotation.advance(text[done:start])
            if not quotation.is_inside:
                # No number is replaced in part, for what would be left of it is no JSON.
                start = max(done, len(text[:start].rstrip(SCALAR)))
                end = len(text) - len(text[end:].lstrip(SCALAR))
            new = quotation.replacing(text[start:end], new)
        pieces += (text[done:start], new)
        done = end
    pieces.append(text[done:])
    if quotation is not None:
        quotation.advance(pieces[-1])
    return "".join(pieces)
