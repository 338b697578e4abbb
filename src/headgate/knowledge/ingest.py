"""Reading documents into the index: a durable run for each version of a document.

The stages are `reading`, `labelling`, `embedding` and `indexing`. The passages of a version replace those of the
version before in one transaction, under the lease of the run, so that a killed worker loses and doubles none.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace

import structlog
from msgspec import structs

from headgate.admin.features import JobAction
from headgate.kernel.action import Resource
from headgate.kernel.content import Labelled
from headgate.kernel.errors import Denied, HeadgateError, Invalid, NotFound, TooLarge, Upstream
from headgate.kernel.identity import TenantId
from headgate.kernel.labels import EMPTY, Labels, parse_labels
from headgate.kernel.pipeline import Pipeline
from headgate.kernel.run import Run
from headgate.knowledge import store
from headgate.knowledge.blocks import ReadFile
from headgate.knowledge.chunking import passages_of
from headgate.knowledge.documents import Documents, one_line
from headgate.knowledge.embedding import AT_ONCE, Embedding
from headgate.knowledge.index import Index, IndexedPassage, Vector
from headgate.knowledge.payloads import ReadPassages
from headgate.knowledge.reading import Reading
from headgate.knowledge.store import DocumentRow
from headgate.knowledge.terms import Terms
from headgate.knowledge.verbs import INDEX
from headgate.substrate.database import Database
from headgate.substrate.durable import DurableRun

log = structlog.get_logger(__name__)

_REFUSALS = frozenset({400, 413, 422})
"""Statuses of a provider that does not take a text, such as one that is too long."""
_NO_TEXT = "it holds no text; a scan needs text recognition first"


@dataclass(frozen=True, slots=True)
class Ingest:
    """The work of the queue of documents."""

    database: Database
    documents: Documents
    reading: Reading
    job_action: JobAction

    async def work(self, run: DurableRun, pipeline: Pipeline) -> None:
        """Read, label, embed and index a version of a document. A document that cannot be read is set aside."""
        document, version = str(run.input["document"]), int(run.input["version"])
        row = await self._begin(document, version, tenant=run.tenant)
        if row is None:
            return
        try:
            file = await self._read(row, tenant=run.tenant)
            title = file.title or self.documents.facts(row, tenant=run.tenant).shown
            passages = await asyncio.to_thread(passages_of, file, title=title)
            if not passages:
                raise Invalid(_NO_TEXT)
        except (Invalid, TooLarge) as error:
            await self._fail(run, document, version, error.message)
            return
        await self._stage(row, "labelling", tenant=run.tenant)
        payload = ReadPassages(
            document=document,
            version=version,
            passages=passages,
            title=title,
            media_type=file.media_type,
            pages=file.pages,
            language=file.language,
            authors=file.authors,
            written_at=file.written_at,
            hold=lambda tx: run.hold(tx, is_progress=True),
        )
        floor = parse_labels(row.floor)
        action = self.job_action(run.tenant, INDEX, Resource("document", document), payload, floor=floor)
        try:
            await pipeline.run(action)
        except Denied as error:
            await self._fail(run, document, version, f"policy does not let it be indexed: {error.message}")

    async def give_up(self, run: DurableRun, why: str) -> None:
        """Set a document aside that could not be read."""
        document, version = str(run.input["document"]), int(run.input["version"])
        await self._fail(run, document, version, f"it could not be read: {why}; Headgate's log has its cause")

    async def _begin(self, document: str, version: int, *, tenant: TenantId) -> DocumentRow | None:
        async with self.database.transaction(tenant=tenant) as tx:
            row = await store.document(tx, document, tenant=tenant)
            if row is None or row.version != version or row.state not in ("waiting", "reading"):
                return None
            await store.set_stage(tx, document, "reading", version=version, tenant=tenant)
        return row

    async def _read(self, row: DocumentRow, *, tenant: TenantId) -> ReadFile:
        async with self.database.transaction(tenant=tenant) as tx:
            data = await self.documents.data(tx, row, tenant=tenant)
        name = self.documents.facts(row, tenant=tenant).name
        return await self.reading.read(data, name=name)

    async def _stage(self, row: DocumentRow, stage: str, *, tenant: TenantId) -> None:
        async with self.database.transaction(tenant=tenant) as tx:
            await store.set_stage(tx, row.id, stage, version=row.version, tenant=tenant)

    async def _fail(self, run: DurableRun, document: str, version: int, why: str) -> None:
        async with self.database.transaction(tenant=run.tenant) as tx:
            await run.hold(tx)
            await store.fail_document(tx, document, why, version=version, tenant=run.tenant)


@dataclass(frozen=True, slots=True)
class Indexer:
    """Performs `knowledge.index`."""

    database: Database
    documents: Documents
    embedding: Embedding
    index: Index
    terms: Callable[[TenantId], Terms]

    async def run(self, run: Run[ReadPassages, object, object]) -> object:
        """Embed passages, and put them into the index with the labels that each of them has."""
        read, tenant = run.payload, run.action.principal.tenant
        texts = [segment.text for segment in read.content.segments()]
        await self._stage(read, "embedding", tenant=tenant)
        vectors = await self._vectors(run, texts)
        if vectors is None:
            return None
        await self._stage(read, "indexing", tenant=tenant)
        run.facts["passages"] = len(texts)
        async with self.database.transaction(tenant=tenant) as tx:
            await read.hold(tx)
            row = await store.document(tx, read.document, tenant=tenant, is_locked=True)
            if row is None or row.version != read.version:
                return None
            # The floor may have risen since the text was read.
            floor, key = parse_labels(row.floor), self.documents.key_of(row, tenant=tenant)
            scopes: dict[Labels, int] = {}
            indexed: list[IndexedPassage] = []
            for number, (passage, labels) in enumerate(
                zip(read.passages, passage_labels(run.labelled, len(texts)), strict=True)
            ):
                if labels not in scopes:
                    joined = str(labels.join(floor))
                    scopes[labels] = await self.index.scope_of(
                        tx, row.collection, readers=row.readers, labels=joined, tenant=tenant
                    )
                terms = self.terms(tenant).count(texts[number], languages=(read.language,))
                indexed.append(
                    IndexedPassage(
                        number=number,
                        scope=scopes[labels],
                        body=self.documents.sealed_passage(key, number, passage),
                        words=sum(terms.values()),
                        terms=terms,
                        vector=vectors[number],
                    )
                )
            await self.index.put(tx, read.document, indexed, tenant=tenant)
            await store.finish_document(tx, self._finished(row, read, run.labelled, tenant=tenant), tenant=tenant)
        return None

    def stream(self, run: Run[ReadPassages, object, object]) -> AbstractAsyncContextManager[AsyncIterator[object]]:
        """Raise Invalid, because indexing does not stream."""
        raise Invalid("knowledge.index cannot be streamed")

    async def _vectors(self, run: Run[ReadPassages, object, object], texts: list[str]) -> list[Vector | None] | None:
        """Return the vectors of the texts; None for those that the embedder may not see or does not take.

        Such a passage is found by its words alone, which is better than not at all. Without a document of this version
        any more, there are no vectors at all.
        """
        found: list[Vector | None] = []
        for start in range(0, len(texts), AT_ONCE):
            if not await self._is_current(run.payload, tenant=run.action.principal.tenant):
                return None
            some = texts[start : start + AT_ONCE]
            try:
                found += await self.embedding.vectors(run, some)
            except (Invalid, Upstream) as error:
                if not _is_of_the_text(error):
                    raise
                # One of them is too long, so each goes alone.
                found += [await self._vector(run, text) for text in some]
            except (Denied, NotFound) as error:
                _note_unembedded(run, error)
                return [None for _ in texts]
        return found

    async def _vector(self, run: Run[ReadPassages, object, object], text: str) -> Vector | None:
        try:
            return (await self.embedding.vectors(run, [text]))[0]
        except (Invalid, Upstream) as error:
            if not _is_of_the_text(error):
                raise
            _note_unembedded(run, error)
            return None

    async def _is_current(self, read: ReadPassages, *, tenant: TenantId) -> bool:
        async with self.database.transaction(tenant=tenant) as tx:
            row = await store.document(tx, read.document, tenant=tenant)
        return row is not None and row.version == read.version

    async def _stage(self, read: ReadPassages, stage: str, *, tenant: TenantId) -> None:
        async with self.database.transaction(tenant=tenant) as tx:
            await store.set_stage(tx, read.document, stage, version=read.version, tenant=tenant)

    def _finished(self, row: DocumentRow, read: ReadPassages, labelled: Labelled, *, tenant: TenantId) -> DocumentRow:
        facts = self.documents.facts(row, tenant=tenant)
        facts = structs.replace(facts, title=one_line(read.title)[:500], authors=list(read.authors)[:20])
        # A file that was uploaded says itself how old it is. A source knows it better.
        is_told = row.source is None and read.written_at is not None and read.written_at < row.changed_at
        return replace(
            row,
            facts=self.documents.sealed_facts(row, facts, tenant=tenant),
            media_type=read.media_type,
            pages=read.pages,
            passages=len(read.passages),
            language=read.language,
            labels=str(labelled.labels.join(parse_labels(row.floor))),
            as_of=read.written_at if is_told and read.written_at is not None else row.as_of,
        )


def _is_of_the_text(error: Invalid | Upstream) -> bool:
    """Return whether the embedder would refuse the same texts again."""
    return isinstance(error, Invalid) or error.upstream_status in _REFUSALS


def _note_unembedded(run: Run[ReadPassages, object, object], error: HeadgateError) -> None:
    log.warning("passage_not_embedded", document=run.payload.document, code=error.code)
    run.facts["not_embedded"] = error.code


def passage_labels(labelled: Labelled, count: int) -> list[Labels]:
    """Return the labels of each passage: those of the whole, with only the categories that were found in it."""
    found: list[set[str]] = [set() for _ in range(count)]
    for finding in labelled.findings:
        found[finding.segment].add(finding.category)
    everywhere = labelled.labels.categories - frozenset[str]().union(*found)
    base = replace(labelled.labels, categories=EMPTY)
    made: dict[frozenset[str], Labels] = {}
    return [made.setdefault(one := everywhere | categories, base.with_categories(one)) for categories in found]
