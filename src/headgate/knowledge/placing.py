"""The readers and the floor of a document, changed at once for every search."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from headgate.kernel.identity import TenantId
from headgate.kernel.labels import Labels, parse_labels
from headgate.knowledge import store
from headgate.knowledge.documents import Documents
from headgate.knowledge.index import Index
from headgate.knowledge.specs import Collection, sorted_readers
from headgate.knowledge.store import DocumentRow
from headgate.substrate.database import Transaction


@dataclass(frozen=True, slots=True)
class Placing:
    """Gives documents other readers and other floors."""

    documents: Documents
    index: Index

    async def give(
        self,
        tx: Transaction,
        row: DocumentRow,
        collection: Collection,
        *,
        readers: Sequence[str],
        given: Labels,
        tenant: TenantId,
    ) -> bool:
        """Give a locked document readers and a floor, and its passages the scopes for them; return whether it changed.

        A higher floor joins the labels of the passages at once. After a lower one, the document is read again, because
        only a scan tells which labels its text has without the floor.

        Args:
            given: labels that its source or its uploader gives it. The floor of its collection joins them.
        """
        floor = collection.floor.join(given)
        placed = replace(
            row,
            readers=sorted_readers(readers),
            given=str(given),
            floor=str(floor),
            labels=str(parse_labels(row.labels).join(floor)),
        )
        if placed == row:
            return False
        await self._move(tx, row, placed, floor, tenant=tenant)
        await store.set_access(tx, placed, tenant=tenant)
        old = parse_labels(row.floor)
        if old.join(floor) != floor and row.size_bytes:
            await self.documents.retry(tx, placed, tenant=tenant)
        return True

    async def _move(
        self, tx: Transaction, row: DocumentRow, placed: DocumentRow, floor: Labels, *, tenant: TenantId
    ) -> None:
        moves: dict[int, int] = {}
        for scope in await self.index.scopes(tx, [row.collection], tenant=tenant):
            if list(scope.readers) != row.readers:
                continue
            labels = str(parse_labels(scope.labels).join(floor))
            if labels == scope.labels and placed.readers == row.readers:
                continue
            moves[scope.id] = await self.index.scope_of(
                tx, row.collection, readers=placed.readers, labels=labels, tenant=tenant
            )
        if moves:
            await self.index.move(tx, row.id, moves, tenant=tenant)
