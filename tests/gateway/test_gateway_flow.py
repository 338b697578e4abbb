"""What may not go somewhere does not: no byte, no connection; not by streaming, retry or fallback."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from headgate.kernel.content import Finding, Labelled, Segment
from headgate.kernel.decision import Decision, Effect, Obligations, RuleHit
from headgate.kernel.errors import Denied, NeedsApproval, Upstream, Withheld
from headgate.kernel.identity import UseCase
from headgate.kernel.labels import Confidentiality, Custody, Labels
from headgate.testing.gate import CLOUD, OURS, Gate, gate
from headgate.testing.people import ACME, HEALTH_RECORDS, VISITOR
from headgate.testing.ports import AnyAction
from headgate.testing.simulator import Failure, Script, Simulator
from headgate.wire.model_call import MODEL_DISPATCH

PII = frozenset({"pii"})
RESTRICTED = Labels(confidentiality=Confidentiality.RESTRICTED)


@pytest.fixture
async def cloud() -> AsyncIterator[Simulator]:
    async with Simulator(default=Script(text="cloud")) as running:
        yield running


@pytest.fixture
async def ours() -> AsyncIterator[Simulator]:
    async with Simulator(default=Script(text="ours")) as running:
        yield running


@pytest.fixture
async def gateway(cloud: Simulator, ours: Simulator) -> AsyncIterator[Gate]:
    """The cloud first, our own machine second."""
    async with gate() as opened:
        opened.add("cloud", cloud, clearance=CLOUD)
        opened.add("ours", ours, provider="anthropic", clearance=OURS)
        yield opened


def names(action: AnyAction) -> Labelled:
    """Finds `Ada` in every segment, as a labeller would."""
    payload = action.payload
    segments: tuple[Segment, ...] = tuple(payload.content.segments())
    found = tuple(
        Finding("name", "pii", place, segment.text.index("Ada"), segment.text.index("Ada") + 3, 1.0, "names")
        for place, segment in enumerate(segments)
        if "Ada" in segment.text
    )
    return Labelled(Labels(categories=PII if found else frozenset()), found)


def masking(action: AnyAction, labelled: Labelled) -> Decision:
    """Masks personal data for the cloud only."""
    is_cloud = action.resource.id == "cloud"
    return Decision(Effect.ALLOW, obligations=Obligations(mask=PII if is_cloud else frozenset()))


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("wire", ["openai", "anthropic"])
async def test_a_restricted_use_case_is_answered_at_home_and_the_cloud_sees_nothing(
    gateway: Gate, cloud: Simulator, ours: Simulator, stream: bool, wire: str
) -> None:
    if stream:
        assert b"ours" in await gateway.frames(wire=wire, use_case=HEALTH_RECORDS)
    else:
        assert "ours" in json.dumps(await gateway.answer(wire=wire, use_case=HEALTH_RECORDS))
    assert (cloud.connections, ours.connections) == (0, 1)


@pytest.mark.parametrize("failure", [Failure(500), Failure(529), Failure(429, retry_after_s=1)])
@pytest.mark.parametrize("stream", [True, False])
async def test_a_failure_at_home_never_falls_back_to_the_cloud(
    gateway: Gate, cloud: Simulator, ours: Simulator, failure: Failure, stream: bool
) -> None:
    ours.default = Script(failure=failure)
    for _ in range(3):
        with pytest.raises(Upstream):
            await (gateway.frames if stream else gateway.answer)(use_case=HEALTH_RECORDS)
    assert cloud.connections == 0


@pytest.mark.parametrize(
    "script",
    [
        Script(cut="rst", cut_after=1),
        Script(cut="fin", cut_after=3),
        Script(malformed=b"data: {]\n\n"),
        Script(breaks=Failure(500)),
    ],
)
async def test_a_stream_broken_at_home_never_goes_on_in_the_cloud(
    gateway: Gate, cloud: Simulator, ours: Simulator, script: Script
) -> None:
    ours.default = script
    with pytest.raises(Upstream):
        await gateway.frames(use_case=HEALTH_RECORDS)
    assert cloud.connections == 0


async def test_labels_that_the_caller_raised_hold_too(gateway: Gate, cloud: Simulator) -> None:
    await gateway.answer(floor=RESTRICTED)
    await gateway.answer(floor=Labels(custody=Custody.ORGANISATION))
    await gateway.answer(floor=Labels(categories=PII))
    assert cloud.connections == 0


async def test_what_detection_finds_stays_at_home_unless_it_is_masked(
    gateway: Gate, cloud: Simulator, ours: Simulator
) -> None:
    gateway.bench.labeller.labelled = names
    assert "ours" in json.dumps(await gateway.answer("hello Ada"))
    assert cloud.connections == 0
    assert gateway.bench.recorder.outcomes(MODEL_DISPATCH.name) == ["refused", "done"]


@pytest.mark.parametrize("wire", ["openai", "anthropic"])
@pytest.mark.parametrize("stream", [True, False])
async def test_what_leaves_is_masked_and_what_comes_back_is_restored(
    gateway: Gate, cloud: Simulator, wire: str, stream: bool
) -> None:
    gateway.bench.labeller.labelled = names
    gateway.bench.decider.decision = masking
    cloud.default = Script(echo=True, chunk_chars=99)
    if stream:
        answer = await gateway.frames("hello Ada", wire=wire)
    else:
        answer = json.dumps(await gateway.answer("hello Ada", wire=wire)).encode()
    assert b"hello Ada" in answer
    assert b"Ada" not in cloud.requests[0].body
    assert b"hello <pii-1>" in cloud.requests[0].body


@pytest.mark.parametrize("stream", [True, False])
async def test_a_fallback_starts_from_the_clients_original_and_is_masked_for_its_own_destination(
    gateway: Gate, cloud: Simulator, ours: Simulator, stream: bool
) -> None:
    gateway.bench.labeller.labelled = names
    gateway.bench.decider.decision = masking
    cloud.default = Script(failure=Failure(500))
    ours.default = Script(echo=True, chunk_chars=99)
    await (gateway.frames if stream else gateway.answer)("hello Ada")
    assert b"hello <pii-1>" in cloud.requests[0].body
    assert ours.requests[0].json["messages"][0]["content"] in (
        "hello Ada",
        [{"type": "text", "text": "hello Ada"}],
    )
    sent = [opening.parts.get("sent", b"") for opening in gateway.bench.recorder.openings]
    assert [b"Ada" in part for part in sent] == [False, False, True]


async def test_where_every_candidate_is_refused_the_caller_is_told_why_for_each(
    gateway: Gate, cloud: Simulator, ours: Simulator
) -> None:
    nowhere = UseCase(
        "nowhere", ACME, owner="ada", purpose="None.", floor=RESTRICTED, deployments=frozenset({"cloud", "other"})
    )
    with pytest.raises(Denied) as caught:
        await gateway.answer(use_case=nowhere)
    assert "cloud: the content may not go there: it is restricted, the clearance is internal" in caught.value.message
    assert "ours: use case nowhere may not use it" in caught.value.message
    assert (cloud.connections, ours.connections) == (0, 0)
    assert caught.value.rules == ("lattice.flow",)


async def test_a_rule_that_refuses_one_destination_leaves_the_others(
    gateway: Gate, cloud: Simulator, ours: Simulator
) -> None:
    rule = RuleHit("no-cloud", "deny", "enforce", "the contract is not signed")

    def decide(action: AnyAction, labelled: Labelled) -> Decision:
        return Decision(Effect.DENY, rules=(rule,)) if action.resource.id == "cloud" else Decision(Effect.ALLOW)

    gateway.bench.decider.decision = decide
    assert "ours" in json.dumps(await gateway.answer())
    del gateway.deployments["ours"]
    with pytest.raises(Denied, match="cloud: refused by no-cloud") as caught:
        await gateway.answer()
    assert caught.value.rules == ("no-cloud",)
    assert cloud.connections == 0


def asking(action: AnyAction, labelled: Labelled) -> Decision:
    """Asks a person about the cloud, refuses our own machine."""
    effects = {"cloud": Effect.ASK, "ours": Effect.DENY}
    return Decision(effects.get(action.resource.id, Effect.ALLOW), version="1")


@pytest.mark.parametrize("stream", [True, False])
async def test_a_destination_that_needs_an_approval_says_which_and_works_with_it_once(
    gateway: Gate, cloud: Simulator, stream: bool
) -> None:
    gateway.bench.decider.decision = asking
    ask = gateway.frames if stream else gateway.answer
    with pytest.raises(NeedsApproval) as caught:
        await ask()
    assert cloud.connections == 0
    grant = gateway.bench.approvals.approve(caught.value.approval_id, approver="grace")
    assert "cloud" in str(await ask(grant=grant))
    with pytest.raises(Denied, match="used or expired"):
        await ask(grant=grant)
    assert len(cloud.requests) == 1


async def test_an_approval_is_not_asked_for_where_another_destination_needs_none(
    gateway: Gate, cloud: Simulator
) -> None:
    gateway.bench.decider.decision = lambda action, labelled: Decision(
        Effect.ASK if action.resource.id == "cloud" else Effect.ALLOW
    )
    assert "ours" in json.dumps(await gateway.answer())
    assert cloud.connections == 0


async def test_without_a_durable_record_nothing_leaves(gateway: Gate, cloud: Simulator, ours: Simulator) -> None:
    gateway.bench.recorder.durable_error = OSError("disk full")
    for ask in (gateway.answer, gateway.frames):
        with pytest.raises(OSError, match="disk full"):
            await ask()
    assert (cloud.connections, ours.connections) == (0, 0)


async def test_an_answer_for_somebody_who_may_not_see_its_context_is_never_asked_for(
    gateway: Gate, cloud: Simulator, ours: Simulator
) -> None:
    for ask in (gateway.answer, gateway.frames):
        with pytest.raises(Denied, match="may not be released"):
            await ask(principal=VISITOR, floor=RESTRICTED)
    assert (cloud.connections, ours.connections) == (0, 0)


@pytest.mark.parametrize("stream", [True, False])
async def test_an_answer_that_may_not_be_released_is_paid_for_and_withheld_and_nobody_else_is_asked(
    gateway: Gate, cloud: Simulator, ours: Simulator, stream: bool
) -> None:
    gateway.bench.transformer.output = [Labels(categories=PII)]
    ask = gateway.frames if stream else gateway.answer
    with pytest.raises(Withheld, match="may not be released"):
        await ask(principal=VISITOR)
    assert (cloud.connections, ours.connections) == (1, 0)
    recorder = gateway.bench.recorder
    assert recorder.outcomes() == ["withheld"]
    for record in recorder.records:
        assert record.closing is not None
        facts = record.closing.facts
        assert facts["refused_by"] == "lattice.flow"
        assert isinstance(facts["cost_micros"], int) and facts["cost_micros"] > 0


async def test_two_hundred_hurried_callers_with_random_fates_leave_every_record_closed_and_the_cloud_untouched(
    gateway: Gate, cloud: Simulator, ours: Simulator
) -> None:
    fates = (
        Script(),
        Script(failure=Failure(500)),
        Script(cut="rst", cut_after=1),
        Script(cut="fin", cut_after=3),
        Script(stall="stream"),
        Script(stall="headers"),
        Script(malformed=b"data: {]\n\n"),
    )
    ours.default = lambda received: fates[len(ours.requests) % len(fates)]

    async def caller(place: int) -> None:
        try:
            async with asyncio.timeout(0.01 * (place % 7 + 1)):
                await (gateway.frames if place % 2 else gateway.answer)(use_case=HEALTH_RECORDS)
        except (Upstream, TimeoutError):
            pass

    for batch in range(10):
        async with asyncio.TaskGroup() as group:
            for place in range(20):
                group.create_task(caller(batch + place))
    assert None not in gateway.bench.recorder.outcomes()
    assert {len(one.settlements) for one in gateway.bench.admitter.reservations} == {1}
    assert cloud.connections == 0
