"""Puts values back where this exchange had put tokens, as the text comes in."""

from __future__ import annotations

import json
from collections.abc import Callable

from headgate.guard.pseudonyms import TOKEN, Book, Entry, held_from
from headgate.guard.quotation import begins_json
from headgate.guard.urls import UrlContext


class Restorer:
    """Restores one channel. What may be the beginning of a token is held back, at most a token's length.

    Args:
        book: the tokens that were sent.
        may_see: asked for every token before its value is put back; called once for each occurrence.
        is_json: whether the text is JSON, so that values are escaped as its strings demand; None to tell by how it
            begins.
    """

    __slots__ = ("_beginning", "_book", "_held", "_is_json", "_may_see", "_url")

    def __init__(self, book: Book, *, may_see: Callable[[Entry, bool], bool], is_json: bool | None) -> None:
        self._book = book
        self._may_see = may_see
        self._is_json = is_json
        self._beginning = ""
        self._held = ""
        self._url = UrlContext(is_json=bool(is_json))

    def feed(self, text: str, *, is_last: bool) -> str:
        """Take the next piece; return what may be released now."""
        if self._is_json is None and not self._decided(text):
            return text
        if not self._held and "H" not in text:
            self._url.advance(text)
            return text
        whole = self._held + text
        pieces: list[str] = []
        done = 0
        for match in TOKEN.finditer(whole):
            before = whole[done : match.start()]
            self._url.advance(before)
            pieces += (before, self._restored(match.group()))
            done = match.end()
        end = len(whole) if is_last else max(done, held_from(whole))
        rest, self._held = whole[done:end], whole[end:]
        self._url.advance(rest)
        pieces.append(rest)
        return "".join(pieces)

    def _decided(self, text: str) -> bool:
        self._beginning += text
        self._is_json = begins_json(self._beginning)
        if self._is_json is None:
            return False
        self._url = UrlContext(is_json=self._is_json)
        return True

    def _restored(self, token: str) -> str:
        entry = self._book.entry(token)
        is_inside = self._url.is_inside
        self._url.advance(token)
        if entry is None or not self._may_see(entry, is_inside):
            return token
        return json_escaped(entry.value) if self._is_json else entry.value


def json_escaped(text: str) -> str:
    """Return the text as it stands between the quotation marks of a JSON string."""
    return json.dumps(text, ensure_ascii=False)[1:-1]


def json_unescaped(text: str) -> str:
    """Return what stood between the quotation marks of a JSON string; the text itself where that is not its form."""
    try:
        return str(json.loads(f'"{text}"', strict=False))
    except ValueError:
        return text
