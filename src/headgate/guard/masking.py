"""Replaces what was found in a content by tokens, or removes it for good."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from headgate.guard.answers import Thought
from headgate.guard.pseudonyms import CODE_SIZE, FRAME, TOKEN, Book, Entry
from headgate.guard.quotation import SCALAR, Quotation, is_json
from headgate.guard.restore import json_unescaped
from headgate.kernel.content import Content, Finding, NumberedContent

LITERAL = "text"
"""The kind of what the client wrote that only looks like a token: it gets its own token, and comes back as it was."""


_LONGEST_NUMBER = 4096
"""Characters; a bound, so that many places in one endless number cost no more than in many numbers."""


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
    numbers: frozenset[int] = content.numbers() if isinstance(content, NumberedContent) else frozenset()
    counts: Counter[str] = Counter()
    returned: Counter[str] = Counter()
    texts: dict[int, str] = {}
    for text, signature in content.signed():
        if signature not in places and not places.get(text):
            continue
        known = None if signature in places else thought(segments[text].text)
        mine = [] if known is None else _from_here(segments[text].text, places[text], known, book)
        written = _replaced(segments[text].text, mine, book, Counter())
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
            text, merged = segments[index].text, _merged(spots)
            if index in numbers:
                merged = [max(merged, key=lambda each: each.confidence)._replace(start=0, end=len(text))]
            texts[index] = _replaced(text, merged, book, counts, is_number=index in numbers)
    return Masked(content.edit(texts), dict(counts), dict(returned))


def removed(text: str, findings: Sequence[Finding], *, quotation: Quotation | None, base: int = 0) -> str:
    """Return the text with these findings of it replaced by notices that say no more than the category.

    Args:
        quotation: where in JSON the text begins, moved on to where it ends; None where it is no JSON.
        base: how many characters the findings are counted from before the text.
    """
    places = _merged([_Place(f.start - base, f.end - base, f.kind, f.category, f.confidence) for f in findings])
    return _joined(text, places, [f"[removed:{place.category}]" for place in places], quotation)


def tokenized(text: str, findings: Sequence[Finding], book: Book) -> str:
    """Return the text with every finding of it replaced by its token; one that begins behind its end is left out."""
    places = [
        _Place(f.start, min(f.end, len(text)), f.kind, f.category, f.confidence)
        for f in findings
        if f.start < len(text)
    ]
    return _replaced(text, _merged(places), book, Counter()) if places else text


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
    merged = _merged(places)
    entries = _entries(text, merged, Quotation() if is_json(text) else None, is_number=False)
    return [
        place for place, entry in zip(merged, entries, strict=True) if book.token(entry)[-CODE_SIZE:] in thought.codes
    ]


def _entries(text: str, places: Sequence[_Place], quotation: Quotation | None, *, is_number: bool) -> list[Entry]:
    """Return what stands in each place; in JSON, a place in a bare number is all of the number."""
    entries: list[Entry] = []
    done = 0
    for start, end, kind, category, _ in places:
        if quotation is None:
            entries.append(Entry(text[start:end], kind, category, is_number))
            continue
        quotation.advance(text[done:start])
        done = start
        if quotation.is_inside:
            entries.append(Entry(json_unescaped(text[start:end]), kind, category))
        else:
            entries.append(Entry(text[slice(*_whole_number(text, start, end))], kind, category, is_number=True))
    return entries


def _whole_number(text: str, start: int, end: int) -> tuple[int, int]:
    """Return where the number begins and ends of which this is a part; it reaches no further than `_LONGEST_NUMBER`."""
    before, after = text[max(0, start - _LONGEST_NUMBER) : start], text[end : end + _LONGEST_NUMBER]
    return start - len(before) + len(before.rstrip(SCALAR)), end + len(after) - len(after.lstrip(SCALAR))


def _replaced(text: str, places: Sequence[_Place], book: Book, counts: Counter[str], *, is_number: bool = False) -> str:
    quotation = Quotation() if is_json(text) else None
    entries = _entries(text, places, quotation, is_number=is_number)
    counts.update(place.kind for place in places if place.category is not None)
    return _joined(text, places, list(map(book.token, entries)), None if quotation is None else Quotation())


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
                begin, end = _whole_number(text, start, end)
                start = max(done, begin)
            new = quotation.replacing(text[start:end], new)
        pieces += (text[done:start], new)
        done = end
    pieces.append(text[done:])
    if quotation is not None:
        quotation.advance(pieces[-1])
    return "".join(pieces)
