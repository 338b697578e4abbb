"""Excerpts of texts around the words of a search."""

from __future__ import annotations

import re

from headgate.chat.words import words_of

_AROUND = 70
_LETTERS = re.compile(r"\w+")


def excerpt(text: str, search: str) -> str:
    """Return the part of a text around the first word that the search finds, on one line."""
    wanted = tuple(words_of(search))
    flat = " ".join(text.split())
    at = next((word.start() for word in _LETTERS.finditer(flat) if _is_found(word.group(), wanted)), 0)
    start, end = max(0, at - _AROUND), min(len(flat), at + 2 * _AROUND)
    return f"{'…' if start else ''}{flat[start:end]}{'…' if end < len(flat) else ''}"


def _is_found(word: str, wanted: tuple[str, ...]) -> bool:
    return any(found.startswith(wanted) for found in words_of(word))
