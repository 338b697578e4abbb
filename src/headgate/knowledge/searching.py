"""Searching: the question embedded, both legs of the index under the rights of the asker, and the passages opened.

The passages are opened in the transaction that found them, and checked there once more against what their documents
allow now.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from headgate.admin.register import Register
from headgate.kernel.errors import Denied, Invalid, NotFound, Unavailable, Upstream
from headgate.kernel.identity import TenantId
from headgate.kernel.labels import parse_labels
from headgate.kernel.run import Run
from headgate.knowledge import store
from headgate.knowledge.attribute_filters import Filter, matches
from headgate.knowledge.documents import Documents
from headgate.knowledge.embedding import Embedding
from headgate.knowledge.index import Index, OpenedPassage, Query, Scope, Vector
from headgate.knowledge.payloads import Found, FoundPassage, Question
from headgate.knowledge.rights import Reader, reader_of
from headgate.knowledge.terms import Terms
from headgate.knowledge.vector_store_rows import Described, described, searched
from headgate.knowledge.vector_stores import opened_attributes
from headgate.substrate.database import Database, Transaction

_MOST_FILTERED = 20_000


@dataclass(frozen=True, slots=True)
class Searcher:
    """Performs `knowledge.search`."""

    database: Database
    documents: Documents
    embedding: Embedding
    index: Index
    terms: Callable[[TenantId], Terms]
    register: Register

    async def run(self, run: Run[Question, object, Found]) -> Found:
        """Return the passages that fit best, of those that the asker may read."""
        question, principal = run.payload, run.action.principal
        tenant, reader = principal.tenant, reader_of(principal, self.register)
        vector = await self._vector(run)
        async with self.database.transaction(tenant=tenant) as tx:
            scopes = await self._scopes(tx, question, reader, tenant=tenant)
            languages = await store.languages(tx, question.collections, tenant=tenant)
            terms = self.terms(tenant).count(question.text, languages=languages)
            if vector is None and not terms:
                raise Invalid("the question holds no word to search for; ask in a sentence", param="question")
            documents = await self._matching(tx, question, tenant=tenant)
            query = Query(
                terms=terms, vector=vector, scopes=[one.id for one in scopes], limit=question.limit, documents=documents
            )
            hits = await self.index.search(tx, query, tenant=tenant) if scopes and documents != [] else []
            open_ = await self.index.open(tx, [one.passage for one in hits], query.scopes, tenant=tenant)
            rows = await store.documents_of(tx, [one.document for one in open_], tenant=tenant)
            if any(row.source is not None for row in rows.values()):
                sources, syncs = await store.sources(tx, tenant=tenant), await store.syncs(tx, tenant=tenant)
                closed = reader.closed_sources(sources, syncs)
                rows = {key: row for key, row in rows.items() if row.source not in closed}
        opened = {one.passage: one for one in open_}
        labels = {one.id: one.labels for one in scopes}
        passages: list[FoundPassage] = []
        for hit in hits:
            found = opened.get(hit.passage)
            if found is not None and found.document in rows:
                passages.append(self._passage(found, rows[found.document], hit.score, labels, tenant=tenant))
        for one in passages:
            run.output_labels = run.output_labels.join(parse_labels(one.labels))
        run.facts["passages"] = len(passages)
        run.facts["collections"] = ", ".join(question.collections)[:1000]
        legs = tuple(leg for leg, is_there in (("words", bool(terms)), ("meaning", vector is not None)) if is_there)
        return Found(tuple(passages), legs=legs)

    def stream(self, run: Run[Question, object, Found]) -> AbstractAsyncContextManager[AsyncIterator[object]]:
        """Raise Invalid, because a search does not stream."""
        raise Invalid("knowledge.search cannot be streamed")

    async def _vector(self, run: Run[Question, object, Found]) -> Vector | None:
        """Return the vector of the question, or None where it has to do without."""
        try:
            return (await self.embedding.vectors(run, [run.payload.text]))[0]
        except (Denied, Invalid, NotFound, Unavailable, Upstream) as error:
            run.facts["not_embedded"] = error.code
            return None

    async def _scopes(self, tx: Transaction, question: Question, reader: Reader, *, tenant: TenantId) -> list[Scope]:
        """Return the scopes that are open to the reader, as the collections are now."""
        mine = reader.collections(
            await searched(tx, question.collections, tenant=tenant, now=self.documents.clock.now())
        )
        found = await self.index.scopes(tx, sorted(mine), tenant=tenant)
        return [
            one for one in found if not reader.entries.isdisjoint(one.readers) and reader.is_cleared_for(one.labels)
        ]

    async def _matching(self, tx: Transaction, question: Question, *, tenant: TenantId) -> list[str] | None:
        """Return the documents that match the filter of a question; None without a filter.

        Raises:
            Invalid: too many documents have attributes.
        """
        if question.filter is None:
            return None
        rows = await described(tx, question.collections, tenant=tenant, limit=_MOST_FILTERED + 1)
        if len(rows) > _MOST_FILTERED:
            raise Invalid(
                f"more than {_MOST_FILTERED:,} files have attributes; search without filters", param="filters"
            )
        return await asyncio.to_thread(self._matched, rows, question.filter, tenant)

    def _matched(self, rows: Sequence[Described], wanted: Filter, tenant: TenantId) -> list[str]:
        found: list[str] = []
        for row in rows:
            key = self.documents.keys.unwrap(row.key, tenant=tenant, owner=row.collection, item=row.document)
            if matches(wanted, opened_attributes(key.open(row.attributes, name="attributes"))):
                found.append(row.document)
        return found

    def _passage(
        self,
        found: OpenedPassage,
        row: store.DocumentRow,
        score: float,
        labels: Mapping[int, str],
        *,
        tenant: TenantId,
    ) -> FoundPassage:
        key, facts = self.documents.key_of(row, tenant=tenant), self.documents.facts(row, tenant=tenant)
        return FoundPassage(
            document=row.id,
            number=found.number,
            collection=row.collection,
            source=row.source,
            title=facts.shown,
            name=facts.name,
            passage=self.documents.passage(key, found.number, found.body),
            score=score,
            as_of=row.as_of,
            labels=labels[found.scope],
        )
