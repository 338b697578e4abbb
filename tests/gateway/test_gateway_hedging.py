"""An alias with `hedge` asks a second deployment beside a slow first one, and the first answer wins."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from headgate.gateway.specs import AliasSpec, alias_from
from headgate.kernel.action import Action
from headgate.kernel.decision import Decision
from headgate.kernel.errors import HeadgateError, Invalid, OverBudget, Upstream
from headgate.testing.gate import Gate, gate
from headgate.testing.ports import FakeAdmitter, FakeReservation
from headgate.testing.simulator import Failure, Script, Simulator, Tokens

STALLED = Script(text="slow", stall="headers")


@pytest.fixture
async def slow() -> AsyncIterator[Simulator]:
    async with Simulator(default=STALLED) as running:
        yield running


@pytest.fixture
async def quick() -> AsyncIterator[Simulator]:
    async with Simulator(default=Script(text="quick", tokens=Tokens(input=10, output=5))) as running:
        yield running


@pytest.fixture
async def gateway(slow: Simulator, quick: Simulator) -> AsyncIterator[Gate]:
    async with gate() as opened:
        opened.add("slow", slow)
        opened.add("quick", quick)
        opened.hedge_s = 0.02
        yield opened


async def read(gateway: Gate, **how: Any) -> str:
    async with gateway.stream(**how) as stream:
        return "".join([slot.text async for event in stream.items for slot in event.slots])


@pytest.mark.parametrize("streams", [False, True])
async def test_the_first_answer_wins_and_the_other_is_cancelled_at_its_cost(
    gateway: Gate, slow: Simulator, streams: bool
) -> None:
    if streams:
        assert "quick" in await read(gateway)
    else:
        assert b"quick" in (await gateway.ask()).result.content.to_bytes()
    closed = {one.id: one for one in gateway.bench.recorder.closings}
    opened = {one.resource: closed[one.id] for one in gateway.bench.recorder.openings}
    lost, won, whole = closed_of(gateway, "slow"), opened["deployment:quick"], gateway.bench.recorder.closings[-1]
    assert (lost.outcome, won.outcome, whole.outcome) == ("abandoned", "done", "done")
    assert lost.facts["usage_is_estimate"], "the provider may have begun, so its prompt has an estimated cost"
    assert whole.facts["hedge"] == "quick answered first; cancelled slow"
    assert (whole.facts["hedges"], whole.facts["hedge_won"]) == (1, True)
    assert (whole.facts["deployment"], whole.facts["input_tokens"]) == ("quick", 10)
    assert whole.facts["cost_micros"] == int(str(lost.facts["cost_micros"])) + 20
    assert [one.performed for one in gateway.bench.admitter.settlements].count(False) == 1
    assert len(slow.requests) == 1


async def test_a_quick_first_answer_asks_nobody_else(gateway: Gate, slow: Simulator, quick: Simulator) -> None:
    slow.script(Script(text="not slow"), Script(text="not slow"))
    gateway.hedge_s = 5
    assert "hedge" not in (await gateway.ask()).run.facts
    assert "not slow" in await read(gateway)
    assert not quick.requests
    slow.script(Script(failure=Failure(503)))
    assert (await gateway.ask()).run.facts["deployment"] == "quick", "a failure goes on as without hedge"


async def test_a_call_is_not_hedged_beyond_its_limits(gateway: Gate, slow: Simulator, quick: Simulator) -> None:
    gateway.bench.admitter = OnceAdmitter(slow)
    told = (await gateway.ask()).run.facts
    assert (told["deployment"], told["hedge"]) == ("slow", "not admitted: rate_limit_exceeded")
    assert not quick.requests


async def test_when_both_fail_the_call_fails_and_a_broken_stream_is_an_error(
    gateway: Gate, slow: Simulator, quick: Simulator
) -> None:
    for streams in (False, True):
        quick.script(Script(failure=Failure(500), delay_s=0.01))
        slow.script(Script(failure=Failure(503), delay_s=0.06))
        with pytest.raises(Upstream):
            await (read(gateway) if streams else gateway.ask())
        gateway.bench.clock.advance(60)
    slow.script(Script(text="half an answer", cut="rst", cut_after=3))
    gateway.hedge_s = 5
    with pytest.raises(Upstream):
        await read(gateway)
    gateway.bench.clock.advance(60)
    slow.script(Script(failure=Failure(400)))
    with pytest.raises(HeadgateError):
        await gateway.ask()


async def test_a_client_that_leaves_stops_both_attempts(gateway: Gate, quick: Simulator) -> None:
    quick.script(Script(text="quick " * 40, spacing_s=0.001))
    async with gateway.stream() as stream:
        await anext(stream.items)
    assert [one.outcome for one in gateway.bench.recorder.closings] == ["abandoned"] * 3


@pytest.mark.parametrize(("hedge", "deployments"), [("1ms", ["a", "b"]), ("10m", ["a", "b"]), ("1s", ["a"])])
def test_a_hedge_without_sense_is_refused(hedge: str, deployments: list[str]) -> None:
    with pytest.raises(Invalid) as refused:
        alias_from(AliasSpec(id="one", deployments=deployments, hedge=hedge))
    assert refused.value.param == "hedge"


class OnceAdmitter(FakeAdmitter):
    """Admits one attempt only, and then lets the slow deployment answer."""

    def __init__(self, slow: Simulator) -> None:
        super().__init__()
        self._slow = slow

    async def reserve(self, action: Action[Any, Any, Any], decision: Decision) -> FakeReservation:
        """Admit the call, and refuse its second attempt."""
        if action.verb.name == "model.invoke" and self.reservations:
            self._slow.release()
            raise OverBudget("the budget admits one attempt", limit="cost")
        return await super().reserve(action, decision)


def closed_of(gateway: Gate, deployment: str) -> Any:
    """Return the closing of the attempt that took over the record of the call."""
    return next(
        one
        for one in gateway.bench.recorder.closings
        if one.within is not None and one.within.resource == f"deployment:{deployment}"
    )
