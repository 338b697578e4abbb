"""Terms: a text as keyed hashes of its stems, with counts. The database holds no words."""

from __future__ import annotations

import importlib
import re
import threading
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import lru_cache
from hashlib import blake2b
from itertools import pairwise
from typing import Protocol, cast

_LONGEST_STEMMED = 64
"""Characters. A longer token is no word: it is hashed as it is, and never kept in memory."""

_REMEMBERED = 1 << 16
"""Words whose hashes a `Terms` remembers. Texts repeat most of their words."""

_MARKS = "".join(
    chr(code) for code in (*range(0x300, 0x1D00), *range(0xA8E0, 0xAC00)) if unicodedata.category(chr(code))[0] == "M"
)
"""Combining marks, which `\\w` leaves out: the vowels of Indic scripts among them."""

_UNSPACED_SCRIPTS = (
    r"\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff"  # Thai, Lao, Myanmar, Hangul, Khmer
    r"\u3005\u3007\u3041-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U000323af"  # Kana, Han, Hangul
)

_INVISIBLE: dict[int, None] = dict.fromkeys((0xAD, 0x200C, 0x200D, 0x2060, 0xFEFF))
"""Soft hyphens and joiners, which stand inside words."""

_COMPOUND = re.compile(rf"[\w{_MARKS}]+(?:[-./:][\w{_MARKS}]+)*")
_BETWEEN = re.compile(r"[-./:_]+")
_RUN = re.compile(rf"[{_UNSPACED_SCRIPTS}]+|[^{_UNSPACED_SCRIPTS}]+")
_UNSPACED = re.compile(rf"[{_UNSPACED_SCRIPTS}]")

_ALGORITHMS = {
    "ar": "arabic",
    "ca": "catalan",
    "cs": "czech",
    "da": "danish",
    "de": "german",
    "el": "greek",
    "en": "english",
    "eo": "esperanto",
    "es": "spanish",
    "et": "estonian",
    "eu": "basque",
    "fa": "persian",
    "fi": "finnish",
    "fr": "french",
    "ga": "irish",
    "hi": "hindi",
    "hu": "hungarian",
    "hy": "armenian",
    "id": "indonesian",
    "it": "italian",
    "lt": "lithuanian",
    "nb": "norwegian",
    "ne": "nepali",
    "nl": "dutch",
    "nn": "norwegian",
    "no": "norwegian",
    "pl": "polish",
    "pt": "portuguese",
    "ro": "romanian",
    "ru": "russian",
    "sr": "serbian",
    "sv": "swedish",
    "ta": "tamil",
    "tr": "turkish",
    "yi": "yiddish",
}
"""The Snowball algorithm of a language by its code of ISO 639-1."""


class Stemmer(Protocol):
    """A stemmer of Snowball. Not safe for several threads at once."""

    def stemWord(self, word: str, /) -> str:
        """Return the stem of a word in lower case."""
        ...


class Terms:
    """Turns texts into terms. Safe to call from any thread.

    Args:
        key: secret of the tenant, 16 to 64 bytes. Equal keys give equal terms.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._stemmers = dict[str, Stemmer]()
        self._lock = threading.Lock()  # a stemmer keeps the word that it works on
        self._remembered = lru_cache(_REMEMBERED)(self._term)

    def count(self, text: str, *, languages: Iterable[str] = ("",)) -> Counter[int]:
        """Return the terms of a text with their counts. O(characters).

        Args:
            languages: codes of ISO 639-1; a code without a stemmer takes words as they are. A passage has one language.
                A question takes those of all documents that it may find: a stem that two languages share counts once.
        """
        wanted = tuple(dict.fromkeys(languages)) or ("",)
        counts = Counter[int]()
        for token, number in Counter(tokens(text)).items():
            for term in {self._of(token, language) for language in wanted}:
                counts[term] += number
        return counts

    def _of(self, token: str, language: str) -> int:
        return self._remembered(token, language) if len(token) <= _LONGEST_STEMMED else self._hash(token)

    def _term(self, token: str, language: str) -> int:
        algorithm = _ALGORITHMS.get(language)
        if algorithm is None or not token.isalpha():
            return self._hash(token)
        with self._lock:
            stemmer = self._stemmers.get(algorithm) or self._stemmers.setdefault(algorithm, _stemmer(algorithm))
            return self._hash(stemmer.stemWord(token))

    def _hash(self, token: str) -> int:
        digest = blake2b(token.encode("utf-8", "surrogatepass"), digest_size=8, key=self._key, person=b"term").digest()
        return int.from_bytes(digest, "little", signed=True)


def tokens(text: str) -> Iterator[str]:
    """Yield the tokens of a text, in one form of letters and case.

    Words of scripts without spaces become pairs of neighbouring characters. A compound with a digit or an underscore,
    such as `ISO-27001`, is a token beside its parts.
    """
    for compound in _COMPOUND.findall(unicodedata.normalize("NFKC", text.translate(_INVISIBLE)).casefold()):
        if compound.isalnum():
            yield from _in_script(compound)
            continue
        parts = [part for part in _BETWEEN.split(compound) if part]
        for part in parts:
            yield from _in_script(part)
        if len(parts) > 1 and ("_" in compound or any(map(str.isdigit, compound))):
            yield compound.strip("_")


def _in_script(word: str) -> Iterator[str]:
    if word.isascii() or not _UNSPACED.search(word):
        yield word
        return
    for run in _RUN.findall(word):
        if not _UNSPACED.search(run[0]) or len(run) == 1:
            yield run
        else:
            yield from map("".join, pairwise(run))


def _stemmer(algorithm: str) -> Stemmer:
    """Return the stemmer in Python: `snowballstemmer.stemmer` takes other code where that is installed."""
    module = importlib.import_module(f"snowballstemmer.{algorithm}_stemmer")
    return cast("Stemmer", getattr(module, f"{algorithm.capitalize()}Stemmer")())
