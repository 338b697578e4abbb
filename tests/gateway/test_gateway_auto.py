"""An alias with `prefer = "auto"` asks a cheap deployment for easy calls, says why, and learns from outcomes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from headgate.admin.model_calls import AGAIN
from headgate.gateway.difficulty import difficulty_of, tier_of
from headgate.gateway.outcomes import OutcomeReader, Tier, suggestion
from headgate.gateway.specs import AliasSpec, alias_from
from headgate.kernel.errors import Invalid
from headgate.testing.gate import Gate, gate
from headgate.testing.people import ACME
from headgate.testing.simulator import Failure, Script, Simulator, Tokens
from headgate.wire.model_call import Price

HARD = (
    "Prove step by step that the integral below converges, and compare two designs. You must not use the residue"
    " theorem, and at most 5 lines:\n```python\ndef f(x): return x**2\n```\n- exactly one proof\n"
    "- never hand-wave\nWhy? Why not?"
)
CHEAP = Price("USD", input_micros=100_000, output_micros=200_000)


@pytest.fixture
async def model() -> AsyncIterator[Simulator]:
    async with Simulator(default=Script(tokens=Tokens(input=100, output=10))) as running:
        yield running


@pytest.fixture
async def gateway(model: Simulator) -> AsyncIterator[Gate]:
    async with gate() as opened:
        for name, price in (("cheap", CHEAP), ("middle", None), ("premium", Price("USD", 1_000_000, 2_000_000))):
            opened.add(name, model, price=price)
        opened.prefer = "auto"
        yield opened


async def facts(gateway: Gate, text: str, **how: Any) -> dict[str, Any]:
    return dict((await gateway.ask(text, **how)).run.facts)


async def test_easy_calls_go_to_the_first_deployment_and_hard_ones_further(gateway: Gate, model: Simulator) -> None:
    easy = await facts(gateway, "What is the capital of France?")
    assert (easy["deployment"], easy["difficulty"]) == ("cheap", 0)
    assert easy["difficulty_parts"] == "nothing that is hard"
    hard = await facts(gateway, HARD)
    assert (hard["deployment"], hard["threshold"]) == ("middle", 40)
    assert 40 <= hard["difficulty"] < 71
    assert str(hard["difficulty_parts"]).startswith("code 15, maths 15, ")
    assert str(hard["preferred"]).endswith("premium; cheap"), (
        "after the chosen one, dearer ones come before cheaper ones"
    )
    turns = [{"role": "user", "content": HARD}, {"role": "assistant", "content": "No"}]
    turns.append({"role": "user", "content": f"That is wrong, try again. {HARD}"})
    again = await facts(gateway, "", body={"messages": turns, "tools": [TOOL]})
    assert "earlier failure 15" in again["difficulty_parts"]
    assert again["deployment"] == "premium"
    model.script(Script(failure=Failure(500)))
    assert (await facts(gateway, "And of Italy?"))["deployment"] == "middle", "a failure goes up"


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("Fix this: if (a) { b(); }\n", "code"),
        ("What is 12 * 17?", "maths"),
        ("Wie groß ist der Mond über Köln?", "language"),
        ("Who? When? Where?", "questions"),
        ("word " * 2_000, "length"),
        ("Only use ASCII, at most 3 lines, never a list.", "constraints"),
    ],
)
def test_each_part_of_the_score_has_a_reason(gateway: Gate, text: str, part: str) -> None:
    assert list(difficulty_of(gateway.action(text).payload).parts) == [part]


def test_the_scores_from_the_threshold_on_are_shared_by_the_dearer_deployments() -> None:
    tiers = [tier_of(score, threshold=40, tiers=3) for score in (0, 39, 40, 70, 71, 100)]
    assert tiers == [0, 0, 1, 1, 2, 2]
    assert (tier_of(90, threshold=40, tiers=1), tier_of(100, threshold=100, tiers=2)) == (0, 1)


async def test_a_report_says_what_was_saved_and_what_went_wrong(gateway: Gate, model: Simulator) -> None:
    for _ in range(3):
        await gateway.ask("Hello")
    action = gateway.action("Hello")
    action = replace(action, context=replace(action.context, attributes={AGAIN: "the earlier record"}))
    await gateway.bench.pipeline().run(action)
    catalogue = gateway.catalogue(ACME)
    reader = OutcomeReader(lambda: gateway.bench.recorder)
    alias, now = catalogue.aliases["chat"], gateway.bench.clock.now()
    candidates = catalogue.candidates(alias)
    report = await reader.report(alias, candidates, since=now - timedelta(days=1), tenant=ACME)
    cheap = report.tiers[0]
    assert (report.calls, cheap.calls, cheap.again, cheap.bad_share) == (4, 4, 1, 0.25)
    assert (cheap.cost_micros, report.saved_micros) == (4 * 12, 4 * (120 - 12))
    assert report.more_bad is None
    assert report.suggestion == (40, "too few calls to tell: 4 of at least 50")
    later = await reader.report(alias, candidates, since=now + timedelta(days=1), tenant=ACME)
    assert (later.calls, later.saved_micros) == (0, None)


def test_the_suggested_threshold_is_the_first_band_that_is_clearly_worse() -> None:
    cheap, premium = Tier("cheap", calls=90), Tier("premium", calls=60, failed=3)
    cheap.by_band = {0: [40, 2], 1: [9, 9], 2: [40, 4]}
    assert suggestion([cheap, premium], threshold=40)[0] == 20
    cheap.by_band[2] = [40, 2]
    assert suggestion([cheap, premium], threshold=40)[0] == 50
    cheap.by_band[0] = [40, 3]
    assert suggestion([cheap, Tier("premium")], threshold=40)[0] == 0


def test_a_threshold_without_auto_is_refused() -> None:
    with pytest.raises(Invalid) as refused:
        alias_from(AliasSpec(id="one", deployments=["a"], threshold=10))
    assert refused.value.param == "threshold"


TOOL: dict[str, Any] = {"type": "function", "function": {"name": "add", "parameters": {}}}
