"""The store: destinations and the queue of deliveries, schema `notices`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import msgspec

from headgate.admin.notices import Notice
from headgate.kernel.identity import TenantId
from headgate.notices.destinations import Destination
from headgate.substrate.database import Transaction, load_queries

_SQL = load_queries("headgate.notices")

MOST_WAITING = 1_000
"""Limit of undelivered notices per destination. While a destination is away, later notices are dropped."""


@dataclass(frozen=True, slots=True)
class _Spec:
    id: str
    spec: str


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery that this worker tries now."""

    id: str
    destination: str
    event: str
    subject: str
    notice: str
    raised_at: datetime
    attempts: int

    def read_notice(self) -> Notice:
        """Return the notice."""
        return msgspec.json.decode(self.notice, type=Notice)


@dataclass(frozen=True, slots=True)
class Standing:
    """The deliveries of one destination in numbers, and the error of the last one that was not sent."""

    destination: str
    waiting: int
    sent: int
    given_up: int
    last_sent_at: datetime | None
    last_error: str


async def destinations(tx: Transaction, *, tenant: TenantId) -> list[Destination]:
    """Return the destinations by id."""
    rows = await tx.rows(_SQL["destinations"], {"tenant": tenant}, of=_Spec)
    return [msgspec.json.decode(row.spec, type=Destination) for row in rows]


async def put(tx: Transaction, destination: Destination, *, tenant: TenantId) -> None:
    """Add or replace a destination."""
    spec = msgspec.json.encode(destination).decode()
    await tx.execute(_SQL["put_destination"], {"tenant": tenant, "id": destination.id, "spec": spec})


async def delete(tx: Transaction, destination: str, *, tenant: TenantId) -> bool:
    """Delete a destination. Return False if there is none."""
    return await tx.execute(_SQL["delete_destination"], {"tenant": tenant, "id": destination}) > 0


async def enqueue(tx: Transaction, notice: Notice, *, tenant: TenantId, id: str, now: datetime) -> int:  # noqa: A002 - the row's key
    """Queue a notice for each destination that wants it. Return the number of new deliveries."""
    params = {
        "tenant": tenant,
        "id": id,
        "event": notice.event,
        "subject": notice.subject,
        "use_case": notice.use_case,
        "notice": msgspec.json.encode(notice).decode(),
        "now": now,
        "most": MOST_WAITING,
    }
    return await tx.execute(_SQL["enqueue"], params)


async def claim_due(
    tx: Transaction, *, tenant: TenantId, now: datetime, again_at: datetime, limit: int
) -> list[Claimed]:
    """Claim due deliveries. Unless they end, they are due again at `again_at`."""
    params = {"tenant": tenant, "now": now, "again_at": again_at, "limit": limit}
    return await tx.rows(_SQL["claim_due"], params, of=Claimed)


async def end(
    tx: Transaction,
    delivery: str,
    outcome: Literal["sent", "given_up"],
    *,
    tenant: TenantId,
    now: datetime,
    error: str = "",
) -> None:
    """End a delivery."""
    params = {"tenant": tenant, "id": delivery, "outcome": outcome, "now": now, "error": error[:500]}
    await tx.execute(_SQL["end_delivery"], params)


async def postpone(tx: Transaction, delivery: str, *, tenant: TenantId, due_at: datetime, error: str) -> None:
    """Set the time of the next attempt."""
    await tx.execute(_SQL["postpone"], {"tenant": tenant, "id": delivery, "due_at": due_at, "error": error[:500]})


async def forget_ended(tx: Transaction, *, tenant: TenantId, before: datetime) -> None:
    """Delete deliveries that ended before this time."""
    await tx.execute(_SQL["forget_ended"], {"tenant": tenant, "before": before})


async def standing(tx: Transaction, *, tenant: TenantId) -> Sequence[Standing]:
    """Return how the deliveries of each destination stand."""
    return await tx.rows(_SQL["standing"], {"tenant": tenant}, of=Standing)
