"""Whether a place in JSON text lies within a string, told piece by piece, so that what is put there keeps it JSON."""

from __future__ import annotations

import re

_MARK = re.compile(r"\\(?:.|\Z)|\"", re.DOTALL)
SCALAR = "+-.0123456789eE"
"""What the numbers of JSON are made of."""


class Quotation:
    """The state of one text."""

    __slots__ = ("_is_escaped", "is_inside")

    def __init__(self) -> None:
        self.is_inside = False
        self._is_escaped = False

    def advance(self, text: str) -> None:
        """Take the next piece of text. Linear."""
        if not text:
            return
        begin = int(self._is_escaped)
        self._is_escaped = False
        for mark in _MARK.finditer(text, begin):
            if mark.group() == '"':
                self.is_inside = not self.is_inside
            else:
                self._is_escaped = len(mark.group()) == 1

    def quoted(self, text: str, *, in_place_of: str) -> str:
        """Take text that gives way to another; return that one with the quotation marks that it needs there."""
        opening = "" if self.is_inside else '"'
        self.advance(in_place_of)
        return f'{opening}{text}{"" if self.is_inside else '"'}'


def scalar_around(text: str, start: int, end: int) -> tuple[int, int]:
    """Return where the bare number begins and ends that holds these characters: none is replaced in part."""
    return len(text[:start].rstrip(SCALAR)), len(text) - len(text[end:].lstrip(SCALAR))
