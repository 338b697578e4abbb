"""The windows of keys' limits in PostgreSQL, shared by all workers.

Each worker writes its own part as it is, never as a difference: writing it twice, or not knowing whether a commit came
through, changes no sum. The window's row is locked while a part changes. The part of a worker that died stays taken:
nobody knows what its last calls cost.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple, Protocol

import msgspec

from headgate.gateway.leases import Answer, Kind, Place, Report
from headgate.substrate.database import Database, Transaction, load_queries

_QUERIES = load_queries("headgate.gateway")
_CHANNEL: Final = "headgate_allowances"
_LOST_S: Final = 10.0
"""Living workers answer a call for their spare parts within this time."""
_BATCH: Final = 2000
_POLL_S: Final = 60.0


class Wanted(NamedTuple):
    """A call for what is leased and not reserved, by the worker that needs it."""

    worker: str
    tenant: str
    key_id: str
    kind: Kind


class Allowances(Protocol):
    """Where the windows of keys' limits are."""

    async def sync(self, place: Place, report: Report) -> Answer:
        """Write this worker's part and lease what it asks for; where it does not fit, ask the others for theirs.

        Raises:
            Unavailable: the store is away.
        """
        ...

    async def check(self) -> None:
        """Raise Unavailable while the store is away."""
        ...

    def wanted(self) -> Any:
        """Give the other workers' calls, as an async context manager of an iterator; None where some may be missed."""
        ...

    async def forget(self, tenant: str, kind: Kind, *, before: datetime) -> None:
        """Delete the windows that began before a moment."""
        ...


@dataclass(frozen=True, slots=True)
class _Others:
    spare: int
    held: int


class PostgresAllowances:
    """Implements `Allowances` for one worker, whose name no other has had."""

    def __init__(self, database: Database, *, worker: str) -> None:
        self._database = database
        self._worker = worker

    async def sync(self, place: Place, report: Report) -> Answer:
        """As `Allowances.sync`; one transaction."""
        values: dict[str, Any] = {
            "tenant": place.tenant,
            "key_id": place.key_id,
            "kind": place.kind,
            "window_start": place.start,
            "worker": self._worker,
        }
        async with self._database.transaction(tenant=place.tenant) as tx:
            taken = await _lock(tx, values)
            before = int(str(await tx.value(_QUERIES["own_share"], values) or 0))
            free = report.cap - (taken - before) - report.spent - report.held
            granted = report.grant(free)
            answer = Answer(free) if granted or not report.need else await self._refuse(tx, values, free)
            share = {"spent": report.spent, "held": report.held, "spare": granted}
            await tx.execute(_QUERIES["put_share"], {**values, **share})
            if amount := sum(share.values()) - before:
                await tx.execute(_QUERIES["take_allowance"], {**values, "amount": amount})
            report.granted = granted
        return answer

    async def check(self) -> None:
        """As `Allowances.check`."""
        await self._database.check()

    @asynccontextmanager
    async def wanted(self) -> AsyncGenerator[Any]:
        """As `Allowances.wanted`; holds a connection of its own."""
        async with self._database.listen(_CHANNEL, poll_s=_POLL_S) as wakes:
            yield self._calls(wakes)

    async def forget(self, tenant: str, kind: Kind, *, before: datetime) -> None:
        """As `Allowances.forget`; in batches, each in a transaction of its own."""
        values = {"tenant": tenant, "kind": kind, "before": before, "limit": _BATCH}
        for query in ("forget_shares", "forget_allowances"):
            deleted = _BATCH
            while deleted == _BATCH:
                async with self._database.transaction(tenant=tenant) as tx:
                    deleted = await tx.execute(_QUERIES[query], values)

    async def _refuse(self, tx: Transaction, values: dict[str, Any], free: int) -> Answer:
        """Return what others have that may come back, and call for it."""
        others = await tx.row(_QUERIES["other_shares"], {**values, "lost_s": _LOST_S}, of=_Others) or _Others(0, 0)
        if others.spare or others.held:
            call = Wanted(self._worker, values["tenant"], values["key_id"], values["kind"])
            await tx.notify(_CHANNEL, msgspec.json.encode(call).decode())
        return Answer(free, others.spare, others.held)

    async def _calls(self, wakes: Any) -> AsyncGenerator[Wanted]:
        async for payload in wakes:
            if payload is None:
                continue
            try:
                call = msgspec.json.decode(payload, type=Wanted)
            except msgspec.DecodeError:
                continue  # a newer version says it otherwise
            if call.worker != self._worker:
                yield call


async def _lock(tx: Transaction, values: dict[str, Any]) -> int:
    """Lock the window's row, which is made where there is none, and return what is taken."""
    taken = await tx.value(_QUERIES["lock_allowance"], values)
    if taken is None:
        await tx.execute(_QUERIES["open_allowance"], values)
        taken = await tx.value(_QUERIES["lock_allowance"], values)
    return int(str(taken))
