"""The store: collections, sources and documents, schema `knowledge`. Texts arrive and leave sealed.

Callers open a transaction. The index of passages has queries of its own.
"""

from __future__ import annotations

from collections.abc import Collection as Many
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

import msgspec

from headgate.kernel.identity import TenantId
from headgate.knowledge.specs import Collection, Source
from headgate.substrate.database import Transaction, load_queries

_SQL = load_queries("headgate.knowledge")

DocumentState = Literal["waiting", "reading", "ready", "failed"]


@dataclass(frozen=True, slots=True)
class _Spec:
    spec: str


@dataclass(frozen=True, slots=True)
class PassageRow:
    """A passage of a document; `body` is sealed."""

    number: int
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Labels:
    labels: str


@dataclass(frozen=True, slots=True)
class _Language:
    language: str


@dataclass(frozen=True, slots=True)
class _Id:
    id: str


@dataclass(frozen=True, slots=True)
class DocumentRow:
    """A document; `key` is wrapped, and `facts` are sealed under it.

    Args:
        source: its source, or None for an upload.
        readers: who may read it, in the form of `specs.sorted_readers`.
        given: labels that its source or its uploader gives it.
        floor: those and its collection's.
        labels: of the whole.
        version: counts the texts and tries that it had, from 1.
        as_of: how old its text is.
        seen_round: the pass over its source that saw it last.
    """

    id: str
    collection: str
    source: str | None
    key: bytes = field(repr=False)
    facts: bytes = field(repr=False)
    media_type: str
    size_bytes: int
    digest: bytes = field(repr=False)
    readers: list[str]
    given: str
    floor: str
    labels: str
    state: DocumentState
    stage: str
    fault: str
    version: int
    pages: int | None
    passages: int
    language: str
    added_by: str
    as_of: datetime
    created_at: datetime
    changed_at: datetime
    seen_round: int


@dataclass(frozen=True, slots=True)
class Standing:
    """The documents of a collection in numbers. `oldest` is the age of the oldest text, None without a document."""

    collection: str
    documents: int
    passages: int
    waiting: int
    failed: int
    size_bytes: int
    oldest: datetime | None
    changed_at: datetime | None


@dataclass(frozen=True, slots=True)
class LabelledStanding(Standing):
    """The documents of a collection with equal labels, in numbers."""

    labels: str

    def and_(self, other: Standing | None) -> Standing:
        """Return the numbers of both."""
        if other is None:
            return self
        times = [one for one in (self.oldest, other.oldest) if one is not None]
        changes = [one for one in (self.changed_at, other.changed_at) if one is not None]
        return Standing(
            self.collection,
            self.documents + other.documents,
            self.passages + other.passages,
            self.waiting + other.waiting,
            self.failed + other.failed,
            self.size_bytes + other.size_bytes,
            min(times, default=None),
            max(changes, default=None),
        )


@dataclass(frozen=True, slots=True)
class SyncRow:
    """How far the reading of a source is. The numbers are of the pass that runs, or of the last one.

    Args:
        cursor: sealed.
        spec: digest of the source's entry as the cursor knows it; empty if the source is gone.
    """

    source: str
    cursor: str
    round: int
    begun_at: datetime | None
    ended_at: datetime | None
    due_at: datetime
    fault: str
    found: int
    changed: int
    removed: int
    failed: int
    spec: str


@dataclass(frozen=True, slots=True)
class BegunSync:
    """A pass that began. `is_full`: whether it lists the whole source."""

    round: int
    is_full: bool


@dataclass(frozen=True, slots=True)
class HeldDocument:
    """A document of a source, as the source's passes compare it. `ref` is the keyed hash of its name there."""

    id: str
    ref: bytes
    revision: str
    readers: list[str]
    given: str


@dataclass(frozen=True, slots=True)
class FloorRow:
    """A floor that documents of a collection have, with the part of it that their source or uploader gave."""

    collection: str
    given: str
    floor: str


async def collections(tx: Transaction, *, tenant: TenantId) -> list[Collection]:
    """Return the collections by id."""
    rows = await tx.rows(_SQL["collections"], {"tenant": tenant}, of=_Spec)
    return [msgspec.json.decode(row.spec, type=Collection) for row in rows]


async def put_collection(tx: Transaction, collection: Collection, *, tenant: TenantId) -> None:
    """Add or replace a collection."""
    spec = msgspec.json.encode(collection).decode()
    await tx.execute(_SQL["put_collection"], {"tenant": tenant, "id": collection.id, "spec": spec})


async def delete_collection(tx: Transaction, collection: str, *, tenant: TenantId) -> bool:
    """Delete a collection. Its documents go with the next sweep. Return False if there is none."""
    return await tx.execute(_SQL["delete_collection"], {"tenant": tenant, "id": collection}) > 0


async def sources(tx: Transaction, *, tenant: TenantId) -> list[Source]:
    """Return the sources by id."""
    rows = await tx.rows(_SQL["sources"], {"tenant": tenant}, of=_Spec)
    return [msgspec.json.decode(row.spec, type=Source) for row in rows]


async def put_source(tx: Transaction, source: Source, *, tenant: TenantId) -> None:
    """Add or replace a source."""
    spec = msgspec.json.encode(source).decode()
    await tx.execute(_SQL["put_source"], {"tenant": tenant, "id": source.id, "spec": spec})


async def delete_source(tx: Transaction, source: str, *, tenant: TenantId) -> bool:
    """Delete a source. Its documents go with the next sweep. Return False if there is none."""
    return await tx.execute(_SQL["delete_source"], {"tenant": tenant, "id": source}) > 0


async def add_document(tx: Transaction, row: DocumentRow, *, ref: bytes, tenant: TenantId) -> None:
    """Store a document that waits to be read."""
    values = {name: getattr(row, name) for name in DocumentRow.__slots__}
    await tx.execute(_SQL["add_document"], {"tenant": tenant, "ref": ref, "now": row.created_at, **values})


async def replace_text(tx: Transaction, row: DocumentRow, *, tenant: TenantId) -> None:
    """Store the facts of a new version of a document. It waits to be read again."""
    values = {name: getattr(row, name) for name in DocumentRow.__slots__}
    await tx.execute(_SQL["replace_text"], {"tenant": tenant, "now": row.changed_at, **values})
    await tx.execute(_SQL["delete_pieces"], {"tenant": tenant, "document": row.id})


async def add_piece(tx: Transaction, document: str, number: int, body: bytes, *, tenant: TenantId) -> None:
    """Store a piece of a document's bytes."""
    await tx.execute(_SQL["add_piece"], {"tenant": tenant, "document": document, "number": number, "body": body})


async def piece(tx: Transaction, document: str, number: int, *, tenant: TenantId) -> bytes | None:
    """Return a sealed piece of a document's bytes, or None after the last."""
    found = await tx.value(_SQL["piece"], {"tenant": tenant, "document": document, "number": number})
    return found if isinstance(found, bytes) else None


async def document(
    tx: Transaction, document_id: str, *, tenant: TenantId, is_locked: bool = False
) -> DocumentRow | None:
    """Return a document, or None.

    Args:
        is_locked: whether to keep others from changing it until the transaction ends.
    """
    query = _SQL["lock_document" if is_locked else "document"]
    return await tx.row(query, {"tenant": tenant, "id": document_id}, of=DocumentRow)


async def document_by_ref(
    tx: Transaction, ref: bytes, *, collection: str, source: str | None, tenant: TenantId
) -> DocumentRow | None:
    """Return the document with this name at its source, locked, or None."""
    params = {"tenant": tenant, "collection": collection, "source": source, "ref": ref}
    return await tx.row(_SQL["document_by_ref"], params, of=DocumentRow)


async def documents(
    tx: Transaction,
    collection: str,
    *,
    tenant: TenantId,
    limit: int,
    before: str | None = None,
    state: str | None = None,
    entries: Many[str] | None = None,
    labels: Sequence[str] | None = None,
) -> list[DocumentRow]:
    """Return a page of a collection's documents, newest first.

    Args:
        before: the id of the last document of the page before.
        entries: of the reader; None for all documents.
        labels: those that may flow to the reader; None for all.
    """
    params: Mapping[str, Any] = {
        "tenant": tenant,
        "collection": collection,
        "before": before,
        "state": state,
        "entries": None if entries is None else sorted(entries),
        "labels": labels,
        "limit": limit,
    }
    return await tx.rows(_SQL["documents"], params, of=DocumentRow)


async def labels_of(tx: Transaction, collection: str, *, tenant: TenantId) -> list[str]:
    """Return the different labels of the documents of a collection."""
    rows = await tx.rows(_SQL["labels_of"], {"tenant": tenant, "collection": collection}, of=_Labels)
    return [row.labels for row in rows]


async def documents_of(tx: Transaction, ids: Sequence[str], *, tenant: TenantId) -> dict[str, DocumentRow]:
    """Return documents by their ids, without those that are gone."""
    rows = await tx.rows(_SQL["documents_of"], {"tenant": tenant, "ids": list(ids)}, of=DocumentRow)
    return {row.id: row for row in rows}


async def set_stage(tx: Transaction, document_id: str, stage: str, *, version: int, tenant: TenantId) -> bool:
    """Note the stage of a document that is being read. Return False if there is a newer version, or none."""
    params = {"tenant": tenant, "id": document_id, "stage": stage, "version": version}
    return await tx.execute(_SQL["set_stage"], params) > 0


async def finish_document(tx: Transaction, row: DocumentRow, *, tenant: TenantId) -> bool:
    """Store what reading found out, and set a document ready. Return False if there is a newer version, or none."""
    values = {name: getattr(row, name) for name in DocumentRow.__slots__}
    return await tx.execute(_SQL["finish_document"], {"tenant": tenant, **values}) > 0


async def fail_document(tx: Transaction, document_id: str, fault: str, *, version: int, tenant: TenantId) -> None:
    """Set a document aside, with the reason."""
    params = {"tenant": tenant, "id": document_id, "fault": fault[:1000], "version": version}
    await tx.execute(_SQL["fail_document"], params)


async def retry_document(tx: Transaction, document_id: str, *, tenant: TenantId) -> None:
    """Let a document wait to be read again."""
    await tx.execute(_SQL["retry_document"], {"tenant": tenant, "id": document_id})


async def set_access(tx: Transaction, row: DocumentRow, *, tenant: TenantId) -> None:
    """Store the readers, the floor and the labels of a document. The index follows by `Index.move`."""
    params = {"tenant": tenant, "id": row.id, "readers": row.readers, "given": row.given, "floor": row.floor}
    await tx.execute(_SQL["set_access"], {**params, "labels": row.labels})


async def mark_seen(tx: Transaction, document_id: str, round_: int, *, tenant: TenantId) -> None:
    """Note that a pass over the source saw a document."""
    await tx.execute(_SQL["mark_seen"], {"tenant": tenant, "id": document_id, "round": round_})


async def delete_document(tx: Transaction, document_id: str, *, tenant: TenantId) -> bool:
    """Delete a document with its key, bytes and passages; return whether it was there."""
    return await tx.execute(_SQL["delete_document"], {"tenant": tenant, "id": document_id}) > 0


async def delete_unseen(tx: Transaction, source: str, round_: int, *, tenant: TenantId) -> int:
    """Delete some of the documents of a source that this pass did not see; return how many."""
    return await tx.execute(_SQL["delete_unseen"], {"tenant": tenant, "source": source, "round": round_})


async def delete_orphans(tx: Transaction, *, tenant: TenantId) -> int:
    """Delete some of the documents of collections and sources that are gone; return how many."""
    return await tx.execute(_SQL["delete_orphans"], {"tenant": tenant})


async def passages_of(tx: Transaction, document_id: str, *, tenant: TenantId) -> list[PassageRow]:
    """Return the passages of a document, in order."""
    return await tx.rows(
        _SQL["passages_of"], {"tenant": tenant, "document": document_id}, of=PassageRow, is_binary=True
    )


async def languages(tx: Transaction, collections: Many[str], *, tenant: TenantId) -> list[str]:
    """Return the languages of the documents of collections; "" stands for an unknown one."""
    rows = await tx.rows(_SQL["languages"], {"tenant": tenant, "collections": sorted(collections)}, of=_Language)
    return [row.language for row in rows]


async def standing(tx: Transaction, *, tenant: TenantId) -> dict[str, Standing]:
    """Return how the documents of each collection stand, for those that have documents."""
    rows = await tx.rows(_SQL["standing"], {"tenant": tenant}, of=Standing)
    return {row.collection: row for row in rows}


async def standing_of_reader(tx: Transaction, entries: Many[str], *, tenant: TenantId) -> list[LabelledStanding]:
    """Return how the documents stand that somebody with these entries may read, by collection and labels."""
    params = {"tenant": tenant, "entries": sorted(entries)}
    return await tx.rows(_SQL["standing_of_reader"], params, of=LabelledStanding)


async def syncs(tx: Transaction, *, tenant: TenantId) -> dict[str, SyncRow]:
    """Return how far the reading of each source is, for those that were read."""
    rows = await tx.rows(_SQL["syncs"], {"tenant": tenant}, of=SyncRow)
    return {row.source: row for row in rows}


async def held(
    tx: Transaction, refs: Sequence[bytes], *, collection: str, source: str, tenant: TenantId
) -> dict[bytes, HeldDocument]:
    """Return the documents of a source with these names, by the keyed hash of the name."""
    params = {"tenant": tenant, "collection": collection, "source": source, "refs": list(refs)}
    return {row.ref: row for row in await tx.rows(_SQL["held"], params, of=HeldDocument)}


async def mark_all_seen(tx: Transaction, ids: Sequence[str], round_: int, *, tenant: TenantId) -> None:
    """Note that a pass over the source saw documents."""
    await tx.execute(_SQL["mark_all_seen"], {"tenant": tenant, "ids": list(ids), "round": round_})


async def note_fetched(
    tx: Transaction, document_id: str, round_: int, *, revision: str, facts: bytes, tenant: TenantId
) -> None:
    """Note the revision of a document that a pass fetched, and its names."""
    params = {"tenant": tenant, "id": document_id, "round": round_, "revision": revision, "facts": facts}
    await tx.execute(_SQL["note_fetched"], params)


async def set_fault(tx: Transaction, document_id: str, fault: str, round_: int, *, tenant: TenantId) -> None:
    """Note why a pass could not read a document. Its older text stays."""
    params = {"tenant": tenant, "id": document_id, "fault": fault[:1000], "round": round_}
    await tx.execute(_SQL["set_fault"], params)


async def floors(tx: Transaction, *, tenant: TenantId) -> list[FloorRow]:
    """Return the floors that documents have."""
    return await tx.rows(_SQL["floors"], {"tenant": tenant}, of=FloorRow)


async def with_floor(tx: Transaction, floor: FloorRow, *, tenant: TenantId) -> list[str]:
    """Return some of the documents that have a floor."""
    params = {"tenant": tenant, "collection": floor.collection, "given": floor.given, "floor": floor.floor}
    return [row.id for row in await tx.rows(_SQL["with_floor"], params, of=_Id)]


async def lock_sources(tx: Transaction, *, tenant: TenantId) -> None:
    """Keep other workers from beginning and ending passes until the transaction ends."""
    await tx.value(_SQL["lock_sources"], {"tenant": tenant})


async def begin_sync(
    tx: Transaction, source: str, *, tenant: TenantId, now: datetime, spec: str, is_full: bool
) -> BegunSync:
    """Begin a pass over a source.

    Args:
        is_full: whether to begin with a full listing, and not where the pass before ended.
    """
    params = {"tenant": tenant, "source": source, "now": now, "spec": spec, "is_full": is_full}
    begun = await tx.row(_SQL["begin_sync"], params, of=BegunSync)
    assert begun is not None
    return begun


async def hold_sync(tx: Transaction, source: str, round_: int, *, tenant: TenantId) -> str | None:
    """Keep another pass from beginning until the transaction ends; return the cursor, or None if one has begun."""
    found = await tx.value(_SQL["hold_sync"], {"tenant": tenant, "source": source, "round": round_})
    return None if found is None else str(found)


async def note_sync(
    tx: Transaction,
    source: str,
    round_: int,
    *,
    tenant: TenantId,
    cursor: str | None = None,
    found: int = 0,
    changed: int = 0,
    removed: int = 0,
    failed: int = 0,
    fault: str = "",
) -> None:
    """Note how far a pass is, and add to its numbers.

    Args:
        cursor: None leaves it.
        fault: why the pass waits.
    """
    numbers = {"found": found, "changed": changed, "removed": removed, "failed": failed}
    params = {"tenant": tenant, "source": source, "round": round_, "cursor": cursor, "fault": fault[:1000]}
    await tx.execute(_SQL["note_sync"], {**params, **numbers})


async def end_sync(
    tx: Transaction,
    source: str,
    round_: int,
    *,
    tenant: TenantId,
    now: datetime,
    due_at: datetime,
    fault: str = "",
) -> None:
    """End a pass."""
    params = {"tenant": tenant, "source": source, "round": round_, "now": now, "due_at": due_at}
    await tx.execute(_SQL["end_sync"], {**params, "fault": fault[:1000]})


async def forget_sync(tx: Transaction, source: str, *, tenant: TenantId) -> None:
    """End the passes over a source that is gone."""
    await tx.execute(_SQL["forget_sync"], {"tenant": tenant, "source": source})
