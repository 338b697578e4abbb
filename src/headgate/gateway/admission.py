"""Rates and money per key: leased from PostgreSQL to each worker, pre-debited, so that N workers never exceed a cap.

A worker takes a slice of a key's window (a minute of requests, a UTC day of money) and spends it in memory; a request
asks the database only when the slice is used up. What a worker leased and did not spend is given back when it stops;
what a killed worker held is lost until the window ends, which errs on the safe side.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from headgate.kernel.action import Action
from headgate.kernel.decision import Decision
from headgate.kernel.errors import Denied, OverBudget
from headgate.kernel.identity import Limits, Principal
from headgate.kernel.model_call import MODEL_INVOKE, Measures
from headgate.kernel.ports import Clock, Reservation
from headgate.substrate.database import Database, Transaction, load_queries

_QUERIES = load_queries("headgate.gateway")
_SLICES = 20
_WINDOWS_KEPT = 4096

Kind = Literal["requests", "cost"]
_LENGTHS: Mapping[Kind, timedelta] = {"requests": timedelta(minutes=1), "cost": timedelta(days=1)}
Estimator = Callable[[Action[Any, Any, Any]], int | None]
"""Upper estimate of an action's cost in micro-units; None where a price is unknown."""


class _Free:
    """Nothing was reserved."""

    def settle(self, measures: Measures, *, performed: bool) -> None:
        """Do nothing."""


FREE: Reservation = _Free()


@dataclass(slots=True)
class _Window:
    """One key's share of one window in this worker."""

    start: datetime
    end: datetime
    cap: int
    left: int = 0
    is_used_up: bool = False
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class KeyAdmitter:
    """Admits model calls within their key's limits. One for a worker."""

    def __init__(self, *, database: Database, clock: Clock, estimate: Estimator) -> None:
        self._database = database
        self._clock = clock
        self._estimate = estimate
        self._windows: dict[tuple[str, str, Kind], _Window] = {}

    async def reserve(self, action: Action[Any, Any, Any], decision: Decision) -> Reservation:
        """Take one request and the estimated cost from the key's limits; a call without limits costs nothing here."""
        principal = action.principal
        limits = principal.limits
        if action.verb.name != MODEL_INVOKE.name or principal.key_id is None or limits == _UNLIMITED:
            return FREE
        taken: list[tuple[_Window, int]] = []
        try:
            if limits.requests_per_minute is not None:
                taken.append(await self._take(principal, "requests", amount=1, cap=limits.requests_per_minute))
            if limits.cost_micros_per_day is not None:
                amount = self._cost(action, limits)
                taken.append(await self._take(principal, "cost", amount=amount, cap=limits.cost_micros_per_day))
        except BaseException:
            for window, amount in taken:
                window.left += amount
            raise
        money = taken[-1] if limits.cost_micros_per_day is not None else None
        return _Held(taken, money, currency=limits.currency)

    async def aclose(self) -> None:
        """Give back what was leased and not spent, and charge what was spent beyond it."""
        for (tenant, key_id, kind), window in self._windows.items():
            if window.left:
                values = {"tenant": tenant, "key_id": key_id, "kind": kind, "window_start": window.start}
                async with self._database.transaction(tenant=tenant) as tx:
                    await tx.execute(_QUERIES["return_allowance"], {**values, "amount": window.left})
        self._windows.clear()

    def _cost(self, action: Action[Any, Any, Any], limits: Limits) -> int:
        amount = self._estimate(action)
        if amount is None:
            raise Denied(
                f"this key has a limit in {limits.currency}, and a price behind {action.resource.id} is not known:"
                " declare it, or use a key without a money limit",
                rules=("budget.unknown-price",),
            )
        return amount

    async def _take(self, principal: Principal, kind: Kind, *, amount: int, cap: int) -> tuple[_Window, int]:
        now = self._clock.now()
        place = (principal.tenant, principal.key_id or "", kind)
        window = self._windows.get(place)
        if window is None or not window.start <= now < window.end or window.cap != cap:
            start = _start(kind, now)
            window = self._windows[place] = _Window(start, start + _LENGTHS[kind], cap)
            if len(self._windows) > _WINDOWS_KEPT:
                self._forget(start)
        if window.left < amount:
            async with window.lock:
                if window.left < amount and not window.is_used_up:
                    await self._lease(window, place, amount=amount)
        if window.left < amount:
            left_s = (window.end - self._clock.now()).total_seconds()
            raise OverBudget(self._used_up(kind, cap, principal.limits.currency), retry_after_s=max(1.0, left_s))
        window.left -= amount
        return window, amount

    async def _lease(self, window: _Window, place: tuple[str, str, Kind], *, amount: int) -> None:
        wanted = max(amount - window.left, window.cap // _SLICES)
        values = {"tenant": place[0], "key_id": place[1], "kind": place[2], "window_start": window.start}
        async with self._database.transaction(tenant=place[0]) as tx:
            granted = await _grant(tx, values, wanted=wanted, cap=window.cap)
        window.left += granted
        window.is_used_up = granted < wanted and place[2] == "requests"

    def _used_up(self, kind: Kind, cap: int, currency: str) -> str:
        if kind == "requests":
            return f"this key's limit of {cap} requests a minute is used up"
        return f"this key's limit of {cap / 1_000_000:.2f} {currency} a day is used up or too small for this call"

    def _forget(self, now: datetime) -> None:
        for place, window in list(self._windows.items()):
            if window.start < now - timedelta(days=1):
                del self._windows[place]


class _Held:
    """What one call holds of its key's windows."""

    __slots__ = ("_currency", "_money", "_taken")

    def __init__(self, taken: list[tuple[_Window, int]], money: tuple[_Window, int] | None, *, currency: str) -> None:
        self._taken = taken
        self._money = money
        self._currency = currency

    def settle(self, measures: Measures, *, performed: bool) -> None:
        """Give back the estimate and charge what it cost; a cost that is not known in the limit's currency stays."""
        if not performed:
            for window, amount in self._taken:
                window.left += amount
        elif self._money is not None and measures.cost_micros is not None and self._is_ours(measures.currency):
            window, amount = self._money
            window.left += amount - measures.cost_micros
        self._taken, self._money = [], None

    def _is_ours(self, currency: str | None) -> bool:
        return currency in (None, self._currency)


def _start(kind: Kind, now: datetime) -> datetime:
    if kind == "requests":
        return now.replace(second=0, microsecond=0)
    return now.replace(hour=0, minute=0, second=0, microsecond=0)


async def _grant(tx: Transaction, values: dict[str, Any], *, wanted: int, cap: int) -> int:
    """Add up to `wanted` to what is taken of the window, never over the cap; the row is locked in between."""
    await tx.execute(_QUERIES["open_allowance"], values)
    before = await tx.value(_QUERIES["lock_allowance"], values)
    granted = max(0, min(wanted, cap - int(str(before))))
    await tx.execute(_QUERIES["take_allowance"], {**values, "amount": granted})
    return granted


_UNLIMITED = Limits()
