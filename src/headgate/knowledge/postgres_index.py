"""The index on PostgreSQL: packed postings for the words, pgvector for the meaning.

Both legs filter by scope inside their queries, before any cut. The figures of BM25 come from readable passages only,
so that no score tells of others.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby, islice

from headgate.kernel.errors import Conflict
from headgate.kernel.identity import TenantId
from headgate.kernel.offload import Offloader
from headgate.knowledge.fusion import Fused, Fusion, fuse
from headgate.knowledge.index import Found, IndexedPassage, OpenedPassage, Query, Scope, Vector
from headgate.knowledge.postings import POSTING, Bm25, Corpus, PackedTerm, pack, rank
from headgate.substrate.database import Transaction, load_queries

_SQL = load_queries("headgate.knowledge", file="index.sql")

_SEGMENT = 64
"""Passages. The postings of a segment must fit into an entry of a B-tree: 2,704 bytes."""

_AT_ONCE = 256
"""Passages of one group of statements, so that none takes seconds."""

_OFFLOADED_BYTES = 1 << 20
"""Ranking fewer postings blocks the event loop for a millisecond at most."""

_FREQUENT = 1 / 3
"""A term in a greater part of the readable passages is left out."""

_MAX_SCAN = 100_000
"""Passages that HNSW looks at in one search, readable or not."""


@dataclass(frozen=True, slots=True)
class Tuning:
    """Parameters of the index.

    Args:
        every_term_below: up to so many readable passages every term counts. Among more, frequent terms are left out.
        exact_below: up to so many readable passages their vectors are compared one by one.
        ef_search: how widely HNSW searches; more finds more of the nearest, and takes longer.
    """

    bm25: Bm25 = field(default_factory=Bm25)
    fusion: Fusion = field(default_factory=Fusion)
    every_term_below: int = 10_000
    exact_below: int = 20_000
    ef_search: int = 600


@dataclass(frozen=True, slots=True)
class _Id:
    id: int


@dataclass(frozen=True, slots=True)
class _Frequency:
    term: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class _Near:
    id: int
    distance: float


@dataclass(frozen=True, slots=True)
class _Place:
    id: int
    document: str
    number: int


class PostgresIndex:
    """Implements `Index`."""

    def __init__(self, offloader: Offloader, *, tuning: Tuning | None = None) -> None:
        self._offloader = offloader
        self._tuning = tuning or Tuning()

    async def put(
        self, tx: Transaction, document: str, passages: Sequence[IndexedPassage], *, tenant: TenantId
    ) -> None:
        """See `Index`. Takes five round trips for each 256 passages."""
        place = {"tenant": tenant, "document": document}
        await tx.execute(_SQL["delete_segments"], place)
        await tx.execute(_SQL["delete_passages"], place)
        rest = iter(passages)
        while some := list(islice(rest, _AT_ONCE)):
            ids = [row.id for row in await tx.rows(_SQL["next_ids"], {"count": len(some)}, of=_Id)]
            await self._add(tx, place, some, sorted(ids))

    async def _add(
        self, tx: Transaction, place: Mapping[str, str], passages: Sequence[IndexedPassage], ids: Sequence[int]
    ) -> None:
        columns = {
            "ids": ids,
            "numbers": [one.number for one in passages],
            "scopes": [one.scope for one in passages],
            "embeddings": [None if one.vector is None else _as_text(one.vector) for one in passages],
        }
        await tx.execute(_SQL["add_passages"], {**place, **columns})
        await tx.execute(_SQL["add_bodies"], {**place, "ids": ids, "bodies": [one.body for one in passages]})
        segments, postings = await self._offloader.run(_packed, passages, ids)
        await tx.execute(_SQL["add_segments"], {**place, **segments})
        await tx.execute(_SQL["add_postings"], {**place, **postings})

    async def scope_of(
        self, tx: Transaction, collection: str, *, readers: Sequence[str], labels: str, tenant: TenantId
    ) -> int:
        """See `Index`."""
        params = {"tenant": tenant, "collection": collection, "readers": sorted(set(readers)), "labels": labels}
        held = await tx.value(_SQL["hold_scope"], params)
        if held is None:
            await tx.execute(_SQL["add_scope"], params)
            held = await tx.value(_SQL["hold_scope"], params)
        if not isinstance(held, int):
            raise Conflict("The scope was deleted while it was made: try again.")
        return held

    async def scopes(self, tx: Transaction, collections: Sequence[str], *, tenant: TenantId) -> list[Scope]:
        """See `Index`."""
        return await tx.rows(_SQL["scopes"], {"tenant": tenant, "collections": list(collections)}, of=Scope)

    async def move(self, tx: Transaction, document: str, scopes: Mapping[int, int], *, tenant: TenantId) -> None:
        """See `Index`."""
        params = {"tenant": tenant, "document": document, "old": list(scopes), "new": list(scopes.values())}
        for statement in ("move_passages", "move_segments", "move_postings"):
            await tx.execute(_SQL[statement], params)

    async def forget_unused_scopes(self, tx: Transaction, *, tenant: TenantId) -> int:
        """See `Index`."""
        return await tx.execute(_SQL["forget_unused_scopes"], {"tenant": tenant})

    async def search(self, tx: Transaction, query: Query, *, tenant: TenantId) -> list[Found]:
        """See `Index`."""
        if not query.scopes or query.limit < 1:
            return []
        tuning = self._tuning
        await tx.execute(_SQL["prepare_search"], {"ef_search": str(tuning.ef_search), "max_scan": str(_MAX_SCAN)})
        documents = None if query.documents is None else list(query.documents)
        params = {"tenant": tenant, "scopes": list(query.scopes), "documents": documents}
        corpus = await tx.row(_SQL["corpus"], params, of=Corpus) or Corpus(0, 0)
        limit = max(query.limit, tuning.fusion.depth)
        words = await self._by_words(tx, query.terms, corpus, params=params, limit=limit)
        meaning: list[int] = []
        if query.vector is not None:
            params |= {"vector": _as_text(query.vector), "limit": limit}
            meaning = await self._by_meaning(tx, corpus, params=params, limit=limit)
        fused = fuse(words, meaning, fusion=tuning.fusion)[: query.limit]
        return await _placed(tx, fused, query.scopes, tenant=tenant)

    async def open(
        self, tx: Transaction, passages: Sequence[int], scopes: Sequence[int], *, tenant: TenantId
    ) -> list[OpenedPassage]:
        """See `Index`."""
        params = {"tenant": tenant, "passages": list(passages), "scopes": list(scopes)}
        return await tx.rows(_SQL["open"], params, of=OpenedPassage, is_binary=True)

    async def _by_words(
        self, tx: Transaction, terms: Mapping[int, int], corpus: Corpus, *, params: Mapping[str, object], limit: int
    ) -> list[int]:
        """Return passages by BM25, the best first."""
        telling = list(terms)
        if corpus.passages > self._tuning.every_term_below:
            telling = await self._telling(tx, terms, corpus, params=params)
        if not telling:
            return []
        lists = await tx.rows(_SQL["postings"], {**params, "terms": telling}, of=PackedTerm, is_binary=True)
        ranking = partial(rank, lists, terms, corpus, bm25=self._tuning.bm25, limit=limit)
        is_long = sum(len(packed) for _, packed in lists) > _OFFLOADED_BYTES
        ranked = await self._offloader.run(ranking) if is_long else ranking()
        return ranked.passages.tolist()

    async def _telling(
        self, tx: Transaction, terms: Mapping[int, int], corpus: Corpus, *, params: Mapping[str, object]
    ) -> list[int]:
        """Return the terms that are in few passages; all of them if none is.

        The others are most of the postings, and hardly change the ranking.
        """
        found = await tx.rows(_SQL["frequencies"], {**params, "terms": list(terms)}, of=_Frequency)
        most_bytes = corpus.passages * _FREQUENT * POSTING.itemsize
        return [one.term for one in found if one.size_bytes <= most_bytes] or [one.term for one in found]

    async def _by_meaning(
        self, tx: Transaction, corpus: Corpus, *, params: Mapping[str, object], limit: int
    ) -> list[int]:
        """Return passages by the cosine of their vectors, the best first."""
        near: list[_Near] = []
        if not await self._is_exact(tx, corpus, limit=limit):
            near = await tx.rows(_SQL["nearest"], params, of=_Near)
        if len(near) < min(limit, corpus.passages):  # HNSW has an end, and passages without a vector are counted too
            near = await tx.rows(_SQL["nearest_exactly"], params, of=_Near)
        return [one.id for one in sorted(near, key=lambda one: (one.distance, one.id))]

    async def _is_exact(self, tx: Transaction, corpus: Corpus, *, limit: int) -> bool:
        """Whether to compare all readable vectors: they are few, or HNSW would pass by too many others."""
        if corpus.passages <= self._tuning.exact_below:
            return True
        everyone = int(str(await tx.value(_SQL["all_passages"])))
        return limit * everyone / corpus.passages > _MAX_SCAN


async def _placed(tx: Transaction, fused: Sequence[Fused], scopes: Sequence[int], *, tenant: TenantId) -> list[Found]:
    """Return the passages with their documents, without those that went away meanwhile."""
    params = {"tenant": tenant, "passages": [one.passage for one in fused], "scopes": list(scopes)}
    places = {row.id: row for row in await tx.rows(_SQL["places"], params, of=_Place)}
    return [
        Found(one.passage, place.document, place.number, one.word_rank, one.meaning_rank, one.score)
        for one in fused
        if (place := places.get(one.passage))
    ]


def _packed(
    passages: Sequence[IndexedPassage], ids: Sequence[int]
) -> tuple[dict[str, list[int]], dict[str, list[object]]]:
    """Return the columns of the segments and of their postings."""
    segments: dict[str, list[int]] = {"ids": [], "scopes": [], "passages": [], "words": []}
    postings: dict[str, list[object]] = {"terms": [], "scopes": [], "segments": [], "packed": []}
    for part in _segments(passages, ids):
        first, scope, lengths = part[0][0], part[0][1].scope, [one.words for _, one in part]
        for column, value in zip(segments.values(), (first, scope, len(part), sum(lengths)), strict=True):
            column.append(value)
        for term, packed in pack([number for number, _ in part], lengths, [one.terms for _, one in part]):
            for column, value in zip(postings.values(), (term, scope, first, packed), strict=True):
                column.append(value)
    return segments, postings


def _segments(passages: Sequence[IndexedPassage], ids: Sequence[int]) -> Iterator[list[tuple[int, IndexedPassage]]]:
    for _, group in groupby(zip(ids, passages, strict=True), lambda pair: pair[1].scope):
        while part := list(islice(group, _SEGMENT)):
            yield part


def _as_text(vector: Vector) -> str:
    """Return a vector as pgvector reads it, in the precision of half floats."""
    return f"[{','.join([f'{value:.5g}' for value in vector.tolist()])}]"
