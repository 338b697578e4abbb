"""Replaces what was found in a content by tokens, or removes it for good."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from headgate.guard.pseudonyms import FRAME, TOKEN, Book, Entry
from headgate.guard.restore import is_json_object, json_unescaped
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


def removed(text: str, findings: Sequence[Finding], *, base: int = 0) -> str:
    """Return the text with these findings of it replaced by notices that say no more than the category."""
    pieces: list[str] = []
    done = 0
    for place in _merged([_Place(f.start - base, f.end - base, f.kind, f.category, f.confidence) for f in findings]):
        pieces += (text[done : place.start], f"[removed:{place.category}]")
        done = place.end
    pieces.append(text[done:])
    return "".join(pieces)


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
    is_json = is_json_object(text)
    tokens: list[str] = []
    for place in places:
        value = text[place.start : place.end]
        entry = Entry(json_unescaped(value) if is_json else value, place.kind, place.category)
        tokens.append(book.token(entry))
        if place.category is not None:
            counts[place.kind] += 1
    written = _joined(text, places, tokens)
    if is_json and not is_json_object(written):
        return _joined(text, places, [_quoted(text, *pair) for pair in zip(places, tokens, strict=True)])
    return written


def _joined(text: str, places: Sequence[_Place], tokens: Sequence[str]) -> str:
    pieces: list[str] = []
    done = 0
    for place, token in zip(places, tokens, strict=True):
        pieces += (text[done : place.start], token)
        done = place.end
    pieces.append(text[done:])
    return "".join(pieces)


def _quoted(text: str, place: _Place, token: str) -> str:
    """Return the token as a JSON string where it takes the place of a bare number."""
    before, after = text[: place.start].rstrip()[-1:], text[place.end :].lstrip()[:1]
    return f'"{token}"' if before in (":", ",", "[") and after in (",", "}", "]") else token
