"""An alias chooses among its deployments by its preference, and the record says why."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest

from headgate.gateway.pace import Pace
from headgate.gateway.specs import AliasSpec, alias_from
from headgate.kernel.errors import Invalid
from headgate.testing.clock import FakeClock
from headgate.testing.gate import Gate, gate
from headgate.testing.people import ACME
from headgate.testing.simulator import Failure, Script, Simulator
from headgate.wire.model_call import Price

CHEAP = Price("USD", input_micros=10_000, output_micros=20_000)


@pytest.fixture
async def dear() -> AsyncIterator[Simulator]:
    async with Simulator(default=Script(text="dear")) as running:
        yield running


@pytest.fixture
async def cheap() -> AsyncIterator[Simulator]:
    async with Simulator(default=Script(text="cheap")) as running:
        yield running


@pytest.fixture
async def gateway(dear: Simulator, cheap: Simulator) -> AsyncIterator[Gate]:
    async with gate() as opened:
        opened.add("unpriced", dear, price=None)
        opened.add("dear", dear)
        opened.add("cheap", cheap, price=CHEAP)
        yield opened


async def facts(gateway: Gate, text: str = "Good day", **how: Any) -> dict[str, Any]:
    return dict((await gateway.ask(text, **how)).run.facts)


async def test_the_cheapest_one_is_asked_first_and_an_unknown_price_last(gateway: Gate, cheap: Simulator) -> None:
    gateway.prefer = "cheapest"
    told = await facts(gateway)
    assert (told["deployment"], told["preference"]) == ("cheap", "cheapest")
    assert [one.partition(":")[0] for one in told["preferred"].split("; ")] == ["cheap", "dear", "unpriced"]
    assert told["preferred"].endswith("unpriced: price unknown")
    cheap.script(Script(failure=Failure(503)))
    assert (await facts(gateway))["deployment"] == "dear", "the next one is asked when the first fails"


async def test_a_prompt_longer_than_a_context_goes_to_a_model_with_a_longer_one(
    dear: Simulator, cheap: Simulator
) -> None:
    async with gate() as opened:
        opened.add("short", cheap, context_tokens=3000)
        opened.add("long", dear)
        assert (await facts(opened, "Short"))["deployment"] == "short"
        assert (await facts(opened, "Long " * 5000))["deployment"] == "long"
        picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 40_000}}
        turns = [{"role": "user", "content": [{"type": "text", "text": "See"}, picture]}]
        assert (await facts(opened, body={"messages": turns}))["deployment"] == "short", "an image is no long prompt"


async def test_weights_share_conversations_and_one_conversation_stays_where_it_was(gateway: Gate) -> None:
    gateway.prefer, gateway.weights = "weighted", {"unpriced": 0, "dear": 1, "cheap": 3}
    chosen = Counter([str((await facts(gateway, f"Question {number}"))["deployment"]) for number in range(80)])
    assert chosen["unpriced"] == 0
    assert 45 <= chosen["cheap"] <= 75, chosen
    turns = [{"role": "user", "content": "Question 1"}]
    first = await facts(gateway, body={"messages": turns})
    for number in range(5):
        turns += [{"role": "assistant", "content": "Yes"}, {"role": "user", "content": f"And {number}?"}]
        assert (await facts(gateway, body={"messages": turns}))["deployment"] == first["deployment"]


async def test_a_deployment_that_was_not_measured_is_measured_and_then_the_fastest_is_asked(
    gateway: Gate, dear: Simulator, cheap: Simulator
) -> None:
    gateway.prefer = "fastest"
    first = [str((await facts(gateway))["deployment"]) for _ in range(3)]
    assert sorted(first) == ["cheap", "dear", "unpriced"]
    told = await facts(gateway)
    assert told["preferred"].count("s to answer") == 3
    assert told["preferred"].startswith(f"{told['deployment']}: ")
    async with gateway.stream() as stream:
        async for _ in stream.items:
            pass
    assert "not measured yet" in str(stream.run.facts["preferred"]), "streams are measured apart"


def test_the_pace_forgets_old_measurements_and_counts_calls_in_flight(gateway: Gate) -> None:
    clock, (_, dear, cheap) = FakeClock(), gateway.deployments.values()
    pace = Pace(clock)
    pace.answered(dear, tenant=ACME, streams=True, seconds=1.0)
    pace.answered(dear, tenant=ACME, streams=True, seconds=2.0)
    assert pace.seconds(dear, tenant=ACME, streams=True) == pytest.approx(1.2)
    assert pace.seconds(dear, tenant=ACME, streams=False) is None
    assert pace.seconds(cheap, tenant=ACME, streams=True) is None
    clock.advance(301)
    assert pace.seconds(dear, tenant=ACME, streams=True) is None
    for _ in range(2):
        pace.began(cheap, tenant=ACME)
    pace.ended(cheap, tenant=ACME)
    assert (pace.in_flight(cheap, tenant=ACME), pace.in_flight(dear, tenant=ACME)) == (1, 0)
    pace.ended(cheap, tenant=ACME)
    assert pace.in_flight(cheap, tenant=ACME) == 0


async def test_the_least_loaded_one_is_asked_first(gateway: Gate) -> None:
    gateway.prefer = "least_loaded"
    async with gateway.stream() as first:
        await anext(first.items)
        async with gateway.stream() as second:
            await anext(second.items)
            assert (first.run.facts["deployment"], second.run.facts["deployment"]) == ("unpriced", "dear")
            assert str(second.run.facts["preferred"]).endswith("unpriced: 1 calls in flight")
    assert (await facts(gateway))["deployment"] == "unpriced", "calls that ended are not counted"


@pytest.mark.parametrize(
    ("prefer", "weights", "message"),
    [
        ("cheapest", {"a": 1}, "only with prefer"),
        ("weighted", {"b": 1}, "'b' is not among"),
        ("weighted", {"a": 0}, "above 0"),
    ],
)
def test_weights_without_an_effect_are_refused(prefer: Any, weights: dict[str, int], message: str) -> None:
    with pytest.raises(Invalid, match=message) as refused:
        alias_from(AliasSpec(id="one", deployments=["a"], prefer=prefer, weights=weights))
    assert refused.value.param == "weights"
