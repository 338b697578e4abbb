"""Pseudonyms: tokens that replace values, and that only their own exchange can restore.

A token such as `HGX_EMAIL_BDFHKMPRTWZCGJL` is a keyed hash. Within one tenant, use case and
principal, equal values have equal tokens, so that prompt caches work. Across them, tokens are
unlinkable. The letters survive JSON, URLs, Markdown and shells, and are no word of any language.
Values are never stored: the book of values lives as long as its exchange.
"""

from __future__ import annotations

import hashlib
import re
from bisect import bisect_left
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from headgate.guard.kinds import MOST_LETTERS, NO_KINDS, Kinds
from headgate.kernel.errors import Invalid

FRAME = "HGX_"
"""The prefix of every token."""

_ALPHABET = "BCDFGHJKLMNPQRSTVWXZ"  # no vowels and no digits, so no word or number by chance
CODE_SIZE = 15  # 20 letters to the power of 15: 64.8 bits
LONGEST_TOKEN = len(FRAME) + MOST_LETTERS + 1 + CODE_SIZE

TOKEN = re.compile(rf"{FRAME}[A-Z]{{1,{MOST_LETTERS}}}_[{_ALPHABET}]{{{CODE_SIZE}}}")
"""Matches exactly one token. Tokens of one name have equal length, so none is another's prefix."""

_LEAST_KEY_BYTES = 16


class Entry(NamedTuple):
    """The value of a token. `category` is None for client text that only looks like a token.

    `is_number` marks a bare number in JSON, which is restored as a number.
    """

    value: str
    kind: str
    category: str | None
    is_number: bool = False


class Pseudonyms:
    """Makes the book of an exchange from the organisation's key.

    Raises:
        Invalid: the key has fewer than 16 bytes.
    """

    def __init__(self, key: bytes) -> None:
        if len(key) < _LEAST_KEY_BYTES:
            raise Invalid(f"the key of pseudonyms has {len(key)} bytes; it needs {_LEAST_KEY_BYTES} or more")
        self._key = hashlib.blake2b(key, digest_size=32, person=b"hg-pseudonyms").digest()

    def book(self, *, tenant: str, use_case: str, principal: str, kinds: Kinds = NO_KINDS) -> Book:
        """Return an empty book; its tokens are stable within these three and unlinkable beyond.

        Args:
            kinds: the declared kinds of values.
        """
        return Book(partial(_keyed, self._key, tenant, use_case, principal, size=32), kinds=kinds)


class Book:
    """The tokens that one exchange sent, and their values. Belongs to one exchange.

    Args:
        make_key: derives the key of its tokens; called only if there is a value to mask.
        kinds: the declared kinds of values.
    """

    __slots__ = ("_code_size", "_entries", "_key", "_kinds", "_make_key", "_sorted", "_tokens", "_words", "has_numbers")

    def __init__(self, make_key: Callable[[], bytes], *, kinds: Kinds = NO_KINDS, code_size: int = CODE_SIZE) -> None:
        self._make_key = make_key
        self._kinds = kinds
        self._key = b""
        self._code_size = code_size
        self._entries: dict[str, Entry] = {}
        self._tokens: dict[Entry, str] = {}
        self._words: dict[str, str | None] = {}
        self._sorted: list[str] = []
        self.has_numbers = False

    def __len__(self) -> int:
        return len(self._entries)

    def token(self, entry: Entry) -> str:
        """Return the token of a value; on a collision, another one."""
        known = self._tokens.get(entry)
        if known is not None:
            return known
        self._key = self._key or self._make_key()
        name = self._kinds.word(entry.kind, entry.category)
        for attempt in range(1_000_000):
            numbered = ("number",) if entry.is_number else ()
            digest = _keyed(self._key, name, entry.kind, entry.value, str(attempt), *numbered, size=16)
            token = f"{FRAME}{name}_{_code(digest, self._code_size)}"
            if token not in self._entries:
                self._entries[token] = entry
                self._tokens[entry] = token
                word = token.replace("_", "")
                self._words[word] = None if word in self._words else token
                self.has_numbers = self.has_numbers or entry.is_number
                return token
        raise Invalid("the content holds more different values than there are tokens; send it in parts")

    def entry(self, token: str) -> Entry | None:
        """Return the value of a token of this exchange; None for any other token."""
        return self._entries.get(token)

    def is_restored(self, entry: Entry) -> bool:
        """Tell whether the value may be restored."""
        return self._kinds.is_restored(entry.kind, entry.category)

    def token_of(self, word: str) -> str | None:
        """Return the only token with these letters; None without exactly one."""
        return self._words.get(word)

    def may_begin(self, word: str) -> bool:
        """Tell whether a token's letters begin with `word`. O(log tokens), after sorting once."""
        if len(self._sorted) != len(self._words):
            self._sorted = sorted(self._words)
        at = bisect_left(self._sorted, word)
        return at < len(self._sorted) and self._sorted[at].startswith(word)


def _keyed(key: bytes, *fields: str, size: int) -> bytes:
    digest = hashlib.blake2b(key=key, digest_size=size)
    for field in fields:
        data = field.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.digest()


def _code(digest: bytes, size: int) -> str:
    number, letters = int.from_bytes(digest, "big"), ""
    for _ in range(size):
        number, rest = divmod(number, len(_ALPHABET))
        letters += _ALPHABET[rest]
    return letters
