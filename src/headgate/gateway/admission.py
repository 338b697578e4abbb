"""Limits of keys and budgets of every level, across all workers.

A worker leases a small share of a limit's window (such as a UTC day) and admits calls from it in
memory. Near the cap it leases for one call at a time and gives back the unused amount at once.
Before it refuses a call, it asks the other workers for their unused shares. A call reserves from
every limit that it has, or from none. See docs/decisions/0010-limits-across-workers.md.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, Final, NamedTuple

import structlog

from headgate.gateway.allowances import Allowances, Wanted
from headgate.gateway.leases import Kind, Lease, LeaseAnswer
from headgate.gateway.limits import Limit, LimitsOf, limits_of_key, money, no_budgets
from headgate.kernel.action import Action
from headgate.kernel.decision import PRICE_RULE, Decision
from headgate.kernel.errors import Denied, ExceedsLimit, HeadgateError, OverBudget, Unavailable
from headgate.kernel.identity import TenantId
from headgate.kernel.measures import Measures
from headgate.kernel.ports import Clock, Reservation
from headgate.wire.model_call import MODEL_INVOKE, MODEL_PASS

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
_LIMITED: Final = frozenset({MODEL_INVOKE.name, MODEL_PASS.name})

Estimator = Callable[[Action[Any, Any, Any], Limit], int | None]
"""Upper estimate of a call's cost in micro-units of the limit's currency, or of its tokens.

None if a price is unknown.
"""


class _Free:
    """The reservation of an action without limits."""

    def settle(self, measures: Measures, *, performed: bool) -> None:
        """Do nothing."""


FREE: Reservation = _Free()


class KeyAdmitter:
    """Admits model calls within the limits of their keys and within budgets. One for a worker.

    Args:
        budgets: returns the budgets of a call.
        pause: sleeps for some seconds; tests replace it.
    """

    def __init__(
        self,
        *,
        store: Allowances,
        clock: Clock,
        estimate: Estimator,
        budgets: LimitsOf = no_budgets,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._store = store
        self._clock = clock
        self._estimate = estimate
        self._budgets = budgets
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
        """Reserve one request and the highest possible use from every limit, or from none.

        Raises:
            OverBudget: a limit is used up; `retry_after_s` is the time until calls in flight or
                the window may end.
            ExceedsLimit: the call alone may use more than a whole limit.
            Denied: a limit counts money and a price is unknown.
            Unavailable: the store is down and this worker's share is used up.
        """
        if action.verb.name not in _LIMITED:
            return FREE
        return await self._reserve(action, (*limits_of_key(action.principal), *self._budgets(action)))

    async def reserve_again(self, action: Action[Any, Any, Any]) -> Reservation:
        """Reserve the highest possible use of a call once more, for a second attempt beside the first.

        It is no second request. Settle it when the call is settled, without measures: the call counts both attempts.

        Raises:
            HeadgateError: as `reserve`.
        """
        limits = (*limits_of_key(action.principal), *self._budgets(action))
        return await self._reserve(action, tuple(one for one in limits if one.kind != "requests"))

    async def _reserve(self, action: Action[Any, Any, Any], limits: Sequence[Limit]) -> Reservation:
        if not limits:
            return FREE
        now, tenant = self._clock.now(), action.principal.tenant
        asked = [(limit, self._amount(action, limit)) for limit in limits]
        taken: list[_Taken] = []
        try:
            for limit, amount in asked:
                lease = await self._take(tenant, limit, amount=amount, now=now)
                taken.append(_Taken(lease, amount, limit.currency))
        except BaseException:
            for lease, amount, _ in taken:
                self._settle(lease, amount, 0)
            raise
        return _Held(self._settle, taken)

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
        lease = self._leases.get((call.tenant, call.subject, call.kind))
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

    def _amount(self, action: Action[Any, Any, Any], limit: Limit) -> int:
        """Return the amount that a call reserves. A soft limit reserves nothing for a cost that is unknown."""
        if limit.kind in ("requests", "concurrency"):
            return 1
        amount = self._estimate(action, limit)
        if amount is None and limit.is_hard:
            instead = "make the budget soft" if limit.budget else "use a key without a money limit"
            raise Denied(
                f"{limit.name} counts money, but a deployment of {action.resource.id} has no known price in"
                f" {limit.currency}: declare it, or {instead}",
                rules=(PRICE_RULE,),
            )
        return amount or 0

    async def _take(self, tenant: TenantId, limit: Limit, *, amount: int, now: datetime) -> Lease:
        key = (tenant, limit.subject, limit.kind)
        lease = self._leases.get(key)
        if lease is None or not lease.place.start <= now < lease.end:
            self._end(key)
            place = limit.window(tenant, now)
            lease = self._leases[key] = Lease(place, limit.lease_cap, used_at=now, is_watched=bool(limit.budget))
        lease.used_at = now
        if lease.cap != limit.lease_cap:
            lease.cap, lease.refusal, lease.is_stale = limit.lease_cap, None, True
        elif lease.take(amount):
            return lease
        if amount > lease.cap:
            raise ExceedsLimit(_too_large(limit, amount), limit=limit.kind)
        try:
            answer = await self._lease(lease, amount)
        except Unavailable:
            if not limit.lends:
                raise
            # Rate limits only protect against bursts, so each worker counts alone while it is down.
            lease.is_stale = False
            lease.lend()
            answer = None if lease.take(amount) else LeaseAnswer(0)
        if answer is not None:
            raise self._refusal(limit, lease, amount, answer)
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
                    lease.refusal, lease.refusal_s = (amount, answer), self._clock.monotonic()
            if answer.free + _returnable(lease, answer) < amount or not pauses_left:
                return answer
            pauses_left -= 1
            await self._pause(_PAUSE_S)

    def _remembered(self, lease: Lease, amount: int) -> LeaseAnswer | None:
        """Return the cached refusal if it also covers this amount."""
        if lease.refusal is None or amount < lease.refusal[0]:
            return None
        is_fresh = self._clock.monotonic() - lease.refusal_s < _REFUSED_S
        return lease.refusal[1] if is_fresh else None

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
        lease.finish(report, now=self._clock.now(), now_s=now_s)
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
        """Drop a lease after its window. Only the counts of minutes need no last report."""
        lease = self._leases.pop(key, None)
        if lease is not None and not lease.place.is_short and not lease.is_told():
            self._ended.append(lease)

    def _refusal(self, limit: Limit, lease: Lease, amount: int, answer: LeaseAnswer) -> OverBudget:
        may_return = answer.free + _returnable(lease, answer) >= amount
        if may_return or limit.kind == "concurrency":
            told = f"calls in flight hold what is left of {limit.name}"
            if may_return:
                told += f"; this call waited {_PAUSES * _PAUSE_S:g} seconds for its place, so send fewer at once"
            return OverBudget(told, limit=limit.kind, retry_after_s=_IN_FLIGHT_S)
        lease.refused += lease.is_watched
        left_s = (lease.end - self._clock.now()).total_seconds()
        told = _used_up(limit, lease, amount, answer)
        return OverBudget(told, limit=limit.kind, retry_after_s=max(1.0, left_s))

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
        """Delete windows that ended long ago."""
        for tenant in tenants:
            try:
                await self._store.forget(tenant, now=self._clock.now())
            except HeadgateError as error:
                log.warning("old_limits_kept", code=error.code)


class _Taken(NamedTuple):
    """What one call reserved from one limit."""

    lease: Lease
    amount: int
    currency: str


class _Held:
    """The reservation of one call in the windows of all its limits."""

    __slots__ = ("_settle", "_taken")

    def __init__(self, settle: Callable[[Lease, int, int], None], taken: list[_Taken]) -> None:
        self._settle = settle
        self._taken = taken

    def settle(self, measures: Measures, *, performed: bool) -> None:
        """Charge the call's use. A call without an answer costs neither money, tokens nor a request.

        If the cost is unknown in a limit's currency, the estimate is charged.
        """
        is_used = performed and _is_used(measures)
        for one in self._taken:
            self._settle(one.lease, one.amount, _use(one, measures) if is_used else 0)
        self._taken = []


def _use(taken: _Taken, measures: Measures) -> int:
    """Return what an answered call used of a limit."""
    match taken.lease.place.kind:
        case "requests":
            return 1
        case "concurrency":
            return 0
        case "tokens":
            told = [measures.amounts[name] for name in _TOKENS if name in measures.amounts]
            return sum(told) if told else taken.amount
        case "cost":
            cost = measures.cost_micros
            is_known = cost is not None and (not cost or measures.currency in (None, taken.currency))
            return cost if is_known and cost is not None else taken.amount


def _is_used(measures: Measures) -> bool:
    """Tell whether a provider answered, or may have been working when the caller disconnected."""
    return bool(measures.amounts or measures.cost_micros) or measures.first_item_us is not None


def _returnable(lease: Lease, answer: LeaseAnswer) -> int:
    """Return the amount that may come back before the window ends.

    Except for requests this includes the reservations of calls in flight.
    """
    return answer.spare if lease.place.kind == "requests" else answer.spare + answer.held + lease.held + lease.left


def _used_up(limit: Limit, lease: Lease, amount: int, answer: LeaseAnswer) -> str:
    free = answer.free + _returnable(lease, answer)
    until = f"it resets at {lease.end:%Y-%m-%d %H:%M} UTC"
    if limit.kind == "requests" or free <= 0:
        return f"{limit.name} is used up; {until}"
    may = "cost" if limit.kind == "cost" else "use"
    return (
        f"{limit.name} is used up but for {limit.amount(free)}, and this call may {may} {limit.amount(amount)};"
        f" ask for fewer output tokens, or wait: {until}"
    )


def _too_large(limit: Limit, amount: int) -> str:
    if limit.kind in ("requests", "concurrency"):
        return f"{limit.name} allows no call"
    may = f"cost {money(amount)} {limit.currency}" if limit.kind == "cost" else f"use {amount:,} tokens"
    return (
        f"this call may {may}, which is more than {limit.whole};"
        " ask for fewer output tokens, send less, or have the limit raised"
    )


_TOKENS: Final = ("input_tokens", "output_tokens")
_AWAY: Final = "the database with the counts of limits and budgets is down; try again in a moment"
