"""The windows of keys' limits in PostgreSQL, shared by all workers.

Each worker writes its share as a total, never as a difference. So a repeated write, or a commit
with an unknown result, changes no sum. A change of a share locks the window's row. The share of a
dead worker stays taken, because the cost of its last calls is unknown.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple, Protocol

import msgspec

from headgate.admin.limit_use import LimitUse
from headgate.gateway.leases import Kind, LeaseAnswer, LeaseReport, Window, start_of
from headgate.substrate.database import Database, Transaction, load_queries

_QUERIES = load_queries("headgate.gateway")
_CHANNEL: Final = "headgate_allowances"
_LOST_S: Final = 10.0
"""Live workers give back their spare amount within this time; others count as lost."""
_BATCH: Final = 2000
_POLL_S: Final = 60.0


class Wanted(NamedTuple):
    """A worker's request for the amounts that other workers have leased and not reserved."""

    worker: str
    tenant: str
    key_id: str
    kind: Kind


class Allowances(Protocol):
    """The store of the windows of keys' limits."""

    async def sync(self, place: Window, report: LeaseReport) -> LeaseAnswer:
        """Write this worker's share and lease more; if it does not fit, notify the other workers.

        Raises:
            Unavailable: the store is down.
        """
        ...

    async def check(self) -> None:
        """Raise Unavailable while the store is down."""
        ...

    def wanted(self) -> Any:
        """Return an async context manager with an iterator of the other workers' requests.

        The iterator yields None if it may have missed some.
        """
        ...

    async def forget(self, tenant: str, kind: Kind, *, before: datetime) -> None:
        """Delete the windows that began before `before`."""
        ...


@dataclass(frozen=True, slots=True)
class _Others:
    spare: int
    held: int


@dataclass(frozen=True, slots=True)
class _Used:
    key_id: str
    requests: int
    cost_micros: int


class PostgresAllowances:
    """Implements `Allowances` for one worker; its name must never have been used before."""

    def __init__(self, database: Database, *, worker: str) -> None:
        self._database = database
        self._worker = worker

    async def sync(self, place: Window, report: LeaseReport) -> LeaseAnswer:
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
            answer = LeaseAnswer(free) if granted or not report.need else await self._refuse(tx, values, free)
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
        """As `Allowances.forget`; in batches, each in its own transaction."""
        values = {"tenant": tenant, "kind": kind, "before": before, "limit": _BATCH}
        for query in ("forget_shares", "forget_allowances"):
            deleted = _BATCH
            while deleted == _BATCH:
                async with self._database.transaction(tenant=tenant) as tx:
                    deleted = await tx.execute(_QUERIES[query], values)

    async def used(self, tenant: str, keys: Collection[str], *, now: datetime) -> dict[str, LimitUse]:
        """Return the use of keys' limits, as far as workers have reported it.

        Near a limit they report within a second, else within ten.
        """
        values = {
            "tenant": tenant,
            "keys": list(keys),
            "minute": start_of("requests", now),
            "day": start_of("cost", now),
        }
        async with self._database.transaction(tenant=tenant) as tx:
            found = await tx.rows(_QUERIES["limits_used"], values, of=_Used)
        return {one.key_id: LimitUse(one.requests, one.cost_micros) for one in found}

    async def _refuse(self, tx: Transaction, values: dict[str, Any], free: int) -> LeaseAnswer:
        """Return the amounts that other workers may give back, and notify these workers."""
        others = await tx.row(_QUERIES["other_shares"], {**values, "lost_s": _LOST_S}, of=_Others) or _Others(0, 0)
        if others.spare or others.held:
            call = Wanted(self._worker, values["tenant"], values["key_id"], values["kind"])
            await tx.notify(_CHANNEL, msgspec.json.encode(call).decode())
        return LeaseAnswer(free, others.spare, others.held)

    async def _calls(self, wakes: Any) -> AsyncGenerator[Wanted]:
        async for payload in wakes:
            if payload is None:
                continue
            try:
                call = msgspec.json.decode(payload, type=Wanted)
            except msgspec.DecodeError:
                continue  # a newer version uses another format
            if call.worker != self._worker:
                yield call


async def _lock(tx: Transaction, values: dict[str, Any]) -> int:
    """Lock the window's row, create it if it is missing, and return the amount taken."""
    taken = await tx.value(_QUERIES["lock_allowance"], values)
    if taken is None:
        await tx.execute(_QUERIES["open_allowance"], values)
        taken = await tx.value(_QUERIES["lock_allowance"], values)
    return int(str(taken))
