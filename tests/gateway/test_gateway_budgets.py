"""Budgets of every level: a call reserves from all of them or from none, and no worker passes one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime
from random import Random
from typing import Any

import pytest

from headgate.admin.budgets import Budget, BudgetPeriod, BudgetUse, span_at
from headgate.gateway.admission import KeyAdmitter
from headgate.gateway.allowances import PostgresAllowances
from headgate.gateway.limits import BudgetIndex, Limit
from headgate.kernel.action import Action
from headgate.kernel.errors import Denied, ExceedsLimit, OverBudget, Unavailable
from headgate.kernel.identity import Limits, Principal
from headgate.kernel.measures import Measures
from headgate.kernel.ports import Reservation
from headgate.substrate.database import Database, PoolLimits
from headgate.testing.allowances import FakeWindows
from headgate.testing.clock import FakeClock, FakeIds
from headgate.testing.gate import Gate, gate
from headgate.testing.people import ACME, ADA, AGENT, BOT
from headgate.testing.ports import ALLOW
from headgate.testing.postgres import TemporaryDatabase
from headgate.testing.simulator import Script, Simulator, Tokens

IDS = FakeIds()
DOLLAR = 1_000_000


@pytest.fixture
async def database(fresh_database: TemporaryDatabase) -> AsyncIterator[Database]:
    async with Database(fresh_database.login["headgate_app"], limits=PoolLimits(size=4)) as opened:
        yield opened


@pytest.fixture
async def gateway() -> AsyncIterator[Gate]:
    async with gate() as opened:
        yield opened


def organisation(limit: int, **how: Any) -> Budget:
    return replace(Budget("all", "organisation", "", "money", limit, "month"), **how)


def budgets_of(*budgets: Budget, groups: tuple[str, ...] = ()) -> Callable[[Action[Any, Any, Any]], Any]:
    index = BudgetIndex(budgets)
    return lambda action: index.of(action, groups)


def estimated(action: Action[Any, Any, Any], limit: Limit) -> int:
    return {"cost": 100, "tokens": 500}[limit.kind]


def unpriced(action: Action[Any, Any, Any], limit: Limit) -> int | None:
    return None


def worker_of(
    store: Any, clock: FakeClock, *budgets: Budget, groups: tuple[str, ...] = (), estimate: Any = estimated
) -> KeyAdmitter:
    async def pause(seconds: float) -> None:
        clock.advance(seconds)
        await asyncio.sleep(0)

    return KeyAdmitter(
        store=store, clock=clock, estimate=estimate, budgets=budgets_of(*budgets, groups=groups), pause=pause
    )


def crew_of(database: Database, clock: FakeClock, *budgets: Budget, count: int = 3) -> list[KeyAdmitter]:
    """Workers on one database that give back what another one wants, whenever one waits."""

    async def let_others_answer(seconds: float) -> None:
        clock.advance(seconds)
        for worker in crew:
            for lease in vars(worker)["_leases"].values():
                lease.is_wanted = lease.is_near = True
            await worker.give_back()

    crew = [
        KeyAdmitter(
            store=PostgresAllowances(database, worker=IDS.ulid()),
            clock=clock,
            estimate=lambda action, limit: 30_000 if limit.kind == "cost" else 500,
            budgets=budgets_of(*budgets),
            pause=let_others_answer,
        )
        for _ in range(count)
    ]
    return crew


def cost(micros: int | None, *, tokens: int = 100) -> Measures:
    return Measures(amounts={"input_tokens": tokens, "output_tokens": tokens}, cost_micros=micros, currency="USD")


async def use_of(database: Database, clock: FakeClock, budget: Budget) -> BudgetUse:
    store = PostgresAllowances(database, worker="reader")
    used = await store.budgets_used(ACME, [budget], now=clock.now())
    return used.get(budget.id, BudgetUse())


async def test_three_workers_and_64_clients_together_never_spend_more_than_one_dollar(
    database: Database, gateway: Gate
) -> None:
    """Each call reserves 3 cents, of which it uses some."""
    budget, clock, random = organisation(DOLLAR), FakeClock(), Random(7)
    workers = crew_of(database, clock, budget)
    spent = held = worst = 0

    async def client() -> None:
        nonlocal spent, held, worst
        for _ in range(3):
            try:
                reservation = await random.choice(workers).reserve(gateway.action(), ALLOW)
            except OverBudget:
                continue
            held += 30_000
            worst = max(worst, spent + held)
            await asyncio.sleep(0)
            price = random.choice([1_000, 15_000, 30_000])
            held, spent = held - 30_000, spent + price
            reservation.settle(cost(price), performed=True)

    async with asyncio.TaskGroup() as group:
        for _ in range(64):
            group.create_task(client())
    assert 0.9 * DOLLAR < spent <= worst <= DOLLAR
    for worker in workers:
        await worker.aclose()
    assert (await use_of(database, clock, budget)).used == spent


async def test_a_call_reserves_at_every_level_or_at_none(gateway: Gate) -> None:
    windows, clock = FakeWindows(), FakeClock()
    levels = (
        Budget("one", "person", BOT.id, "money", 1000, "day"),
        Budget("two", "use_case", "support", "requests", 5, "hour"),
        Budget("three", "group", "sales", "tokens", 10_000, "week"),
        Budget("other", "group", "legal", "money", 1, "day"),
        Budget("four", "organisation", "", "money", 50, "month"),
    )
    worker = worker_of(windows.store("w1"), clock, *levels, groups=("sales",))
    with pytest.raises(ExceedsLimit, match=r"more than the whole budget four of the organisation \(0\.00005 USD a mon"):
        await worker.reserve(gateway.action(), ALLOW)
    await worker.aclose()
    assert {place.subject: sum(map(sum, parts.values())) for place, parts in windows.parts.items()} == {
        "budget:one/person:support-bot/day/USD": 0,
        "budget:two/use_case:support/hour": 0,
        "budget:three/group:sales/week": 0,
    }
    roomy = replace(levels[-1], limit=1000)
    worker = worker_of(windows.store("w2"), clock, *levels[:-1], roomy, groups=("sales",))
    (await worker.reserve(gateway.action(), ALLOW)).settle(cost(40, tokens=70), performed=True)
    await worker.aclose()
    taken = {place.subject: sum(map(sum, parts.values())) for place, parts in windows.parts.items()}
    assert taken["budget:one/person:support-bot/day/USD"] == 40
    assert taken["budget:two/use_case:support/hour"] == 1
    assert taken["budget:three/group:sales/week"] == 140
    assert taken["budget:four/organisation/month/USD"] == 40


@pytest.mark.parametrize(
    ("budget", "principal", "is_met"),
    [
        (Budget("b", "key", "key-bot", "requests", 1, "day"), BOT, True),
        (Budget("b", "key", "key-bot", "requests", 1, "day"), ADA, False),
        (Budget("b", "person", "ada", "requests", 1, "day"), ADA, True),
        (Budget("b", "person", "ada", "requests", 1, "day"), AGENT, True),
        (Budget("b", "person", "ada", "requests", 1, "day"), BOT, False),
        (Budget("b", "use_case", "claims", "requests", 1, "day"), ADA, False),
    ],
)
async def test_a_budget_counts_the_calls_of_its_scope_only(
    gateway: Gate, budget: Budget, principal: Principal, is_met: bool
) -> None:
    worker = worker_of(FakeWindows().store("w1"), FakeClock(), budget)
    action = gateway.action(principal=principal)
    await worker.reserve(action, ALLOW)
    if is_met:
        with pytest.raises(OverBudget, match=r"the budget b of .* \(1 requests a day\) is used up; it resets at 20"):
            await worker.reserve(action, ALLOW)
    else:
        await worker.reserve(action, ALLOW)


async def test_a_refusal_names_the_level_what_is_left_the_limit_and_when_it_resets(gateway: Gate) -> None:
    worker = worker_of(
        FakeWindows().store("w1"), FakeClock(), Budget("b", "group", "x", "money", 150, "day"), groups=("x",)
    )
    (await worker.reserve(gateway.action(), ALLOW)).settle(cost(100), performed=True)
    with pytest.raises(OverBudget) as caught:
        await worker.reserve(gateway.action(), ALLOW)
    assert caught.value.message.startswith(
        "the budget b of the group x (0.00015 USD a day) is used up but for 0.00005, and this call may cost 0.0001;"
    )
    assert "it resets at 20" in caught.value.message
    assert caught.value.retry_after_s is not None


async def test_the_limits_of_a_key_hold_beside_budgets(gateway: Gate) -> None:
    windows = FakeWindows()
    worker = worker_of(windows.store("w1"), FakeClock(), organisation(1000))
    principal = replace(BOT, limits=Limits(requests_per_minute=1))
    (await worker.reserve(gateway.action(principal=principal), ALLOW)).settle(cost(7), performed=True)
    with pytest.raises(OverBudget, match="this key's limit of 1 requests a minute"):
        await worker.reserve(gateway.action(principal=principal), ALLOW)
    (await worker.reserve(gateway.action(principal=replace(BOT, key_id=None)), ALLOW)).settle(cost(5), performed=True)
    await worker.aclose()
    assert windows.taken("cost") == 12


@pytest.mark.parametrize(
    ("period", "start", "end"),
    [
        ("minute", "2026-12-31T23:59", "2027-01-01T00:00"),
        ("hour", "2026-12-31T23:00", "2027-01-01T00:00"),
        ("day", "2026-12-31T00:00", "2027-01-01T00:00"),
        ("week", "2026-12-28T00:00", "2027-01-04T00:00"),
        ("month", "2026-12-01T00:00", "2027-01-01T00:00"),
        ("quarter", "2026-10-01T00:00", "2027-01-01T00:00"),
        ("year", "2026-01-01T00:00", "2027-01-01T00:00"),
    ],
)
async def test_a_budget_opens_again_with_the_next_period_of_the_calendar(
    gateway: Gate, period: BudgetPeriod, start: str, end: str
) -> None:
    now = datetime(2026, 12, 31, 23, 59, 30, tzinfo=UTC)
    span = span_at(period, now)
    assert (f"{span.start:%FT%H:%M}", f"{span.end:%FT%H:%M}") == (start, end)
    clock = FakeClock(now)
    worker = worker_of(FakeWindows().store("w1"), clock, Budget("b", "organisation", "", "requests", 1, period))
    await worker.reserve(gateway.action(), ALLOW)
    with pytest.raises(OverBudget) as caught:
        await worker.reserve(gateway.action(), ALLOW)
    assert caught.value.retry_after_s == (span.end - now).total_seconds()
    clock.advance(caught.value.retry_after_s or 0.0)
    await worker.reserve(gateway.action(), ALLOW)


async def test_calls_at_once_are_held_while_they_run_on_all_workers(database: Database, gateway: Gate) -> None:
    budget, clock = Budget("b", "use_case", "support", "concurrency", 2, None), FakeClock()
    one, two = crew_of(database, clock, budget, count=2)
    running: list[Reservation] = [await worker.reserve(gateway.action(), ALLOW) for worker in (one, two)]
    for worker in (one, two):
        with pytest.raises(OverBudget, match=r"left of the budget b .*; this call waited 1\.5 seconds") as caught:
            await worker.reserve(gateway.action(), ALLOW)
        assert caught.value.retry_after_s == 2.0
    for lasting_s in (10, 3600, 86_400):
        clock.advance(lasting_s)
        await one.give_back()
    running.pop().settle(cost(10), performed=True)
    await one.reserve(gateway.action(), ALLOW)
    assert (await use_of(database, clock, budget)).used == 0


async def test_calls_at_once_of_a_worker_that_died_end_with_it(database: Database, gateway: Gate) -> None:
    budget, clock = Budget("b", "organisation", "", "concurrency", 1, None), FakeClock()
    dead, living = crew_of(database, clock, budget, count=2)
    await dead.reserve(gateway.action(), ALLOW)
    async with database.transaction(tenant=ACME) as tx:
        await tx.execute("UPDATE gateway.allowance_shares SET renewed_at = now() - interval '31 seconds'")
    await living.reserve(gateway.action(), ALLOW)


async def test_a_soft_budget_counts_and_never_refuses(database: Database, gateway: Gate) -> None:
    budget, clock = organisation(150, is_hard=False), FakeClock()
    [worker] = crew_of(database, clock, budget, count=1)
    for _ in range(5):
        (await worker.reserve(gateway.action(), ALLOW)).settle(cost(100), performed=True)
    clock.advance(5)
    await worker.give_back()
    assert await use_of(database, clock, budget) == BudgetUse(used=500)


async def test_a_soft_budget_allows_a_cost_that_is_unknown_and_a_hard_one_does_not(gateway: Gate) -> None:
    windows = FakeWindows()
    soft = worker_of(windows.store("w1"), FakeClock(), organisation(150, is_hard=False), estimate=unpriced)
    (await soft.reserve(gateway.action(), ALLOW)).settle(cost(120), performed=True)
    (await soft.reserve(gateway.action(), ALLOW)).settle(cost(None), performed=True)
    await soft.aclose()
    assert windows.taken() == 120
    hard = worker_of(FakeWindows().store("w1"), FakeClock(), organisation(150), estimate=unpriced)
    with pytest.raises(Denied, match="has no known price in USD: declare it, or make the budget soft"):
        await hard.reserve(gateway.action(), ALLOW)


async def test_without_the_database_hard_budgets_spend_what_is_leased_and_soft_ones_go_on(gateway: Gate) -> None:
    windows, clock = FakeWindows(), FakeClock()
    hard = worker_of(windows.store("w1"), clock, organisation(100_000))
    soft = worker_of(windows.store("w2"), clock, organisation(100_000, id="soft", is_hard=False))
    await hard.reserve(gateway.action(), ALLOW)
    windows.fails = "before"
    for _ in range(5):
        await hard.reserve(gateway.action(), ALLOW)
    with pytest.raises(Unavailable, match="the counts of limits and budgets is down"):
        for _ in range(2_000):
            await hard.reserve(gateway.action(), ALLOW)
    for _ in range(2_000):
        (await soft.reserve(gateway.action(), ALLOW)).settle(cost(100), performed=True)


async def test_a_call_through_the_pipeline_is_charged_its_tokens_and_its_cost(
    database: Database, gateway: Gate
) -> None:
    clock = gateway.bench.clock
    money, tokens = organisation(DOLLAR), Budget("t", "organisation", "", "tokens", 10_000, "day")
    [worker] = crew_of(database, clock, money, tokens, count=1)
    gateway.bench.admission = worker
    async with Simulator(default=Script(tokens=Tokens(input=10, output=5))) as simulator:
        gateway.add("d1", simulator)
        await gateway.answer()
        await gateway.frames()
    await worker.aclose()
    assert (await use_of(database, clock, money)).used == 40
    assert (await use_of(database, clock, tokens)).used == 30


async def test_a_refused_call_is_counted_for_the_people_who_watch_the_budget(database: Database, gateway: Gate) -> None:
    budget, clock = Budget("b", "organisation", "", "requests", 1, "day"), FakeClock()
    [worker] = crew_of(database, clock, budget, count=1)
    (await worker.reserve(gateway.action(), ALLOW)).settle(cost(1), performed=True)
    for _ in range(3):
        with pytest.raises(OverBudget):
            await worker.reserve(gateway.action(), ALLOW)
    await worker.give_back()
    assert await use_of(database, clock, budget) == BudgetUse(used=1, refused=3)
