"""Files of programs: sealed in pieces on the way in, opened piece by piece on the way out, each only for its owner."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from headgate.admin.files import OwnFile
from headgate.batches import store
from headgate.batches.store import FileRow
from headgate.kernel.errors import Invalid, NotFound, TooLarge
from headgate.kernel.identity import Principal, TenantId
from headgate.kernel.labels import Labels, parse_labels
from headgate.kernel.ports import Clock, Ids
from headgate.substrate.database import Database, Transaction
from headgate.substrate.item_keys import ItemKey, ItemKeys

MOST_FILE_BYTES = 64 << 20
MOST_KEPT_BYTES = 4 << 30
"""The limit of all files of one principal."""

HIDDEN = "messages_batch"
"""The purpose of the requests of a message batch, which their principal does not see as a file."""

_PIECE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class NewFile:
    """A file to keep.

    Args:
        keeps: how long it is kept; None: as long as any file.
    """

    name: str
    purpose: str
    text: bytes
    labels: Labels
    keeps: timedelta | None = None


class Files:
    """Keeps files.

    Args:
        keeps: how long a file is kept.
    """

    def __init__(self, *, database: Database, keys: ItemKeys, clock: Clock, ids: Ids, keeps: timedelta) -> None:
        self.database = database
        self.keys = keys
        self.clock = clock
        self.ids = ids
        self.keeps = keeps

    async def add(self, new: NewFile, *, principal: Principal) -> FileRow:
        """Keep a file.

        Raises:
            TooLarge: it is larger than a file may be, or its principal keeps too much.
        """
        if not new.text:
            raise Invalid("the file is empty; send one with content", param="file")
        if len(new.text) > MOST_FILE_BYTES:
            raise TooLarge(f"the file is larger than {MOST_FILE_BYTES >> 20} MiB; send a smaller one", param="file")
        tenant, now = principal.tenant, self.clock.now()
        file_id = f"file-{self.ids.ulid().lower()}"
        key = self.keys.new(tenant=tenant, owner=principal.id, item=file_id)
        row = FileRow(
            id=file_id,
            owner=principal.id,
            purpose=new.purpose,
            key=key.wrapped,
            name=key.seal(new.name.encode(), name="name"),
            size_bytes=len(new.text),
            labels=str(new.labels),
            batch=None,
            created_at=now,
            expires_at=now + (min(new.keeps, self.keeps) if new.keeps is not None else self.keeps),
        )
        async with self.database.transaction(tenant=tenant) as tx:
            kept = await store.kept_bytes(tx, tenant=tenant, owner=principal.id, now=now)
            if kept + len(new.text) > MOST_KEPT_BYTES:
                raise TooLarge(f"your files have more than {MOST_KEPT_BYTES >> 30} GiB; delete some", param="file")
            await store.add_file(tx, row, tenant=tenant)
            for number, at in enumerate(range(0, len(new.text), _PIECE_BYTES)):
                piece = new.text[at : at + _PIECE_BYTES]
                sealed = await asyncio.to_thread(key.seal, piece, name=f"piece/{number}")
                await store.add_piece(tx, file_id, number, sealed, tenant=tenant)
        return row

    async def find(self, file_id: str, *, principal: Principal) -> FileRow:
        """Return a file of its principal.

        Raises:
            NotFound: this principal has no such file.
        """
        async with self.database.transaction(tenant=principal.tenant) as tx:
            return await self.find_in(tx, file_id, principal=principal)

    async def find_in(self, tx: Transaction, file_id: str, *, principal: Principal) -> FileRow:
        """As `find`, in the caller's transaction."""
        now = self.clock.now()
        row = await store.file(tx, file_id, tenant=principal.tenant, owner=principal.id, now=now)
        if row is None:
            raise NotFound(f"No such File object: {file_id[:128]}", param="file_id")
        return row

    async def delete(self, file_id: str, *, principal: Principal) -> None:
        """Delete a file with its key. Results of a batch are deleted from the batch too.

        Raises:
            NotFound: this principal has no such file.
        """
        tenant = principal.tenant
        async with self.database.transaction(tenant=tenant) as tx:
            row = await self.find_in(tx, file_id, principal=principal)
            await store.delete_file(tx, file_id, tenant=tenant, owner=principal.id)
            if row.batch is not None:
                is_output = row.purpose == "batch_output" and (
                    (found := await store.batch(tx, row.batch, tenant=tenant)) is None or found.output == file_id
                )
                await store.delete_lines(tx, row.batch, tenant=tenant, is_output=is_output)

    def key_of(self, row: FileRow, *, tenant: TenantId) -> ItemKey:
        """Return the key of a stored file."""
        return self.keys.unwrap(row.key, tenant=tenant, owner=row.owner, item=row.id)

    def name_of(self, row: FileRow, *, tenant: TenantId) -> str:
        """Return the name of a stored file."""
        return self.key_of(row, tenant=tenant).open(row.name, name="name").decode()

    async def pieces(self, row: FileRow, *, tenant: TenantId) -> AsyncIterator[bytes]:
        """Yield the text of an uploaded file, each piece from a transaction of its own."""
        key, number = self.key_of(row, tenant=tenant), 0
        while True:
            async with self.database.transaction(tenant=tenant) as tx:
                sealed = await store.piece(tx, row.id, number, tenant=tenant)
            if sealed is None:
                return
            yield await asyncio.to_thread(key.open, sealed, name=f"piece/{number}")
            number += 1

    async def text(self, row: FileRow, *, tenant: TenantId) -> bytes:
        """Return the whole text of an uploaded file."""
        return b"".join([piece async for piece in self.pieces(row, tenant=tenant)])

    async def own(self, file_id: str, *, principal: Principal) -> OwnFile:
        """As the port `OwnFiles`."""
        row = await self._upload(file_id, principal=principal)
        return OwnFile(row.id, self.name_of(row, tenant=principal.tenant), row.size_bytes, parse_labels(row.labels))

    async def text_of(self, file_id: str, *, principal: Principal) -> bytes:
        """As the port `OwnFiles`."""
        return await self.text(await self._upload(file_id, principal=principal), tenant=principal.tenant)

    async def _upload(self, file_id: str, *, principal: Principal) -> FileRow:
        row = await self.find(file_id, principal=principal)
        if row.batch is not None or row.purpose == HIDDEN:
            raise NotFound(f"No such File object: {file_id[:128]}", param="file_id")
        return row

    async def of_owner(
        self,
        *,
        principal: Principal,
        limit: int,
        purpose: str | None = None,
        after: str | None = None,
        is_oldest_first: bool = False,
    ) -> list[FileRow]:
        """Return a page of a principal's files after the one with the id `after`."""
        async with self.database.transaction(tenant=principal.tenant) as tx:
            return await store.files(
                tx,
                tenant=principal.tenant,
                owner=principal.id,
                now=self.clock.now(),
                limit=limit,
                purpose=purpose,
                after=after,
                is_oldest_first=is_oldest_first,
            )

    async def sweep(self, tenant: TenantId, *, now: datetime) -> None:
        """Delete what has expired."""
        async with self.database.transaction(tenant=tenant) as tx:
            await store.delete_old(tx, tenant=tenant, now=now)
