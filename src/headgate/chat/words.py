"""The blind index of words: keyed hashes of the prefixes of words, so that a search needs no text in the database.

Two texts share hashes only within one person's conversations. The index shows how many different prefixes a text has,
and which of a person's texts share one; it shows no word.
"""

from __future__ import annotations

import hmac
import re
import unicodedata
from collections.abc import Iterator

SHORTEST_PREFIX = 3
LONGEST_PREFIX = 12
MOST_HASHES = 20_000
"""The limit for one text. Words beyond it are not found."""

MOST_WORDS = 12
"""The limit of words in one search. Further words are ignored."""

_WORD = re.compile(r"\w+")


def hashes_of(text: str, *, key: bytes) -> list[int]:
    """Return the hashes under which a text is found: of every prefix of each word from 3 to 12 letters."""
    prefixes: set[str] = set()
    for word in words_of(text):
        prefixes.update(_prefixes(word))
        if len(prefixes) >= MOST_HASHES:
            break
    return sorted(_hash(prefix, key) for prefix in prefixes)[:MOST_HASHES]


def hashes_to_find(search: str, *, key: bytes) -> list[int]:
    """Return the hashes that a text must all have; empty for a search without words.

    Each word of the search finds words that begin with it. Words of one or two letters find only themselves.
    """
    words = list(dict.fromkeys(words_of(search)))[:MOST_WORDS]
    return [_hash(word[:LONGEST_PREFIX], key) for word in words]


def words_of(text: str) -> Iterator[str]:
    """Return the words of a text, normalised: without case and accents."""
    return (found.group() for found in _WORD.finditer(plain(text)))


def plain(text: str) -> str:
    """Return a text without case and accents."""
    decomposed = unicodedata.normalize("NFKD", text).casefold()
    return "".join([letter for letter in decomposed if not unicodedata.combining(letter)])


def _prefixes(word: str) -> Iterator[str]:
    if len(word) < SHORTEST_PREFIX:
        yield word
    for length in range(SHORTEST_PREFIX, min(len(word), LONGEST_PREFIX) + 1):
        yield word[:length]


def _hash(prefix: str, key: bytes) -> int:
    """Return 64 bits of HMAC-SHA256 as PostgreSQL's `bigint`."""
    return int.from_bytes(hmac.digest(key, prefix.encode("utf-8", "surrogatepass"), "sha256")[:8], "big", signed=True)
