"""The windows of limits in PostgreSQL, shared by all workers.

Each worker writes its share as a total, never as a difference. So a repeated write, or a commit
with an unknown result, changes no sum. A change of a share locks the window's row. The share of a
dead worker stays taken, because the cost of its last calls is unknown. Only calls in flight end with
their worker, so a share of them that nobody renews is dropped.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple, Protocol

import msgspec

from headgate.admin.budgets import Budget, BudgetUse, span_at
from headgate.admin.limit_use import LimitUse
from headgate.gateway.leases import Kind, LeaseAnswer, LeaseReport, Window
from headgate.gateway.limits import limit_of_budget
from headgate.kernel.identity import TenantId
from headgate.substrate.database import Database, Transaction, load_queries

_QUERIES = load_queries("headgate.gateway")
_CHANNEL: Final = "headgate_allowances"
_LOST_S: Final = 10.0
"""Live workers give back their spare amount within this time; others count as lost."""
_STALE_S: Final = 30.0
"""A share of calls in flight counts as dropped after this time without a report; live workers report within six."""
_BATCH: Final = 2000
_POLL_S: Final = 60.0


class Wanted(NamedTuple):
    """A worker's request for the amounts that other workers have leased and not reserved."""

    worker: str
    tenant: str
    subject: str
    kind: Kind


class Allowances(Protocol):
    """The store of the windows of limits."""

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

    async def forget(self, tenant: str, *, now: datetime) -> None:
        """Delete the windows that ended long ago: minutes after an hour, others after 34 days."""
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


@dataclass(frozen=True, slots=True)
class _BudgetUsed:
    id: str
    used: int
    reserved: int
    refused: int


class PostgresAllowances:
    """Implements `Allowances` for one worker; its name must never have been used before."""

    def __init__(self, database: Database, *, worker: str) -> None:
        self._database = database
        self._worker = worker

    async def sync(self, place: Window, report: LeaseReport) -> LeaseAnswer:
        """As `Allowances.sync`; one transaction."""
        values: dict[str, Any] = {
            "tenant": place.tenant,
            "key_id": place.subject,
            "kind": place.kind,
            "window_start": place.start,
            "window_end": place.end,
            "worker": self._worker,
        }
        async with self._database.transaction(tenant=place.tenant) as tx:
            taken = await _lock(tx, values)
            if place.kind == "concurrency":
                taken -= await _drop_stale(tx, values)
            before = int(str(await tx.value(_QUERIES["own_share"], values) or 0))
            free = report.cap - (taken - before) - report.spent - report.held
            granted = report.grant(free)
            answer = LeaseAnswer(free) if granted or not report.need else await self._refuse(tx, values, free)
            share = {"spent": report.spent, "held": report.held, "spare": granted}
            await tx.execute(_QUERIES["put_share"], {**values, **share, "refused": report.refused})
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

    async def forget(self, tenant: str, *, now: datetime) -> None:
        """As `Allowances.forget`; in batches, each in its own transaction."""
        values = {"tenant": tenant, "now": now, "limit": _BATCH}
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
            "minute": span_at("minute", now).start,
            "day": span_at("day", now).start,
        }
        async with self._database.transaction(tenant=tenant) as tx:
            found = await tx.rows(_QUERIES["limits_used"], values, of=_Used)
        return {one.key_id: LimitUse(one.requests, one.cost_micros) for one in found}

    async def budgets_used(self, tenant: str, budgets: Collection[Budget], *, now: datetime) -> dict[str, BudgetUse]:
        """Return the use of budgets in their current periods, as far as workers have reported it."""
        windows = {one.id: limit_of_budget(one).window(TenantId(tenant), now) for one in budgets}
        values = {
            "tenant": tenant,
            "ids": list(windows),
            "subjects": [one.subject for one in windows.values()],
            "kinds": [one.kind for one in windows.values()],
            "starts": [one.start for one in windows.values()],
            "stale_s": _STALE_S,
        }
        async with self._database.transaction(tenant=tenant) as tx:
            found = await tx.rows(_QUERIES["budgets_used"], values, of=_BudgetUsed)
        return {one.id: BudgetUse(one.used, one.reserved, one.refused) for one in found}

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


async def _drop_stale(tx: Transaction, values: dict[str, Any]) -> int:
    """Delete the shares of calls in flight of workers that are gone, and return their sum."""
    dropped = int(str(await tx.value(_QUERIES["drop_stale_shares"], {**values, "stale_s": _STALE_S}) or 0))
    if dropped:
        await tx.execute(_QUERIES["take_allowance"], {**values, "amount": -dropped})
    return dropped
