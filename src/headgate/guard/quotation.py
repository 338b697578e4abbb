"""Incremental JSON state: tracks strings, so that replacements keep the text valid JSON."""

from __future__ import annotations

import re

import msgspec

SCALAR = "+-.0123456789eE"
"""The characters of JSON numbers."""

_MARK = re.compile(r'\\(?:.|\Z)|"', re.DOTALL)
_FENCED = re.compile(r"\s*+```(?:json)?[ \t]*+\n(.*?)\n[ \t]*+```\s*", re.DOTALL)
_BEGINNING = re.compile(r'\s*+(?:```(?:json)?[ \t]*+\n\s*+)?(?:\{|\[\s*+[{\["])')
_UNDECIDED = re.compile(r"\s*+(?:`{0,2}|```[a-z]{0,4}[ \t]*+(?:\n\s*+)?)(?:\[\s*+)?")
_LONGEST_BEGINNING = 256


class Quotation:
    """The state of one JSON text."""

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

    def replacing(self, old: str, new: str) -> str:
        """Take the replaced text; return the new text with the quotation marks that it needs."""
        opening = "" if self.is_inside else '"'
        self.advance(old)
        return opening + new + ("" if self.is_inside else '"')


def is_json(text: str) -> bool:
    """Tell whether the whole text is one JSON object or list, possibly in a code fence."""
    if begins_json(text) is not True:
        return False
    fenced = _FENCED.fullmatch(text)
    try:
        msgspec.json.decode((fenced[1] if fenced else text).encode(), type=dict[str, msgspec.Raw] | list[msgspec.Raw])
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return False
    return True


def begins_json(text: str) -> bool | None:
    """Tell whether a text that begins like this is JSON, possibly fenced; None while undecided."""
    if _BEGINNING.match(text):
        return True
    return None if len(text) <= _LONGEST_BEGINNING and _UNDECIDED.fullmatch(text) else False
