"""Model calls through the pipeline, the real egress and the simulator: on one wire and across two."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from headgate.kernel.decision import Decision, Effect, Obligations
from headgate.kernel.errors import Denied, Invalid, NotFound, Unavailable, Upstream, UpstreamTimeout
from headgate.kernel.identity import UseCase
from headgate.testing.gate import OURS, PRICE, Gate, gate
from headgate.testing.people import GLOBEX, HEALTH_RECORDS, STRANGER
from headgate.testing.simulator import Failure, Framing, Script, Simulator, Tokens, ToolCall, context_overflow
from headgate.wire.model_call import MODEL_DISPATCH, MODEL_INVOKE, Capability, Need, Price

WIRES = ("openai", "anthropic")
PIXEL = "https://example.org/pixel.png"
PATHS = {"openai": "/v1/chat/completions", "anthropic": "/v1/messages"}


@pytest.fixture
async def one() -> AsyncIterator[Simulator]:
    async with Simulator() as running:
        yield running


@pytest.fixture
async def two() -> AsyncIterator[Simulator]:
    async with Simulator() as running:
        yield running


@pytest.fixture
async def gateway() -> AsyncIterator[Gate]:
    async with gate() as opened:
        yield opened


def said(answer: Any) -> str:
    """The text of an answer on either wire."""
    if "choices" in answer:
        return str(answer["choices"][0]["message"]["content"])
    return "".join(block["text"] for block in answer["content"] if block["type"] == "text")


def data_of(frames: bytes) -> list[Any]:
    """The decoded events of a stream, `[DONE]` as text."""
    found = [line[6:] for line in frames.decode().splitlines() if line.startswith("data: ")]
    return [text if text == "[DONE]" else json.loads(text) for text in found]


def streamed(frames: bytes) -> str:
    """The text of a stream on either wire."""
    pieces: list[str] = []
    for event in data_of(frames):
        if event == "[DONE]":
            continue
        if "choices" in event:
            pieces += [choice["delta"].get("content") or "" for choice in event["choices"]]
        elif event["type"] == "content_block_delta":
            pieces.append(event["delta"].get("text", ""))
    return "".join(pieces)


@pytest.mark.parametrize("upstream", WIRES)
@pytest.mark.parametrize("client", WIRES)
async def test_every_client_is_answered_on_its_own_wire_whatever_the_upstream_speaks(
    gateway: Gate, one: Simulator, client: str, upstream: str
) -> None:
    gateway.add("d1", one, provider=upstream)
    one.script(Script(text="Grüezi", tokens=Tokens(input=5, output=3)))
    answer = await gateway.answer(wire=client)
    assert said(answer) == "Grüezi"
    assert answer["model"] == "chat"
    assert one.requests[0].path == PATHS[upstream]
    assert one.requests[0].json["model"] == "d1-model"
    closing = gateway.bench.recorder.closings[-1]
    assert (closing.facts["input_tokens"], closing.facts["output_tokens"], closing.facts["cost_micros"]) == (5, 3, 11)
    assert closing.facts["deployment"] == "d1"


@pytest.mark.parametrize("upstream", WIRES)
@pytest.mark.parametrize("client", WIRES)
async def test_every_stream_arrives_on_the_clients_own_wire(
    gateway: Gate, one: Simulator, client: str, upstream: str
) -> None:
    gateway.add("d1", one, provider=upstream)
    one.script(Script(text=("Grü", "ezi"), tokens=Tokens(input=5, output=3)))
    frames = await gateway.frames(wire=client)
    assert streamed(frames) == "Grüezi"
    last = data_of(frames)[-1]
    assert last == ("[DONE]" if client == "openai" else {"type": "message_stop"})
    assert gateway.bench.recorder.outcomes() == ["done"]
    closing = gateway.bench.recorder.closings[-1]
    assert (closing.facts["input_tokens"], closing.facts["output_tokens"], closing.facts["cost_micros"]) == (5, 3, 11)
    assert "usage_is_estimate" not in closing.facts


@pytest.mark.parametrize("upstream", WIRES)
@pytest.mark.parametrize("client", WIRES)
async def test_parallel_tool_calls_survive_every_crossing(
    gateway: Gate, one: Simulator, client: str, upstream: str
) -> None:
    gateway.add("d1", one, provider=upstream)
    calls = (ToolCall("weather", '{"city":"Zürich"}'), ToolCall("clock", '{"zone":"CET"}'))
    one.script(Script(tool_calls=calls), Script(tool_calls=calls))
    answer = await gateway.answer(wire=client)
    if client == "openai":
        found = [one["function"] for one in answer["choices"][0]["message"]["tool_calls"]]
        assert [(call["name"], json.loads(call["arguments"])) for call in found] == [
            ("weather", {"city": "Zürich"}),
            ("clock", {"zone": "CET"}),
        ]
        assert answer["choices"][0]["finish_reason"] == "tool_calls"
    else:
        found = [block for block in answer["content"] if block["type"] == "tool_use"]
        assert [(block["name"], block["input"]) for block in found] == [
            ("weather", {"city": "Zürich"}),
            ("clock", {"zone": "CET"}),
        ]
        assert answer["stop_reason"] == "tool_use"
    frames = await gateway.frames(wire=client)
    assert b"weather" in frames
    assert b"clock" in frames


@pytest.mark.parametrize("upstream", WIRES)
async def test_bytes_that_stay_on_one_wire_are_not_written_anew(gateway: Gate, one: Simulator, upstream: str) -> None:
    gateway.add("d1", one, provider=upstream)
    extra = {"vendor_field": {"b": 1.50, "a": [1e3]}}
    await gateway.ask(wire=upstream, body=extra)
    assert b'"vendor_field": {"b": 1.5, "a": [1000.0]}' in one.requests[0].body


@pytest.mark.parametrize(
    "framing",
    [
        Framing(crlf=True),
        Framing(space=False, comments=True),
        Framing(bom=True),
        Framing(split_bytes=1),
        Framing(last_blank_line=False),
        Framing(crlf=True, comments=True, split_bytes=3, last_blank_line=False),
    ],
)
@pytest.mark.parametrize("upstream", WIRES)
async def test_streams_are_read_however_they_are_framed(
    gateway: Gate, one: Simulator, upstream: str, framing: Framing
) -> None:
    gateway.add("d1", one, provider=upstream)
    one.script(Script(text="Grüezi mitenand, wie gaht's?", framing=framing))
    assert streamed(await gateway.frames(wire=upstream)) == "Grüezi mitenand, wie gaht's?"
    assert gateway.bench.recorder.outcomes() == ["done"]


@pytest.mark.parametrize("failure", [Failure(500), Failure(529), Failure(429, retry_after_s=9), Failure(401)])
@pytest.mark.parametrize("stream", [True, False])
async def test_a_failure_before_any_content_goes_to_the_next_candidate(
    gateway: Gate, one: Simulator, two: Simulator, failure: Failure, stream: bool
) -> None:
    gateway.add("first", one)
    gateway.add("second", two, provider="anthropic")
    one.script(Script(failure=failure))
    two.script(Script(text="second"))
    if stream:
        assert streamed(await gateway.frames()) == "second"
    else:
        assert said(await gateway.answer()) == "second"
    assert gateway.bench.recorder.outcomes(MODEL_DISPATCH.name) == ["failed", "done"]
    assert gateway.bench.recorder.outcomes(MODEL_INVOKE.name) == ["done"]
    assert "cost_micros" not in gateway.bench.recorder.closings[0].facts, "a refused attempt costs nothing"
    assert gateway.bench.recorder.closings[-1].facts["deployment"] == "second"


@pytest.mark.parametrize("status", [300, 301, 302, 303, 304, 307, 308, 405, 407, 415, 421])
@pytest.mark.parametrize("stream", [True, False])
async def test_a_deployment_whose_address_is_wrong_is_left_for_the_next_and_never_followed(
    gateway: Gate, one: Simulator, two: Simulator, status: int, stream: bool
) -> None:
    """A redirect, and what else only the gateway can have done wrong; to follow it would take the key elsewhere."""
    gateway.add("first", one)
    gateway.add("second", two)
    location = f"http://127.0.0.1:{one.port}/v1/messages"
    one.default = Script(status=status, headers=(("location", location),), body=b"")
    two.script(Script(text="second"))
    answer = streamed(await gateway.frames()) if stream else said(await gateway.answer())
    assert answer == "second"
    assert [received.path for received in one.requests] == ["/v1/chat/completions"]
    assert gateway.bench.recorder.outcomes(MODEL_DISPATCH.name) == ["failed", "done"]


@pytest.mark.parametrize(
    "script",
    [
        Script(cut="fin", cut_after=1),
        Script(cut="rst", cut_after=1),
        Script(cut="short", cut_after=1),
        Script(malformed=b"data: {]\n\n", malformed_at=0),
        Script(content_type="text/html", body=b"<html>busy</html>"),
        Script(body=b'{"error":{"message":"busy"}}'),
        Script(breaks=Failure(500), text=()),
    ],
)
async def test_a_stream_that_breaks_before_any_content_goes_to_the_next_candidate(
    gateway: Gate, one: Simulator, two: Simulator, script: Script
) -> None:
    gateway.add("first", one)
    gateway.add("second", two)
    one.script(script)
    two.script(Script(text="second"))
    assert streamed(await gateway.frames()) == "second"
    assert gateway.bench.recorder.outcomes(MODEL_DISPATCH.name) == ["failed", "done"]


def whole(wire: str, text: str) -> bytes:
    """An answer as the wire has it."""
    if wire == "openai":
        choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
        return json.dumps({"id": "1", "object": "chat.completion", "model": "m", "choices": [choice]}).encode()
    block = {"type": "text", "text": text}
    return json.dumps(
        {"id": "1", "type": "message", "role": "assistant", "model": "m", "content": [block], "stop_reason": "end_turn"}
    ).encode()


BOUGHT: dict[str, Callable[[str], bytes]] = {
    "larger than can be read": lambda wire: whole(wire, "x" * (33 << 20)),
    "larger than can be taken": lambda wire: whole(wire, "x" * (65 << 20)),
    "no JSON": lambda wire: b"Sure! Here is what you asked for.",
    "nothing": lambda wire: b"",
    "cut JSON": lambda wire: whole(wire, "x")[:-9],
    "a list": lambda wire: b"[" + whole(wire, "x") + b"]",
    "no content": lambda wire: b'{"type":"message","choices":[]}',
    "nested too deep": lambda wire: whole(wire, "x")[:-1] + b',"a":' + b"[" * 500 + b"]" * 500 + b"}",
    "a key twice": lambda wire: whole(wire, "x")[:-1] + b',"id":"2"}',
    "no UTF-8": lambda wire: whole(wire, "x")[:-1] + b',"a":"\xff"}',
    "compressed": lambda wire: gzip.compress(whole(wire, "x" * (1 << 20))),
}  # fmt: skip


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("body", BOUGHT.values(), ids=BOUGHT)
async def test_an_answer_that_came_and_cannot_be_read_is_not_bought_again(
    gateway: Gate, one: Simulator, two: Simulator, body: Callable[[str], bytes], wire: str
) -> None:
    gateway.add("first", one, provider=wire)
    gateway.add("second", two)
    data = body(wire)
    one.script(Script(body=data, headers=(("content-encoding", "gzip"),) if data[:2] == b"\x1f\x8b" else ()))
    with pytest.raises(Upstream) as caught:
        await gateway.ask(wire=wire)
    assert not caught.value.retryable, "the client's SDK would buy it again"
    assert (len(one.requests), len(two.requests)) == (1, 0)


@pytest.mark.parametrize(
    "script",
    [
        Script(headers=(("content-encoding", "gzip"),)),
        Script(malformed=b"data: " + b"x" * (17 << 20) + b"\n\n", malformed_at=0),
    ],
    ids=["compressed", "one event too large"],
)
async def test_a_stream_that_came_and_cannot_be_read_is_not_bought_again(
    gateway: Gate, one: Simulator, two: Simulator, script: Script
) -> None:
    gateway.add("first", one)
    gateway.add("second", two)
    one.script(script)
    with pytest.raises(Upstream) as caught:
        await gateway.frames()
    assert not caught.value.retryable
    assert (len(one.requests), len(two.requests)) == (1, 0)


@pytest.mark.parametrize("client", WIRES)
async def test_trap_35_the_head_of_a_stream_tells_what_the_provider_that_answers_said_of_its_limits(
    gateway: Gate, one: Simulator, two: Simulator, client: str
) -> None:
    gateway.add("first", one)
    gateway.add("second", two, provider="anthropic")
    told = (("anthropic-ratelimit-unified-status", "allowed"), ("x-ratelimit-limit", "9"), ("request-id", "req_2"))
    one.script(Script(headers=(("x-request-id", "req_1"),), breaks=Failure(500), text=()))
    two.script(Script(headers=(*told, ("date", "today"), ("set-cookie", "a=b"))))
    async with gateway.stream(wire=client) as stream:
        await anext(stream.items)
        assert stream.run.preface == told


PRELUDE = b'data: {"id":"","choices":[],"prompt_filter_results":[{"hate":{"filtered":false,"severity":"safe"}}]}\n\n'
"""What Azure says first, of the prompt."""


async def test_what_a_server_says_of_the_prompt_is_no_content_yet(
    gateway: Gate, one: Simulator, two: Simulator
) -> None:
    gateway.add("first", one)
    gateway.add("second", two)
    one.script(Script(malformed=PRELUDE, malformed_at=0, breaks=Failure(500), text=()))
    two.script(Script(text="second", malformed=PRELUDE, malformed_at=0))
    frames = await gateway.frames()
    assert streamed(frames) == "second"
    assert frames.startswith(PRELUDE), "and the client gets it, once"
    assert frames.count(PRELUDE) == 1


async def test_an_answer_of_nothing_but_strings_that_we_do_not_know_is_not_held_back(
    gateway: Gate, one: Simulator
) -> None:
    gateway.add("first", one)
    sound = b'data: {"choices":[{"index":0,"delta":{"audio":{"data":"UklGRg"}}}]}\n\n'
    one.script(Script(malformed=sound * 9, malformed_at=1, stall="stream", stall_after=2, text=("", "")))
    async with gateway.stream() as stream, asyncio.timeout(30):
        seen = [await anext(stream.items) for _ in range(10)]
    assert sum(b"UklGRg" in event.data for event in seen) == 9


@pytest.mark.parametrize(
    "script",
    [
        Script(text=("one", "two"), cut="fin", cut_after=2),
        Script(text=("one", "two"), cut="short", cut_after=2),
        Script(text=("one", "two"), malformed=b"data: {]\n\n", malformed_at=2),
        Script(text=("one",), breaks=Failure(500)),
    ],
)
async def test_a_stream_that_breaks_after_content_fails_and_never_starts_over(
    gateway: Gate, one: Simulator, two: Simulator, script: Script
) -> None:
    gateway.add("first", one)
    gateway.add("second", two)
    one.script(script)
    seen = ""
    with pytest.raises(Upstream):
        async with gateway.stream() as stream:
            async for event in stream.items:
                seen += "".join(slot.text for slot in event.slots)
    assert seen == "one"
    assert len(two.requests) == 0
    assert len(one.requests) == 1
    assert gateway.bench.recorder.outcomes() == ["failed"]
    closing = gateway.bench.recorder.closings[-1]
    assert closing.facts["usage_is_estimate"] is True
    assert closing.facts["output_tokens"] == 1, "what was generated is charged"


@pytest.mark.parametrize(
    ("failure", "text"),
    [(Failure(400), "malformed"), (context_overflow(used=9, limit=8), "9"), (Failure(422), "malformed")],
)
async def test_what_would_fail_anywhere_is_not_tried_elsewhere(
    gateway: Gate, one: Simulator, two: Simulator, failure: Failure, text: str
) -> None:
    gateway.add("first", one)
    gateway.add("second", two)
    one.script(Script(failure=failure))
    with pytest.raises(Upstream, match=text) as caught:
        await gateway.ask()
    assert caught.value.upstream_status == failure.status
    assert len(two.requests) == 0
    one.script(Script(text="first"))
    assert said(await gateway.answer()) == "first", "and the deployment does not rest for it"


async def test_a_wrong_key_of_ours_is_our_fault_and_says_nothing_of_the_provider(gateway: Gate, one: Simulator) -> None:
    gateway.add("first", one)
    one.script(Script(failure=Failure(401, "Incorrect API key provided: sk-live-123")))
    with pytest.raises(Upstream) as caught:
        await gateway.ask()
    assert caught.value.status == 502
    assert "sk-live" not in caught.value.message


async def test_where_all_fail_the_caller_is_told_when_the_first_recovers(
    gateway: Gate, one: Simulator, two: Simulator
) -> None:
    gateway.add("first", one)
    gateway.add("second", two)
    one.script(Script(failure=Failure(429, retry_after_s=3)))
    two.script(Script(failure=Failure(500)))
    with pytest.raises(Upstream) as caught:
        await gateway.ask()
    assert caught.value.retry_after_s == 3.0
    assert gateway.bench.recorder.outcomes() == ["failed", "failed", "failed"]


async def test_what_one_tenants_calls_meet_marks_no_deployment_down_for_another(
    gateway: Gate, one: Simulator, two: Simulator
) -> None:
    gateway.add("first", one)
    gateway.add("second", two)
    one.default, two.default = Script(text="first"), Script(text="second")
    theirs: dict[str, Any] = {
        "principal": STRANGER,
        "use_case": UseCase("theirs", GLOBEX, owner="mallory", purpose="Their own."),
    }
    one.script(Script(failure=Failure(401)))
    assert said(await gateway.answer()) == "second"
    assert said(await gateway.answer(**theirs)) == "first"
    assert said(await gateway.answer()) == "second", "whose own failure another tenant's success does not undo"


async def test_a_deployment_that_failed_is_tried_last_until_it_has_rested(
    gateway: Gate, one: Simulator, two: Simulator
) -> None:
    gateway.add("first", one)
    gateway.add("second", two)
    one.script(Script(failure=Failure(429, retry_after_s=30)))
    one.default, two.default = Script(text="first"), Script(text="second")
    assert [said(await gateway.answer()) for _ in range(2)] == ["second", "second"]
    assert len(one.requests) == 1
    gateway.bench.clock.advance(31)
    assert said(await gateway.answer()) == "first"


@pytest.mark.parametrize("stall", ["headers", "first byte"])
async def test_a_deployment_that_says_nothing_is_given_up_for_the_next(
    gateway: Gate, one: Simulator, two: Simulator, stall: str
) -> None:
    gateway.add("first", one, network="hasty")
    gateway.add("second", two)
    one.script(Script(stall="headers" if stall == "headers" else "first byte"))
    two.script(Script(text="second"))
    assert streamed(await gateway.frames()) == "second"
    assert gateway.bench.recorder.closings[0].error == "upstream_timeout"
    async with asyncio.timeout(30):
        await one.requests[0].left.wait()


async def test_a_stream_that_stalls_after_content_is_ended(gateway: Gate, one: Simulator) -> None:
    """Trap 38: heartbeats of ours never hide an upstream that is dead."""
    gateway.add("first", one, network="hasty")
    one.script(Script(stall="stream"))
    with pytest.raises(UpstreamTimeout):
        await gateway.frames()
    assert gateway.bench.recorder.outcomes() == ["failed"]


async def test_a_client_that_leaves_closes_the_upstream_and_is_charged_for_what_was_made(
    gateway: Gate, one: Simulator
) -> None:
    """Trap 39."""
    gateway.add("first", one)
    one.script(Script(text=("12345678", "more"), stall="stream"))
    async with gateway.stream() as stream:
        async for event in stream.items:
            if any(slot.text for slot in event.slots):
                break
    async with asyncio.timeout(30):
        await one.requests[0].left.wait()
    assert gateway.bench.recorder.outcomes() == ["abandoned"]
    closing = gateway.bench.recorder.closings[-1]
    assert (closing.facts["usage_is_estimate"], closing.facts["output_tokens"]) == (True, 2)
    assert [one.performed for one in gateway.bench.admitter.settlements] == [True, True]
    assert gateway.bench.admitter.settlements[0].measures.cost_micros is not None


@pytest.mark.parametrize("stall", ["headers", "first byte", "stream"])
@pytest.mark.parametrize("stream", [True, False])
async def test_a_caller_that_is_cancelled_at_any_phase_closes_the_upstream(
    gateway: Gate, one: Simulator, stall: str, stream: bool
) -> None:
    """Trap 39."""
    gateway.add("first", one)
    one.script(Script(stall="headers" if stall == "headers" else "stream" if stall == "stream" else "first byte"))
    async with asyncio.TaskGroup() as group:
        task = group.create_task(gateway.frames() if stream else gateway.answer())
        received = await one.received()
        task.cancel()
    async with asyncio.timeout(30):
        await received.left.wait()
    assert gateway.bench.recorder.outcomes() == ["abandoned"]
    assert len(gateway.bench.admitter.settlements) == 2


async def test_usage_that_the_provider_leaves_out_is_estimated_and_marked(gateway: Gate, one: Simulator) -> None:
    gateway.add("first", one)
    one.script(Script(text="12345678", tokens=None), Script(text="12345678", tokens=None))
    await gateway.ask()
    await gateway.frames()
    for closing in gateway.bench.recorder.closings:
        assert closing.facts["usage_is_estimate"] is True
        assert closing.facts["output_tokens"] == 2


@pytest.mark.parametrize("upstream", WIRES)
@pytest.mark.parametrize("stream", [True, False])
async def test_cached_tokens_are_charged_once_and_at_their_own_rate(
    gateway: Gate, one: Simulator, upstream: str, stream: bool
) -> None:
    gateway.add("first", one, provider=upstream)
    one.script(Script(tokens=Tokens(input=100, output=10, cache_read=1000)))
    await (gateway.frames(wire=upstream) if stream else gateway.ask(wire=upstream))
    facts = gateway.bench.recorder.closings[-1].facts
    assert (facts["input_tokens"], facts["cache_read_tokens"]) == (1100, 1000)
    assert facts["cost_micros"] == 100 * 1 + 1000 // 10 + 10 * 2


async def test_what_has_no_price_costs_something_unknown_and_never_nothing(gateway: Gate, one: Simulator) -> None:
    gateway.add("first", one, price=None)
    done = await gateway.ask()
    assert done.run.measures.cost_micros is None
    assert "cost_micros" not in gateway.bench.recorder.closings[-1].facts
    gateway.add("first", one)
    one.script(Script(tokens=Tokens(cache_write=5)))
    done = await gateway.ask(wire="anthropic")
    assert done.run.measures.amounts["output_tokens"] == 7


@pytest.mark.parametrize("price", [PRICE, None])
async def test_counting_tokens_costs_nothing_whatever_the_price(
    gateway: Gate, one: Simulator, price: Price | None
) -> None:
    gateway.add("first", one, provider="anthropic", price=price)
    await gateway.ask(wire="anthropic", counts=True)
    assert [closing.facts["cost_micros"] for closing in gateway.bench.recorder.closings] == [0]


async def test_a_count_that_fails_or_that_no_deployment_gives_costs_nothing_either(
    gateway: Gate, one: Simulator, two: Simulator
) -> None:
    for name, simulator in (("first", one), ("second", two)):
        gateway.add(name, simulator, provider="anthropic", price=None)
        simulator.script(Script(failure=Failure(500)))
    with pytest.raises(Upstream):
        await gateway.ask(wire="anthropic", counts=True)
    assert [closing.facts["cost_micros"] for closing in gateway.bench.recorder.closings] == [0, 0, 0]
    gateway.deployments.clear()
    gateway.add("third", one, price=None)
    done = await gateway.ask(wire="anthropic", counts=True)
    assert (done.run.facts["estimated"], done.run.measures.cost_micros) == (True, 0)


async def test_what_was_spent_before_a_fallback_is_charged_too(gateway: Gate, one: Simulator, two: Simulator) -> None:
    """Trap 41: and charged once."""
    gateway.add("first", one)
    gateway.add("second", two)
    one.script(Script(body=b'{"error": {"code": 500, "message": "it broke"}}'))
    two.script(Script(tokens=Tokens(input=10, output=1)))
    done = await gateway.ask()
    assert done.run.measures.amounts == {"input_tokens": 10, "output_tokens": 1}
    first, second = (child.measures for child in done.run.children)
    assert second.cost_micros == 12
    assert (done.run.measures.cost_micros or 0) == 12 + (first.cost_micros or 0)


async def test_a_cap_on_output_reaches_the_provider_on_either_wire(gateway: Gate, one: Simulator) -> None:
    gateway.add("first", one, provider="anthropic")
    gateway.bench.decider.decision = Decision(Effect.ALLOW, obligations=Obligations(cap_output_tokens=5))
    await gateway.ask(wire="anthropic", body={"max_tokens": 900})
    await gateway.ask(wire="openai", body={"max_tokens": 900})
    await gateway.ask(wire="openai")
    assert [received.json["max_tokens"] for received in one.requests] == [5, 5, 5]


async def test_an_alias_that_does_not_exist_is_not_found(gateway: Gate) -> None:
    with pytest.raises(NotFound, match="'other' does not exist"):
        await gateway.ask(body={"model": "other"})


async def test_an_alias_without_deployments_says_so(gateway: Gate) -> None:
    with pytest.raises(Unavailable, match="chat has no deployment; add one"):
        await gateway.ask()
    with pytest.raises(Unavailable, match="chat has no deployment; add one"):
        await gateway.frames()


async def test_a_deployment_that_cannot_stream_is_no_candidate_for_a_stream(
    gateway: Gate, one: Simulator, two: Simulator
) -> None:
    gateway.add("first", one, streaming=False)
    gateway.add("second", two)
    two.default = Script(text="second")
    assert streamed(await gateway.frames()) == "second"
    assert one.connections == 0


OPENAI_NEEDS: dict[Need, dict[str, Any]] = {
    "tools": {"tools": [{"type": "function", "function": {"name": "clock"}}]},
    "images": {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": PIXEL}}]}]},
    "json_schema": {
        "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}}
    },
}
ANTHROPIC_NEEDS: dict[Need, dict[str, Any]] = {
    "tools": {"tools": [{"name": "clock", "input_schema": {"type": "object"}}]},
    "images": {"messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "url", "url": PIXEL}}]}]},
    "json_schema": {"output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}}},
}
NEEDS = {"openai": OPENAI_NEEDS, "anthropic": ANTHROPIC_NEEDS}


@pytest.mark.parametrize("need", OPENAI_NEEDS)
@pytest.mark.parametrize("wire", WIRES)
async def test_a_deployment_that_lacks_what_a_call_needs_is_no_candidate_for_it(
    gateway: Gate, one: Simulator, two: Simulator, wire: str, need: Need
) -> None:
    gateway.add("first", one, provider=wire, lacks=[need])
    gateway.add("second", two, provider=wire)
    one.default, two.default = Script(text="first"), Script(text="second")
    for name, body in NEEDS[wire].items():
        assert said(await gateway.answer(wire=wire, body=body)) == ("second" if name == need else "first")


@pytest.mark.parametrize(
    ("need", "says"),
    [
        ("tools", "one: it cannot call tools; two: it does not offer chat"),
        ("images", "one: it does not take images; two: it does not offer chat"),
        ("json_schema", "one: it cannot follow a JSON schema; two: it does not offer chat"),
    ],
)
@pytest.mark.parametrize("wire", WIRES)
async def test_a_call_that_no_candidate_can_answer_is_told_what_each_lacks(
    gateway: Gate, one: Simulator, wire: str, need: Need, says: str
) -> None:
    gateway.add("one", one, lacks=[need])
    gateway.add("two", one)
    gateway.deployments["two"] = replace(
        gateway.deployments["two"], capability=Capability(operations=frozenset({"embed"}))
    )
    for ask in (gateway.ask, gateway.frames):
        with pytest.raises(Invalid, match=says) as caught:
            await ask(wire=wire, body=NEEDS[wire][need])
        assert caught.value.status == 400
    assert one.connections == 0


@pytest.mark.parametrize("stream", [False, True])
async def test_what_cannot_be_said_on_one_wire_is_asked_of_a_candidate_that_speaks_the_callers(
    gateway: Gate, one: Simulator, two: Simulator, stream: bool
) -> None:
    file = [{"type": "file", "file": {"file_id": "file-held-by-its-provider"}}]
    body = {"messages": [{"role": "user", "content": file}]}
    gateway.add("first", one, provider="anthropic")
    for ask in (gateway.frames, gateway.answer):
        with pytest.raises(Invalid, match="file part cannot be sent"):
            await ask(body=body)
    gateway.add("second", two)
    two.default = Script(text="second")
    assert "second" in str(await (gateway.frames if stream else gateway.answer)(body=body))
    assert not one.requests
    assert [found.json["messages"] for found in two.requests] == [body["messages"]]


async def test_what_a_deployment_lacks_is_no_reason_where_another_may_not_have_the_content(
    gateway: Gate, one: Simulator
) -> None:
    gateway.add("unable", one, lacks=["tools"], clearance=OURS)
    gateway.add("cloud", one)
    with pytest.raises(Denied, match="unable: it cannot call tools; cloud: the content may not go there"):
        await gateway.ask(use_case=HEALTH_RECORDS, body=OPENAI_NEEDS["tools"])


async def test_an_address_that_may_not_be_reached_costs_nothing(gateway: Gate, one: Simulator) -> None:
    gateway.add("first", one, network="default")
    with pytest.raises(Denied):
        await gateway.ask()
    assert one.connections == 0
    assert [one.measures.cost_micros for one in gateway.bench.admitter.settlements] == [None, None]


async def test_the_deployments_own_credential_is_sent_and_never_the_clients(gateway: Gate) -> None:
    gateway.secrets["env:KEY"] = "upstream-secret"
    async with Simulator(key="upstream-secret") as guarded:
        for provider in WIRES:
            gateway.add("d1", guarded, provider=provider)
            gateway.deployments["d1"] = replace(gateway.deployments["d1"], key="env:KEY")
            assert said(await gateway.answer(wire=provider)) == Script().whole
    assert guarded.requests[0].headers["authorization"] == "Bearer upstream-secret"
    assert guarded.requests[1].headers["x-api-key"] == "upstream-secret"


async def test_a_provider_that_is_gone_or_has_no_address_is_passed_over(gateway: Gate, one: Simulator) -> None:
    gateway.add("gone", one)
    gateway.add("homeless", one)
    gateway.add("well", one)
    gateway.deployments["gone"] = replace(gateway.deployments["gone"], provider="gone")
    gateway.deployments["homeless"] = replace(gateway.deployments["homeless"], provider="nowhere", base_url=None)
    assert said(await gateway.answer()) == Script().whole
    assert gateway.bench.recorder.closings[-1].facts["deployment"] == "well"
    assert gateway.bench.recorder.closings[-1].facts["attempts"] == 3


async def outcome(story: Awaitable[None]) -> Upstream | None:
    """What of ours a story raises; a task group would wrap it."""
    try:
        await story
    except Upstream as error:
        return error
    return None


@pytest.mark.parametrize("stream", [False, True])
async def test_a_caller_that_waits_no_longer_gets_its_own_timeout_and_the_provider_no_blame(
    gateway: Gate, one: Simulator, two: Simulator, stream: bool
) -> None:
    gateway.add("first", one)
    gateway.add("second", two)
    one.script(Script(stall="headers"), Script(text="fine"))
    action = gateway.action(stream=stream)
    hurried = replace(action, context=replace(action.context, deadline_s=0.05))

    async def ask() -> None:
        if not stream:
            await gateway.bench.pipeline().run(hurried)
            return
        async with gateway.bench.pipeline().stream(hurried) as opened:
            await anext(opened.items)

    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        asking = group.create_task(outcome(ask()))
        await one.received()
        gateway.bench.clock.advance(0.05)
    error = asking.result()
    assert isinstance(error, UpstreamTimeout)
    assert not error.retryable
    assert not two.requests, "nobody else is asked for an answer that nobody waits for"
    async with asyncio.timeout(30):
        await one.requests[0].left.wait()
    assert gateway.bench.recorder.outcomes() == ["failed"]
    assert said(await gateway.answer()) == "fine", "it is still tried first"


@pytest.mark.parametrize("stream", [False, True])
async def test_only_a_provider_of_our_own_is_believed_about_what_it_left_out(
    gateway: Gate, one: Simulator, two: Simulator, stream: bool
) -> None:
    script = Script(headers=(("x-headgate-dropped", "verbosity"),))
    for provider, simulator, told in (("openai", one, None), ("local", two, "verbosity")):
        gateway.deployments.clear()
        gateway.add(provider, simulator, provider=provider)
        simulator.script(script)
        await (gateway.frames() if stream else gateway.answer())
        assert gateway.bench.recorder.closings[-1].facts.get("dropped") == told
