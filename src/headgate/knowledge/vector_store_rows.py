"""The rows of vector stores, of their files and of batches of files. Texts arrive and leave sealed.

Callers open a transaction.
"""

from __future__ import annotations

from collections.abc import Collection as Many
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any, Literal

from headgate.kernel.identity import TenantId
from headgate.knowledge import store
from headgate.knowledge.specs import Collection
from headgate.substrate.database import Transaction, load_queries

_SQL = load_queries("headgate.knowledge", file="vector_stores.sql")

FileState = Literal["in_progress", "completed", "cancelled", "failed"]


@dataclass(frozen=True, slots=True)
class StoreRow:
    """A private vector store; `key` is wrapped, and `facts` are sealed under it."""

    id: str
    owner: str
    key: bytes = field(repr=False)
    facts: bytes = field(repr=False)
    floor: str
    expires_days: int | None
    created_at: datetime
    active_at: datetime
    expires_at: datetime | None

    @property
    def collection(self) -> Collection:
        """The collection that holds its documents. Its owner is its only reader."""
        return Collection(self.id, self.owner, confidentiality="public")


@dataclass(frozen=True, slots=True)
class StoreFile:
    """A document as a file of a vector store.

    Args:
        file: the id of the uploaded file, or None for a document that came another way.
        attributes: sealed under the key of the document.
    """

    document: str
    file: str | None
    attributes: bytes | None = field(repr=False)
    is_cancelled: bool
    batch: str | None

    @property
    def id(self) -> str:
        """Its id on the wire."""
        return self.file or self.document


@dataclass(frozen=True, slots=True)
class Described:
    """The attributes of a document, with the key that seals them."""

    document: str
    attributes: bytes = field(repr=False)
    key: bytes = field(repr=False)
    collection: str


@dataclass(frozen=True, slots=True)
class Counts:
    """The documents of a collection by their state."""

    collection: str = ""
    in_progress: int = 0
    completed: int = 0
    failed: int = 0
    cancelled: int = 0
    total: int = 0
    size_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Kept:
    """What the private stores of a principal hold."""

    files: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class BatchRow:
    """Files that were added together."""

    id: str
    collection: str
    created_at: datetime
    cancelled_at: datetime | None


@dataclass(frozen=True, slots=True)
class Page:
    """A page of files to read.

    Args:
        entries: of the reader; None for all documents.
        before, after: ids of documents between which the page lies.
    """

    limit: int
    batch: str | None = None
    state: FileState | None = None
    entries: Many[str] | None = None
    before: str | None = None
    after: str | None = None
    is_oldest_first: bool = False


@dataclass(frozen=True, slots=True)
class _Made:
    id: str
    at: datetime


@dataclass(frozen=True, slots=True)
class _Id:
    id: str


_STATES: dict[FileState, tuple[list[str], bool | None]] = {
    "in_progress": (["waiting", "reading"], None),
    "completed": (["ready"], None),
    "failed": (["failed"], False),
    "cancelled": (["failed"], True),
}


async def add_store(tx: Transaction, row: StoreRow, *, tenant: TenantId) -> None:
    """Store a vector store."""
    await tx.execute(_SQL["add_store"], {"tenant": tenant, **_values(row)})


async def find_store(
    tx: Transaction, store_id: str, *, owner: str, tenant: TenantId, is_locked: bool = False
) -> StoreRow | None:
    """Return a store of a principal, or None.

    Args:
        is_locked: whether to keep others from adding to it until the transaction ends.
    """
    query = _SQL["lock_store" if is_locked else "store"]
    return await tx.row(query, {"tenant": tenant, "id": store_id, "owner": owner}, of=StoreRow)


async def stores_of(tx: Transaction, owner: str, *, tenant: TenantId) -> list[StoreRow]:
    """Return the stores of a principal, the newest first."""
    return await tx.rows(_SQL["stores_of"], {"tenant": tenant, "owner": owner}, of=StoreRow)


async def searched(tx: Transaction, ids: Many[str], *, tenant: TenantId, now: datetime) -> list[Collection]:
    """Return the collections with these ids, private ones included, without those that have expired."""
    found = [one for one in await store.collections(tx, tenant=tenant) if one.id in ids]
    rows = await tx.rows(_SQL["open_stores"], {"tenant": tenant, "ids": sorted(ids), "now": now}, of=StoreRow)
    return [*found, *(row.collection for row in rows)]


async def count_stores(tx: Transaction, owner: str, *, tenant: TenantId) -> int:
    """Return the number of the stores of a principal."""
    return int(str(await tx.value(_SQL["count_stores"], {"tenant": tenant, "owner": owner})))


async def change_store(tx: Transaction, row: StoreRow, *, tenant: TenantId) -> None:
    """Replace the facts and the end of a store."""
    await tx.execute(_SQL["change_store"], {"tenant": tenant, **_values(row)})


async def note_use(tx: Transaction, ids: Many[str], *, tenant: TenantId, now: datetime) -> None:
    """Note that stores are used, so that their time begins anew. Writes at most once a minute."""
    await tx.execute(_SQL["note_use"], {"tenant": tenant, "ids": sorted(ids), "now": now})


async def delete_store(tx: Transaction, store_id: str, *, owner: str, tenant: TenantId) -> bool:
    """Delete a store without its documents; return whether it was there."""
    await tx.execute(_SQL["delete_batches"], {"tenant": tenant, "collection": store_id})
    return await tx.execute(_SQL["delete_store"], {"tenant": tenant, "id": store_id, "owner": owner}) > 0


async def delete_some_documents(tx: Transaction, collection: str, *, tenant: TenantId) -> int:
    """Delete some documents of a collection with their keys; return how many."""
    return await tx.execute(_SQL["delete_some"], {"tenant": tenant, "collection": collection})


async def expired_stores(tx: Transaction, *, tenant: TenantId, before: datetime) -> list[str]:
    """Return ids of stores whose time ended by a moment."""
    rows = await tx.rows(_SQL["expired_stores"], {"tenant": tenant, "before": before}, of=_Id)
    return [row.id for row in rows]


async def delete_abandoned(tx: Transaction, owners: Many[str], *, tenant: TenantId, before: datetime) -> None:
    """Delete the stores of everybody but these owners that were not used since a moment."""
    await tx.execute(_SQL["delete_abandoned"], {"tenant": tenant, "owners": sorted(owners), "before": before})


async def delete_expired(tx: Transaction, *, tenant: TenantId, before: datetime) -> None:
    """Delete the stores whose time ended by a moment, and batches without their collection."""
    await tx.execute(_SQL["delete_expired"], {"tenant": tenant, "before": before})
    await tx.execute(_SQL["delete_orphan_batches"], {"tenant": tenant})


async def kept(tx: Transaction, owner: str, *, tenant: TenantId) -> Kept:
    """Return what the private stores of a principal hold."""
    return await tx.row(_SQL["kept"], {"tenant": tenant, "owner": owner}, of=Kept) or Kept(0, 0)


async def counts(
    tx: Transaction,
    collections: Many[str],
    *,
    tenant: TenantId,
    batch: str | None = None,
    entries: Many[str] | None = None,
) -> dict[str, Counts]:
    """Return the documents of collections by their state, for those that have documents.

    Args:
        entries: of the reader; None for all documents.
    """
    params = {"tenant": tenant, "collections": sorted(collections), "batch": batch, "entries": _sorted(entries)}
    return {row.collection: row for row in await tx.rows(_SQL["counts"], params, of=Counts)}


async def made_at(tx: Transaction, ids: Many[str], *, tenant: TenantId) -> dict[str, datetime]:
    """Return when collections of the configuration were last changed."""
    rows = await tx.rows(_SQL["made_at"], {"tenant": tenant, "ids": sorted(ids)}, of=_Made)
    return {row.id: row.at for row in rows}


async def add_file(
    tx: Transaction,
    document: str,
    *,
    collection: str,
    file: str,
    attributes: bytes | None,
    batch: str | None,
    tenant: TenantId,
) -> None:
    """Store which file a document came from."""
    params = {"tenant": tenant, "document": document, "collection": collection, "file": file}
    await tx.execute(_SQL["add_file"], {**params, "attributes": attributes, "batch": batch})


async def find_file(tx: Transaction, collection: str, file: str, *, tenant: TenantId) -> StoreFile | None:
    """Return a file of a collection by its id on the wire, or None."""
    return await tx.row(_SQL["file"], {"tenant": tenant, "collection": collection, "id": file}, of=StoreFile)


async def files(tx: Transaction, collection: str, page: Page, *, tenant: TenantId) -> list[StoreFile]:
    """Return a page of the files of a collection."""
    states, is_cancelled = _STATES[page.state] if page.state is not None else (None, None)
    params: dict[str, Any] = {
        "tenant": tenant,
        "collection": collection,
        "batch": page.batch,
        "entries": _sorted(page.entries),
        "states": states,
        "is_cancelled": is_cancelled,
        "before": page.before,
        "after": page.after,
        "limit": page.limit,
    }
    return await tx.rows(_SQL["oldest_files" if page.is_oldest_first else "files"], params, of=StoreFile)


async def files_of(tx: Transaction, documents: Sequence[str], *, tenant: TenantId) -> dict[str, StoreFile]:
    """Return the files behind documents, for those that came as files."""
    rows = await tx.rows(_SQL["files_of"], {"tenant": tenant, "documents": list(documents)}, of=StoreFile)
    return {row.document: row for row in rows}


async def described(tx: Transaction, collections: Many[str], *, tenant: TenantId, limit: int) -> list[Described]:
    """Return the documents of collections that have attributes."""
    params = {"tenant": tenant, "collections": sorted(collections), "limit": limit}
    return await tx.rows(_SQL["described"], params, of=Described)


async def set_attributes(
    tx: Transaction, document: str, attributes: bytes | None, *, collection: str, tenant: TenantId
) -> None:
    """Replace the attributes of a document."""
    params = {"tenant": tenant, "document": document, "collection": collection, "attributes": attributes}
    await tx.execute(_SQL["set_attributes"], params)


async def copies_of_file(tx: Transaction, file: str, *, owner: str, tenant: TenantId) -> list[str]:
    """Return the documents of a principal's private stores that came from a file."""
    rows = await tx.rows(_SQL["copies_of_file"], {"tenant": tenant, "file": file, "owner": owner}, of=_Id)
    return [row.id for row in rows]


async def add_batch(tx: Transaction, batch: str, collection: str, *, tenant: TenantId, now: datetime) -> None:
    """Store a batch of files."""
    await tx.execute(_SQL["add_batch"], {"tenant": tenant, "id": batch, "collection": collection, "now": now})


async def find_batch(tx: Transaction, collection: str, batch: str, *, tenant: TenantId) -> BatchRow | None:
    """Return a batch of files, or None."""
    return await tx.row(_SQL["batch"], {"tenant": tenant, "collection": collection, "id": batch}, of=BatchRow)


async def cancel_batch(tx: Transaction, collection: str, batch: str, *, tenant: TenantId, now: datetime) -> None:
    """Cancel the files of a batch that are not read yet."""
    params = {"tenant": tenant, "collection": collection, "id": batch, "now": now}
    await tx.execute(_SQL["cancel_batch"], params)
    await tx.execute(_SQL["cancel_files"], {"tenant": tenant, "batch": batch})


def _sorted(entries: Many[str] | None) -> list[str] | None:
    return None if entries is None else sorted(entries)


def _values(row: StoreRow) -> dict[str, Any]:
    return {one.name: getattr(row, one.name) for one in fields(row)}
