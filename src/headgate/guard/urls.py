"""Tells, piece by piece, whether a text is inside a URL that a client may fetch or follow.

A client that renders a URL sends it to the URL's host. So Headgate restores a value in a URL only
if the client's request had the value in that URL. In doubt the answer is yes: a wrong yes leaves
a token in the text, a wrong no leaks a value. Decision 0011 defines a URL.

Source: CommonMark 0.31, sections 4.7, 6.3, 6.5 and 6.6; GFM, section 6.9; HTML Living Standard,
section 13.2.5; URL Standard, section 4.4. In the last three, only an ASCII blank ends a URL.
"""

from __future__ import annotations

import re
from copy import copy

from headgate.guard.html_tags import Tags

_ATTRIBUTES = (
    "src|srcset|imagesrcset|href|action|formaction|data|poster|cite|background|ping|longdesc|codebase|archive|manifest"
    "|profile|content|classid|dynsrc|lowsrc|from|to|values|by"
)
# Each opening ends with the character that completes it, so the cuts of a stream do not matter.
_OPENING = re.compile(
    r"(?P<scheme>(?<![a-z0-9+.\-])(?:https?|ftp|wss?):|www\.)|(?P<slashes>:[/\\]{2})|(?P<markdown>\][(:])|(?P<css>\burl\()"
    rf"|(?<![\w.\-])(?P<attribute>{_ATTRIBUTES})\s*+=",
    re.IGNORECASE,
)
# The last characters of openings. Most text has none of them.
_ENDS_OPENING = re.compile(r"[:/.(=\\]")
_LONGEST_OPENING = 40
_LOOK_BACK = 40
_KEPT = _LONGEST_OPENING + _LOOK_BACK
_LONGEST_SCHEME = 31
_LONGEST_URL = 2048
_CLOSERS = {'"': '"', "'": "'", "<": ">", "`": "`"}
_STOPS_LOOKING_BACK = frozenset(" \t\r\n()[]{}")
_BLANK = re.compile(r"[ \t\r\n]")
_BLANKS = re.compile(r"\s+")
_UNFETCHED = re.compile(r"(?:mailto|tel|sms):\Z", re.IGNORECASE)
_SCHEME = re.compile(r"[a-zA-Z][a-zA-Z0-9+.\-]{0,30}\Z")
_INDEXED = re.compile(r"[\w)\]\"'}]\[[^\[\]]*\Z")
_JSON_MARK = re.compile(r'\\u([0-9a-fA-F]{4})|\\([^u])|"', re.DOTALL)
_UNFINISHED_ESCAPE = re.compile(r"\\(?:u[0-9a-fA-F]{0,3})?\Z")
_ESCAPED = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}


class UrlContext:
    """The state of one text that may be Markdown, HTML or CSS."""

    __slots__ = ("_closer", "_is_attribute", "_is_fresh", "_may_be_unfetched", "_tags", "_tail", "is_inside", "url")

    def __init__(self) -> None:
        self._start_over()

    def _start_over(self) -> None:
        self.is_inside = False
        self.url: str | None = ""
        """The URL so far; None if it is too long to compare."""
        self._closer: str | None = None
        self._is_attribute = self._is_fresh = self._may_be_unfetched = False
        self._tags = Tags()
        self._tail = ""

    def advance(self, text: str) -> None:
        """Take the next piece of text. Amortised O(characters)."""
        if not self.is_inside and not _ENDS_OPENING.search(text):
            if self._tags.is_idle and "<" not in text:
                self._tail = (self._tail + text)[-_KEPT:]
                return
            self._tags.advance(text)
            self._keep(self._tail + text)
            return
        whole = self._tail + text
        at, begin = len(self._tail), 0
        while at < len(whole):
            if self.is_inside:
                at = self._inside(whole, at)
                begin = len(whole) if self.is_inside else at
            else:
                opening = self._opening(whole, begin, at)
                self._tags.advance(whole[at : len(whole) if opening is None else opening.end()])
                if opening is None:
                    break
                at = opening.end()
                self._open(opening, whole, begin)
        self._keep(whole if self.is_inside else whole[begin:])

    def end(self) -> None:
        """End this text. The next piece begins another one."""
        self._start_over()

    def _keep(self, text: str) -> None:
        if self._tags.is_open and not self.is_inside:
            # Browsers accept any number of blanks between an attribute's name and its equals sign.
            text = _BLANKS.sub(" ", text)
        self._tail = text[-_KEPT:]

    def _opening(self, whole: str, begin: int, at: int) -> re.Match[str] | None:
        """Return the next URL opening that ends after `at`."""
        tags: Tags | None = None
        seen = at
        for match in _OPENING.finditer(whole, begin):
            if match.end() <= at:
                continue
            match match.lastgroup:
                case "attribute":
                    tags = copy(self._tags) if tags is None else tags
                    tags.advance(whole[seen : match.end()])
                    seen = match.end()
                    if tags.is_open:
                        return match
                case "markdown" if match.group() == "]:":
                    # A link definition begins a line. Brackets after a name are an index in code.
                    bracket = max(begin, whole.rfind("[", begin, match.start()) - 1)
                    if not _INDEXED.match(whole, bracket, match.start()):
                        return match
                case "slashes":
                    if _SCHEME.search(whole, max(begin, match.start() - _LONGEST_SCHEME), match.start()):
                        return match
                case _:
                    return match
        return None

    def _open(self, opening: re.Match[str], whole: str, begin: int) -> None:
        kind, start = opening.lastgroup, opening.start()
        scheme = _SCHEME.search(whole, max(begin, start - _LONGEST_SCHEME), start) if kind == "slashes" else None
        start = start if scheme is None else scheme.start()
        self.is_inside = True
        self._is_fresh = kind not in ("scheme", "slashes")
        self._is_attribute = kind == "attribute"
        self._may_be_unfetched = kind == "markdown" or opening.group(kind or 0).lower() == "href"
        self._closer = None if self._is_fresh else _closer_before(whole, max(begin, start - _LOOK_BACK), start)
        self.url = "" if self._is_fresh else whole[start : opening.end()]

    def _inside(self, whole: str, at: int) -> int:
        """Take text of the URL; return the position after its end, or the end of the text."""
        start = at
        while self._is_fresh and at < len(whole):
            char = whole[at]
            if char in " \t\r\n":
                at += 1
                continue
            self._is_fresh = False
            if char in _CLOSERS:
                self._closer = _CLOSERS[char]
                at += 1
        end = self._end(whole, at)
        stop = len(whole) if end is None else end
        if self._may_be_unfetched and self.url is not None and len(self.url) < _LOOK_BACK:
            for colon in range(at, min(stop, at + _LOOK_BACK)):
                if whole[colon] == ":" and _UNFETCHED.fullmatch(self.url + whole[at : colon + 1]):
                    end = stop = colon + 1
                    break
        if self.url is not None:
            self.url = None if len(self.url) + stop - at > _LONGEST_URL else self.url + whole[at:stop]
        self._tags.advance(whole[start:stop])
        if end is not None:
            self.is_inside = False
        return stop

    def _end(self, whole: str, at: int) -> int | None:
        """Return the position after the character that ends the URL, or None."""
        if self._closer is None:
            blank = _BLANK.search(whole, at)
            return None if blank is None else blank.end()
        closing = whole.find(self._closer, at)
        if not self._is_attribute:
            # The end of a paragraph also ends a quotation without a closing mark.
            line = whole.find("\n", at)
            while line >= 0 and (closing < 0 or line < closing):
                if whole[max(0, line - 2) : line].rstrip("\r").endswith("\n"):
                    return line + 1
                line = whole.find("\n", line + 1)
        return None if closing < 0 else closing + 1


class JsonUrlContext:
    """The state of a JSON text.

    Each of its strings is a text of its own, with escapes resolved.
    """

    __slots__ = ("_inner", "_rest")

    def __init__(self) -> None:
        self._inner = UrlContext()
        self._rest = ""

    @property
    def is_inside(self) -> bool:
        """Whether the next piece of text is inside a URL."""
        return self._inner.is_inside

    @property
    def url(self) -> str | None:
        """The URL so far, without escapes."""
        return self._inner.url

    def advance(self, text: str) -> None:
        """Take the next piece of JSON. Amortised O(characters)."""
        whole = self._rest + text
        if '"' not in whole and "\\" not in whole:
            self._inner.advance(whole)
            return
        done = 0
        pieces: list[str] = []
        for mark in _JSON_MARK.finditer(whole):
            pieces.append(whole[done : mark.start()])
            done = mark.end()
            if mark.group() != '"':
                pieces.append(_unescaped(mark))
                continue
            self._inner.advance("".join(pieces))
            self._inner.end()
            pieces.clear()
        unfinished = _UNFINISHED_ESCAPE.search(whole, done)
        stop = len(whole) if unfinished is None else unfinished.start()
        self._rest = whole[stop:]
        self._inner.advance("".join((*pieces, whole[done:stop])))


def _unescaped(mark: re.Match[str]) -> str:
    return chr(int(mark[1], 16)) if mark[1] else _ESCAPED.get(mark[2], mark[2])


def _closer_before(text: str, begin: int, at: int) -> str | None:
    """Return the closing mark of a quotation that opened right before the URL, or None."""
    for index in range(at - 1, begin - 1, -1):
        char = text[index]
        if char in _CLOSERS:
            return _CLOSERS[char]
        if char in _STOPS_LOOKING_BACK:
            return None
    return None
