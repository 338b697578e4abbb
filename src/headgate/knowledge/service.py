"""The service of the feature: collections as readers and owners see them, and their documents."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from headgate.admin.notices import Notify
from headgate.admin.register import Register
from headgate.kernel.errors import NotFound
from headgate.kernel.identity import Principal, TenantId
from headgate.knowledge import store
from headgate.knowledge.documents import DocumentFacts, Documents
from headgate.knowledge.index import Index
from headgate.knowledge.passages import Passage
from headgate.knowledge.reading import Reading
from headgate.knowledge.rights import Reader, reader_of
from headgate.knowledge.specs import Collection, Source
from headgate.knowledge.store import DocumentRow, Standing, SyncRow
from headgate.knowledge.syncing import Syncing
from headgate.knowledge.vector_stores import VectorStores
from headgate.substrate.database import Database

ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class SeenCollection:
    """A collection as one principal sees it.

    Args:
        standing: of the documents that it may read, or of all if it keeps the collection; None without documents.
        sources: its sources, with how far their reading is.
        is_kept: whether the principal manages it.
    """

    collection: Collection
    standing: Standing | None
    sources: list[tuple[Source, SyncRow | None]]
    is_reader: bool
    is_kept: bool


@dataclass(frozen=True, slots=True)
class OpenDocument:
    """A document with its collection, and whether its reader may open it."""

    row: DocumentRow
    collection: Collection
    facts: DocumentFacts
    is_reader: bool


@dataclass(frozen=True, slots=True)
class Knowledge:
    """The service of the feature.

    Args:
        notify: returns what raises notices.
    """

    database: Database
    documents: Documents
    index: Index
    reading: Reading
    register: Register
    notify: Callable[[], Notify]
    syncing: Syncing
    stores: VectorStores

    def reader(self, principal: Principal) -> Reader:
        """Return a principal with what opens documents to it."""
        return reader_of(principal, self.register)

    async def collections(self, principal: Principal) -> list[SeenCollection]:
        """Return the collections that a principal reads or keeps, by id."""
        reader, tenant = self.reader(principal), principal.tenant
        async with self.database.transaction(tenant=tenant) as tx:
            every = await store.collections(tx, tenant=tenant)
            standing = await store.standing(tx, tenant=tenant)
            readable = await store.standing_of_reader(tx, reader.entries, tenant=tenant)
            sources = await store.sources(tx, tenant=tenant)
            syncs = await store.syncs(tx, tenant=tenant)
        open_ones: dict[str, Standing] = {}
        for one in readable:
            if reader.is_cleared_for(one.labels):
                open_ones[one.collection] = one.and_(open_ones.get(one.collection))
        return [
            SeenCollection(
                one,
                (standing if self.keeps(principal, one) else open_ones).get(one.id),
                [(source, syncs.get(source.id)) for source in sources if source.collection == one.id],
                reader.reads(one),
                self.keeps(principal, one),
            )
            for one in every
            if reader.reads(one) or ADMIN in principal.roles
        ]

    async def collection(self, collection_id: str, principal: Principal) -> SeenCollection:
        """Return a collection that a principal reads or keeps.

        Raises:
            NotFound: it has no such collection.
        """
        for one in await self.collections(principal):
            if one.collection.id == collection_id:
                return one
        raise NotFound(f"there is no collection {collection_id[:128]!r} that you may read", param="collection")

    async def readable(self, principal: Principal, asked: list[str] | None) -> tuple[str, ...]:
        """Return the ids of the collections to search, sorted.

        Args:
            asked: those that the caller names; None for all that it may read.

        Raises:
            NotFound: a named collection is not there for this principal, or there is none at all.
        """
        mine = {one.collection.id for one in await self.collections(principal) if one.is_reader}
        for one in asked or ():
            if one not in mine:
                raise NotFound(f"there is no collection {one[:128]!r} that you may read", param="collections")
        if not mine:
            raise NotFound("there is no collection that you may read; make one, or ask for access")
        return tuple(sorted(set(asked or mine)))

    async def document(self, document_id: str, principal: Principal) -> OpenDocument:
        """Return a document of a collection that a principal reads or keeps.

        Raises:
            NotFound: it has no such document. Documents that are closed to it are not there for it.
        """
        tenant = principal.tenant
        async with self.database.transaction(tenant=tenant) as tx:
            row = await store.document(tx, document_id, tenant=tenant)
            sources, syncs = await store.sources(tx, tenant=tenant), await store.syncs(tx, tenant=tenant)
            found = {one.id: one for one in await store.collections(tx, tenant=tenant)}
        collection = found.get(row.collection) if row is not None else None
        if row is not None and collection is not None:
            reader = self.reader(principal)
            is_reader = reader.may_open(row, collection) and row.source not in reader.closed_sources(sources, syncs)
            if is_reader or self.keeps(principal, collection):
                return OpenDocument(row, collection, self.documents.facts(row, tenant=tenant), is_reader)
        raise NotFound(f"there is no document {document_id[:128]!r} that you may read", param="document")

    async def page(
        self, seen: SeenCollection, principal: Principal, *, limit: int, before: str | None, state: str | None
    ) -> list[tuple[DocumentRow, DocumentFacts]]:
        """Return a page of the documents that a principal may see, newest first. Owners see all names."""
        tenant, reader = principal.tenant, self.reader(principal)
        is_kept = self.keeps(principal, seen.collection)
        labels: list[str] | None = None
        async with self.database.transaction(tenant=tenant) as tx:
            if not is_kept:
                every = await store.labels_of(tx, seen.collection.id, tenant=tenant)
                labels = [one for one in every if reader.is_cleared_for(one)]
            rows = await store.documents(
                tx,
                seen.collection.id,
                tenant=tenant,
                limit=limit,
                before=before,
                state=state,
                entries=None if is_kept else reader.entries,
                labels=labels,
            )
        return [(row, self.documents.facts(row, tenant=tenant)) for row in rows]

    async def passages(self, row: DocumentRow, *, tenant: TenantId) -> list[tuple[int, Passage]]:
        """Return the passages of a document, in order."""
        key = self.documents.key_of(row, tenant=tenant)
        async with self.database.transaction(tenant=tenant) as tx:
            found = await store.passages_of(tx, row.id, tenant=tenant)
        return [(one.number, self.documents.passage(key, one.number, one.body)) for one in found]

    def keeps(self, principal: Principal, collection: Collection) -> bool:
        """Return whether a principal manages a collection. Rules decide about what it does there."""
        return principal.id == collection.owner or ADMIN in principal.roles
