"""The store: files, batches and their lines, schema `batches`. Texts arrive and leave sealed.

Callers open a transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any, Literal

from headgate.kernel.identity import TenantId
from headgate.substrate.database import Transaction, load_queries

_SQL = load_queries("headgate.batches")

BatchState = Literal[
    "validating", "in_progress", "finalizing", "completed", "failed", "expired", "cancelling", "cancelled"
]
Outcome = Literal["succeeded", "errored", "canceled", "expired"]


@dataclass(frozen=True, slots=True)
class FileRow:
    """A file; `key` is wrapped, and `name` is sealed under it.

    Args:
        batch: the batch whose results it is, or None for an uploaded file.
    """

    id: str
    owner: str
    purpose: str
    key: bytes = field(repr=False)
    name: bytes = field(repr=False)
    size_bytes: int
    labels: str
    batch: str | None
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class BatchRow:
    """A batch; `key` is wrapped, and `facts` are sealed under it. The fields are those of the table.

    Args:
        handed: the number of lines that went to a provider's own batch.
        faults: those of a file that was refused as a whole, sealed; None if it was not.
    """

    id: str
    owner: str
    wire: str
    endpoint: str
    use_case: str
    api_key: str
    input: str
    key: bytes = field(repr=False)
    facts: bytes = field(repr=False)
    floor: str
    labels: str
    state: BatchState
    total: int
    created_at: datetime
    expires_at: datetime
    keeps_until: datetime
    fault: str = ""
    succeeded: int = 0
    errored: int = 0
    canceled: int = 0
    expired: int = 0
    handed: int = 0
    faults: bytes | None = field(default=None, repr=False)
    output: str | None = None
    errors: str | None = None
    started_at: datetime | None = None
    cancelled_at: datetime | None = None
    ended_at: datetime | None = None

    @property
    def ended(self) -> int:
        """The number of lines that have ended."""
        return self.succeeded + self.errored + self.canceled + self.expired


@dataclass(frozen=True, slots=True)
class EndedLine:
    """A line that has ended; `body` is sealed."""

    number: int
    outcome: Outcome
    record: str | None
    body: bytes = field(repr=False)
    size_bytes: int


@dataclass(frozen=True, slots=True)
class LineRow:
    """The sealed result of a line."""

    number: int
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Number:
    number: int


async def add_file(tx: Transaction, row: FileRow, *, tenant: TenantId) -> None:
    """Store a file without its text."""
    await tx.execute(_SQL["add_file"], {"tenant": tenant, **_values(row)})


async def add_piece(tx: Transaction, file: str, number: int, body: bytes, *, tenant: TenantId) -> None:
    """Store a piece of a file's text."""
    await tx.execute(_SQL["add_piece"], {"tenant": tenant, "file": file, "number": number, "body": body})


async def kept_bytes(tx: Transaction, *, tenant: TenantId, owner: str, now: datetime) -> int:
    """Return the size of all files that a principal uploaded."""
    return int(str(await tx.value(_SQL["kept_bytes"], {"tenant": tenant, "owner": owner, "now": now})))


async def file(tx: Transaction, file_id: str, *, tenant: TenantId, owner: str, now: datetime) -> FileRow | None:
    """Return a principal's file, or None."""
    return await tx.row(_SQL["file"], {"tenant": tenant, "id": file_id, "owner": owner, "now": now}, of=FileRow)


async def files(
    tx: Transaction,
    *,
    tenant: TenantId,
    owner: str,
    now: datetime,
    limit: int,
    purpose: str | None = None,
    after: str | None = None,
    is_oldest_first: bool = False,
) -> list[FileRow]:
    """Return a principal's files after the one with the id `after`."""
    params = {"tenant": tenant, "owner": owner, "now": now, "purpose": purpose, "before": after, "limit": limit}
    return await tx.rows(_SQL["oldest_files" if is_oldest_first else "files"], params, of=FileRow)


async def piece(tx: Transaction, file_id: str, number: int, *, tenant: TenantId) -> bytes | None:
    """Return a sealed piece of a file's text, or None after the last."""
    found = await tx.value(_SQL["piece"], {"tenant": tenant, "file": file_id, "number": number})
    return found if isinstance(found, bytes) else None


async def delete_file(tx: Transaction, file_id: str, *, tenant: TenantId, owner: str) -> bool:
    """Delete a file with its text; return whether it was there."""
    return await tx.execute(_SQL["delete_file"], {"tenant": tenant, "id": file_id, "owner": owner}) > 0


async def delete_lines(tx: Transaction, batch: str, *, tenant: TenantId, is_output: bool) -> None:
    """Delete the answers of a batch, or its other lines."""
    await tx.execute(_SQL["delete_lines_of_file"], {"tenant": tenant, "batch": batch, "is_output": is_output})


async def add_batch(tx: Transaction, row: BatchRow, *, tenant: TenantId) -> None:
    """Store a new batch."""
    await tx.execute(_SQL["add_batch"], {"tenant": tenant, **_values(row)})


async def count_open(tx: Transaction, *, tenant: TenantId, owner: str) -> int:
    """Return the number of a principal's batches that have not ended."""
    return int(str(await tx.value(_SQL["count_open"], {"tenant": tenant, "owner": owner})))


async def batch(tx: Transaction, batch_id: str, *, tenant: TenantId) -> BatchRow | None:
    """Return a batch of anybody, or None."""
    return await tx.row(_SQL["batch"], {"tenant": tenant, "id": batch_id}, of=BatchRow)


async def batches(
    tx: Transaction,
    *,
    tenant: TenantId,
    owner: str | None,
    wire: str | None,
    now: datetime,
    limit: int,
    before: str | None = None,
    after: str | None = None,
) -> list[BatchRow]:
    """Return the batches that are older than `before`, or newer than `after`; the newest first."""
    params = {"tenant": tenant, "owner": owner, "wire": wire, "now": now, "limit": limit}
    if after is not None:
        return (await tx.rows(_SQL["batches_after"], {**params, "after": after}, of=BatchRow))[::-1]
    return await tx.rows(_SQL["batches"], {**params, "before": before}, of=BatchRow)


async def start_batch(tx: Transaction, batch_id: str, *, tenant: TenantId, total: int, now: datetime) -> None:
    """Note that a batch has begun, with the number of its lines."""
    await tx.execute(_SQL["start_batch"], {"tenant": tenant, "id": batch_id, "total": total, "now": now})


async def note_handed(tx: Transaction, batch_id: str, count: int, *, tenant: TenantId) -> None:
    """Count lines that went to a provider's batch."""
    await tx.execute(_SQL["note_handed"], {"tenant": tenant, "id": batch_id, "count": count})


async def cancel_batch(tx: Transaction, batch_id: str, *, tenant: TenantId, now: datetime) -> bool:
    """Note that a batch shall end; return False if it has ended, or this was noted before."""
    return await tx.execute(_SQL["cancel_batch"], {"tenant": tenant, "id": batch_id, "now": now}) > 0


async def end_batch(
    tx: Transaction,
    batch_id: str,
    state: BatchState,
    *,
    tenant: TenantId,
    now: datetime,
    fault: str = "",
    faults: bytes | None = None,
    output: str | None = None,
    errors: str | None = None,
) -> None:
    """End a batch."""
    params = {"tenant": tenant, "id": batch_id, "state": state, "now": now}
    await tx.execute(
        _SQL["end_batch"], {**params, "fault": fault, "faults": faults, "output": output, "errors": errors}
    )


async def delete_batch(tx: Transaction, batch_id: str, *, tenant: TenantId) -> None:
    """Delete a batch with its lines."""
    await tx.execute(_SQL["delete_batch"], {"tenant": tenant, "id": batch_id})


async def delete_old(tx: Transaction, *, tenant: TenantId, now: datetime) -> None:
    """Delete the files and batches whose time is over."""
    await tx.execute(_SQL["delete_old_batches"], {"tenant": tenant, "now": now})
    await tx.execute(_SQL["delete_old_files"], {"tenant": tenant, "now": now})


async def delete_before(tx: Transaction, *, tenant: TenantId, moment: datetime) -> int:
    """Delete ended batches from before a time, and files that no open batch reads; return their number."""
    params = {"tenant": tenant, "before": moment}
    batches = await tx.execute(_SQL["erase_batches"], params)
    return batches + await tx.execute(_SQL["erase_files"], params)


async def add_lines(
    tx: Transaction, batch_id: str, lines: Sequence[EndedLine], *, tenant: TenantId, labels: str
) -> None:
    """Store ended lines, and count those that are new. `labels` are those of all results by now."""
    params: dict[str, Any] = {
        "tenant": tenant,
        "batch": batch_id,
        "labels": labels,
        "numbers": [line.number for line in lines],
        "outcomes": [line.outcome for line in lines],
        "records": [line.record or "" for line in lines],
        "bodies": [line.body for line in lines],
        "sizes": [line.size_bytes for line in lines],
    }
    await tx.execute(_SQL["add_lines"], params)


async def ended_lines(tx: Transaction, batch_id: str, *, tenant: TenantId) -> set[int]:
    """Return the numbers of the lines that have ended."""
    rows = await tx.rows(_SQL["ended_lines"], {"tenant": tenant, "batch": batch_id}, of=_Number)
    return {row.number for row in rows}


async def lines(
    tx: Transaction, batch_id: str, *, tenant: TenantId, after: int, limit: int, is_output: bool | None = None
) -> list[LineRow]:
    """Return results by number: the answers, the others, or all."""
    params = {"tenant": tenant, "batch": batch_id, "after": after, "limit": limit, "is_output": is_output}
    return await tx.rows(_SQL["lines"], params, of=LineRow)


async def size_of_lines(tx: Transaction, batch_id: str, *, tenant: TenantId, is_output: bool) -> int:
    """Return the size in bytes of the answers, or of the other lines."""
    params = {"tenant": tenant, "batch": batch_id, "is_output": is_output}
    return int(str(await tx.value(_SQL["size_of_lines"], params)))


def _values(row: FileRow | BatchRow) -> dict[str, Any]:
    return {one.name: getattr(row, one.name) for one in fields(row)}
