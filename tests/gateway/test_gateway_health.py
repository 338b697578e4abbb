"""A deployment that fails again and again is skipped, and one call at a time tries whether it works again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

import pytest

from headgate.gateway.health import Health
from headgate.kernel.errors import Upstream
from headgate.kernel.identity import TenantId
from headgate.testing.clock import FakeClock
from headgate.testing.gate import Gate, gate
from headgate.testing.people import ACME, GLOBEX
from headgate.testing.simulator import Failure, Script, Simulator
from headgate.wire.model_call import Deployment

DOWN = Script(failure=Failure(503))


@pytest.fixture
async def shaky() -> AsyncIterator[Simulator]:
    async with Simulator(default=Script(text="shaky")) as running:
        yield running


@pytest.fixture
async def steady() -> AsyncIterator[Simulator]:
    async with Simulator(default=Script(text="steady")) as running:
        yield running


@pytest.fixture
async def gateway(shaky: Simulator, steady: Simulator) -> AsyncIterator[Gate]:
    async with gate() as opened:
        opened.add("shaky", shaky)
        opened.add("steady", steady)
        yield opened


async def facts(gateway: Gate) -> dict[str, Any]:
    return dict((await gateway.ask()).run.facts)


async def broken(gateway: Gate, shaky: Simulator) -> None:
    """Let the deployment fail until its breaker is open."""
    for _ in range(3):
        shaky.script(DOWN)
        assert (await facts(gateway))["deployment"] == "steady"
        gateway.bench.clock.advance(21)  # it rests after each failure


async def test_an_open_breaker_skips_the_deployment_and_the_record_says_since_when(
    gateway: Gate, shaky: Simulator
) -> None:
    await broken(gateway, shaky)
    told = await facts(gateway)
    assert (told["attempts"], told["deployment"]) == (1, "steady")
    assert str(told["skipped"]).startswith("shaky: unhealthy since 20")
    assert len(shaky.requests) == 3


async def test_refusals_that_one_caller_may_provoke_open_no_breaker(gateway: Gate, shaky: Simulator) -> None:
    for status in (403, 404, 403, 404):
        shaky.script(Script(failure=Failure(status)))
        assert (await facts(gateway))["deployment"] == "steady"
        gateway.bench.clock.advance(21)
    assert (await facts(gateway))["deployment"] == "shaky"


async def test_one_call_tries_it_after_its_time_and_an_answer_closes_the_breaker(
    gateway: Gate, shaky: Simulator
) -> None:
    await broken(gateway, shaky)
    gateway.bench.clock.advance(10)
    shaky.script(Script(text="shaky", stall="headers"))
    trial = asyncio.ensure_future(gateway.ask())
    await shaky.received(4)
    assert "unhealthy since" in str((await facts(gateway))["skipped"]), "another call tries it at the moment"
    shaky.release()
    assert (await trial).run.facts["deployment"] == "shaky"
    assert (await facts(gateway))["deployment"] == "shaky"


async def test_a_failed_trial_opens_it_for_twice_as_long_and_an_abandoned_one_lets_the_next_try(
    gateway: Gate, shaky: Simulator
) -> None:
    await broken(gateway, shaky)
    gateway.bench.clock.advance(10)
    shaky.script(DOWN)
    assert (await facts(gateway))["attempts"] == 2
    gateway.bench.clock.advance(59)
    assert (await facts(gateway))["attempts"] == 1
    gateway.bench.clock.advance(2)
    shaky.script(Script(stall="headers"))
    trial = asyncio.ensure_future(gateway.ask())
    await shaky.received(5)
    trial.cancel()
    with pytest.raises(asyncio.CancelledError):
        await trial
    assert (await facts(gateway))["deployment"] == "shaky"


async def test_a_deployment_without_another_candidate_is_tried_all_the_same(shaky: Simulator) -> None:
    async with gate() as opened:
        opened.add("shaky", shaky)
        for _ in range(4):
            shaky.script(DOWN)
            with pytest.raises(Upstream):
                await opened.ask()
        assert (await facts(opened))["deployment"] == "shaky"


async def test_streams_that_break_off_open_the_breaker_too(gateway: Gate, shaky: Simulator) -> None:
    for _ in range(3):
        shaky.script(Script(text="half an answer", cut="rst", cut_after=3))
        with pytest.raises(Upstream):
            async with gateway.stream() as stream:
                async for _ in stream.items:
                    pass
        gateway.bench.clock.advance(21)
    assert "unhealthy since" in str((await facts(gateway))["skipped"])


def test_half_of_the_latest_calls_open_it_for_one_tenant_only(gateway: Gate) -> None:
    clock, heard = FakeClock(), list[tuple[str, TenantId]]()

    def on_open(deployment: Deployment, tenant: TenantId, since: datetime, until: datetime) -> None:
        assert since < until
        heard.append((deployment.id, tenant))

    health, (one, other) = Health(clock, on_open=on_open), tuple(gateway.deployments.values())
    for number in range(9):
        (health.failed if number % 2 else health.succeeded)(one, tenant=ACME)
        health.failed(one, tenant=ACME) if number == 0 else None
        clock.advance(1)
    assert not heard, "nine calls are too few for a share"
    health.failed(one, tenant=ACME)
    assert heard == [("shaky", ACME)]
    assert [len(health.in_order((one, other), tenant=tenant).candidates) for tenant in (ACME, GLOBEX)] == [1, 2]
    health.failed(one, tenant=ACME, retry_after_s=900)
    assert heard == [("shaky", ACME)], "a late failure of an earlier call changes nothing"
