"""Replaces what was found in a content by tokens, or removes it for good."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from headgate.guard.answers import Thought
from headgate.guard.pseudonyms import CODE_SIZE, FRAME, TOKEN, Book, Entry
from headgate.guard.quotation import SCALAR, Quotation, is_json
from headgate.guard.restore import json_unescaped
from headgate.kernel.content import Content, Finding, Segment

LITERAL = "text"
"""The kind of what the client wrote that only looks like a token: it gets its own token, and comes back as it was."""


_SCALARS = re.compile(f"[{re.escape(SCALAR)}]*+")


class Masked(NamedTuple):
    """A content after masking, and how many values of each kind were replaced, or left to whom they came from."""

    content: Content
    counts: Mapping[str, int]
    returned: Mapping[str, int]


class _Place(NamedTuple):
    start: int
    end: int
    kind: str
    category: str | None
    confidence: float


def masked(
    content: Content,
    findings: Iterable[Finding],
    *,
    categories: frozenset[str],
    book: Book,
    thought: Callable[[str], Thought | None],
) -> Masked:
    """Return the content with every finding of these categories replaced by its token.

    Where anything is replaced, token-like text that the client wrote is replaced too, so that it can neither be
    confused with a token nor read out what one stands for. A signed text goes back as its provider wrote it, with the
    values that it brought up itself; one that is not known to be from there is masked as any, and no longer signed.

    Args:
        thought: what is known of a signed text at the place that the content goes to.
    """
    places: dict[int, list[_Place]] = {}
    for finding in findings:
        if finding.category in categories:
            place = _Place(finding.start, finding.end, finding.kind, finding.category, finding.confidence)
            places.setdefault(finding.segment, []).append(place)
    if not places:
        return Masked(content, {}, {})
    segments = content.segments()
    for index, segment in enumerate(segments):
        if FRAME in segment.text:
            places.setdefault(index, []).extend(_literals(segment.text))
    counts: Counter[str] = Counter()
    returned: Counter[str] = Counter()
    texts: dict[int, str] = {}
    for text, signature in content.signed():
        if signature not in places and not places.get(text):
            continue
        known = None if signature in places else thought(segments[text].text)
        mine = [] if known is None else _from_here(segments[text].text, places[text], known, book)
        written = _replaced(segments[text], mine, book, Counter())
        if known is not None and known.is_said(written):
            counts.update(place.kind for place in mine if place.category is not None)
            returned.update(place.kind for place in _merged(places.pop(text)) if place not in mine and place.category)
            if mine:
                texts[text] = written
        else:
            places.pop(signature, None)
            texts[signature] = ""
    for index, spots in places.items():
        if spots:
            texts[index] = _replaced(segments[index], _merged(spots), book, counts)
    return Masked(content.edit(texts), dict(counts), dict(returned))


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


def _from_here(text: str, places: Iterable[_Place], thought: Thought, book: Book) -> list[_Place]:
    """Return the places of a thought whose values were tokens where it came from."""
    is_escaped = is_json(text)
    return [
        place
        for place in _merged(places)
        if book.token(_entry(text, place, is_escaped=is_escaped))[-CODE_SIZE:] in thought.codes
    ]


def _entry(text: str, place: _Place, *, is_escaped: bool) -> Entry:
    value = text[place.start : place.end]
    return Entry(json_unescaped(value) if is_escaped else value, place.kind, place.category)


def _replaced(segment: Segment, places: Sequence[_Place], book: Book, counts: Counter[str]) -> str:
    text = segment.text
    quotation = Quotation() if is_json(text) else None
    tokens = [book.token(_entry(text, place, is_escaped=quotation is not None)) for place in places]
    counts.update(place.kind for place in places if place.category is not None)
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
                start = done + len(text[done:start].rstrip(SCALAR))
                end = _SCALARS.match(text, end).end()  # pyright: ignore[reportOptionalMemberAccess] - it may be empty
            new = quotation.replacing(text[start:end], new)
        pieces += (text[done:start], new)
        done = end
    pieces.append(text[done:])
    if quotation is not None:
        quotation.advance(pieces[-1])
    return "".join(pieces)
