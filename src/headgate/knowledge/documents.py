"""Documents as they are kept: sealed in pieces under a key of each document, added, replaced, opened and deleted."""

from __future__ import annotations

import asyncio
import hmac
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import msgspec

from headgate.kernel.errors import Invalid, TooLarge
from headgate.kernel.identity import TenantId
from headgate.kernel.labels import BOTTOM, Labels, parse_labels
from headgate.kernel.ports import Clock, Ids
from headgate.knowledge import store
from headgate.knowledge.passages import Passage
from headgate.knowledge.specs import EVERYONE, Collection, sorted_readers
from headgate.knowledge.store import DocumentRow
from headgate.substrate.database import Transaction
from headgate.substrate.durable import Durable
from headgate.substrate.item_keys import ItemKey, ItemKeys

QUEUE = "documents"
MOST_BYTES = 64 << 20

_PIECE_BYTES = 1 << 20
_MOST_NAME_CHARS = 500
_DIRECTIONS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c")


class DocumentFacts(msgspec.Struct, frozen=True):
    """What a document keeps of its names.

    Args:
        name: of the file, or its path at the source.
        title: its own title, or empty until it was read.
        url: its address at the source, or empty.
    """

    name: str
    title: str = ""
    url: str = ""
    authors: list[str] = []

    @property
    def shown(self) -> str:
        """The title for people."""
        return self.title or self.name.rpartition("/")[2] or self.name


def one_line(name: str) -> str:
    """Return a name without control characters and changes of direction, which would disguise it."""
    return "".join(
        " " if unicodedata.category(char) in ("Cc", "Zl", "Zp") or char in _DIRECTIONS else char for char in name
    )


@dataclass(frozen=True, slots=True)
class NewText:
    """The bytes of a document, new or changed.

    Args:
        ref: its name at its source; one document of a source has it.
        readers: who may read it at its source.
        floor: labels that its source gives it.
        as_of: when it was last changed at its source; None if nothing says so.
        by: the principal who adds it.
        round: the pass over its source that found it.
    """

    ref: str
    name: str
    data: bytes = field(repr=False)
    by: str
    source: str | None = None
    url: str = ""
    readers: Sequence[str] = (EVERYONE,)
    floor: Labels | None = None
    as_of: datetime | None = None
    round: int = 0


@dataclass(frozen=True, slots=True)
class Documents:
    """Keeps documents, and lets them be read by durable runs."""

    keys: ItemKeys
    clock: Clock
    ids: Ids
    durable: Durable

    async def put(
        self, tx: Transaction, new: NewText, collection: Collection, *, tenant: TenantId
    ) -> tuple[DocumentRow, bool]:
        """Add a document, or replace the text of the one with its name at its source.

        Returns:
            The document, and whether its text is new. An unchanged text is not read again.

        Raises:
            Invalid: it is empty.
            TooLarge: it is larger than a document may be.
        """
        if not new.data:
            raise Invalid(f"{new.name or 'the file'} is empty; add a file with content", param="data")
        if len(new.data) > MOST_BYTES:
            raise TooLarge(f"the file is larger than {MOST_BYTES >> 20} MiB; split it", param="data")
        ref = self.ref_of(new.ref, collection, tenant=tenant)
        digest = self._hash(new.data, "digest", tenant=tenant, collection=collection.id)
        held = await store.document_by_ref(tx, ref, collection=collection.id, source=new.source, tenant=tenant)
        if held is not None and hmac.compare_digest(held.digest, digest):
            await store.mark_seen(tx, held.id, new.round, tenant=tenant)
            return held, False
        row = self._row(new, collection, digest, held, tenant=tenant)
        if held is None:
            await store.add_document(tx, row, ref=ref, tenant=tenant)
        else:
            await store.replace_text(tx, row, tenant=tenant)
            await store.mark_seen(tx, row.id, new.round, tenant=tenant)
        key = self.key_of(row, tenant=tenant)
        for number, at in enumerate(range(0, len(new.data), _PIECE_BYTES)):
            sealed = await asyncio.to_thread(key.seal, new.data[at : at + _PIECE_BYTES], name=f"piece/{number}")
            await store.add_piece(tx, row.id, number, sealed, tenant=tenant)
        await self.read_later(tx, row, tenant=tenant)
        return row, True

    async def put_fault(
        self, tx: Transaction, new: NewText, collection: Collection, *, why: str, tenant: TenantId
    ) -> None:
        """Note that a document could not be fetched. A new one is set aside, and an older text stays."""
        ref = self.ref_of(new.ref, collection, tenant=tenant)
        held = await store.document_by_ref(tx, ref, collection=collection.id, source=new.source, tenant=tenant)
        if held is not None:
            await store.set_fault(tx, held.id, why, new.round, tenant=tenant)
            return
        digest = self._hash(b"", "digest", tenant=tenant, collection=collection.id)
        row = self._row(new, collection, digest, None, tenant=tenant)
        await store.add_document(tx, row, ref=ref, tenant=tenant)
        await store.fail_document(tx, row.id, why, version=row.version, tenant=tenant)

    def ref_of(self, ref: str, collection: Collection, *, tenant: TenantId) -> bytes:
        """Return the keyed hash of a document's name at its source."""
        return self._hash(ref.encode(), "ref", tenant=tenant, collection=collection.id)

    async def read_later(self, tx: Transaction, row: DocumentRow, *, tenant: TenantId) -> None:
        """Let a durable run read a version of a document."""
        run = f"{row.id}.{row.version}"
        await self.durable.submit(
            tx, queue=QUEUE, run=run, of={"document": row.id, "version": row.version}, tenant=tenant
        )

    async def retry(self, tx: Transaction, row: DocumentRow, *, tenant: TenantId) -> DocumentRow:
        """Let a document be read again.

        Raises:
            Invalid: it was never fetched from its source.
        """
        if not row.size_bytes:
            raise Invalid("its source has not given it yet; read the source again")
        await store.retry_document(tx, row.id, tenant=tenant)
        row = replace(row, version=row.version + 1, state="waiting", fault="", stage="")
        await self.read_later(tx, row, tenant=tenant)
        return row

    async def data(self, tx: Transaction, row: DocumentRow, *, tenant: TenantId) -> bytes:
        """Return the bytes of a document."""
        key, pieces = self.key_of(row, tenant=tenant), list[bytes]()
        while (sealed := await store.piece(tx, row.id, len(pieces), tenant=tenant)) is not None:
            pieces.append(await asyncio.to_thread(key.open, sealed, name=f"piece/{len(pieces)}"))
        return b"".join(pieces)

    def key_of(self, row: DocumentRow, *, tenant: TenantId) -> ItemKey:
        """Return the key of a document."""
        return self.keys.unwrap(row.key, tenant=tenant, owner=row.collection, item=row.id)

    def facts(self, row: DocumentRow, *, tenant: TenantId) -> DocumentFacts:
        """Return the names of a document."""
        opened = self.key_of(row, tenant=tenant).open(row.facts, name="facts")
        return msgspec.json.decode(opened, type=DocumentFacts)

    def sealed_facts(self, row: DocumentRow, facts: DocumentFacts, *, tenant: TenantId) -> bytes:
        """Return the names of a document, sealed."""
        return self.key_of(row, tenant=tenant).seal(msgspec.json.encode(facts), name="facts")

    def sealed_passage(self, key: ItemKey, number: int, passage: Passage) -> bytes:
        """Return a passage, sealed."""
        return key.seal(msgspec.json.encode(passage), name=f"passage/{number}")

    def passage(self, key: ItemKey, number: int, body: bytes) -> Passage:
        """Return a stored passage."""
        return msgspec.json.decode(key.open(body, name=f"passage/{number}"), type=Passage)

    def _row(
        self, new: NewText, collection: Collection, digest: bytes, held: DocumentRow | None, *, tenant: TenantId
    ) -> DocumentRow:
        now, given = self.clock.now(), new.floor or BOTTOM
        floor = collection.floor.join(given)
        document = held.id if held is not None else f"doc_{self.ids.ulid().lower()}"
        wrapped = held.key if held is not None else b""
        if held is None:
            wrapped = self.keys.new(tenant=tenant, owner=collection.id, item=document).wrapped
        key = self.keys.unwrap(wrapped, tenant=tenant, owner=collection.id, item=document)
        name = one_line(new.name)[:_MOST_NAME_CHARS]
        return DocumentRow(
            id=document,
            collection=collection.id,
            source=new.source,
            key=wrapped,
            facts=key.seal(msgspec.json.encode(DocumentFacts(name, url=new.url[:2000])), name="facts"),
            media_type="application/octet-stream",
            size_bytes=len(new.data),
            digest=digest,
            readers=held.readers if held is not None else sorted_readers(new.readers),
            given=str(given),
            floor=str(floor),
            labels=str(floor if held is None else floor.join(parse_labels(held.labels))),
            state="waiting",
            stage="",
            fault="",
            version=held.version + 1 if held is not None else 1,
            pages=None,
            passages=held.passages if held is not None else 0,
            language="",
            added_by=new.by,
            as_of=new.as_of or now,
            created_at=held.created_at if held is not None else now,
            changed_at=now,
            seen_round=new.round,
        )

    def _hash(self, data: bytes, purpose: str, *, tenant: TenantId, collection: str) -> bytes:
        key = self.keys.derived(purpose, tenant=tenant, owner=collection)
        return hmac.digest(key, data, "sha256")
