"""Vector stores of OpenAI's wire: collections that a principal reads, and private stores that it makes itself.

A private store is a collection that lives in the database instead of the configuration. Its owner is its only reader.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Collection as Many
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import msgspec

from headgate.admin.files import OwnFile, OwnFiles
from headgate.admin.register import Register
from headgate.kernel.errors import Invalid, NotFound, OverBudget, TooLarge
from headgate.kernel.identity import Principal, TenantId
from headgate.kernel.labels import Labels, parse_labels
from headgate.kernel.ports import Clock, Ids
from headgate.knowledge import store
from headgate.knowledge import vector_store_rows as rows
from headgate.knowledge.attribute_filters import Attributes, Value
from headgate.knowledge.documents import Documents, NewText
from headgate.knowledge.rights import Reader, reader_of
from headgate.knowledge.specs import PRIVATE, Collection
from headgate.knowledge.store import DocumentRow
from headgate.knowledge.vector_store_rows import BatchRow, Counts, Page, StoreFile, StoreRow
from headgate.substrate.database import Database, Transaction

IS_PRIVATE = re.compile(rf"{PRIVATE}[0-9a-z]{{26}}")
"""The ids of private stores."""

MOST_STORES = 100
MOST_FILES = 10_000
MOST_BYTES = 4 << 30
"""The limits of all private stores of one principal."""

_ADMIN = "admin"
_SWEEP_S = 3_600.0


class StoreFacts(msgspec.Struct, frozen=True):
    """What the maker of a store says about it."""

    name: str = ""
    description: str = ""
    metadata: dict[str, str] = {}


@dataclass(frozen=True, slots=True)
class SeenStore:
    """A vector store as one principal sees it.

    Args:
        row: of a private store; None for a collection of the organisation.
        may_keep: whether the principal is its owner or an administrator. Rules decide about what it does.
    """

    collection: Collection
    facts: StoreFacts = field(repr=False)
    counts: Counts
    created_at: datetime
    row: StoreRow | None
    may_keep: bool
    is_reader: bool

    @property
    def id(self) -> str:
        """Its id on the wire."""
        return self.collection.id

    @property
    def floor(self) -> Labels:
        """The labels of every document in it, at least."""
        return self.collection.floor if self.row is None else self.collection.floor.join(parse_labels(self.row.floor))

    def is_expired(self, now: datetime) -> bool:
        """Return whether its time has ended."""
        return self.row is not None and self.row.expires_at is not None and self.row.expires_at <= now


@dataclass(frozen=True, slots=True)
class NewFile:
    """A file to add to a store, with the attributes that it gets."""

    file: OwnFile
    attributes: Mapping[str, Value] | None


@dataclass(frozen=True, slots=True)
class SeenFile:
    """A file of a store with its document."""

    file: StoreFile
    row: DocumentRow
    name: str = field(repr=False)
    attributes: Attributes = field(repr=False)

    @property
    def state(self) -> rows.FileState:
        """Its state in the words of the wire."""
        match self.row.state:
            case "ready":
                return "completed"
            case "failed":
                return "cancelled" if self.file.is_cancelled else "failed"
            case "waiting" | "reading":
                return "in_progress"


@dataclass(frozen=True, slots=True)
class VectorStores:
    """Makes, finds, fills and deletes vector stores.

    Args:
        adding: bounds the memory of files on their way into documents.
    """

    database: Database
    documents: Documents
    register: Register
    files: OwnFiles
    clock: Clock
    ids: Ids
    adding: asyncio.Semaphore

    async def find(self, store_id: str, principal: Principal) -> SeenStore:
        """Return a store that a principal owns, reads or keeps.

        Raises:
            NotFound: it has no such store. One of somebody else is not there for it.
        """
        tenant, reader = principal.tenant, reader_of(principal, self.register)
        async with self.database.transaction(tenant=tenant) as tx:
            if IS_PRIVATE.fullmatch(store_id):
                row = await rows.find_store(tx, store_id, owner=principal.id, tenant=tenant)
                found = [] if row is None else await self._private(tx, [row], reader)
            else:
                every = [one for one in await store.collections(tx, tenant=tenant) if one.id == store_id]
                found = await self._collections(tx, every, reader)
        if not found:
            raise NotFound(f"Vector store with id {store_id[:128]!r} not found.", param="vector_store_id")
        return found[0]

    async def all(self, principal: Principal) -> list[SeenStore]:
        """Return the stores that a principal owns, reads or keeps; the newest first."""
        tenant, reader = principal.tenant, reader_of(principal, self.register)
        async with self.database.transaction(tenant=tenant) as tx:
            mine = await self._private(tx, await rows.stores_of(tx, principal.id, tenant=tenant), reader)
            shared = await self._collections(tx, await store.collections(tx, tenant=tenant), reader)
        return sorted([*mine, *shared], key=lambda one: (one.created_at, one.id), reverse=True)

    async def create(self, facts: StoreFacts, principal: Principal, *, floor: Labels, days: int | None) -> SeenStore:
        """Make a private store.

        Args:
            days: how long it lasts after its last use; None: until it is deleted.

        Raises:
            OverBudget: the principal has too many.
        """
        tenant, now, store_id = principal.tenant, self.clock.now(), f"{PRIVATE}{self.ids.ulid().lower()}"
        key = self.documents.keys.new(tenant=tenant, owner=principal.id, item=store_id)
        row = StoreRow(
            id=store_id,
            owner=principal.id,
            key=key.wrapped,
            facts=key.seal(msgspec.json.encode(facts), name="facts"),
            floor=str(floor),
            expires_days=days,
            created_at=now,
            active_at=now,
            expires_at=None if days is None else now + timedelta(days=days),
        )
        async with self.database.transaction(tenant=tenant) as tx:
            if await rows.count_stores(tx, principal.id, tenant=tenant) >= MOST_STORES:
                raise OverBudget(f"you have {MOST_STORES} vector stores; delete one first")
            await rows.add_store(tx, row, tenant=tenant)
        return SeenStore(row.collection, facts, Counts(), now, row, may_keep=True, is_reader=True)

    async def change(self, seen: SeenStore, facts: StoreFacts, *, days: int | None, tenant: TenantId) -> SeenStore:
        """Replace the words about a private store, and its time."""
        assert seen.row is not None
        row, now = seen.row, self.clock.now()
        key = self.documents.keys.unwrap(row.key, tenant=tenant, owner=row.owner, item=row.id)
        expires_at = None if days is None else now + timedelta(days=days)
        row = replace(
            row,
            facts=key.seal(msgspec.json.encode(facts), name="facts"),
            expires_days=days,
            active_at=now,
            expires_at=row.expires_at if seen.is_expired(now) else expires_at,
        )
        async with self.database.transaction(tenant=tenant) as tx:
            await rows.change_store(tx, row, tenant=tenant)
        return replace(seen, facts=facts, row=row)

    async def delete(self, seen: SeenStore, *, tenant: TenantId) -> None:
        """Delete a private store with its documents. Nobody finds them from then on."""
        assert seen.row is not None
        async with self.database.transaction(tenant=tenant) as tx:
            await rows.delete_store(tx, seen.id, owner=seen.row.owner, tenant=tenant)
        await self._delete_documents(seen.id, tenant=tenant)

    async def own(self, file_id: str, principal: Principal) -> OwnFile:
        """Return an uploaded file of a principal.

        Raises:
            NotFound: it has no such file.
        """
        return await self.files.own(file_id, principal=principal)

    async def add(
        self, seen: SeenStore, new: NewFile, principal: Principal, *, floor: Labels, batch: str | None = None
    ) -> None:
        """Add an uploaded file as a document. One that is there already gets the new attributes.

        Raises:
            NotFound: the file or the store was deleted meanwhile.
            TooLarge: the principal keeps too much.
            Invalid: the file is empty.
        """
        tenant, file = principal.tenant, new.file
        floor = seen.floor.join(floor).join(file.labels)
        async with self.adding:
            data = await self.files.text_of(file.id, principal=principal)
            text = NewText(ref=f"file/{file.id}", name=file.name or file.id, data=data, by=principal.id, floor=floor)
            async with self.database.transaction(tenant=tenant) as tx:
                if seen.row is not None:
                    await self._hold(tx, seen, len(data), principal)
                held = await self._held(tx, seen.id, file.id, tenant=tenant)
                if held is not None:
                    await self._describe(tx, held, new.attributes, tenant=tenant)
                    return
                row, _ = await self.documents.put(tx, text, seen.collection, tenant=tenant)
                await rows.add_file(
                    tx,
                    row.id,
                    collection=seen.id,
                    file=file.id,
                    attributes=self._sealed(row, new.attributes, tenant=tenant),
                    batch=batch,
                    tenant=tenant,
                )

    async def add_batch(
        self, seen: SeenStore, new: Sequence[NewFile], principal: Principal, *, floor: Labels
    ) -> BatchRow:
        """Add files together; each is a document of its own."""
        tenant, now, batch = principal.tenant, self.clock.now(), f"vsfb_{self.ids.ulid().lower()}"
        async with self.database.transaction(tenant=tenant) as tx:
            await rows.add_batch(tx, batch, seen.id, tenant=tenant, now=now)
        for one in new:
            await self.add(seen, one, principal, floor=floor, batch=batch)
        return BatchRow(batch, seen.id, now, None)

    async def find_batch(self, seen: SeenStore, batch: str, principal: Principal) -> tuple[BatchRow, Counts]:
        """Return a batch of files with how they stand.

        Raises:
            NotFound: the store has no such batch that the principal may see.
        """
        tenant, entries = principal.tenant, self._entries(seen, principal)
        async with self.database.transaction(tenant=tenant) as tx:
            found = await rows.find_batch(tx, seen.id, batch, tenant=tenant)
            if found is None or not seen.may_keep:
                raise NotFound(f"File batch with id {batch[:128]!r} not found.", param="batch_id")
            counts = await rows.counts(tx, [seen.id], tenant=tenant, batch=batch, entries=entries)
        return found, counts.get(seen.id, Counts())

    async def cancel_batch(self, seen: SeenStore, batch: str, *, tenant: TenantId) -> None:
        """Cancel the files of a batch that are not read yet."""
        async with self.database.transaction(tenant=tenant) as tx:
            await rows.cancel_batch(tx, seen.id, batch, tenant=tenant, now=self.clock.now())

    async def page(self, seen: SeenStore, page: Page, principal: Principal) -> list[SeenFile]:
        """Return a page of the files that a principal may see."""
        tenant, reader = principal.tenant, reader_of(principal, self.register)
        async with self.database.transaction(tenant=tenant) as tx:
            page = replace(page, entries=self._entries(seen, principal))
            found = await rows.files(tx, seen.id, page, tenant=tenant)
            documents = await store.documents_of(tx, [one.document for one in found], tenant=tenant)
        shown = [self._seen(one, documents[one.document], tenant=tenant) for one in found if one.document in documents]
        return [one for one in shown if seen.may_keep or reader.may_open(one.row, seen.collection)]

    async def find_file(self, seen: SeenStore, file: str, principal: Principal) -> SeenFile:
        """Return a file of a store.

        Raises:
            NotFound: the store has no such file that the principal may see.
        """
        tenant, reader = principal.tenant, reader_of(principal, self.register)
        async with self.database.transaction(tenant=tenant) as tx:
            found = await rows.find_file(tx, seen.id, file, tenant=tenant)
            row = None if found is None else await store.document(tx, found.document, tenant=tenant)
        if found is None or row is None or not (seen.may_keep or reader.may_open(row, seen.collection)):
            raise NotFound(f"No file found with id {file[:128]!r} in vector store {seen.id!r}.", param="file_id")
        return self._seen(found, row, tenant=tenant)

    def is_reader(self, seen: SeenStore, file: SeenFile, principal: Principal) -> bool:
        """Return whether a principal may open a file of a store."""
        return reader_of(principal, self.register).may_open(file.row, seen.collection)

    async def describe(self, file: SeenFile, attributes: Mapping[str, Value] | None, *, tenant: TenantId) -> None:
        """Replace the attributes of a file."""
        async with self.database.transaction(tenant=tenant) as tx:
            await self._describe(tx, file.row, attributes, tenant=tenant)

    async def remove(self, file: SeenFile, *, tenant: TenantId) -> None:
        """Delete the document of a file with its key. Nobody finds it from then on."""
        async with self.database.transaction(tenant=tenant) as tx:
            await store.delete_document(tx, file.row.id, tenant=tenant)

    async def behind(self, documents: Sequence[str], stores: Sequence[str], *, tenant: TenantId) -> dict[str, SeenFile]:
        """Return the files behind found documents, and note that their stores are used."""
        async with self.database.transaction(tenant=tenant) as tx:
            found = await store.documents_of(tx, documents, tenant=tenant)
            files = await rows.files_of(tx, documents, tenant=tenant)
            private = [one for one in stores if IS_PRIVATE.fullmatch(one)]
            if private:
                await rows.note_use(tx, private, tenant=tenant, now=self.clock.now())
        return {
            id_: self._seen(files.get(id_) or StoreFile(id_, None, None, False, None), row, tenant=tenant)
            for id_, row in found.items()
        }

    async def forget_file(self, file_id: str, *, principal: Principal) -> int:
        """As the port `FileCopies`: delete it from the principal's private stores."""
        tenant = principal.tenant
        async with self.database.transaction(tenant=tenant) as tx:
            copies = await rows.copies_of_file(tx, file_id, owner=principal.id, tenant=tenant)
            for document in copies:
                await store.delete_document(tx, document, tenant=tenant)
        return len(copies)

    async def sweep_forever(self, tenants: Callable[[], Many[TenantId]]) -> None:
        """Delete expired stores once an hour. No search uses a store from its expiry on."""
        while True:
            for tenant in tenants():
                await self.sweep(tenant=tenant)
            await asyncio.sleep(_SWEEP_S)

    async def sweep(self, *, tenant: TenantId) -> None:
        """Delete the documents of stores that have expired, and the stores themselves a month later.

        A store whose owner is no longer registered goes after a day without use.
        """
        now, registered = self.clock.now(), self.register.everybody(tenant)
        async with self.database.transaction(tenant=tenant) as tx:
            expired = await rows.expired_stores(tx, tenant=tenant, before=now)
        for one in expired:
            await self._delete_documents(one, tenant=tenant)
        async with self.database.transaction(tenant=tenant) as tx:
            await rows.delete_expired(tx, tenant=tenant, before=now - timedelta(days=30))
            if registered:
                # A day, as another worker may know of new principals before this one.
                await rows.delete_abandoned(tx, registered, tenant=tenant, before=now - timedelta(days=1))

    async def _delete_documents(self, collection: str, *, tenant: TenantId) -> None:
        while True:
            async with self.database.transaction(tenant=tenant) as tx:
                if not await rows.delete_some_documents(tx, collection, tenant=tenant):
                    return

    async def _private(self, tx: Transaction, found: Sequence[StoreRow], reader: Reader) -> list[SeenStore]:
        tenant = reader.principal.tenant
        counts = await rows.counts(tx, [row.id for row in found], tenant=tenant) if found else {}
        return [
            SeenStore(
                row.collection,
                self._facts(row, tenant=tenant),
                counts.get(row.id, Counts()),
                row.created_at,
                row,
                may_keep=True,
                is_reader=True,
            )
            for row in found
            if reader.reads(row.collection)
        ]

    async def _collections(self, tx: Transaction, every: Sequence[Collection], reader: Reader) -> list[SeenStore]:
        principal, tenant = reader.principal, reader.principal.tenant
        kept = {one.id for one in every if principal.id == one.owner or _ADMIN in principal.roles}
        mine = {one.id: one for one in every if one.id in kept or reader.reads(one)}
        if not mine:
            return []
        whole = await rows.counts(tx, kept, tenant=tenant)
        part = await rows.counts(tx, mine.keys() - kept, tenant=tenant, entries=reader.entries)
        made_at = await rows.made_at(tx, mine, tenant=tenant)
        return [
            SeenStore(
                one,
                StoreFacts(one.name, one.purpose),
                (whole | part).get(one.id, Counts()),
                made_at.get(one.id, self.clock.now()),
                None,
                may_keep=one.id in kept,
                is_reader=reader.reads(one),
            )
            for one in mine.values()
        ]

    async def _hold(self, tx: Transaction, seen: SeenStore, size_bytes: int, principal: Principal) -> None:
        """Keep others from adding to a private store until the transaction ends, and check what its owner keeps."""
        if await rows.find_store(tx, seen.id, owner=principal.id, tenant=principal.tenant, is_locked=True) is None:
            raise NotFound(f"Vector store with id {seen.id!r} not found.", param="vector_store_id")
        kept = await rows.kept(tx, principal.id, tenant=principal.tenant)
        if kept.files >= MOST_FILES or kept.size_bytes + size_bytes > MOST_BYTES:
            raise TooLarge(
                f"your vector stores have at most {MOST_FILES:,} files and {MOST_BYTES >> 30} GiB; delete some",
                param="file_id",
            )
        await rows.note_use(tx, [seen.id], tenant=principal.tenant, now=self.clock.now())

    async def _held(self, tx: Transaction, collection: str, file: str, *, tenant: TenantId) -> DocumentRow | None:
        """Return the document of a file that was added before, unless it failed: then it is added anew."""
        found = await rows.find_file(tx, collection, file, tenant=tenant)
        row = None if found is None else await store.document(tx, found.document, tenant=tenant, is_locked=True)
        if row is None or row.state != "failed":
            return row
        await store.delete_document(tx, row.id, tenant=tenant)
        return None

    async def _describe(
        self, tx: Transaction, row: DocumentRow, attributes: Mapping[str, Value] | None, *, tenant: TenantId
    ) -> None:
        sealed = self._sealed(row, attributes, tenant=tenant)
        await rows.set_attributes(tx, row.id, sealed, collection=row.collection, tenant=tenant)

    def _sealed(self, row: DocumentRow, attributes: Mapping[str, Value] | None, *, tenant: TenantId) -> bytes | None:
        if not attributes:
            return None
        return self.documents.key_of(row, tenant=tenant).seal(msgspec.json.encode(attributes), name="attributes")

    def _seen(self, file: StoreFile, row: DocumentRow, *, tenant: TenantId) -> SeenFile:
        name, attributes = self.documents.facts(row, tenant=tenant).name, dict[str, Value]()
        if file.attributes is not None:
            attributes = opened_attributes(
                self.documents.key_of(row, tenant=tenant).open(file.attributes, name="attributes")
            )
        return SeenFile(file, row, name, attributes)

    def _facts(self, row: StoreRow, *, tenant: TenantId) -> StoreFacts:
        key = self.documents.keys.unwrap(row.key, tenant=tenant, owner=row.owner, item=row.id)
        return msgspec.json.decode(key.open(row.facts, name="facts"), type=StoreFacts)

    def _entries(self, seen: SeenStore, principal: Principal) -> frozenset[str] | None:
        return None if seen.may_keep else reader_of(principal, self.register).entries


def opened_attributes(text: bytes) -> dict[str, Value]:
    """Return stored attributes."""
    return msgspec.json.decode(text, type=dict[str, Value])


def refuse_expired(seen: SeenStore, now: datetime) -> None:
    """Raise Invalid if the time of a store has ended."""
    if seen.is_expired(now):
        raise Invalid(f"the vector store {seen.id} has expired; make another one", param="vector_store_id")
