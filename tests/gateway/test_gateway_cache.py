"""An alias with a cache answers an equal call with the earlier answer, under the same rules."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from headgate.gateway.answer_cache import AnswerCache, CachedAnswer
from headgate.gateway.recall import MODEL_RECALL
from headgate.gateway.specs import AliasSpec, CacheSpec, alias_from, cache_from
from headgate.kernel.content import Labelled
from headgate.kernel.decision import Decision, Effect
from headgate.kernel.errors import Invalid, Upstream
from headgate.kernel.identity import RecordId
from headgate.kernel.labels import BOTTOM, Confidentiality
from headgate.testing.clock import FakeClock
from headgate.testing.gate import DIALECTS, Gate, gate
from headgate.testing.people import BOT
from headgate.testing.ports import AnyAction
from headgate.testing.simulator import Failure, Script, Simulator
from headgate.wire.model_call import MODEL_INVOKE, ModelReply

ANN = replace(BOT, id="svc:ann")


@pytest.fixture
async def model() -> AsyncIterator[Simulator]:
    async with Simulator(default=Script(text="Forty two")) as running:
        yield running


@pytest.fixture
async def gateway(model: Simulator) -> AsyncIterator[Gate]:
    async with gate() as opened:
        opened.add("cloud", model)
        opened.cache = cache_from(CacheSpec(ttl="10m"))
        yield opened


async def cache_of(gateway: Gate, text: str = "Six times seven?", **how: Any) -> str:
    return str((await gateway.ask(text, **how)).run.facts["cache"])


async def test_an_equal_call_gets_the_earlier_answer_with_a_record_and_costs_nothing(
    gateway: Gate, model: Simulator
) -> None:
    first = await gateway.ask("Six times seven?", body={"temperature": 0, "seed": 1})
    gateway.bench.clock.advance(30)
    told = await gateway.ask("Six times seven?", body={"seed": 1, "temperature": 0, "user": "somebody else"})
    assert told.result.content.to_bytes() == first.result.content.to_bytes()
    assert len(model.requests) == 1
    opening, closing = gateway.bench.recorder.openings[-1], gateway.bench.recorder.closings[-1]
    assert (opening.verb, opening.facts["destination"]) == ("model.invoke", "cache:chat")
    assert opening.parts["sent"], "the record of a hit keeps the call as every record does"
    assert closing.parts["answer"]
    facts = closing.facts
    assert (facts["cache"], facts["cache_record"], facts["cache_age_s"]) == ("hit", first.run.record_id, 30)
    assert (facts["cost_micros"], facts["saved_micros"]) == (0, first.run.measures.cost_micros)
    assert (facts["input_tokens"], facts["cache_hits"], facts["currency"]) == (0, 1, "USD")
    settled = [one.settlements[0] for one in gateway.bench.admitter.reservations if one.action.verb is MODEL_INVOKE]
    assert settled[-1].measures.amounts["cache_hits"] == 1, "the limits of the caller count a request"
    async with gateway.stream("Six times seven?", body={"temperature": 0, "seed": 1}) as stream:
        async for _ in stream.items:
            pass
    assert stream.run.measures.amounts["cache_hits"] == 1
    gateway.bench.clock.advance(600)
    assert await cache_of(gateway, body={"seed": 1, "temperature": 0}) == "miss", "its time is over"


async def test_a_stream_and_a_whole_answer_come_from_one_cached_answer_in_every_wire(
    gateway: Gate, model: Simulator
) -> None:
    """Trap 43."""
    await gateway.ask("Six times seven?")
    frames = await gateway.frames("Six times seven?")
    assert b"Forty two" in frames
    assert frames.endswith(b"data: [DONE]\n\n")
    assert b'"usage"' not in frames, "the client did not ask for the usage"
    crossed = await gateway.frames("In another wire?", wire="anthropic")
    again = await gateway.frames("In another wire?", wire="anthropic")
    assert again.count(b"event: message_stop") == 1
    assert _texts(crossed) == _texts(again)
    assert len(model.requests) == 2
    await gateway.frames("A stream first")
    assert await cache_of(gateway, "A stream first") == "miss", "this wire cannot turn a stream into a whole answer"
    assert await cache_of(gateway, "A stream first") == "hit"


async def test_an_anthropic_stream_also_answers_a_call_without_one(model: Simulator) -> None:
    async with gate() as opened:
        opened.add("claude", model, provider="anthropic")
        opened.cache = cache_from(CacheSpec(ttl="10m"))
        await opened.frames("Hello", wire="anthropic")
        told = await opened.answer("Hello", wire="anthropic")
        assert told["content"][0]["text"] == "Forty two"
        assert len(model.requests) == 1


async def test_calls_at_the_same_time_wait_for_the_first_and_do_not_share_its_failure(
    gateway: Gate, model: Simulator
) -> None:
    model.script(Script(text="Forty two", stall="headers"))
    async with asyncio.TaskGroup() as group:
        calls = [group.create_task(gateway.ask("Together?")) for _ in range(3)]
        await model.received()
        await asyncio.sleep(0)
        model.release()
    assert [one.result().run.facts["cache"] for one in calls] == ["miss", "hit", "hit"]
    assert len(model.requests) == 1
    model.script(Script(failure=Failure(500), stall="headers"), Script(text="Yes"))
    first = asyncio.ensure_future(gateway.ask("Alone?"))
    await model.received(2)
    second = asyncio.ensure_future(gateway.ask("Alone?"))
    await asyncio.sleep(0)
    model.release()
    with pytest.raises(Upstream):
        await first
    assert (await second).run.facts["cache"] == "miss"


async def test_only_calls_that_mean_the_same_are_answered(gateway: Gate) -> None:
    """Trap 43."""
    assert await cache_of(gateway) == "miss"
    assert await cache_of(gateway, "Six times eight?") == "miss"
    assert await cache_of(gateway, body={"max_tokens": 9}) == "miss"
    assert await cache_of(gateway, principal=ANN) == "miss", "the scope is one principal"
    tools: list[dict[str, Any]] = [{"type": "function", "function": {"name": "add", "parameters": {}}}]
    varied: list[dict[str, Any]] = [{"temperature": 0.7}, {"tools": tools}, {"tools": tools, "tool_choice": "none"}]
    for body in varied:
        assert await cache_of(gateway, body=body) == "bypass"
    assert await cache_of(gateway, "Long " * 60_000) == "bypass"
    assert await cache_of(gateway, grant="one call") == "bypass"
    action = gateway.action("Six times seven?")
    action = replace(action, context=replace(action.context, attributes={"cache": "no"}))
    assert (await gateway.bench.pipeline().run(action)).run.facts["cache_why"] == "the caller asked for a new answer"
    gateway.bench.decider.decision = Decision(Effect.ALLOW, version="tomorrow's policies")
    assert await cache_of(gateway) == "miss"
    gateway.cache = cache_from(CacheSpec(ttl="10m", use_cases=["other"]))
    assert await cache_of(gateway) == "bypass"


async def test_a_use_case_shares_answers_that_may_flow_to_the_caller(gateway: Gate) -> None:
    """Trap 43."""
    gateway.cache = cache_from(CacheSpec(ttl="10m", scope="use_case", sampled=True))
    assert await cache_of(gateway, body={"temperature": 1}) == "miss"
    assert await cache_of(gateway, body={"temperature": 1}, principal=ANN) == "hit"
    gateway.cache = cache_from(CacheSpec(ttl="10m", level="public"))
    ours = replace(BOTTOM, confidentiality=Confidentiality.INTERNAL)
    assert await cache_of(gateway, floor=ours) == "bypass", "the content is above the limit of the alias"


async def test_a_rule_against_cached_answers_sends_the_call_to_its_deployment(gateway: Gate, model: Simulator) -> None:
    await gateway.ask("Hello")

    def decide(action: AnyAction, labelled: Labelled) -> Decision:
        return Decision(Effect.DENY if action.verb is MODEL_RECALL else Effect.ALLOW, version="1")

    gateway.bench.decider.decision = decide
    told = (await gateway.ask("Hello")).run.facts
    assert (told["cache"], told["cache_why"]) == ("bypass", "a rule forbids it")
    assert b"data: [DONE]" in await gateway.frames("Hello")
    assert len(model.requests) == 3


@pytest.mark.parametrize("ttl", ["0s", "25h"])
def test_a_time_to_live_outside_of_a_day_is_refused(ttl: str) -> None:
    with pytest.raises(Invalid, match="from 1s to 24h") as refused:
        alias_from(AliasSpec(id="one", deployments=["a"], cache=CacheSpec(ttl=ttl)))
    assert refused.value.param == "cache.ttl"


def test_the_store_has_a_bound_and_gives_no_answer_beyond_its_readers_clearance() -> None:
    cache, rule = AnswerCache(FakeClock(), most_bytes=6_000), cache_from(CacheSpec(ttl="1s"))
    call = gateway_call()
    for name in (b"a", b"b", b"c"):
        cache.keep(name, replace(call, record=RecordId(name.decode())))
    secret = replace(BOTTOM, confidentiality=Confidentiality.RESTRICTED)
    cache.keep(b"c", replace(call, labels=secret))
    found = [cache.find(name, principal=BOT, clearance=rule.clearance, candidates=["d"]) for name in (b"a", b"b", b"c")]
    assert [one is not None for one in found] == [False, True, False]
    assert cache.find(b"b", principal=BOT, clearance=rule.clearance, candidates=["e"]) is None
    cache.keep(b"d", replace(call, reply=reply_of(b"x" * 9_000)))
    assert cache.find(b"d", principal=BOT, clearance=rule.clearance, candidates=["d"]) is None


def reply_of(text: bytes) -> ModelReply:
    body = b'{"choices": [{"message": {"content": "%b"}, "finish_reason": "stop"}]}' % text
    return DIALECTS.providers["openai_chat"].read_reply(body, headers={})


def gateway_call() -> CachedAnswer:
    return CachedAnswer(reply_of(b"x" * 200), (), BOTTOM, "d", RecordId("r"), 0.0, 9e9, 1, "USD")


def _texts(frames: bytes) -> bytes:
    return b"".join(line for line in frames.splitlines() if b"text_delta" in line or b'"text":' in line)
