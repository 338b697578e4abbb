"""Limits of a key hold over all workers together: requests and money, leased from a real PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from headgate.gateway.admission import FREE, KeyAdmitter
from headgate.kernel.action import Action
from headgate.kernel.errors import Denied, OverBudget, Unavailable
from headgate.kernel.identity import Limits
from headgate.kernel.model_call import Measures
from headgate.substrate.database import Database, PoolLimits
from headgate.testing.clock import FakeClock
from headgate.testing.gate import Gate, gate
from headgate.testing.people import BOT, METERED
from headgate.testing.ports import ALLOW
from headgate.testing.postgres import TemporaryDatabase
from headgate.testing.simulator import Script, Simulator, Tokens


@pytest.fixture
async def database(fresh_database: TemporaryDatabase) -> AsyncIterator[Database]:
    async with Database(fresh_database.login["headgate_app"], limits=PoolLimits(size=4)) as opened:
        yield opened


@pytest.fixture
async def gateway() -> AsyncIterator[Gate]:
    async with gate() as opened:
        yield opened


def asking(gateway: Gate, limits: Limits, *, key: str = "k1") -> Action[Any, Any, Any]:
    return gateway.action(principal=replace(BOT, key_id=key, limits=limits))


def admitters(database: Database, clock: FakeClock, *, cost: int | None = 100, count: int = 3) -> list[KeyAdmitter]:
    return [KeyAdmitter(database=database, clock=clock, estimate=lambda action: cost) for _ in range(count)]


async def test_a_key_without_limits_and_an_inner_action_cost_nothing_here(database: Database, gateway: Gate) -> None:
    [admitter] = admitters(database, FakeClock(), count=1)
    assert await admitter.reserve(gateway.action(), ALLOW) is FREE
    metered = gateway.action(principal=METERED)
    inner = replace(metered, verb=replace(metered.verb, name="model.dispatch"))
    assert await admitter.reserve(inner, ALLOW) is FREE
    session = gateway.action(principal=replace(METERED, key_id=None))
    assert await admitter.reserve(session, ALLOW) is FREE
    FREE.settle(Measures(), performed=True)


@pytest.mark.parametrize("seed", range(4))
async def test_several_workers_together_never_admit_more_requests_than_the_key_may_make(
    database: Database, gateway: Gate, seed: int
) -> None:
    random = Random(seed)
    cap = random.randint(1, 60)
    workers = admitters(database, FakeClock())
    action = asking(gateway, Limits(requests_per_minute=cap))
    admitted = 0

    async def call(worker: KeyAdmitter) -> None:
        nonlocal admitted
        try:
            reservation = await worker.reserve(action, ALLOW)
        except OverBudget:
            return
        if random.random() < 0.2:
            reservation.settle(Measures(), performed=False)
            return
        admitted += 1
        await asyncio.sleep(0)
        reservation.settle(Measures(), performed=True)

    for _ in range(4):
        async with asyncio.TaskGroup() as group:
            for _ in range(25):
                group.create_task(call(random.choice(workers)))
    assert admitted <= cap
    for worker in workers:
        await worker.aclose()
    # What was given back can be used by whoever comes next: the cap is reached exactly, never passed.
    [fresh] = admitters(database, FakeClock(), count=1)
    with pytest.raises(OverBudget):
        for _ in range(cap + 1):
            await fresh.reserve(action, ALLOW)
            admitted += 1
    assert admitted == cap


@pytest.mark.parametrize("seed", range(4))
async def test_several_workers_together_never_spend_more_money_than_the_key_may_spend(
    database: Database, gateway: Gate, seed: int
) -> None:
    random = Random(seed)
    cap, estimate = random.randint(500, 5000), 100
    workers = admitters(database, FakeClock(), cost=estimate)
    action = asking(gateway, Limits(cost_micros_per_day=cap))
    spent = held = worst = 0

    async def call(worker: KeyAdmitter) -> None:
        nonlocal spent, held, worst
        try:
            reservation = await worker.reserve(action, ALLOW)
        except OverBudget:
            return
        held += estimate
        worst = max(worst, spent + held)
        await asyncio.sleep(0)
        cost = random.choice([0, 1, 50, 99, 100])
        held -= estimate
        spent += cost
        reservation.settle(Measures(cost_micros=cost), performed=True)

    for _ in range(5):
        async with asyncio.TaskGroup() as group:
            for _ in range(25):
                group.create_task(call(random.choice(workers)))
    assert 0 < worst <= cap
    for worker in workers:
        await worker.aclose()
    assert await taken(database, "cost") == spent


async def taken(database: Database, kind: str) -> int:
    async with database.transaction(tenant="acme") as tx:
        return int(
            str(await tx.value("SELECT coalesce(sum(taken), 0) FROM gateway.allowances WHERE kind = %s", (kind,)))
        )


@pytest.mark.parametrize("asks_again", [True, False])
async def test_a_call_that_cost_more_than_estimated_is_made_up_for(
    database: Database, gateway: Gate, asks_again: bool
) -> None:
    clock = FakeClock()
    one, two = admitters(database, clock, cost=100, count=2)
    action = asking(gateway, Limits(cost_micros_per_day=1000))
    reservation = await one.reserve(action, ALLOW)
    reservation.settle(Measures(cost_micros=950), performed=True)
    if asks_again:
        with pytest.raises(OverBudget):
            await one.reserve(action, ALLOW)
    await one.aclose()
    assert await taken(database, "cost") == 950, "a debt is not forgotten with the worker"
    with pytest.raises(OverBudget):
        await two.reserve(action, ALLOW)


async def test_a_cost_in_another_currency_is_charged_as_estimated(database: Database, gateway: Gate) -> None:
    [worker] = admitters(database, FakeClock(), cost=100, count=1)
    reservation = await worker.reserve(asking(gateway, Limits(cost_micros_per_day=1000)), ALLOW)
    reservation.settle(Measures(cost_micros=1, currency="EUR"), performed=True)
    await worker.aclose()
    assert await taken(database, "cost") == 100


async def test_a_cost_that_stays_unknown_is_charged_as_estimated(database: Database, gateway: Gate) -> None:
    [worker] = admitters(database, FakeClock(), cost=100, count=1)
    reservation = await worker.reserve(asking(gateway, Limits(cost_micros_per_day=1000)), ALLOW)
    reservation.settle(Measures(), performed=True)
    await worker.aclose()
    assert await taken(database, "cost") == 100


async def test_settling_twice_gives_back_once(database: Database, gateway: Gate) -> None:
    [worker] = admitters(database, FakeClock(), cost=100, count=1)
    reservation = await worker.reserve(asking(gateway, Limits(cost_micros_per_day=1000)), ALLOW)
    for _ in range(2):
        reservation.settle(Measures(cost_micros=40), performed=True)
    await worker.aclose()
    assert await taken(database, "cost") == 40


async def test_a_limit_opens_again_with_the_next_window(database: Database, gateway: Gate) -> None:
    clock = FakeClock()
    [worker] = admitters(database, clock, count=1)
    action = asking(gateway, Limits(requests_per_minute=1))
    await worker.reserve(action, ALLOW)
    clock.advance(12)
    with pytest.raises(OverBudget, match="1 requests a minute") as caught:
        await worker.reserve(action, ALLOW)
    assert caught.value.retry_after_s == 48.0
    clock.advance(48)
    await worker.reserve(action, ALLOW)


async def test_a_day_of_money_ends_at_midnight(database: Database, gateway: Gate) -> None:
    clock = FakeClock()
    [worker] = admitters(database, clock, cost=600, count=1)
    action = asking(gateway, Limits(cost_micros_per_day=1000))
    await worker.reserve(action, ALLOW)
    with pytest.raises(OverBudget, match="USD a day is used up") as caught:
        await worker.reserve(action, ALLOW)
    assert caught.value.retry_after_s == 15 * 3600
    clock.advance(15 * 3600)
    await worker.reserve(action, ALLOW)


async def test_a_refused_sum_of_money_gives_the_request_back(database: Database, gateway: Gate) -> None:
    [worker] = admitters(database, FakeClock(), cost=5000, count=1)
    action = asking(gateway, Limits(requests_per_minute=1, cost_micros_per_day=1000))
    for _ in range(3):
        with pytest.raises(OverBudget, match="too small for this call"):
            await worker.reserve(action, ALLOW)
    await worker.aclose()
    assert (await taken(database, "requests"), await taken(database, "cost")) == (0, 0)


async def test_a_price_that_is_not_known_and_a_limit_of_money_do_not_go_together(
    database: Database, gateway: Gate
) -> None:
    [worker] = admitters(database, FakeClock(), cost=None, count=1)
    with pytest.raises(Denied, match="declare it, or use a key without a money limit") as caught:
        await worker.reserve(asking(gateway, Limits(cost_micros_per_day=1000)), ALLOW)
    assert caught.value.rules == ("budget.unknown-price",)
    await worker.reserve(asking(gateway, Limits(requests_per_minute=5)), ALLOW)


async def test_keys_do_not_share_their_limits(database: Database, gateway: Gate) -> None:
    [worker] = admitters(database, FakeClock(), count=1)
    limits = Limits(requests_per_minute=1)
    await worker.reserve(asking(gateway, limits), ALLOW)
    await worker.reserve(asking(gateway, limits, key="k2"), ALLOW)
    with pytest.raises(OverBudget):
        await worker.reserve(asking(gateway, limits, key="k2"), ALLOW)


async def test_a_limit_that_is_raised_counts_at_once(database: Database, gateway: Gate) -> None:
    [worker] = admitters(database, FakeClock(), count=1)
    await worker.reserve(asking(gateway, Limits(requests_per_minute=1)), ALLOW)
    for _ in range(2):
        await worker.reserve(asking(gateway, Limits(requests_per_minute=3)), ALLOW)
    with pytest.raises(OverBudget):
        await worker.reserve(asking(gateway, Limits(requests_per_minute=3)), ALLOW)


async def test_many_keys_of_yesterday_are_forgotten(database: Database, gateway: Gate) -> None:
    clock = FakeClock()
    [worker] = admitters(database, clock, count=1)
    limits = Limits(requests_per_minute=1)
    windows: dict[Any, Any] = vars(worker)["_windows"]
    await worker.reserve(asking(gateway, limits), ALLOW)
    windows.update({("acme", f"old-{place}", "requests"): windows[("acme", "k1", "requests")] for place in range(4096)})
    clock.advance(2 * 86_400)
    await worker.reserve(asking(gateway, limits), ALLOW)
    assert len(windows) == 1


async def test_a_database_that_is_away_admits_nothing(fresh_database: TemporaryDatabase, gateway: Gate) -> None:
    gone = fresh_database.login["headgate_app"].having(port="1")
    async with Database(gone, limits=PoolLimits(size=1, wait_s=0.2)) as database:
        [worker] = admitters(database, FakeClock(), count=1)
        with pytest.raises(Unavailable):
            await worker.reserve(asking(gateway, Limits(requests_per_minute=5)), ALLOW)


async def test_a_call_through_the_pipeline_is_charged_what_it_really_cost(database: Database, gateway: Gate) -> None:
    [worker] = admitters(database, gateway.bench.clock, cost=500, count=1)
    gateway.bench.admission = worker
    principal = replace(BOT, limits=Limits(requests_per_minute=2, cost_micros_per_day=1000))
    async with Simulator(default=Script(tokens=Tokens(input=10, output=5))) as simulator:
        gateway.add("d1", simulator)
        await gateway.answer(principal=principal)
        await gateway.frames(principal=principal)
        with pytest.raises(OverBudget):
            await gateway.answer(principal=principal)
        assert len(simulator.requests) == 2
    await worker.aclose()
    assert (await taken(database, "requests"), await taken(database, "cost")) == (2, 40)


async def test_workers_that_are_cancelled_while_leasing_lose_no_more_than_the_lease(
    database: Database, gateway: Gate
) -> None:
    workers = admitters(database, FakeClock(), count=3)
    action = asking(gateway, Limits(requests_per_minute=50))
    admitted = 0

    async def hurried(worker: KeyAdmitter, place: int) -> None:
        nonlocal admitted
        try:
            async with asyncio.timeout(0.0005 * place):
                await worker.reserve(action, ALLOW)
            admitted += 1
        except (TimeoutError, OverBudget):
            pass

    async with AsyncExitStack() as stack:
        for worker in workers:
            stack.push_async_callback(worker.aclose)
        async with asyncio.TaskGroup() as group:
            for place in range(60):
                group.create_task(hurried(workers[place % 3], place % 10))
    assert admitted <= 50
    assert admitted <= await taken(database, "requests") <= 50
