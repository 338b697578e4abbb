"""Trap 6: whole answers that a provider gives only as a stream are streamed to us, and whole for the client."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import anthropic
import httpx2
import pytest

from headgate.kernel.decision import Decision, Effect, Obligations
from headgate.kernel.errors import Upstream
from headgate.testing.gate import Gate, gate
from headgate.testing.simulator import Failure, Script, Simulator, Tokens, ToolCall
from headgate.testing.simulator.script import Where

WIRES = ("openai", "anthropic")
LONG = 64_000
EVERYTHING = Script(
    reasoning=("Let me ", "think."),
    text=("Grü", "ezi ", "mitenand"),
    tool_calls=(ToolCall("weather", '{"city":"Zürich","days":1.0}'), ToolCall("clock")),
    tokens=Tokens(input=100, output=30, cache_read=40),
)


@pytest.fixture
async def claude() -> AsyncIterator[Simulator]:
    async with Simulator() as running:
        yield running


@pytest.fixture
async def other() -> AsyncIterator[Simulator]:
    async with Simulator() as running:
        yield running


@pytest.fixture
async def gateway(claude: Simulator) -> AsyncIterator[Gate]:
    async with gate() as opened:
        opened.add("claude", claude, provider="anthropic")
        yield opened


def asking_for(tokens: int) -> dict[str, Any]:
    return {"max_tokens": tokens}


@pytest.mark.parametrize("client", WIRES)
async def test_trap_6_a_long_whole_answer_is_streamed_to_us_and_is_the_same_as_one_in_a_piece(
    gateway: Gate, claude: Simulator, client: str
) -> None:
    claude.script(EVERYTHING, EVERYTHING)
    short = await gateway.answer(wire=client, body=asking_for(21_333))
    assert claude.requests[0].json.get("stream", False) is False
    of_short = dict(gateway.bench.recorder.closings[-1].facts)
    long = await gateway.answer(wire=client, body=asking_for(LONG))
    assert claude.requests[1].json["stream"] is True
    assert claude.requests[1].headers["accept"] == "text/event-stream"
    assert claude.requests[1].json["max_tokens"] == LONG
    unlike = ("id", "created")
    assert {**long, **dict.fromkeys(unlike)} == {**short, **dict.fromkeys(unlike)}
    of_long = gateway.bench.recorder.closings[-1].facts
    told = ("input_tokens", "output_tokens", "cache_read_tokens", "cost_micros")
    assert [of_long[name] for name in told] == [of_short[name] for name in told]
    assert "usage_is_estimate" not in of_long


async def test_trap_6_thinking_keeps_its_signature_and_arguments_their_digits(gateway: Gate, claude: Simulator) -> None:
    """Traps 6, 20 and 22."""
    claude.script(EVERYTHING)
    done = await gateway.ask(wire="anthropic", body=asking_for(LONG))
    raw = done.result.content.to_bytes()
    message = json.loads(raw)
    assert [block["type"] for block in message["content"]] == ["thinking", "text", "tool_use", "tool_use"]
    assert message["content"][0]["thinking"] == "Let me think."
    assert message["content"][0]["signature"].endswith("=")
    assert b'"input":{"city":"Z\xc3\xbcrich","days":1.0}' in raw
    assert message["content"][3]["input"] == {}
    assert message["stop_reason"] == "tool_use"
    assert message["usage"]["cache_read_input_tokens"] == 40


async def test_trap_6_the_sdk_that_refuses_long_whole_answers_itself_reads_ours(
    gateway: Gate, claude: Simulator
) -> None:
    client = anthropic.Anthropic(api_key="k", base_url="http://gate.test")
    with pytest.raises(ValueError, match="treaming is required"):
        client.messages.create(model="m", max_tokens=21_334, messages=[{"role": "user", "content": "x"}])
    claude.script(EVERYTHING)
    body = json.dumps(await gateway.answer(wire="anthropic", body=asking_for(21_334))).encode()
    assert claude.requests[0].json["stream"] is True
    transport = httpx2.MockTransport(lambda _: httpx2.Response(200, content=body))
    client = anthropic.Anthropic(
        api_key="k", base_url="http://gate.test", http_client=httpx2.Client(transport=transport), timeout=900
    )
    message = client.messages.create(model="m", max_tokens=21_334, messages=[{"role": "user", "content": "x"}])
    assert [block.type for block in message.content] == ["thinking", "text", "tool_use", "tool_use"]
    assert message.usage.output_tokens == 30


@pytest.mark.parametrize("client", WIRES)
@pytest.mark.parametrize(
    "script",
    [
        Script(text=tuple("Half of it"), cut="fin", cut_after=6),
        Script(text=tuple("Half of it"), cut="rst", cut_after=6),
        Script(text=tuple("Half of it"), cut="short", cut_after=6),
        Script(text=tuple("Half of it"), breaks=Failure(529)),
        Script(text=tuple("Half of it"), malformed=b"data: {no\n\n", malformed_at=6),
    ],
    ids=["fin", "rst", "short", "error event", "malformed"],
)
async def test_trap_6_a_stream_that_breaks_is_an_error_and_never_a_shorter_answer(
    gateway: Gate, claude: Simulator, client: str, script: Script
) -> None:
    claude.script(script)
    with pytest.raises(Upstream):
        await gateway.ask(wire=client, body=asking_for(LONG))
    assert gateway.bench.recorder.outcomes() == ["failed"]
    assert gateway.bench.recorder.closings[-1].facts["output_tokens"], "what was made is charged"


async def test_trap_6_a_stream_that_breaks_goes_to_the_next_candidate_for_nothing_of_it_went_out(
    gateway: Gate, claude: Simulator, other: Simulator
) -> None:
    gateway.add("other", other)
    claude.script(Script(text=tuple("Half of it"), cut="fin", cut_after=6))
    other.script(Script(text="All of it"))
    answer = await gateway.answer(wire="anthropic", body=asking_for(LONG))
    assert answer["content"] == [{"type": "text", "text": "All of it"}]
    assert not other.requests[0].json.get("stream"), "its wire has no such limit"


@pytest.mark.parametrize("body", [b"<html>", b"", b'{"hello":"world"}'])
async def test_trap_6_an_answer_to_a_stream_request_that_is_no_answer_at_all_is_a_failure(
    gateway: Gate, claude: Simulator, body: bytes
) -> None:
    claude.script(Script(content_type="text/plain", body=body))
    with pytest.raises(Upstream, match=r"without a stream|is neither a message"):
        await gateway.ask(wire="anthropic", body=asking_for(LONG))


async def test_trap_6_an_error_keeps_its_own_status(gateway: Gate, claude: Simulator) -> None:
    claude.script(Script(failure=Failure(429, retry_after_s=7)))
    with pytest.raises(Upstream) as caught:
        await gateway.ask(wire="anthropic", body=asking_for(LONG))
    assert (caught.value.upstream_status, caught.value.retry_after_s) == (429, 7.0)


async def test_trap_6_a_limit_that_policy_lowers_needs_no_stream(gateway: Gate, claude: Simulator) -> None:
    gateway.bench.decider.decision = Decision(Effect.ALLOW, obligations=Obligations(cap_output_tokens=1000))
    await gateway.ask(wire="anthropic", body=asking_for(LONG))
    assert claude.requests[0].json["max_tokens"] == 1000
    assert not claude.requests[0].json.get("stream")


async def test_trap_6_a_deployment_that_cannot_stream_is_asked_for_the_whole(claude: Simulator) -> None:
    async with gate() as gateway:
        gateway.add("claude", claude, provider="anthropic", streaming=False)
        await gateway.ask(wire="openai", body=asking_for(LONG))
    assert not claude.requests[0].json.get("stream")


@pytest.mark.parametrize("stall", ["headers", "first byte", "stream"])
async def test_trap_6_a_caller_that_leaves_closes_the_upstream(gateway: Gate, claude: Simulator, stall: Where) -> None:
    claude.script(Script(text=tuple("Half of it"), stall=stall, stall_after=6))
    async with asyncio.TaskGroup() as group:
        asking = group.create_task(gateway.ask(wire="anthropic", body=asking_for(LONG)))
        received = await claude.received()
        asking.cancel()
    async with asyncio.timeout(30):
        await received.left.wait()
    assert gateway.bench.recorder.outcomes() == ["abandoned"]
