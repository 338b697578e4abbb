"""Limits of a key hold over all workers together: requests and money, leased from a real PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from random import Random
from typing import Any, Literal

import pytest
from psycopg import sql

from headgate.gateway.admission import FREE, Estimator, KeyAdmitter
from headgate.gateway.allowances import PostgresAllowances, Wanted
from headgate.kernel.action import Action
from headgate.kernel.errors import Denied, ExceedsLimit, OverBudget, Unavailable, Upstream
from headgate.kernel.identity import Limits
from headgate.kernel.measures import Measures
from headgate.substrate.clock import SystemClock
from headgate.substrate.database import Database, PoolLimits
from headgate.testing.allowances import FakeWindows
from headgate.testing.clock import FakeClock, FakeIds
from headgate.testing.gate import Gate, gate
from headgate.testing.people import BOT, METERED
from headgate.testing.ports import ALLOW
from headgate.testing.postgres import TemporaryDatabase
from headgate.testing.simulator import Script, Simulator, Tokens
from headgate.wire.model_call import Usage

IDS = FakeIds()


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


def _costs(cost: Callable[[], int | None]) -> Estimator:
    return lambda action, limit: cost()


def admitters(database: Database, clock: FakeClock, *, cost: int | None = 100, count: int = 3) -> list[KeyAdmitter]:
    """Workers that hear one another whenever one waits."""

    async def let_others_answer(seconds: float) -> None:
        clock.advance(seconds)
        for worker in crew:
            for kind in ("requests", "cost"):
                worker.hear(Wanted("another", "acme", "k1", kind))
            await worker.give_back()

    crew = [
        KeyAdmitter(
            store=PostgresAllowances(database, worker=IDS.ulid()),
            clock=clock,
            estimate=_costs(lambda: cost),
            pause=let_others_answer,
        )
        for _ in range(count)
    ]
    return crew


def charged(cost: int | None, *, currency: str | None = None) -> Measures:
    """What a provider that answered has cost."""
    return Measures(amounts=Usage(1, 1).amounts(), cost_micros=cost, currency=currency)


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
        reservation.settle(charged(None), performed=True)

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
        reservation.settle(charged(cost), performed=True)

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
    reservation.settle(charged(950), performed=True)
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
    reservation.settle(charged(1, currency="EUR"), performed=True)
    await worker.aclose()
    assert await taken(database, "cost") == 100


async def test_a_cost_that_stays_unknown_is_charged_as_estimated(database: Database, gateway: Gate) -> None:
    [worker] = admitters(database, FakeClock(), cost=100, count=1)
    reservation = await worker.reserve(asking(gateway, Limits(cost_micros_per_day=1000)), ALLOW)
    reservation.settle(charged(None), performed=True)
    await worker.aclose()
    assert await taken(database, "cost") == 100


async def test_settling_twice_gives_back_once(database: Database, gateway: Gate) -> None:
    [worker] = admitters(database, FakeClock(), cost=100, count=1)
    reservation = await worker.reserve(asking(gateway, Limits(cost_micros_per_day=1000)), ALLOW)
    for _ in range(2):
        reservation.settle(charged(40), performed=True)
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


async def test_money_that_calls_in_flight_hold_may_come_back_soon_and_what_is_spent_at_midnight(
    database: Database, gateway: Gate
) -> None:
    clock = FakeClock()
    one, two = admitters(database, clock, cost=600, count=2)
    action = asking(gateway, Limits(cost_micros_per_day=1000))
    reservation = await one.reserve(action, ALLOW)
    for worker in (one, two):
        with pytest.raises(OverBudget, match="calls in flight hold") as caught:
            await worker.reserve(action, ALLOW)
        assert caught.value.retry_after_s == 2.0
    reservation.settle(charged(500), performed=True)
    midnight_s = 15 * 3600
    for worker in (one, two):
        with pytest.raises(OverBudget, match=r"used up but for 0\.0005, and this call may cost 0\.0006") as caught:
            await worker.reserve(action, ALLOW)
        assert caught.value.retry_after_s == pytest.approx(midnight_s - clock.monotonic())
    clock.advance(midnight_s)
    await two.reserve(action, ALLOW)


async def test_a_call_that_no_limit_of_its_key_could_hold_is_told_so_and_takes_nothing(
    database: Database, gateway: Gate
) -> None:
    [worker] = admitters(database, FakeClock(), cost=5000, count=1)
    action = asking(gateway, Limits(requests_per_minute=1, cost_micros_per_day=1000))
    for _ in range(3):
        with pytest.raises(ExceedsLimit, match=r"0\.005 USD, which is more than this key's whole limit") as caught:
            await worker.reserve(action, ALLOW)
        assert caught.value.retry_after_s is None
    await worker.aclose()
    assert (await taken(database, "requests"), await taken(database, "cost")) == (0, 0)


async def test_what_another_worker_leased_and_does_not_use_is_given_to_who_needs_it(
    database: Database, gateway: Gate
) -> None:
    costs = iter([100, 9_900])
    one, two = (
        KeyAdmitter(
            store=PostgresAllowances(database, worker=IDS.ulid()),
            clock=SystemClock(),
            estimate=_costs(lambda: next(costs)),
        )
        for _ in range(2)
    )
    action = asking(gateway, Limits(cost_micros_per_day=10_000))
    async with asyncio.TaskGroup() as group:
        running = [group.create_task(worker.run_forever(lambda: ("acme",))) for worker in (one, two)]
        await listening(database, 2)
        await one.reserve(action, ALLOW)
        assert await taken(database, "cost") > 100, "it leased for further calls"
        await two.reserve(action, ALLOW)
        assert await taken(database, "cost") == 10_000
        for task in running:
            task.cancel()


async def listening(database: Database, count: int) -> None:
    """Wait until so many connections listen for calls."""
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'"
    found = 0
    async with asyncio.timeout(20):
        while found < count:
            async with database.transaction(tenant=None) as tx:
                found = int(str(await tx.value(query)))


async def test_an_ordinary_call_asks_the_database_only_now_and_then(gateway: Gate) -> None:
    windows = FakeWindows()
    worker = KeyAdmitter(store=windows.store("w1"), clock=FakeClock(), estimate=_costs(lambda: 100))
    action = asking(gateway, Limits(requests_per_minute=100_000, cost_micros_per_day=1_000_000_000))
    for _ in range(2_000):
        (await worker.reserve(action, ALLOW)).settle(charged(100), performed=True)
    assert windows.calls < 30


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


async def test_windows_that_are_over_are_forgotten_by_the_worker_and_later_by_the_database(
    database: Database, gateway: Gate
) -> None:
    clock = FakeClock()
    [worker] = admitters(database, clock, cost=400, count=1)
    action = asking(gateway, Limits(requests_per_minute=5, cost_micros_per_day=1000))
    (await worker.reserve(action, ALLOW)).settle(charged(40), performed=True)
    days: list[tuple[int, int]] = []
    for passed_s in (7_200, 34 * 86_400, 2 * 86_400):
        clock.advance(passed_s)
        await worker.give_back()
        await worker.forget(["acme"])
        days.append((await taken(database, "requests"), await taken(database, "cost")))
    assert days == [(0, 40), (0, 40), (0, 0)]
    assert await counted(database, "allowances") == await counted(database, "allowance_shares") == 0
    assert not vars(worker)["_leases"]
    assert not vars(worker)["_ended"]


async def counted(database: Database, table: Literal["allowances", "allowance_shares"]) -> int:
    async with database.transaction(tenant="acme") as tx:
        query = sql.SQL("SELECT count(*) FROM gateway.{}").format(sql.Identifier(table))
        return int(str(await tx.value(query)))


async def test_without_the_database_rates_are_counted_by_each_worker_and_money_by_what_it_has_leased(
    gateway: Gate,
) -> None:
    windows, clock = FakeWindows(), FakeClock()
    worker = KeyAdmitter(store=windows.store("w1"), clock=clock, estimate=_costs(lambda: 100))
    rated = asking(gateway, Limits(requests_per_minute=5))
    metered = asking(gateway, Limits(cost_micros_per_day=100_000), key="k2")
    await worker.reserve(rated, ALLOW)
    await worker.reserve(metered, ALLOW)
    windows.fails = "before"
    for _ in range(4):
        await worker.reserve(rated, ALLOW)
    with pytest.raises(OverBudget, match="5 requests a minute"):
        await worker.reserve(rated, ALLOW)
    with pytest.raises(Unavailable, match="with the counts of limits and budgets is down") as caught:
        for _ in range(40):
            await worker.reserve(metered, ALLOW)
    assert caught.value.retry_after_s == 1.0
    assert 1_000 < windows.taken() < 5_000
    assert not worker.is_store_up
    asked = windows.calls
    with pytest.raises(Unavailable):
        await worker.reserve(metered, ALLOW)
    assert windows.calls == asked, "a store that is away is not asked for every call"
    windows.fails = "no"
    clock.advance(11)
    await worker.reserve(metered, ALLOW)
    assert worker.is_store_up
    await worker.give_back()
    assert windows.taken("requests") == 5


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


@pytest.mark.parametrize("streams", [False, True])
async def test_a_call_that_nobody_answered_takes_neither_a_request_nor_money(
    database: Database, gateway: Gate, streams: bool
) -> None:
    [worker] = admitters(database, gateway.bench.clock, cost=500, count=1)
    gateway.bench.admission = worker
    principal = replace(BOT, limits=Limits(requests_per_minute=1, cost_micros_per_day=500))
    ask = gateway.frames if streams else gateway.answer
    async with Simulator(default=Script(tokens=Tokens(input=10, output=5))) as simulator:
        gateway.add("d1", simulator)
        for script in (Script(status=500), Script(status=400), Script(status=429)):
            simulator.script(script)
            with pytest.raises(Upstream):
                await ask(principal=principal)
        await ask(principal=principal)
    await worker.aclose()
    assert (await taken(database, "requests"), await taken(database, "cost")) == (1, 20)


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
