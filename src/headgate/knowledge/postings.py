"""Postings and their ranking: BM25 over packed lists of passages. Pure functions.

Source: Robertson and Zaragoza, The Probabilistic Relevance Framework: BM25 and Beyond (2009).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

POSTING = np.dtype([("passage", "<i8"), ("count", "<u2"), ("words", "<u2")])
"""A term in a passage, as it is stored: 12 bytes."""

_MOST = 0xFFFF
_SPARSE = 16


class PackedTerm(NamedTuple):
    """The postings of a term in some passages."""

    term: int
    packed: bytes


class Ranked(NamedTuple):
    """Passages `(n,)` and their scores `(n,)`, the best first."""

    passages: npt.NDArray[np.int64]
    scores: npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Corpus:
    """The passages that an asker may read.

    Args:
        words: the sum of their lengths.
    """

    passages: int
    words: int


@dataclass(frozen=True, slots=True)
class Bm25:
    """Parameters of BM25.

    Args:
        k1: how slowly repetitions of a term saturate.
        b: how much a passage's length counts, 0 to 1.
    """

    k1: float = 1.2
    b: float = 0.5


def pack(ids: Sequence[int], words: Sequence[int], terms: Sequence[Mapping[int, int]]) -> Iterator[PackedTerm]:
    """Yield the terms of some passages with their postings, by term.

    Args:
        ids, words, terms: of each passage; the ids ascend.
    """
    sizes = [len(counts) for counts in terms]
    hashes = np.fromiter((term for counts in terms for term in counts), np.int64, sum(sizes))
    postings = np.empty(len(hashes), POSTING)
    postings["passage"] = np.repeat(np.asarray(ids, np.int64), sizes)
    postings["words"] = np.repeat(np.minimum(np.asarray(words, np.int64), _MOST), sizes)
    postings["count"] = np.fromiter((min(n, _MOST) for counts in terms for n in counts.values()), np.int64, len(hashes))
    order = np.argsort(hashes, kind="stable")
    hashes, postings = hashes[order], postings[order]
    cuts = [0, *(np.flatnonzero(np.diff(hashes)) + 1).tolist(), len(hashes)]
    raw, size = postings.tobytes(), POSTING.itemsize
    for start, end in pairwise(cuts):
        if start < end:
            yield PackedTerm(int(hashes[start]), raw[start * size : end * size])


def rank(lists: Sequence[PackedTerm], query: Mapping[int, int], corpus: Corpus, *, bm25: Bm25, limit: int) -> Ranked:
    """Return the best passages by BM25. Linear in the postings; equal scores are ordered by id.

    Args:
        lists: of each term of the query, with postings in readable passages only.
        query: the terms with their counts in the query.
    """
    found = [np.frombuffer(packed, POSTING) for _, packed in lists]
    if not any(map(len, found)):
        return Ranked(np.empty(0, np.int64), np.empty(0, np.float64))
    average = max(1.0, corpus.words / max(1, corpus.passages))
    scores = np.concatenate(
        [
            _weights(postings, corpus, average=average, bm25=bm25) * query[term]
            for (term, _), postings in zip(lists, found, strict=True)
        ]
    )
    return best(*_sums(np.concatenate([postings["passage"] for postings in found]), scores), limit=limit)


def best(passages: npt.NDArray[np.int64], scores: npt.NDArray[np.float64], *, limit: int) -> Ranked:
    """Return the passages with the highest scores; equal scores are ordered by id."""
    if len(passages) > limit:
        floor = np.partition(scores, len(scores) - limit)[len(scores) - limit]
        kept = scores >= floor
        passages, scores = passages[kept], scores[kept]
    order = np.lexsort((passages, -scores))[:limit]
    return Ranked(passages[order], scores[order])


def _weights(postings: npt.NDArray[Any], corpus: Corpus, *, average: float, bm25: Bm25) -> npt.NDArray[np.float64]:
    frequency = len(postings)
    rarity = math.log1p((max(corpus.passages, frequency) - frequency + 0.5) / (frequency + 0.5))
    counts = postings["count"].astype(np.float64)
    lengths = postings["words"] * (bm25.k1 * bm25.b / average) + bm25.k1 * (1 - bm25.b)
    return rarity * (bm25.k1 + 1) * counts / (counts + lengths)


def _sums(passages: npt.NDArray[np.int64], scores: npt.NDArray[np.float64]) -> Ranked:
    """Return each passage once, with the sum of its scores."""
    first = passages.min()
    span = int(passages.max() - first) + 1
    if span <= _SPARSE * len(passages):
        sums = np.bincount(passages - first, scores, span).astype(np.float64)
        places = np.flatnonzero(sums)
        return Ranked(places + first, sums[places])
    unique, places = np.unique(passages, return_inverse=True)
    return Ranked(unique, np.bincount(places, scores).astype(np.float64))
