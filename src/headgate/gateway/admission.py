"""Limits of rate and money per key, across all workers.

A worker leases a small share of a key's window (a minute for requests, a UTC day for money) and
admits calls from it in memory. Near the cap it leases for one call at a time and gives back the
unused amount at once. Before it refuses a call, it asks the other workers for their unused shares.
See docs/decisions/0010-limits-across-workers.md.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, Final

import structlog

from headgate.gateway.allowances import Allowances, Wanted
from headgate.gateway.leases import Kind, Lease, LeaseAnswer, Window, start_of
from headgate.kernel.action import Action
from headgate.kernel.decision import Decision
from headgate.kernel.errors import Denied, ExceedsLimit, HeadgateError, OverBudget, Unavailable
from headgate.kernel.identity import Limits, Principal
from headgate.kernel.measures import Measures
from headgate.kernel.ports import Clock, Reservation
from headgate.wire.model_call import MODEL_INVOKE

log = structlog.get_logger(__name__)

_PAUSE_S: Final = 0.05
_PAUSES: Final = 30
"""How many times a call asks the store again before it is refused."""
_REFUSED_S: Final = 0.04
"""How long a refusal is cached for calls at least as expensive, so that a burst asks only once."""
_IN_FLIGHT_S: Final = 2.0
"""The `retry_after_s` of a refusal while calls in flight may still give back unused money."""
_TICK_S: Final = 1.0
_AWAY_S: Final = 1.0
_PROBE_S: Final = 10.0
_FORGET_S: Final = 3600.0
_KEPT: Final[dict[Kind, timedelta]] = {"requests": timedelta(hours=1), "cost": timedelta(days=35)}

Estimator = Callable[[Action[Any, Any, Any]], int | None]
"""Upper estimate of an action's cost in micro-units; None if a price is unknown."""


class _Free:
    """The reservation of an action without limits."""

    def settle(self, measures: Measures, *, performed: bool) -> None:
        """Do nothing."""


FREE: Reservation = _Free()


class KeyAdmitter:
    """Admits model calls within their key's limits. One for a worker.

    Args:
        pause: sleeps for some seconds; tests replace it.
    """

    def __init__(
        self,
        *,
        store: Allowances,
        clock: Clock,
        estimate: Estimator,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._store = store
        self._clock = clock
        self._estimate = estimate
        self._pause = pause
        self._leases: dict[tuple[str, str, Kind], Lease] = {}
        self._ended: list[Lease] = []
        self._wake = asyncio.Event()
        self._probe_s: float | None = None

    @property
    def is_store_up(self) -> bool:
        """Whether the store answered when it was last asked."""
        return self._probe_s is None

    async def reserve(self, action: Action[Any, Any, Any], decision: Decision) -> Reservation:
        """Reserve one request and the estimated cost; does nothing for a key without limits.

        Raises:
            OverBudget: the limit is used up; `retry_after_s` is the time until calls in flight or
                the window may end.
            ExceedsLimit: the call alone may cost more than the whole limit.
            Denied: the key has a money limit and a price is unknown.
            Unavailable: the store is down and this worker's share is used up.
        """
        principal = action.principal
        limits = principal.limits
        if action.verb.name != MODEL_INVOKE.name or principal.key_id is None or limits == _UNLIMITED:
            return FREE
        now = self._clock.now()
        rate, money, amount = None, None, 0
        if limits.cost_micros_per_day is not None:
            amount = self._cost(action, limits)
        if limits.requests_per_minute is not None:
            rate = await self._take(principal, "requests", amount=1, cap=limits.requests_per_minute, now=now)
        if limits.cost_micros_per_day is not None:
            try:
                money = await self._take(principal, "cost", amount=amount, cap=limits.cost_micros_per_day, now=now)
            except BaseException:
                if rate is not None:
                    self._settle(rate, 1, 0)
                raise
        return _Held(self._settle, rate=rate, money=money, amount=amount, currency=limits.currency)

    async def run_forever(self, tenants: Callable[[], Iterable[str]]) -> None:
        """Give back unused amounts, serve requests of other workers, and delete old windows.

        Runs until it is cancelled.
        """
        async with asyncio.TaskGroup() as group:
            group.create_task(self._give_back_forever())
            group.create_task(self._hear_forever())
            group.create_task(self._forget_forever(tenants))

    async def give_back(self) -> None:
        """LeaseReport every due share to the store.

        Raises:
            Unavailable: the store is down; the shares stay leased here.
        """
        if self._probe_s is not None:
            await self._store.check()
            self._probe_s = None
        now = self._clock.now()
        for key, lease in list(self._leases.items()):
            if lease.end <= now:
                self._end(key)
        due = [lease for lease in self._leases.values() if lease.is_due(now)]
        for lease in (*due, *self._ended):
            await self._tell(lease)
        self._ended = [lease for lease in self._ended if not lease.is_told()]

    def hear(self, call: Wanted) -> None:
        """Handle another worker's request for unreserved amounts."""
        lease = self._leases.get((call.tenant, call.key_id, call.kind))
        if lease is not None:
            lease.is_wanted = lease.is_near = True
            self._wake.set()

    async def aclose(self) -> None:
        """LeaseReport the final shares to the store: charge the spent amounts and give back the rest.

        Raises:
            Unavailable: the store is down; the shares stay taken until their windows end.
        """
        for lease in (*self._leases.values(), *self._ended):
            await self._tell(lease)
        self._leases.clear()
        self._ended.clear()

    def _cost(self, action: Action[Any, Any, Any], limits: Limits) -> int:
        amount = self._estimate(action)
        if amount is None:
            raise Denied(
                f"this key has a limit in {limits.currency}, but a deployment of {action.resource.id} has no known"
                " price: declare it, or use a key without a money limit",
                rules=("budget.unknown-price",),
            )
        return amount

    async def _take(self, principal: Principal, kind: Kind, *, amount: int, cap: int, now: datetime) -> Lease:
        key = (principal.tenant, principal.key_id or "", kind)
        lease = self._leases.get(key)
        if lease is None or not lease.start <= now < lease.end:
            self._end(key)
            place = Window(*key, start_of(kind, now))
            lease = self._leases[key] = Lease(place, cap, place.start, place.end, used_at=now)
        lease.used_at = now
        if lease.cap != cap:
            lease.cap, lease.refused, lease.is_stale = cap, None, True
        elif lease.take(amount):
            return lease
        if amount > cap:
            raise ExceedsLimit(_too_large(kind, amount, cap, principal.limits.currency))
        try:
            answer = await self._lease(lease, amount)
        except Unavailable:
            if kind != "requests":
                raise
            # Rate limits only protect against bursts, so each worker counts alone while it is down.
            lease.lend()
            answer = None if lease.take(amount) else LeaseAnswer(0)
        if answer is not None:
            raise self._refusal(lease, amount, answer, currency=principal.limits.currency)
        return lease

    async def _lease(self, lease: Lease, amount: int) -> LeaseAnswer | None:
        """Reserve an amount with the store's help, waiting briefly for other workers' shares.

        Returns the store's answer if the amount does not fit, else None.
        """
        pauses_left = _PAUSES
        while True:
            async with lease.lock:
                if lease.take(amount):
                    return None
                answer = self._remembered(lease, amount)
                if answer is None:
                    answer = await self._sync(lease, need=amount)
                    if lease.take(amount):
                        return None
                    lease.refused, lease.refused_s = (amount, answer), self._clock.monotonic()
            if answer.free + _returnable(lease, answer) < amount or not pauses_left:
                return answer
            pauses_left -= 1
            await self._pause(_PAUSE_S)

    def _remembered(self, lease: Lease, amount: int) -> LeaseAnswer | None:
        """Return the cached refusal if it also covers this amount."""
        if lease.refused is None or amount < lease.refused[0]:
            return None
        is_fresh = self._clock.monotonic() - lease.refused_s < _REFUSED_S
        return lease.refused[1] if is_fresh else None

    async def _sync(self, lease: Lease, *, need: int = 0) -> LeaseAnswer:
        """LeaseReport a share to the store, and lease more if needed."""
        now_s = self._clock.monotonic()
        if self._probe_s is not None and now_s < self._probe_s:
            raise Unavailable(_AWAY, retry_after_s=_AWAY_S)
        report, left = lease.begin(need=need, now_s=now_s)
        try:
            answer = await self._store.sync(lease.place, report)
        except BaseException as error:
            lease.fail(report, left)
            if isinstance(error, Unavailable):
                self._probe_s = now_s + _PROBE_S
                raise Unavailable(_AWAY, retry_after_s=_AWAY_S) from error
            raise
        self._probe_s = None
        lease.finish(report, now_s=now_s)
        return answer

    async def _tell(self, lease: Lease) -> None:
        """LeaseReport a share to the store and give back the unreserved amount."""
        async with lease.lock:
            if lease.is_wanted or not lease.is_told():
                await self._sync(lease)

    def _settle(self, lease: Lease, amount: int, cost: int) -> None:
        """Replace a reservation by its cost; near the cap, wake the reporter at once."""
        lease.settle(amount, cost)
        if lease.is_near or lease.left < 0:
            self._wake.set()

    def _end(self, key: tuple[str, str, Kind]) -> None:
        """Drop a lease after its window. Money is still reported, because the store keeps it."""
        lease = self._leases.pop(key, None)
        if lease is not None and lease.place.kind == "cost" and not lease.is_told():
            self._ended.append(lease)

    def _refusal(self, lease: Lease, amount: int, answer: LeaseAnswer, *, currency: str) -> OverBudget:
        if answer.free + _returnable(lease, answer) >= amount:
            what = _limit(lease.place.kind, lease.cap, currency)
            return OverBudget(
                f"calls in flight hold what is left of this key's limit of {what}", retry_after_s=_IN_FLIGHT_S
            )
        left_s = (lease.end - self._clock.now()).total_seconds()
        return OverBudget(_used_up(lease, amount, answer, currency), retry_after_s=max(1.0, left_s))

    async def _give_back_forever(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(_TICK_S):
                    await self._wake.wait()
            self._wake.clear()
            try:
                await self.give_back()
            except HeadgateError as error:
                if not isinstance(error, Unavailable):
                    log.error("limits_not_told", code=error.code)
                await asyncio.sleep(_TICK_S)

    async def _hear_forever(self) -> None:
        async with self._store.wanted() as calls:
            async for call in calls:
                self.hear(call)

    async def _forget_forever(self, tenants: Callable[[], Iterable[str]]) -> None:
        while True:
            await self.forget(tenants())
            await asyncio.sleep(_FORGET_S)

    async def forget(self, tenants: Iterable[str]) -> None:
        """Delete old windows: of requests after an hour, of money after 35 days, for reports."""
        now = self._clock.now()
        for tenant in tenants:
            for kind, kept in _KEPT.items():
                try:
                    await self._store.forget(tenant, kind, before=now - kept)
                except HeadgateError as error:
                    log.warning("old_limits_kept", code=error.code)


class _Held:
    """The reservation of one call in its key's windows."""

    __slots__ = ("_amount", "_currency", "_money", "_rate", "_settle")

    def __init__(
        self,
        settle: Callable[[Lease, int, int], None],
        *,
        rate: Lease | None,
        money: Lease | None,
        amount: int,
        currency: str,
    ) -> None:
        self._settle = settle
        self._rate = rate
        self._money = money
        self._amount = amount
        self._currency = currency

    def settle(self, measures: Measures, *, performed: bool) -> None:
        """Charge the call's cost. A call without an answer costs neither money nor a request.

        If the cost is unknown in the limit's currency, the estimate is charged.
        """
        is_used = performed and _is_used(measures)
        if self._rate is not None:
            self._settle(self._rate, 1, 1 if is_used else 0)
        if self._money is not None:
            cost = self._cost(measures) if is_used else 0
            self._settle(self._money, self._amount, cost)
        self._rate = self._money = None

    def _cost(self, measures: Measures) -> int:
        is_known = measures.cost_micros is not None and measures.currency in (None, self._currency)
        return measures.cost_micros if is_known and measures.cost_micros is not None else self._amount


def _is_used(measures: Measures) -> bool:
    """Tell whether a provider answered, or may have been working when the caller disconnected."""
    return bool(measures.amounts or measures.cost_micros) or measures.first_item_us is not None


def _returnable(lease: Lease, answer: LeaseAnswer) -> int:
    """Return the amount that may come back before the window ends.

    For money this includes the reservations of calls in flight.
    """
    return answer.spare if lease.place.kind == "requests" else answer.spare + answer.held + lease.held + lease.left


def _limit(kind: Kind, cap: int, currency: str) -> str:
    return f"{cap} requests a minute" if kind == "requests" else f"{_money(cap)} {currency} a day"


def _used_up(lease: Lease, amount: int, answer: LeaseAnswer, currency: str) -> str:
    limit = _limit(lease.place.kind, lease.cap, currency)
    free = answer.free + _returnable(lease, answer)
    if lease.place.kind == "requests" or free <= 0:
        return f"this key's limit of {limit} is used up"
    return (
        f"this key's limit of {limit} is used up but for {_money(free)}, and this call may cost {_money(amount)};"
        " ask for fewer output tokens"
    )


def _too_large(kind: Kind, amount: int, cap: int, currency: str) -> str:
    limit = _limit(kind, cap, currency)
    if kind == "requests":
        return f"this key's limit of {limit} allows no call"
    return (
        f"this call may cost {_money(amount)} {currency}, which is more than this key's whole limit of {limit};"
        " ask for fewer output tokens, send less, or have the limit raised"
    )


def _money(micros: int) -> str:
    """Format an amount with two or more decimals."""
    whole, part = divmod(micros, 1_000_000)
    return f"{whole}.{f'{part:06}'.rstrip('0').ljust(2, '0')}"


_AWAY: Final = "the database with this key's limits is down; try again in a moment"
_UNLIMITED = Limits()
