"""An estimate of the tokens of a text for a WordPiece embedder, rather too high than too low.

The vocabulary is English: it has whole English words, and cuts other words every two or three letters.
So the estimate asks first how English a text is, by the share of the words that every English text has.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

_FUNCTION_WORDS: Final = frozenset(
    re.findall(
        r"\w+",
        "the of and to in a is that for it as was with be by on not he his are this at from but have an they which or"
        " had you we their one were all been has will would there can if no when who may so its any shall must should"
        " your our do each how what use",
    )
)
_ENGLISH_SHARE: Final = 0.18
_FEWEST_WORDS: Final = 8
_LONG_WORD: Final = 14
_VOWELS: Final = "aeiouy"
_FEWEST_VOWELS: Final = 0.28
"""The share of vowels below which letters are no word of a language, but a code or noise."""
_WORD: Final = re.compile(r"[A-Za-z]{1,40}")
_UNIT: Final = re.compile(r"[^\S\n]{1,200}|\n|[A-Z]?[a-z]{1,24}|.", re.DOTALL)
"""What is not cut: white space, words and parts of long words, and single characters."""
_SEEN_CHARS: Final = 600


def is_english(text: str, start: int = 0, *, otherwise: bool = False) -> bool:
    """Whether the next 600 characters are English prose; `otherwise` where they are few words."""
    words = [found[0].lower() for found in _WORD.finditer(text, start, start + _SEEN_CHARS)]
    if len(words) < _FEWEST_WORDS:
        return otherwise
    return sum(word in _FUNCTION_WORDS for word in words) >= _ENGLISH_SHARE * len(words)


def units(text: str, *, english: bool = False) -> Iterator[tuple[str, float]]:
    """Yield the units of a text, which cover it without gaps, with their tokens. O(n).

    Args:
        english: whether a few words alone are taken as English.
    """
    judged, at = 0, 0
    is_so = english
    for found in _UNIT.finditer(text):
        if at >= judged:
            is_so, judged = is_english(text, at, otherwise=english), at + _SEEN_CHARS
        unit = found[0]
        at += len(unit)
        yield unit, _tokens(unit, is_so)


def tokens(text: str, *, english: bool = False) -> int:
    """Return the estimated tokens of a text. O(n)."""
    return int(sum(cost for _, cost in units(text, english=english)) + 0.99)


@lru_cache(maxsize=50_000)
def _tokens(unit: str, english: bool) -> float:
    first, length = unit[0], len(unit)
    if first.isspace():
        return 0.0
    if not first.isascii():
        return 3.0 if "가" <= first <= "힣" else 1.0  # Hangul falls apart into up to three letters
    word = unit.lower()
    if length == 1 or word in _FUNCTION_WORDS:
        return 1.0
    if sum(map(word.count, _VOWELS)) < _FEWEST_VOWELS * length:
        return 1.0 + 0.7 * (length - 1)
    return 1.0 + (length - 1) // 6 if english and length < _LONG_WORD else 1.0 + 0.38 * (length - 1)
