"""How good the rankings are: words, meaning, both, and the full text search of PostgreSQL."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import psycopg

from benchmarks.knowledge.load import TERMS, load, opened
from benchmarks.knowledge.vaswani import Judged, Vectors, ndcg, vectors
from headgate.kernel.identity import TenantId
from headgate.kernel.offload import Offloader
from headgate.knowledge.fusion import Fusion, fuse
from headgate.knowledge.index import Query
from headgate.knowledge.postgres_index import PostgresIndex
from headgate.knowledge.postings import Bm25, Corpus, pack, rank
from headgate.testing.postgres import TemporaryDatabase, TemporaryServer

Rankings = Sequence[Sequence[int]]
"""The first places of each question."""

_TENANT = TenantId("vaswani")
_DEPTH = 100
_BM25 = [Bm25(k1, b) for k1, b in product((0.6, 0.9, 1.2, 1.5, 2.0), (0.3, 0.5, 0.6, 0.75, 0.9))]
_HYBRID_BM25 = [Bm25(k1, b) for k1, b in product((0.9, 1.2, 1.5), (0.5, 0.6, 0.75))]
_FUSIONS = [
    Fusion(k=k, words=round(1 - share, 2), meaning=share, depth=_DEPTH)
    for k, share in product((10, 20, 60), (0.4, 0.5, 0.6))
]
_SHARES = (0.3, 0.4, 0.5, 0.6, 0.7)


class Tried(NamedTuple):
    """A way of ranking under some parameters, and the nDCG@10 of each question `(n,)`."""

    parameters: str
    scores: npt.NDArray[np.float64]


async def measure(server: TemporaryServer, judged: Judged) -> dict[str, Any]:
    """Rank the collection in every way."""
    embedded, asked = vectors(judged.texts), vectors([question.text for question in judged.questions])
    nearness = asked @ embedded.T
    nearest = [np.argsort(-row, kind="stable")[:_DEPTH].tolist() for row in nearness]
    by_words = _by_words(judged)

    def tried(parameters: str, rankings: Rankings) -> Tried:
        pairs = zip(rankings, judged.questions, strict=True)
        return Tried(parameters, np.array([ndcg(ranking, question.relevant) for ranking, question in pairs]))

    def hybrids() -> Iterable[Tried]:
        for bm25, fusion in product(_HYBRID_BM25, _FUSIONS):
            pairs = zip(by_words(bm25), nearest, strict=True)
            fused = [[one.passage for one in fuse(list(words), near, fusion=fusion)] for (words, _), near in pairs]
            yield tried(f"{_told(bm25)}, k {fusion.k:g}, meaning {fusion.meaning:g}", fused)

    def by_scores() -> Iterable[Tried]:
        for bm25, share in product(_HYBRID_BM25, _SHARES):
            pairs = zip(by_words(bm25), nearest, nearness, strict=True)
            summed = [_by_scores(words, scores, near, row, share=share) for (words, scores), near, row in pairs]
            yield tried(f"{_told(bm25)}, meaning {share:g}", summed)

    ways: dict[str, Iterable[Tried]] = {
        "PostgreSQL's ts_rank": [tried(name, one) for name, one in _full_text(server, judged).items()],
        "words": [tried(_told(bm25), [list(words) for words, _ in by_words(bm25)]) for bm25 in _BM25],
        "meaning": [tried("", nearest)],
        "hybrid": hybrids(),
        "hybrid of normalised scores": by_scores(),
        "the index as it is": [tried("its defaults", await _in_database(server, judged, embedded, asked))],
    }
    return {"ways": {way: _halves(way, list(some)) for way, some in ways.items()}}


def _halves(way: str, tried: Sequence[Tried]) -> dict[str, Any]:
    """Choose parameters on each half of the questions, and report them on the other."""
    halves = (slice(0, None, 2), slice(1, None, 2))
    first, second = (max(tried, key=lambda one: float(one.scores[half].mean())) for half in halves)
    reported, swapped = first.scores[halves[1]], second.scores[halves[0]]
    told = {
        "parameters": first.parameters,
        "chosen_on": round(float(first.scores[halves[0]].mean()), 4),
        "reported": round(float(reported.mean()), 4),
        "swapped": round(float(swapped.mean()), 4),
        "both": round(float(np.concatenate([reported, swapped]).mean()), 4),
    }
    print(f"{way}: {told}", file=sys.stderr, flush=True)
    return told


def _by_words(judged: Judged) -> Callable[[Bm25], list[tuple[tuple[int, ...], npt.NDArray[np.float64]]]]:
    """Return the ranking of words under given parameters: places and scores of each question."""
    counted = [TERMS.count(text, languages=("en",)) for text in judged.texts]
    lengths = [sum(terms.values()) for terms in counted]
    packed = {one.term: one for one in pack(range(len(counted)), lengths, counted)}
    asked = [TERMS.count(question.text, languages=("en",)) for question in judged.questions]
    corpus = Corpus(len(counted), sum(lengths))

    @cache
    def ranked(bm25: Bm25) -> list[tuple[tuple[int, ...], npt.NDArray[np.float64]]]:
        found = [
            rank([packed[term] for term in terms if term in packed], terms, corpus, bm25=bm25, limit=_DEPTH)
            for terms in asked
        ]
        return [(tuple(one.passages.tolist()), one.scores) for one in found]

    return ranked


def _by_scores(
    words: Sequence[int], scores: Vectors | Any, near: Sequence[int], nearness: Vectors, *, share: float
) -> list[int]:
    """Return the places of both legs by the sum of their scores, each as a part of its leg's best."""
    sums: dict[int, float] = {}
    for place, score in zip(words, (scores / scores.max()).tolist(), strict=True):
        sums[place] = (1 - share) * score
    for place in near:
        sums[place] = sums.get(place, 0.0) + share * float(nearness[place] / nearness[near[0]])
    return sorted(sums, key=lambda place: (-sums[place], place))


def _full_text(server: TemporaryServer, judged: Judged) -> Mapping[str, Rankings]:
    """Rank by PostgreSQL's own functions: any word of the question may match."""
    found: dict[str, Rankings] = {}
    with psycopg.connect(server.template.conninfo) as connection:
        connection.execute("CREATE TEMPORARY TABLE texts (place integer, words tsvector)")
        connection.cursor().executemany(
            "INSERT INTO texts VALUES (%s, to_tsvector('english', %s))", list(enumerate(judged.texts))
        )
        for function, normalised in product(("ts_rank", "ts_rank_cd"), (0, 1, 2)):
            statement = (
                f"SELECT place FROM texts, (SELECT replace(plainto_tsquery('english', %s)::text, '&', '|')::tsquery)"
                f" AS asked (query) WHERE words @@ query ORDER BY {function}(words, query, {normalised}) DESC, place"
                f" LIMIT {_DEPTH}"
            )
            found[f"{function}, normalisation {normalised}"] = [
                [place for (place,) in connection.execute(statement.encode(), (question.text,))]
                for question in judged.questions
            ]
    return found


async def _in_database(server: TemporaryServer, judged: Judged, embedded: Vectors, asked: Vectors) -> Rankings:
    """Rank by searches of the index."""
    index, found = PostgresIndex(Offloader()), list[list[int]]()
    async with opened(TemporaryDatabase(server.template, server.login)) as worker:
        async with worker.transaction(tenant=_TENANT) as tx:
            scope = await index.scope_of(tx, "c", readers=["*"], labels="internal", tenant=_TENANT)
        source = zip(judged.texts, embedded, strict=True)
        await load(worker, index, source, tenant=_TENANT, scopes=[scope], per_document=1000)
        for question, vector in zip(judged.questions, asked, strict=True):
            query = Query(TERMS.count(question.text, languages=("en",)), vector, [scope], 10)
            async with worker.transaction(tenant=_TENANT) as tx:
                ranked = await index.search(tx, query, tenant=_TENANT)
            found.append([int(one.document.rpartition("-")[2]) * 1000 + one.number for one in ranked])
    return found


def _told(bm25: Bm25) -> str:
    return f"k1 {bm25.k1:g}, b {bm25.b:g}"
