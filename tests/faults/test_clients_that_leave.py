"""Clients that vanish, at every phase of a call: the provider is let go at once, and the record tells."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest
from tests.faults.conftest import Caller, Gate, Reply, body_of, eventually

from headgate.ledger.leaves import Leaf
from headgate.testing.simulator import Received, Script, Simulator, Tokens

pytestmark = pytest.mark.fault

SOON_S = 10.0
"""A moment, on a machine that may be busy: the provider itself is given a minute."""
WIRES = ("openai", "anthropic")
WORDS = tuple(f"word{number:02d} " for number in range(20))


@pytest.fixture
async def upstream(gate: Gate) -> AsyncGenerator[Simulator]:
    """The provider behind the shared gate. Afterwards nobody is connected, and no stream is open."""
    async with gate.upstream() as simulator:
        yield simulator
        await gate.hang_up()
        await eventually("no stream is open any more", lambda: _is_quiet(gate))


async def _is_quiet(gate: Gate) -> bool:
    return await gate.open_streams() == 0


async def is_let_go(received: Received) -> None:
    async with asyncio.timeout(SOON_S):
        await received.left.wait()


async def record_of(gate: Gate, known: set[str]) -> Leaf:
    """The closed record of the one call that was made since."""
    fresh: list[Leaf] = []

    def look() -> bool:
        fresh[:] = [leaf for leaf in gate.evidence.log() if leaf.id not in known]
        return bool(fresh) and gate.evidence.is_settled()

    await eventually("the record of the call is in the log", look)
    (leaf,) = fresh
    assert leaf.verb == "model.invoke"
    return leaf


async def known(gate: Gate) -> set[str]:
    return {leaf.id for leaf in await gate.evidence.settled()}


def is_abandoned_and_settled(leaf: Leaf, *, words: int) -> None:
    """The record is abandoned, and what was used until then is estimated and says so."""
    assert (leaf.outcome, leaf.error) == ("abandoned", None)
    assert leaf.closing_facts["usage_is_estimate"] is True
    tokens = leaf.closing_facts["output_tokens"]
    assert isinstance(tokens, int)
    assert tokens == -(-words * len(WORDS[0]) // 4)
    assert leaf.closing_facts["input_tokens"]
    assert leaf.closing_facts["cost_micros"]


async def stream_head(caller: Caller) -> Reply:
    await caller.send("tell me", stream=True)
    return await caller.read_head()


@pytest.mark.parametrize("part", [b"POST /v1/chat", b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthor"])
async def test_leaving_within_the_headers_is_no_call(gate: Gate, upstream: Simulator, part: bytes) -> None:
    before = await known(gate)
    caller = await gate.caller().connect()
    await caller.write(part)
    await caller.leave()
    assert (await gate.caller().ask("are you there?")).status == 200
    assert len(upstream.requests) == 1
    assert (await record_of(gate, before)).outcome == "done"


async def test_leaving_within_the_body_is_no_call(gate: Gate, upstream: Simulator) -> None:
    before = await known(gate)
    caller, body = await gate.caller().connect(), body_of("half of me", stream=True)
    await caller.write(caller.head(len(body)) + body[: len(body) // 2])
    await caller.leave()
    assert (await gate.caller().ask("are you there?")).status == 200
    assert len(upstream.requests) == 1
    assert (await record_of(gate, before)).outcome == "done"


@pytest.mark.parametrize("stall", ["headers", "first byte"])
@pytest.mark.parametrize("wire", WIRES)
async def test_leaving_before_the_first_byte_of_a_stream(
    gate: Gate, upstream: Simulator, wire: str, stall: str
) -> None:
    """Trap 39."""
    before = await known(gate)
    upstream.script(Script(stall="headers" if stall == "headers" else "first byte"))
    caller = gate.caller(wire=wire)
    await caller.send("tell me", stream=True)
    received = await upstream.received()
    assert await gate.open_streams() == 1
    await caller.leave()
    await is_let_go(received)
    is_abandoned_and_settled(await record_of(gate, before), words=0)


@pytest.mark.parametrize("stall", ["headers", "first byte"])
async def test_leaving_while_waiting_for_a_whole_answer(gate: Gate, upstream: Simulator, stall: str) -> None:
    """Trap 39."""
    before = await known(gate)
    upstream.script(Script(stall="headers" if stall == "headers" else "first byte"))
    caller = gate.caller()
    await caller.send("tell me")
    received = await upstream.received()
    await caller.leave()
    await is_let_go(received)
    is_abandoned_and_settled(await record_of(gate, before), words=0)


async def test_leaving_after_a_prompt_so_large_that_reading_was_paused(gate: Gate, upstream: Simulator) -> None:
    before = await known(gate)
    upstream.script(Script(stall="headers"))
    caller = gate.caller()
    await caller.send("tell me " * 100_000)
    received = await upstream.received()
    await caller.leave()
    await is_let_go(received)
    is_abandoned_and_settled(await record_of(gate, before), words=0)


@pytest.mark.parametrize("words", [1, 10, len(WORDS)])
async def test_leaving_in_a_stream_after_some_words(gate: Gate, upstream: Simulator, words: int) -> None:
    """Trap 39: OpenAI's first event has no words, and the last word is followed by the reason why it stopped."""
    before = await known(gate)
    upstream.script(Script(text=WORDS, stall="stream", stall_after=words + 1))
    caller = gate.caller()
    head = await stream_head(caller)
    heard = b""
    while WORDS[words - 1].encode() not in heard:
        heard += await caller.read_chunk()
    await caller.leave()
    await is_let_go(await upstream.received())
    record = await record_of(gate, before)
    assert record.id == head.record
    is_abandoned_and_settled(record, words=words)


async def test_leaving_in_the_last_chunk_finds_the_call_done_or_abandoned_and_never_both(
    gate: Gate, upstream: Simulator
) -> None:
    before = await known(gate)
    upstream.script(Script(text=WORDS, tokens=Tokens(input=9, output=5)))
    caller = gate.caller()
    await stream_head(caller)
    heard = b""
    while b"[DONE]" not in heard:
        heard += await caller.read_chunk()
    await caller.leave()
    record = await record_of(gate, before)
    assert record.outcome == "done"
    assert record.closing_facts["output_tokens"] == 5


async def test_many_who_leave_at_any_moment_leave_nothing_open(gate: Gate, upstream: Simulator) -> None:
    upstream.default = Script(text=WORDS, spacing_s=0.005)

    async def come_and_go(number: int) -> None:
        caller = gate.caller()
        await caller.send("tell me", stream=number % 4 != 0)
        async with asyncio.timeout(30):
            await caller.reader.read(1 + 150 * (number % 16))
        await caller.leave()

    await asyncio.gather(*(come_and_go(number) for number in range(64)))
    await eventually("no stream is open", lambda: _is_quiet(gate))
    leaves = await gate.evidence.settled()
    assert {leaf.outcome for leaf in leaves} == {"done", "abandoned"}
    async with asyncio.timeout(SOON_S):
        for received in list(upstream.requests):
            await asyncio.wait(
                [asyncio.ensure_future(received.left.wait()), asyncio.ensure_future(received.answered.wait())],
                return_when=asyncio.FIRST_COMPLETED,
            )
    assert gate.evidence.verify().returncode == 0


async def test_a_client_that_closes_only_its_own_side_is_gone_too(gate: Gate, upstream: Simulator) -> None:
    before = await known(gate)
    upstream.script(Script(text=WORDS, stall="stream", stall_after=4))
    caller = gate.caller()
    await stream_head(caller)
    await caller.close_own_side()
    await is_let_go(await upstream.received())
    record = await record_of(gate, before)
    assert record.outcome == "abandoned"
