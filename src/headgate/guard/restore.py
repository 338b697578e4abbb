"""Restores values in place of an exchange's pseudonyms, incrementally."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import NamedTuple

from headgate.guard.pseudonyms import Book, Entry
from headgate.guard.quotation import begins_json
from headgate.guard.sent_urls import SentUrls
from headgate.guard.spellings import BEGINNING, Spelled, spelled
from headgate.guard.urls import JsonUrlContext, UrlContext

_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_AFTER_STRING = re.compile(r'"[ \t\r\n]*')


class Answers(NamedTuple):
    """The callbacks of a restorer.

    Args:
        may_see: decides whether the receiver may see an entry; the flag marks a place in a URL that
            was not sent with this token. Called once for each occurrence.
        sent: returns the sent URLs with tokens in them.
        altered: called for each text that looks like a token but is not one of this exchange.
    """

    may_see: Callable[[Entry, bool], bool]
    sent: Callable[[], SentUrls]
    altered: Callable[[], object]


class Restorer:
    """Restores one channel. It holds back text that may begin a token, at most a token's length.

    Args:
        book: the sent tokens.
        is_json: whether the text is JSON, so that values are escaped; None to detect it from the
            beginning.
    """

    __slots__ = ("_answers", "_before", "_beginning", "_book", "_is_json", "_urls", "held")

    def __init__(self, book: Book, *, answers: Answers, is_json: bool | None) -> None:
        self._book = book
        self._answers = answers
        self._is_json = is_json
        self._beginning = ""
        self.held = ""
        self._before = ""
        # Treat text that only begins like JSON as both: a client may show it or parse it.
        self._urls: tuple[UrlContext | JsonUrlContext, ...] = (JsonUrlContext(),) if is_json else (UrlContext(),)

    def feed(self, text: str, *, is_last: bool) -> str:
        """Take the next piece; return the text to release now."""
        if self._is_json is None and not self._decided(text):
            self._advance(text)
            return text
        has_numbers = self._is_json and self._book.has_numbers
        if not self.held and not BEGINNING.search(text) and not (has_numbers and text.endswith('"')):
            for context in self._urls:
                context.advance(text)
            if has_numbers:
                self._before = text[-1:] or self._before
            return text
        whole = self.held + text
        pieces: list[str] = []
        done, end = 0, len(whole)
        for place in spelled(whole, self._book, is_last=is_last):
            is_bare = self._is_bare(whole, place, is_last=is_last) if has_numbers else False
            start = place.start - 1 if is_bare is not False else place.start
            if place.is_open or is_bare is None:
                end = start
                break
            self._advance(whole[done : place.start])
            pieces.append(whole[done:start])
            done = place.start
            new = self._restored(whole, place, is_bare=is_bare, is_last=is_last)
            if new is None:
                end = done
                break
            done = place.end + is_bare
            self._advance(whole[place.start : done])
            pieces.append(new)
        else:
            if has_numbers and not is_last and done < end and whole.endswith('"'):
                end -= 1
        rest, self.held = whole[done:end], whole[end:]
        self._advance(rest)
        self._before = whole[end - 1 : end] or self._before
        pieces.append(rest)
        return "".join(pieces)

    def _decided(self, text: str) -> bool:
        before = self._beginning
        self._beginning += text
        self._is_json = begins_json(self._beginning)
        if self._is_json:
            context = JsonUrlContext()
            context.advance(before)
            self._urls = (*self._urls, context)
        return self._is_json is not None

    def _advance(self, text: str) -> None:
        for context in self._urls:
            context.advance(text)

    def _is_bare(self, whole: str, place: Spelled, *, is_last: bool) -> bool | None:
        """Tell whether a bare number replaces a JSON string here; None while undecided."""
        quote = place.start - 1
        if quote < 0 or whole[quote] != '"' or (whole[quote - 1] if quote else self._before) == "\\":
            return False
        if place.is_open:
            return None
        entry = self._book.entry(place.token or "")
        if entry is None or not is_number(entry):
            return False
        behind = _AFTER_STRING.match(whole, place.end)
        if behind is None:
            return None if place.end == len(whole) and not is_last else False
        if behind.end() == len(whole):
            return True if is_last else None
        return whole[behind.end()] != ":"

    def _restored(self, whole: str, place: Spelled, *, is_bare: bool, is_last: bool) -> str | None:
        """Return the replacement, without quotes for a bare number; None to wait for more text."""
        said = whole[place.start : place.end]
        entry = None if place.token is None else self._book.entry(place.token)
        if entry is None:
            self._answers.altered()
            return said
        is_inside = self._is_elsewhere(place.token or "", whole[place.end :], is_last=is_last)
        if is_inside is None:
            return None
        if not self._answers.may_see(entry, is_inside):
            return f'"{said}"' if is_bare else said
        return json_escaped(entry.value) if self._is_json else entry.value

    def _is_elsewhere(self, token: str, behind: str, *, is_last: bool) -> bool | None:
        """Tell whether the token is in a URL that was not sent with it; None while undecided."""
        for context in self._urls:
            if context.is_inside:
                url = None if context.url is None else context.url + token
                is_known = self._answers.sent().is_known(url, behind, is_last=is_last)
                if not is_known:
                    return None if is_known is None else True
        return False


def is_number(entry: Entry) -> bool:
    """Tell whether an entry is a bare number in JSON."""
    return entry.is_number and _NUMBER.fullmatch(entry.value) is not None


def json_escaped(text: str) -> str:
    """Escape a text for a JSON string."""
    return json.dumps(text, ensure_ascii=False)[1:-1]


def json_unescaped(text: str) -> str:
    """Unescape the inside of a JSON string; returns the text unchanged if it is malformed."""
    try:
        return str(json.loads(f'"{text}"', strict=False))
    except ValueError:
        return text
