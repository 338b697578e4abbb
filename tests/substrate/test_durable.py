"""Durable runs: taken over from a killed process, fenced against a silent worker, limited, cancelled, given up."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import psycopg
import pytest
import pytest_asyncio

from headgate.kernel.errors import Conflict
from headgate.kernel.identity import TenantId
from headgate.kernel.pipeline import Pipeline
from headgate.substrate.database import Database
from headgate.substrate.durable import Durable, DurableRun, Later, LeaseLost, Queue, RunStatus
from headgate.testing.eventually import eventually
from headgate.testing.postgres import TemporaryDatabase

ACME = TenantId("acme")
NO_PIPELINE = cast("Pipeline", None)

CHILD = """
import asyncio, os
from headgate.kernel.identity import TenantId
from headgate.substrate.database import Database
from headgate.substrate.database_address import DatabaseAddress
from headgate.substrate.durable import Durable, Queue

async def work(run, pipeline):
    async def first():
        return 1
    async def second():
        print("in the second step", flush=True)
        await asyncio.Event().wait()
    await run.step("first", first)
    await run.step("second", second)

async def main():
    async with Database(DatabaseAddress.parse(os.environ['CONNINFO'])) as database:
        durable = Durable(database, tenants=lambda: [TenantId("acme")], lease_s=1.0)
        durable.add(Queue("work", work))
        await durable.run_forever(None)

asyncio.run(main())
"""


@dataclass(slots=True)
class Site:
    """A database with as many workers as a test wants."""

    database: Database
    owner: str
    stack: AsyncExitStack
    seen: list[str] = field(default_factory=list[str])

    def worker(self, work: Callable[[DurableRun], Awaitable[None]], **terms: Any) -> Durable:
        async def of_run(run: DurableRun, _: Pipeline) -> None:
            await work(run)

        durable = Durable(self.database, tenants=lambda: [ACME], lease_s=30)
        durable.add(Queue("work", of_run, **terms))
        return durable

    async def submit(self, durable: Durable, *runs: str) -> None:
        async with self.database.transaction(tenant=ACME) as tx:
            for run in runs:
                await durable.submit(tx, queue="work", run=run, of={"for": run}, tenant=ACME)

    @asynccontextmanager
    async def running(self, *workers: Durable) -> AsyncGenerator[None]:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one.run_forever(NO_PIPELINE, poll_s=0.1)) for one in workers]
            yield
            for task in tasks:
                task.cancel()

    async def until(self, durable: Durable, run: str, state: str) -> RunStatus:
        async def look() -> RunStatus | None:
            status = await durable.status(run, tenant=ACME)
            return status if status is not None and state in (status.state, status.error) else None

        return await eventually(look)

    async def sql(self, statement: Any) -> None:
        async with await psycopg.AsyncConnection.connect(self.owner, autocommit=True) as connection:
            await connection.execute(statement)


@pytest_asyncio.fixture
async def site(fresh_database: TemporaryDatabase) -> AsyncGenerator[Site]:
    async with AsyncExitStack() as stack, Database(fresh_database.login["headgate_app"]) as database:
        yield Site(database, fresh_database.owner.conninfo, stack)


async def test_a_run_of_a_killed_process_goes_on_without_repeating_a_finished_step(
    site: Site, fresh_database: TemporaryDatabase
) -> None:
    async def work(run: DurableRun) -> None:
        async def again(name: str) -> str:
            site.seen.append(name)
            return name

        first = await run.step("first", lambda: again("first"))
        second = await run.step("second", lambda: again("second"))
        await run.report(found=[first, second])

    durable = site.worker(work)
    await site.submit(durable, "r1")
    conninfo = fresh_database.login["headgate_app"].conninfo
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", CHILD, env={"CONNINFO": conninfo}, stdout=asyncio.subprocess.PIPE
    )
    assert child.stdout is not None
    assert await child.stdout.readline() == b"in the second step\n"
    child.kill()
    await child.wait()
    async with site.running(durable):
        status = await site.until(durable, "r1", "done")
    assert status.progress == {"found": [1, "second"]}
    assert site.seen == ["second"]


async def test_a_worker_that_was_silent_changes_nothing_after_another_took_over(site: Site) -> None:
    entered, ended = asyncio.Event(), asyncio.Event()
    taken: list[DurableRun] = []

    async def silent(run: DurableRun) -> None:
        taken.append(run)
        entered.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async def quick(run: DurableRun) -> None:
        await run.report(of="the second")

    async def late() -> str:
        return "late"

    first, second = site.worker(silent), site.worker(quick)
    await site.submit(first, "r1")
    async with site.running(first):
        await entered.wait()
        await site.sql("UPDATE durable.runs SET due_at = now()")
        async with site.running(second):
            await site.until(second, "r1", "done")
        await ended.wait()
        with pytest.raises(LeaseLost):
            await taken[0].report(of="the first")
        with pytest.raises(LeaseLost):
            await taken[0].step("one", late)
    status = await first.status("r1", tenant=ACME)
    assert status is not None
    assert (status.state, status.progress) == ("done", {"of": "the second"})


async def test_a_limit_of_a_queue_holds_for_all_workers_and_waiting_gives_the_place_away(site: Site) -> None:
    at_once = most = 0
    waited: set[str] = set()

    async def work(run: DurableRun) -> None:
        nonlocal at_once, most
        if run.id == "r0" and run.id not in waited:
            waited.add(run.id)
            raise Later(0.1)
        at_once += 1
        most = max(most, at_once)
        await asyncio.sleep(0.01)
        at_once -= 1
        site.seen.append(run.input["for"])

    workers = [site.worker(work, at_once=2) for _ in range(2)]
    runs = [f"r{number}" for number in range(8)]
    await site.submit(workers[0], *runs)
    async with site.running(*workers):
        for run in runs:
            await site.until(workers[0], run, "done")
    assert sorted(site.seen) == runs
    assert most <= 2
    with pytest.raises(Conflict):
        await site.submit(workers[0], "r1")


async def test_cancelling_reaches_a_run_and_a_stopped_worker_hands_its_runs_over(site: Site) -> None:
    entered = asyncio.Event()

    async def work(run: DurableRun) -> None:
        entered.set()
        await run.cancelled.wait()

    first, second = site.worker(work), site.worker(work)
    await site.submit(first, "r1")
    async with site.running(first):
        await entered.wait()
    entered.clear()
    async with site.running(second):
        await entered.wait()
        async with site.database.transaction(tenant=ACME) as tx:
            assert await second.cancel(tx, "r1", tenant=ACME)
        await site.until(second, "r1", "cancelled")
    async with site.database.transaction(tenant=ACME) as tx:
        assert not await second.cancel(tx, "r1", tenant=ACME)
        await second.forget(tx, "r1", tenant=ACME)
    assert await second.status("r1", tenant=ACME) is None


async def test_a_finished_step_begins_the_count_of_attempts_anew(site: Site) -> None:
    async def work(run: DurableRun) -> None:
        async def step() -> int:
            return run.attempts

        site.seen.append(str(await run.step("one", step)))
        if len(site.seen) == 1:
            raise ValueError("once")

    durable = site.worker(work)
    await site.submit(durable, "r1")
    await site.sql("UPDATE durable.runs SET attempts = 9")
    async with site.running(durable):
        await site.until(durable, "r1", "done")
    assert site.seen == ["10", "10"]


async def test_work_that_always_fails_is_given_up(site: Site) -> None:
    async def work(run: DurableRun) -> None:
        raise ValueError("always")

    async def give_up(run: DurableRun, why: str) -> None:
        site.seen.append(f"{run.id} {why}")

    durable = site.worker(work, give_up=give_up)
    await site.submit(durable, "r1")
    async with site.running(durable):
        await site.until(durable, "r1", "ValueError")
        await site.sql("UPDATE durable.runs SET attempts = 10, due_at = now()")
        status = await site.until(durable, "r1", "failed")
    assert status.error == "it failed 10 times"
    assert site.seen == ["r1 it failed 10 times"]
