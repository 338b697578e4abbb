"""Sentences, and whether passages support one: by its words and its numbers."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from headgate.knowledge.words import Words

_END = re.compile(r"(?<=[.!?。！？])[\"'”’)\]]*\s+|\n+")
_CITES = re.compile(r"\s*\[(\d{1,3}(?:\s*[,;]\s*\d{1,3})*)\]")
_NUMBER = re.compile(r"\d+(?:[.,:/]\d+)*")
_MOST_SENTENCES = 2_000
_FEWEST_WORDS = 3
_ABBREVIATED = re.compile(
    r"(?:\b(?:e\.g|i\.e|cf|vs|etc|approx|no|nr|fig|art|dr|mr|mrs|ms|prof|inc|z\.b|u\.a|bzw|ca)|\b[A-Za-z])\.$|^\d+\.$",
    re.I,
)

ENOUGH = 0.75
"""The part of a sentence's content words that its passages have to hold."""


def sentences_of(text: str) -> list[str]:
    """Split a text into sentences and lines. Takes linear time."""
    found: list[str] = []
    for piece in _END.split(text):
        piece = piece.strip()
        if not piece:
            continue
        if (
            found
            and _ABBREVIATED.search(found[-1] if len(found[-1]) < 8 else f" {found[-1][-8:]}")
            and len(found[-1]) < 400
        ):
            found[-1] = f"{found[-1]} {piece}"
        else:
            found.append(piece)
        if len(found) >= _MOST_SENTENCES:
            break
    return found


def cited(sentence: str) -> tuple[str, tuple[int, ...]]:
    """Return a sentence without its marks such as `[1]` or `[2, 3]`, and the numbers in them in order."""
    numbers: list[int] = []
    for mark in _CITES.findall(sentence):
        numbers += [int(one) for one in re.findall(r"\d+", mark) if int(one) not in numbers]
    return _CITES.sub("", sentence).strip(), tuple(numbers)


class Support:
    """The words of passages, for checks of sentences against them.

    Args:
        passages: by the number under which a sentence cites them.
    """

    def __init__(self, passages: Mapping[int, str], words: Words) -> None:
        self._words = words
        self._terms = {number: frozenset(words.content(text)) for number, text in passages.items()}
        self._numbers = {number: frozenset(_numbers(text)) for number, text in passages.items()}

    def of(self, sentence: str, numbers: Collection[int]) -> float:
        """Return how much of a sentence these passages hold, 0 to 1.

        It is 0 if they lack one of its numbers, and for a sentence of fewer than three content words.
        """
        known = [number for number in numbers if number in self._terms]
        said = frozenset(self._words.content(sentence))
        if not known or len(said) < _FEWEST_WORDS:
            return 0.0
        held = frozenset[str]().union(*(self._terms[number] for number in known))
        figures = frozenset[str]().union(*(self._numbers[number] for number in known))
        if not frozenset(_numbers(sentence)) <= figures:
            return 0.0
        return len(said & held) / len(said)

    def best(self, sentence: str) -> tuple[int, float] | None:
        """Return the passage that holds most of a sentence, and how much."""
        found = [(number, self.of(sentence, (number,))) for number in self._terms]
        return max(found, key=lambda one: one[1], default=None)


def _numbers(text: str) -> list[str]:
    return [one.replace(",", "").rstrip(".") for one in _NUMBER.findall(text)]
