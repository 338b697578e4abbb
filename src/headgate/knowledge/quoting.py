"""Quotations: the sentences of found passages that answer a question best, by its words and by its meaning."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import log
from typing import Any, NamedTuple

from headgate.kernel.errors import Denied, Invalid, NotFound, Unavailable, Upstream
from headgate.kernel.labels import BOTTOM, Labels, parse_labels
from headgate.kernel.run import Run
from headgate.knowledge.embedding import Embedding
from headgate.knowledge.index import Vector
from headgate.knowledge.payloads import Found, FoundPassage, Question, Sentence
from headgate.knowledge.sentences import sentences_of
from headgate.knowledge.words import Words

_MOST_QUOTED = 4
_MOST_RATED = 64
"""The limit of sentences whose meaning is compared: one call of the embedder."""

_LEAST_SHARED = 0.5
"""The part of a question's content words, by weight, that a sentence and its headings hold at least."""

_LEAST_ALIKE = 0.5
"""The cosine of a question and a sentence of other words, at least."""

_MARGIN = 0.25
"""A sentence that fits worse than the best one by more than this is left out."""

_COLUMN = " | "
_MOST_CHARS = 600


class _Candidate(NamedTuple):
    """A sentence of a passage.

    Args:
        number: of the passage.
        place: of the sentence in it.
        part: of the question's words, by weight, that the sentence and its headings hold.
        own: the part that the sentence holds by itself.
    """

    number: int
    place: int
    text: str
    part: float
    own: float


@dataclass(frozen=True, slots=True)
class Quoting:
    """Chooses quotations."""

    embedding: Embedding
    words: Words

    async def sentences(self, run: Run[Any, Any, Any], question: Question, found: Found) -> tuple[Sentence, ...]:
        """Return the sentences that fit, in the order of the passages; none if none does."""
        candidates = self._candidates(question, found)[:_MOST_RATED]
        alike = await self._alike(run, question.text, candidates, found)
        rated: list[tuple[float, _Candidate]] = []
        for one, likeness in zip(candidates, alike, strict=True):
            by_words = one.part if one.own and one.part >= _LEAST_SHARED else 0.0
            by_meaning = likeness if likeness >= _LEAST_ALIKE else 0.0
            if by_words or by_meaning:
                rated.append((by_words + one.own / 2 + likeness - 0.03 * one.number, one))
        best = max((fit for fit, _ in rated), default=0.0)
        kept = sorted(((fit, one) for fit, one in rated if fit >= best - _MARGIN), reverse=True)[:_MOST_QUOTED]
        ordered = sorted((one for _, one in kept), key=lambda one: (one.number, one.place))
        return tuple(Sentence(one.text, (one.number,)) for one in ordered)

    def _candidates(self, question: Question, found: Found) -> list[_Candidate]:
        """Return the sentences of the passages, those with most of the question's words first."""
        weights = self._weights(question, found)
        whole = sum(weights.values()) or 1.0
        candidates: list[_Candidate] = []
        for number, one in enumerate(found.passages):
            above = _held(weights, self.words.content(" ".join((one.title, *one.passage.headings))))
            for place, sentence in enumerate(sentences_of(one.passage.text)):
                held = _held(weights, self.words.content(sentence))
                # A row of a table says little without the words that it is asked by.
                counted = held if _COLUMN in sentence else held | above
                parts = (sum(weights[term] for term in some) / whole for some in (counted, held))
                candidates.append(_Candidate(number, place, sentence[:_MOST_CHARS], *parts))
        return sorted(candidates, key=lambda one: (-one.part - one.own, one.number, one.place))

    def _weights(self, question: Question, found: Found) -> dict[str, float]:
        """Return the content words of a question with their weights. A word that few passages hold weighs more."""
        held = [frozenset(self.words.content(_whole(one))) for one in found.passages]
        asked = dict.fromkeys(self.words.content(question.text))
        return {term: log((len(held) + 1.5) / (sum(term in one for one in held) + 0.5)) for term in asked}

    async def _alike(
        self, run: Run[Any, Any, Any], question: str, candidates: Sequence[_Candidate], found: Found
    ) -> Sequence[float]:
        """Return the cosine of the question and each sentence; zeros where the embedder may not see them."""
        texts = [f"{found.passages[one.number].title}: {one.text}" for one in candidates]
        try:
            first, *others = await self.embedding.vectors(run, [question, *texts], floor=labels_of(found.passages))
        except (Denied, Invalid, NotFound, Unavailable, Upstream) as error:
            run.facts["not_compared"] = error.code
            return [0.0] * len(candidates)
        return [_cosine(first, other) for other in others]


def labels_of(passages: Iterable[FoundPassage]) -> Labels:
    """Return the labels of passages together."""
    labels = BOTTOM
    for one in passages:
        labels = labels.join(parse_labels(one.labels))
    return labels


def _held(weights: Mapping[str, float], words: Iterable[str]) -> frozenset[str]:
    return frozenset(weights) & frozenset(words)


def _whole(one: FoundPassage) -> str:
    return f"{one.title} {' '.join(one.passage.headings)} {one.passage.text}"


def _cosine(one: Vector, other: Vector) -> float:
    return float(one @ other)
