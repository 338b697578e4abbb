"""How text is made comparable before it is scanned, and the way back to the characters that were written.

A value hides behind digits of another script, spaces without width, or escapes of a format inside a format (tool
arguments are JSON inside a string inside JSON). A view is the text with that undone; spans found in it map back.
"""

from __future__ import annotations

import html
import re
import sys
import unicodedata
from bisect import bisect_left, bisect_right
from typing import NamedTuple

# Decimal digits beyond ASCII; no script has any beyond U+1FBF9 (Unicode 16).
_DIGITS = "".join(chr(point) for point in range(0x660, 0x1FC00) if chr(point).isdecimal())
_SPACES = "\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
_DASHES = "\u2010-\u2015\u2043\u2212\ufe58\ufe63"
_DOTS = "\u2024\u00b7\u2022\u3002\uff61"
_COMPATIBLE = (
    # Letters, digits and signs in another dress: superscripts and subscripts, letterlike and mathematical ones, ones in
    # circles and brackets, ligatures, small and full-width forms.
    "\u00b2\u00b3\u00b9\u2070-\u209c\u2100-\u214f\u2460-\u24ff\ufb00-\ufb06\ufe50-\ufe6b\uff01-\uff5e"
    "\U0001d400-\U0001d7ff\U0001f100-\U0001f1ff"
)
_NO_WIDTH = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f"
    "\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
"""What Unicode lets nobody see (Default_Ignorable_Code_Point)."""
_TAGS = "\U000e0020-\U000e007e"
"""A second ASCII that nobody sees, though models read it."""
_CONTROLS = "\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f"

_ODD = f"[{_CONTROLS}{_DIGITS}{_SPACES}{_DASHES}{_DOTS}{_COMPATIBLE}{_NO_WIDTH}]"
_ESCAPE = (
    # Not behind a backslash: a run of them is tried from its first one only, so that the search stays linear.
    r"(?<!\\)\\++(?:u[0-9a-fA-F]{4}|u\{[0-9a-fA-F]{1,8}\}|U[0-9a-fA-F]{8}|x[0-9a-fA-F]{2}|[nrtbf\"/'])|%(?:25)*[2-7][0-9a-fA-F]"
    r"|&(?:#[0-9]{2,12}|#[xX][0-9a-fA-F]{2,12}|[A-Za-z]{2,24});"
)
_ODD_PATTERN = re.compile(_ODD)
_ALL_PATTERN = re.compile(f"{_ESCAPE}|{_ODD}")
_ESCAPED_PATTERN = re.compile(_ESCAPE)

_SPACE = re.compile(f"[{_SPACES}]")
_DASH = re.compile(f"[{_DASHES}]")
_DOT = re.compile(f"[{_DOTS}]")
_BLANK = re.compile(f"[{_NO_WIDTH}{_CONTROLS}]")
_TAG = re.compile(f"[{_TAGS}]")
_TAGS_PATTERN = re.compile(f"[{_TAGS}]+")
_LETTER_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f", '"': '"', "/": "/", "'": "'"}


class Span(NamedTuple):
    """Characters `start` to `end`."""

    start: int
    end: int


class View(NamedTuple):
    """A text to scan in place of the written one.

    `changes` are, in order, `(start, end, written_start, written_end)` of every piece that differs. `escapes` are the
    written places that stand for one character in another view of the text: no finding begins or ends inside one.
    """

    text: str
    changes: tuple[tuple[int, int, int, int], ...] = ()
    escapes: tuple[Span, ...] = ()

    def written(self, start: int, end: int) -> Span:
        """Return the written characters that characters `start` to `end` of the view stand for."""
        if self.changes:
            start, end = self._written_start(start), self._written_end(end)
        if not self.escapes:
            return Span(start, end)
        begin, stop = self._around_escape(start).end, self._around_escape(end).start
        return Span(begin, stop) if begin < stop else Span(start, end)

    def _around_escape(self, at: int) -> Span:
        """Return the escape that this position cuts through, or the position itself."""
        index = bisect_left(self.escapes, at, key=_start_of) - 1
        if index >= 0 and at < self.escapes[index].end:
            return self.escapes[index]
        return Span(at, at)

    def _written_start(self, at: int) -> int:
        index = bisect_right(self.changes, at, key=_start_of) - 1
        if index < 0:
            return at
        _, end, written_start, written_end = self.changes[index]
        return written_start if at < end else written_end + at - end

    def _written_end(self, at: int) -> int:
        index = bisect_left(self.changes, at, key=_start_of) - 1
        if index < 0:
            return at
        _, end, _, written_end = self.changes[index]
        return written_end if at <= end else written_end + at - end


def is_plain(text: str) -> bool:
    """Tell whether the text is its own only view: ASCII without any escape. Controls are the caller's affair."""
    return text.isascii() and "\\" not in text and "%" not in text and ("&" not in text or ";" not in text)


def views(text: str) -> list[View]:
    """Return what has to be scanned for this text: itself folded, with escapes resolved, and with its tags shown."""
    folded = _rewritten(text, _ODD_PATTERN)
    escapes = tuple([Span(*match.span()) for match in _ESCAPED_PATTERN.finditer(text)])
    found = [folded._replace(escapes=escapes), _rewritten(text, _ALL_PATTERN)] if escapes else [folded]
    if not text.isascii() and _TAG.search(text):
        found.append(_rewritten(text, _TAGS_PATTERN))
    return found


def _rewritten(text: str, pattern: re.Pattern[str]) -> View:
    pieces: list[str] = []
    changes: list[tuple[int, int, int, int]] = []
    done = size = 0
    for match in pattern.finditer(text):
        start, end = match.span()
        piece = match.group()
        plain = _shown(piece) if pattern is _TAGS_PATTERN else "".join(map(_folded, _resolved(piece)))
        pieces += (text[done:start], plain)
        size += start - done
        changes.append((size, size + len(plain), start, end))
        size += len(plain)
        done = end
    if not changes:
        return View(text)
    pieces.append(text[done:])
    return View("".join(pieces), tuple(changes))


def _resolved(piece: str) -> str:
    """Return the character that an escape stands for, or the piece itself."""
    match piece[0], piece[1:]:
        case "\\", rest:
            body = rest.lstrip("\\")
            return _character(body[1:].strip("{}"), piece) if body[0] in "uUx" else _LETTER_ESCAPES[body]
        case "%", digits if digits:
            return chr(int(digits[-2:], 16))
        case "&", entity if entity:
            return html.unescape("&" + entity)
        case _:
            return piece


def _character(digits: str, piece: str) -> str:
    point = int(digits, 16)
    return chr(point) if point <= sys.maxunicode else piece


def _shown(tags: str) -> str:
    """Return the ASCII that tag characters repeat."""
    return "".join([chr(ord(tag) & 0x7F) for tag in tags])


def _folded(char: str) -> str:
    """Return the ASCII characters that this one reads as; nothing where it has no width."""
    if char in "\t\n\r" or (char.isascii() and char.isprintable()):
        return char
    if char.isdecimal():
        return str(unicodedata.decimal(char))
    for pattern, plain in ((_SPACE, " "), (_DASH, "-"), (_DOT, "."), (_BLANK, "")):
        if pattern.fullmatch(char):
            return plain
    plain = unicodedata.normalize("NFKC", char)
    return plain if plain.isascii() else char


def _start_of(place: tuple[int, ...]) -> int:
    return place[0]
