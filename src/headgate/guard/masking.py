"""Masking: replaces findings by pseudonyms, or removes them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from headgate.guard.answers import RememberedThinking
from headgate.guard.pseudonyms import CODE_SIZE, FRAME, TOKEN, Book, Entry
from headgate.guard.quotation import SCALAR, Quotation, is_json
from headgate.guard.restore import json_unescaped
from headgate.kernel.content import Content, Finding, NumberedContent

LITERAL = "text"
"""The kind of client text that only looks like a pseudonym. It gets a pseudonym and is restored."""


_LONGEST_NUMBER = 4096
"""In characters. It bounds the cost of many findings in one endless number."""


class Masked(NamedTuple):
    """The masked content, with counts of replaced values, and of values left to their provider."""

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
    thought: Callable[[str], RememberedThinking | None],
) -> Masked:
    """Return the content with every finding of these categories replaced by its pseudonym.

    If anything is replaced, client text that looks like a pseudonym is replaced too. So it is never
    mistaken for a pseudonym and cannot reveal a value. A signed text goes back to its provider
    unchanged, with the provider's own values. A signed text of unknown origin is masked and loses
    its signature.

    Args:
        thought: returns the original of a signed text for the content's destination.
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
    """Return the text with these findings replaced by notices that name only the category.

    Args:
        quotation: the JSON state at the start of the text, advanced to its end; None without JSON.
        base: the offset of the text in the findings' coordinates.
    """
    places = _merged([_Place(f.start - base, f.end - base, f.kind, f.category, f.confidence) for f in findings])
    return _joined(text, places, [f"[removed:{place.category}]" for place in places], quotation)


def tokenized(text: str, findings: Sequence[Finding], book: Book) -> str:
    """Return the text with its findings replaced by pseudonyms; ignores findings after its end."""
    places = [
        _Place(f.start, min(f.end, len(text)), f.kind, f.category, f.confidence)
        for f in findings
        if f.start < len(text)
    ]
    return _replaced(text, _merged(places), book, Counter()) if places else text


def _literals(text: str) -> list[_Place]:
    return [_Place(match.start(), match.end(), LITERAL, None, 0.0) for match in TOKEN.finditer(text)]


def _merged(places: Iterable[_Place]) -> list[_Place]:
    """Return the places in order; overlapping ones are merged, with the most confident kind."""
    merged: list[_Place] = []
    for place in sorted(places, key=lambda each: (each.start, -each.end)):
        if merged and place.start < merged[-1].end:
            last = merged[-1]
            named = max(last, place, key=lambda each: each.confidence)
            merged[-1] = named._replace(start=last.start, end=max(last.end, place.end))
        else:
            merged.append(place)
    return merged


def _from_here(text: str, places: Iterable[_Place], thought: RememberedThinking, book: Book) -> list[_Place]:
    """Return the places of a reasoning text whose values were pseudonyms in its original."""
    merged = _merged(places)
    entries = _entries(text, merged, Quotation() if is_json(text) else None, is_number=False)
    return [
        place for place, entry in zip(merged, entries, strict=True) if book.token(entry)[-CODE_SIZE:] in thought.codes
    ]


def _entries(text: str, places: Sequence[_Place], quotation: Quotation | None, *, is_number: bool) -> list[Entry]:
    """Return the value at each place; in JSON, a place in a bare number covers the whole number."""
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
    """Return the extent of the number around this place, up to `_LONGEST_NUMBER` characters."""
    before, after = text[max(0, start - _LONGEST_NUMBER) : start], text[end : end + _LONGEST_NUMBER]
    return start - len(before) + len(before.rstrip(SCALAR)), end + len(after) - len(after.lstrip(SCALAR))


def _replaced(text: str, places: Sequence[_Place], book: Book, counts: Counter[str], *, is_number: bool = False) -> str:
    quotation = Quotation() if is_json(text) else None
    entries = _entries(text, places, quotation, is_number=is_number)
    counts.update(place.kind for place in places if place.category is not None)
    return _joined(text, places, list(map(book.token, entries)), None if quotation is None else Quotation())


def _joined(text: str, places: Sequence[_Place], news: Sequence[str], quotation: Quotation | None) -> str:
    """Return the text with the places replaced; in JSON, a string replaces a bare number."""
    pieces: list[str] = []
    done = 0
    for (start, end, *_), new in zip(places, news, strict=True):
        if end <= done:
            continue
        if quotation is not None:
            quotation.advance(text[done:start])
            if not quotation.is_inside:
                # A number is replaced as a whole, because a rest of it would break the JSON.
                begin, end = _whole_number(text, start, end)
                start = max(done, begin)
            new = quotation.replacing(text[start:end], new)
        pieces += (text[done:start], new)
        done = end
    pieces.append(text[done:])
    if quotation is not None:
        quotation.advance(pieces[-1])
    return "".join(pieces)
