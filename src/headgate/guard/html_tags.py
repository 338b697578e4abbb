"""Incremental check whether the next text may be inside an HTML tag."""

from __future__ import annotations

import re

_MARK = re.compile(r"<[a-zA-Z]|=[ \t\r\n\f]*[\"']|[>\"']")
_UNFINISHED = re.compile(r"(?:<|=[ \t\r\n\f]*)\Z")
_OUTSIDE, _DOUBLE, _SINGLE = 1, 2, 4


class Tags:
    """Follows every possible parse of a text: each `<` before a letter may open a tag.

    A comment, a script or an attribute may contain text that looks like a tag. So the state is a
    set of bits for all tags that may be open: outside an attribute's value, or within quotes of
    either kind.

    Source: HTML Living Standard, section 13.2.5, "Tokenization".
    """

    __slots__ = ("_rest", "_states", "is_idle")

    def __init__(self) -> None:
        self.is_idle = True
        """Whether text without a `<` changes nothing."""
        self._states = 0
        self._rest = ""

    @property
    def is_open(self) -> bool:
        """Whether a tag may be open."""
        return bool(self._states)

    def advance(self, text: str) -> None:
        """Take the next piece of text. Linear."""
        if self.is_idle and "<" not in text:
            return
        self._states = self._states_after(text)
        whole = self._rest + text
        unfinished = _UNFINISHED.search(whole) if text else None
        self._rest = unfinished.group()[:1] if unfinished is not None else ("" if text else self._rest)
        self.is_idle = not self._states and not self._rest

    def _states_after(self, text: str) -> int:
        states = self._states
        for mark in _MARK.finditer(self._rest + text):
            states = _after(mark.group(), states)
        return states


def _after(mark: str, states: int) -> int:
    if mark[0] == "<":
        return states | _OUTSIDE
    if mark == ">":
        return states & ~_OUTSIDE
    quote = _DOUBLE if mark[-1] == '"' else _SINGLE
    after = states & ~quote
    if states & quote:
        after |= _OUTSIDE
    if mark[0] == "=" and states & _OUTSIDE:
        after = (after & ~_OUTSIDE) | quote | (_OUTSIDE if states & quote else 0)
    return after
