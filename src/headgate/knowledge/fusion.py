"""Fusion: the rankings of words and of meaning become one.

Source: Cormack, Clarke and Büttcher, Reciprocal Rank Fusion outperforms Condorcet (SIGIR 2009).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fusion:
    """Parameters of weighted reciprocal-rank fusion.

    Args:
        k: how slowly the weight of a rank falls.
        words, meaning: weights of the legs.
        depth: the passages that each leg ranks.
    """

    k: float = 60.0
    words: float = 1.0
    meaning: float = 1.0
    depth: int = 100


@dataclass(frozen=True, slots=True)
class Fused:
    """A passage with its rank in each leg, from 1; None where the leg did not find it."""

    passage: int
    word_rank: int | None
    meaning_rank: int | None
    score: float


def fuse(words: Sequence[int], meaning: Sequence[int], *, fusion: Fusion) -> list[Fused]:
    """Return the passages of both legs, the best first; equal scores are ordered by id.

    Args:
        words, meaning: the passages of each leg, the best first.
    """
    by_words = {passage: rank for rank, passage in enumerate(words, 1)}
    by_meaning = {passage: rank for rank, passage in enumerate(meaning, 1)}
    fused = [
        Fused(
            passage,
            word_rank := by_words.get(passage),
            meaning_rank := by_meaning.get(passage),
            _share(word_rank, fusion.words, k=fusion.k) + _share(meaning_rank, fusion.meaning, k=fusion.k),
        )
        for passage in by_words | by_meaning
    ]
    return sorted(fused, key=lambda one: (-one.score, one.passage))


def _share(rank: int | None, weight: float, *, k: float) -> float:
    return 0.0 if rank is None else weight / (k + rank)
