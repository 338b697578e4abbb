"""Finds tokens in a model's spelling: escaped, lower case, encoded or with invisible characters.

The letters identify the token. All of them must be present, and they must match a token of this
exchange.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import NamedTuple

from headgate.guard.pseudonyms import TOKEN, Book

# Nested JSON doubles the backslashes of an escape; 16 are enough, and a bound keeps a run of them from being read anew
# from each of its places.
_ESCAPE = r"\\{1,16}+"
_UNSEEN = (
    rf"(?:{_ESCAPE}u(?:200[b-fB-F]|206[0-4]|00[aA][dD]|[fF][eE][fF]{{2}})|\\(?!\\{{0,15}}+u)"
    r"|[\u00ad\u200b-\u200f\u2060-\u2064\ufeff])"
)
_NUMBER = r"(?:\d{2,4}|[xX][0-9a-fA-F]{2,4})"
_ENCODED = rf"&#{_NUMBER};|%(?:25)*[4-7][0-9a-fA-F]"
_UNDERSCORE = (
    rf"{_ESCAPE}u(?:005[fF]|[fF]{{2}}3[fF])|{_ESCAPE}[nrt]|[_\-\s\uff3f]|&#0*95;|&#[xX]0*5[fF];|&lowbar;|&UnderBar;"
    r"|%(?:25)*5[fF]"
)
_UNSEEN_GAP = re.compile(rf"{_UNSEEN}{{0,8}}")
_GAP = re.compile(rf"(?:{_UNDERSCORE}|{_UNSEEN}){{0,8}}")
_LETTER = re.compile(rf"[A-Za-z]|{_ENCODED}")
_UNFINISHED = re.compile(rf"(?:&[#a-zA-Z0-9]{{0,8}}|%[0-9a-fA-F]{{0,3}}|{_ESCAPE}u?[0-9a-fA-F]{{0,3}})?\Z")

# Before 3.11.5, Python repeats a group possessively in a wrong way (CPython issue 106052); eight are few to retry.
BEGINNING = re.compile(rf"[hH]{_UNSEEN}{{0,8}}(?:[gG&%]|{_ESCAPE}u?[0-9a-fA-F]{{0,3}}\Z|\Z)")
"""Matches the possible beginnings of a token."""

_SHORTEST_WORD = 19


class Spelled(NamedTuple):
    """A place with a token or a possible token.

    Args:
        end: the end of the place.
        token: the token; None if it is not one of this exchange or is still incomplete.
        is_open: whether more text may complete a token.
    """

    start: int
    end: int
    token: str | None
    is_open: bool


def spelled(text: str, book: Book, *, is_last: bool) -> Iterator[Spelled]:
    """Yield the places of the book's tokens and of similar text, in order. Linear."""
    done = 0
    for beginning in BEGINNING.finditer(text):
        if beginning.start() < done:
            continue
        place = _at(text, beginning.start(), book, is_last=is_last)
        if place is not None:
            done = place.end
            yield place
            if place.is_open:
                return


def _at(text: str, start: int, book: Book, *, is_last: bool) -> Spelled | None:
    exact = TOKEN.match(text, start)
    if exact is not None and book.entry(exact.group()) is not None:
        return Spelled(start, exact.end(), exact.group(), is_open=False)
    word, at, has_gap = "", start, False
    while True:
        if word:
            # Models do not separate the letters of the prefix; other words can begin like it.
            gap = (_GAP if len(word) > 2 else _UNSEEN_GAP).match(text, at)
            end = at if gap is None else gap.end()
            has_gap = has_gap or (len(word) == 3 and end > at)
            at = end
        letter = _LETTER.match(text, at)
        if letter is None:
            if is_last or not _UNFINISHED.match(text, at):
                break
            return Spelled(start, len(text), None, is_open=True) if book.may_begin(word) else None
        word += _shown(letter.group())
        at = letter.end()
        token = book.token_of(word) if len(word) >= _SHORTEST_WORD else None
        if token is not None:
            return Spelled(start, at, token, is_open=False)
        if len(word) <= 3 and not "HGX".startswith(word):
            return None
        if len(word) > 3 and not book.may_begin(word):
            break
    if exact is not None:
        return Spelled(start, exact.end(), None, is_open=False)
    return Spelled(start, at, None, is_open=False) if has_gap and len(word) > 3 else None


def _shown(letter: str) -> str:
    if letter[0] == "&":
        return html.unescape(letter).upper()
    return chr(int(letter[-2:], 16)).upper() if letter[0] == "%" else letter.upper()
