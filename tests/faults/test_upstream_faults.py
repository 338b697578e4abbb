"""Providers that stall, cut and lie about usage: clients are told, records say so, and nothing is open afterwards."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator

import pytest
from tests.faults.conftest import Gate, Reply, eventually

from headgate.testing.simulator import Failure, Script, Simulator, Tokens

pytestmark = pytest.mark.fault

WORDS = tuple(f"word{number:02d} " for number in range(20))


@pytest.fixture(scope="module")
def timeout_s() -> float:
    """Nobody waits long for a provider here."""
    return 3.0


@pytest.fixture
async def upstream(gate: Gate) -> AsyncGenerator[Simulator]:
    """The provider behind the shared gate; it is well before and after each test."""
    await eventually("the deployment is in use again", lambda: is_well(gate))
    async with gate.upstream() as simulator:
        yield simulator
        await gate.hang_up()

        async def is_quiet() -> bool:
            return await gate.open_streams() == 0

        await eventually("no stream is open any more", is_quiet)
        await gate.evidence.settled()
        assert gate.evidence.verify().returncode == 0


async def is_well(gate: Gate) -> bool:
    """Whether calls get through; a provider that failed is left alone for a while."""
    async with gate.upstream():
        try:
            return (await gate.caller().ask("are you there?")).status == 200
        finally:
            await gate.hang_up()


def has_error(reply: Reply) -> bool:
    """Whether a stream ended in an error event, and in no claim to be complete."""
    lines = [line for line in reply.body.decode().splitlines() if line.startswith("data: ")]
    return b"[DONE]" not in reply.body and "error" in json.loads(lines[-1][6:])


@pytest.mark.parametrize("stall", ["headers", "first byte"])
@pytest.mark.parametrize("stream", [False, True])
async def test_a_provider_that_stalls_before_it_answers_is_a_timeout(
    gate: Gate, upstream: Simulator, stall: str, stream: bool
) -> None:
    upstream.script(Script(stall="headers" if stall == "headers" else "first byte"))
    async with asyncio.timeout(30):
        reply = await gate.caller().ask("tell me", stream=stream)
        received = await upstream.received()
        await received.left.wait()
    assert (reply.status, reply.is_whole) == (504, True)
    assert json.loads(reply.body)["error"]["message"]
    leaf = await gate.leaf(reply.record)
    assert (leaf.outcome, leaf.error) == ("failed", "upstream_timeout")


async def test_a_provider_that_stalls_in_a_stream_ends_it_with_an_error(gate: Gate, upstream: Simulator) -> None:
    upstream.script(Script(text=WORDS, stall="stream", stall_after=5))
    async with asyncio.timeout(30):
        reply = await gate.caller().ask("tell me", stream=True)
    assert (reply.status, reply.is_whole, reply.is_acknowledged) == (200, True, False)
    assert has_error(reply)
    leaf = await gate.leaf(reply.record)
    assert (leaf.outcome, leaf.error) == ("failed", "upstream_timeout")
    assert leaf.closing_facts["usage_is_estimate"] is True
    assert leaf.closing_facts["output_tokens"] == 4 * len(WORDS[0]) // 4


@pytest.mark.parametrize("cut", ["fin", "rst", "short"])
async def test_a_stream_that_is_cut_is_never_called_complete(gate: Gate, upstream: Simulator, cut: str) -> None:
    upstream.script(Script(text=WORDS, cut="fin" if cut == "fin" else "rst" if cut == "rst" else "short", cut_after=5))
    reply = await gate.caller().ask("tell me", stream=True)
    assert reply.is_whole
    assert not reply.is_acknowledged
    assert reply.status == 502 or has_error(reply)
    leaf = await gate.leaf(reply.record)
    assert (leaf.outcome, leaf.error) == ("failed", "upstream_error")


@pytest.mark.parametrize("cut", ["fin", "rst"])
async def test_a_whole_answer_that_is_cut_is_an_error_and_no_half_of_it_is_given(
    gate: Gate, upstream: Simulator, cut: str
) -> None:
    upstream.script(Script(text=" ".join(WORDS), cut="fin" if cut == "fin" else "rst"))
    reply = await gate.caller().ask("tell me")
    assert (reply.status, reply.is_whole) == (502, True)
    assert WORDS[0].encode() not in reply.body
    assert (await gate.leaf(reply.record)).outcome == "failed"


@pytest.mark.parametrize(
    "tokens",
    [Tokens(input=10**9, output=10**12), Tokens(input=0, output=0), Tokens(input=-5, output=-7), Tokens(output=10**30)],
)
@pytest.mark.parametrize("stream", [False, True])
async def test_a_lie_about_usage_harms_neither_the_answer_nor_the_log(
    gate: Gate, upstream: Simulator, stream: bool, tokens: Tokens
) -> None:
    upstream.script(Script(text=WORDS, tokens=tokens))
    reply = await gate.caller().ask("tell me", stream=stream)
    assert reply.status in (200, 502)
    leaf = await gate.leaf(reply.record)
    assert leaf.outcome == ("done" if reply.is_acknowledged else "failed")
    cost = leaf.closing_facts.get("cost_micros", 0)
    assert isinstance(cost, str) or (cost or 0) >= 0


@pytest.mark.parametrize("stream", [False, True])
async def test_a_provider_that_says_nothing_of_usage_is_estimated(
    gate: Gate, upstream: Simulator, stream: bool
) -> None:
    upstream.script(Script(text=WORDS, tokens=None))
    reply = await gate.caller().ask("tell me", stream=stream)
    assert reply.is_acknowledged
    leaf = await gate.leaf(reply.record)
    assert leaf.closing_facts["usage_is_estimate"] is True
    assert leaf.closing_facts["output_tokens"] == len(WORDS) * len(WORDS[0]) // 4


async def test_an_error_within_a_stream_ends_it_with_an_error(gate: Gate, upstream: Simulator) -> None:
    upstream.script(Script(text=WORDS, breaks=Failure(500)))
    reply = await gate.caller().ask("tell me", stream=True)
    assert not reply.is_acknowledged
    assert has_error(reply)
    assert (await gate.leaf(reply.record)).outcome == "failed"


async def test_no_provider_at_all_is_an_error_at_once(gate: Gate) -> None:
    await eventually("the deployment is in use again", lambda: is_well(gate))
    async with asyncio.timeout(30):
        reply = await gate.caller().ask("are you there?")
    await gate.hang_up()
    assert reply.status == 502
    assert (await gate.leaf(reply.record)).outcome == "failed"
