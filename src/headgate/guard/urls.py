"""Whether the text that comes next lies inside a URL, told piece by piece.

A value put into a URL leaves for wherever the URL points as soon as something renders it, so it is not put there. In
doubt the answer is yes: that costs a token which stays a token, the opposite would cost the value.
"""

from __future__ import annotations

import re

_SLASH = r"(?:/|\\/|\\u002[fF])"
# Each ends with the character that makes it one, so that it does not matter how a stream was cut.
_OPENING = re.compile(
    rf"https?:|{_SLASH}{{2}}|www\.|\]\(|\]:|\burl\(|\b(?:src|srcset|href|action|data|poster|cite)[ ]{{0,3}}="
    r"|[a-zA-Z0-9\-]\.[a-zA-Z]{2,24}(?::[0-9]{1,5})?[/?#]",
    re.IGNORECASE,
)
# What every opening ends with, or holds within its last six characters: most text has none of it.
_ENDS_OPENING = re.compile(r"[:/.(=?#\\]")
_LONGEST_OPENING = 40
_LOOK_BACK = 40
_KEPT = _LONGEST_OPENING + _LOOK_BACK
_CLOSERS = {'"': '"', "'": "'", "<": ">", "`": "`"}
_STOPS_LOOKING_BACK = frozenset(" \t\r\n()[]{}")


class UrlContext:
    """The state of one channel.

    Args:
        is_json: whether the text is JSON, where a quotation mark that is not escaped ends every URL.
    """

    __slots__ = ("_closer", "_is_fresh", "_is_json", "_tail", "is_inside")

    def __init__(self, *, is_json: bool) -> None:
        self.is_inside = False
        self._is_json = is_json
        self._closer: str | None = None
        self._is_fresh = False
        self._tail = ""

    def advance(self, text: str) -> None:
        """Take the next piece of text. Amortised O(characters)."""
        if not self.is_inside and not _ENDS_OPENING.search(text) and "\\" not in self._tail[-6:]:
            self._tail = (self._tail + text)[-_KEPT:]
            return
        whole = self._tail + text
        seen, begin = len(self._tail), 0
        while True:
            if self.is_inside:
                end = self._end(whole, seen)
                if end is None:
                    break
                self.is_inside = False
                seen = begin = end
            else:
                opening = next((m for m in _OPENING.finditer(whole, begin) if m.end() > seen), None)
                if opening is None:
                    break
                self.is_inside = True
                self._closer = _closer_before(whole, max(begin, opening.start() - _LOOK_BACK), opening.start())
                self._is_fresh = opening.group()[-1] in "(=:"
                seen = opening.end()
        self._tail = whole[max(begin, len(whole) - _KEPT) :]

    def _end(self, whole: str, at: int) -> int | None:
        """Return the position after the character that ends the URL, or None."""
        while at < len(whole):
            char = whole[at]
            at += 1
            if self._is_fresh:
                if char in " \t":
                    continue
                self._is_fresh = False
                if self._closer is None and char in _CLOSERS:
                    self._closer = _CLOSERS[char]
                    continue
            if self._ends(char, whole[at - 2] if at > 1 else ""):
                return at
        return None

    def _ends(self, char: str, before: str) -> bool:
        if self._is_json and char == '"':
            return before != "\\"
        if self._closer is not None:
            return char == self._closer or (char == "\n" and before == "\n")
        return char.isspace()


def _closer_before(text: str, begin: int, at: int) -> str | None:
    """Return what closes the quotation in which the URL begins, if one opened right before it."""
    for index in range(at - 1, begin - 1, -1):
        char = text[index]
        if char in _CLOSERS:
            return _CLOSERS[char]
        if char in _STOPS_LOOKING_BACK:
            return None
    return None
