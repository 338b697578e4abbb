"""Normalises text before a scan, and maps findings back to the original text.

Digits of another script, zero-width spaces and nested escapes can hide a value. Tool arguments,
for example, are JSON inside a string inside JSON. A view is the text without such disguises. A
span in a view maps back to a span in the original.

The code builds a view in slices, so that no single step holds the interpreter for long. It
computes the mapping only for slices with findings. Everything is linear in the text.
"""

from __future__ import annotations

import html
import re
import sys
import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

# Decimal digits beyond ASCII; no script has any beyond U+1FBF9 (Unicode 16).
_DIGITS = "".join(chr(point) for point in range(0x660, 0x1FC00) if chr(point).isdecimal())
_SPACES = "\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
_DASHES = "\u2010-\u2015\u2043\u2212\ufe58\ufe63"
_DOTS = "\u2024\u00b7\u2022\u3002\uff61"
_COMPATIBLE = (
    # Variants of letters, digits and signs: superscripts, subscripts, letterlike and mathematical
    # symbols, circled and bracketed characters, ligatures, small and full-width forms.
    "\u00b2\u00b3\u00b9\u2070-\u209c\u2100-\u214f\u2460-\u24ff\ufb00-\ufb06\ufe50-\ufe6b\uff01-\uff5e"
    "\U0001d400-\U0001d7ff\U0001f100-\U0001f1ff"
)
_NO_WIDTH = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f"
    "\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
"""Invisible characters (Default_Ignorable_Code_Point in Unicode)."""
_TAGS = "\U000e0020-\U000e007e"
"""Tag characters: an invisible copy of ASCII. Models read it."""
_CONTROLS = "\x00-\x08\x0b\x0c\x0e-\x1f\x7f"

_ESCAPE = re.compile(
    r"[\\%&](?:"
    # A run of backslashes is tried from its first one only, so that the search stays linear.
    r"(?<=\\)(?<!\\\\)\\*+"
    r"(?:u[0-9a-fA-F]{4}|u\{[0-9a-fA-F]{1,8}\}|U[0-9a-fA-F]{8}|x[0-9a-fA-F]{2}|[nrtbf\"/'])"
    r"|(?<=%)(?:25)*[2-7][0-9a-fA-F]"
    r"|(?<=&)(?:#[0-9]{2,12}|#[xX][0-9a-fA-F]{2,12}|[A-Za-z]{2,24});)"
)
_LETTER_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f", '"': '"', "/": "/", "'": "'"}
_TAG = re.compile(f"[{_TAGS}]")

_SLICE = 1 << 16
_CUT = re.compile(r"(?<!\\)[\\%&]|[^\\%&#;{}\"'/0-9A-Za-z]")
"""Positions outside of escapes: before one begins, or before a character that none has."""
_LONGEST_WORD = 1 << 12


class Span(NamedTuple):
    """Characters `start` to `end`."""

    start: int
    end: int


class _Change(NamedTuple):
    """Characters `start` to `end` of a view, and the original characters that they replace."""

    start: int
    end: int
    written_start: int
    written_end: int


class View:
    """A text to scan in place of the original. In this class, both have the same positions."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text

    def written(self, start: int, end: int) -> Span:
        """Return the original span of a span of the view; never an empty one."""
        return Span(start, end)


class _Rewritten(View):
    """A text with unusual characters folded, and with escapes either resolved or unchanged.

    No finding begins or ends inside an unchanged escape, which is one character in another view.
    """

    __slots__ = ("_begins", "_changes", "_cuts", "_escapes", "_is_resolved", "_source")

    def __init__(self, source: str, cuts: Sequence[int], pieces: Sequence[str], *, is_resolved: bool) -> None:
        """Join the rewritten pieces. Each replaces the source from one cut to the next."""
        super().__init__("".join(pieces))
        self._source = source
        self._cuts = cuts
        self._begins = _begins(pieces)
        self._is_resolved = is_resolved
        self._changes: dict[int, list[_Change]] = {}
        self._escapes: dict[int, list[Span]] = {}

    def written(self, start: int, end: int) -> Span:
        """As `View.written`."""
        start, end = self._written_start(start), self._written_end(end)
        if self._is_resolved:
            return Span(start, end)
        begin, stop = self._around_escape(start).end, self._around_escape(end).start
        return Span(begin, stop) if begin < stop else Span(start, end)

    def _written_start(self, at: int) -> int:
        piece = bisect_right(self._begins, at) - 1
        changes, at = self._changes_of(piece), at - self._begins[piece]
        index = bisect_right(changes, at, key=_start_of) - 1
        if index < 0:
            return self._cuts[piece] + at
        _, end, written_start, written_end = changes[index]
        return written_start if at < end else written_end + at - end

    def _written_end(self, at: int) -> int:
        piece = bisect_right(self._begins, at - 1) - 1
        changes, at = self._changes_of(piece), at - self._begins[piece]
        index = bisect_left(changes, at, key=_start_of) - 1
        if index < 0:
            return self._cuts[piece] + at
        _, end, _, written_end = changes[index]
        return written_end if at <= end else written_end + at - end

    def _changes_of(self, piece: int) -> list[_Change]:
        """Return the changes in a piece, with positions from its start in the view."""
        if piece not in self._changes:
            begin, end = self._cuts[piece], self._cuts[piece + 1]
            self._changes[piece] = list(_changes(self._source, begin, end, is_resolved=self._is_resolved))
        return self._changes[piece]

    def _around_escape(self, at: int) -> Span:
        """Return the escape around an original position, or the position itself."""
        piece = min(bisect_right(self._cuts, at) - 1, len(self._cuts) - 2)
        if piece not in self._escapes:
            found = _ESCAPE.finditer(self._source, self._cuts[piece], self._cuts[piece + 1])
            self._escapes[piece] = [Span(*match.span()) for match in found]
        escapes = self._escapes[piece]
        index = bisect_left(escapes, at, key=_start_of) - 1
        return escapes[index] if index >= 0 and at < escapes[index].end else Span(at, at)


def is_plain(text: str) -> bool:
    """Tell whether the text needs no views: it is ASCII without escapes.

    The caller checks for control characters.
    """
    return text.isascii() and "\\" not in text and "%" not in text and ("&" not in text or ";" not in text)


def views(text: str) -> list[View]:
    """Return the views of a text to scan.

    The first view has unusual characters folded. A text with escapes has a second view, with every
    escape resolved. A text with tag characters has a last view, with its tags as plain ASCII.
    """
    cuts = _cuts(text)
    pieces = [text[start:end] for start, end in pairwise(cuts)]
    found: list[View] = [_Rewritten(text, cuts, [piece.translate(_FOLDS) for piece in pieces], is_resolved=False)]
    resolved = [_ESCAPE.subn(_Plain().of, piece) for piece in pieces]
    if any(count for _, count in resolved):
        plain = [piece.translate(_FOLDS) for piece, _ in resolved]
        found.append(_Rewritten(text, cuts, plain, is_resolved=True))
    if not text.isascii() and any(_TAG.search(piece) for piece in pieces):
        found.append(View("".join([piece.translate(_SHOWN_TAGS) for piece in pieces])))
    return found


class _Plain(dict[str, str]):
    """A cache of the folded characters of each escape."""

    def __missing__(self, piece: str) -> str:
        plain = self[piece] = "".join(map(_folded, _resolved(piece)))
        return plain

    def of(self, match: re.Match[str]) -> str:
        return self[match.group()]


def _cuts(text: str) -> list[int]:
    """Return the starts of a text's slices, and its end. No cut lies inside an escape."""
    cuts = [0]
    while cuts[-1] + _SLICE < len(text):
        at = cuts[-1] + _SLICE
        match = _CUT.search(text, at, at + _LONGEST_WORD)
        cuts.append(min(len(text), at + _LONGEST_WORD) if match is None else match.start())
    if cuts[-1] < len(text) or len(cuts) < 2:
        cuts.append(len(text))
    return cuts


def _begins(pieces: Sequence[str]) -> list[int]:
    begins = [0]
    for piece in pieces:
        begins.append(begins[-1] + len(piece))
    return begins[:-1]


def _changes(source: str, begin: int, end: int, *, is_resolved: bool) -> Iterator[_Change]:
    """Yield the parts of a slice that have another length in its view."""
    grown = -begin
    for start, stop, plain in _marks(source, begin, end, is_resolved=is_resolved):
        yield _Change(start + grown, start + grown + len(plain), start, stop)
        grown += len(plain) - (stop - start)


def _marks(source: str, begin: int, end: int, *, is_resolved: bool) -> Iterator[tuple[int, int, str]]:
    plain, done = _Plain(), begin
    for match in _ESCAPE.finditer(source, begin, end) if is_resolved else ():
        yield from _uneven(source, done, match.start())
        yield match.start(), match.end(), plain[match.group()]
        done = match.end()
    yield from _uneven(source, done, end)


def _uneven(source: str, begin: int, end: int) -> Iterator[tuple[int, int, str]]:
    for at, char in enumerate(source[begin:end], start=begin):
        if char in _UNEVEN:
            yield at, at + 1, _UNEVEN[char]


def _resolved(piece: str) -> str:
    """Return the character that an escape stands for."""
    match piece[0], piece[1:]:
        case "\\", rest:
            body = rest.lstrip("\\")
            return _character(body[1:].strip("{}"), piece) if body[0] in "uUx" else _LETTER_ESCAPES[body]
        case "%", digits:
            return chr(int(digits[-2:], 16))
        case _:
            return html.unescape(piece)


def _character(digits: str, piece: str) -> str:
    point = int(digits, 16)
    return chr(point) if point <= sys.maxunicode else piece


def _folded(char: str) -> str:
    """Return the ASCII form of a character, or the character if it has none.

    The ASCII form of a character without width is empty.
    """
    if (plain := _FOLDS.get(ord(char))) is not None or char.isascii():
        return char if plain is None else plain
    plain = unicodedata.normalize("NFKC", char)
    return plain if plain.isascii() else char


def _folds() -> dict[int, str]:
    """Return the ASCII form of each unusual character."""
    folds = {ord(char): unicodedata.normalize("NFKC", char) for char in _chars(_COMPATIBLE)}
    folds = {point: plain for point, plain in folds.items() if plain.isascii()}
    for chars, plain in ((_SPACES, " "), (_DASHES, "-"), (_DOTS, "."), (_NO_WIDTH, ""), (_CONTROLS, "")):
        folds |= dict.fromkeys(map(ord, _chars(chars)), plain)
    return folds | {ord(char): str(unicodedata.decimal(char)) for char in _DIGITS}


def _chars(ranges: str) -> Iterator[str]:
    """Yield the characters of the ranges in a regular expression's brackets."""
    for first, last in re.findall("(.)(?:-(.))?", ranges, re.DOTALL):
        yield from map(chr, range(ord(first), ord(last or first) + 1))


def _start_of(place: tuple[int, ...]) -> int:
    return place[0]


_FOLDS: Mapping[int, str] = _folds()
_UNEVEN = {chr(point): plain for point, plain in _FOLDS.items() if len(plain) != 1}
"""Characters with a folded form of another length."""
_SHOWN_TAGS = {ord(tag): chr(ord(tag) & 0x7F) for tag in _chars(_TAGS)}
