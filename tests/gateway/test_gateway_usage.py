"""What a call is charged, whatever its provider says of tokens: odd types, zeros, sums, and nothing at all."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from headgate.testing.gate import PRICE, Gate, gate
from headgate.testing.simulator import Script, Simulator
from headgate.wire.model_call import Price, Usage
from headgate.wire.openai_embeddings import dialect as embeddings
from headgate.wire.openai_words import tokens_from

TEXT = "Good evening to all of you, and welcome."
WIRES = ["openai", "anthropic"]
ESTIMATED = -(-len(TEXT) // 4)


@pytest.fixture
async def gateway() -> AsyncIterator[Gate]:
    async with gate() as opened:
        yield opened


@pytest.fixture
async def one() -> AsyncIterator[Simulator]:
    async with Simulator() as simulator:
        yield simulator


def whole(wire: str, usage: str) -> bytes:
    """An answer whose usage is these bytes."""
    if wire == "openai":
        choice = {"index": 0, "message": {"role": "assistant", "content": TEXT}, "finish_reason": "stop"}
        body: Any = {"id": "c1", "object": "chat.completion", "model": "m", "choices": [choice]}
    else:
        body = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "stop_reason": "end_turn"}
        body["content"] = [{"type": "text", "text": TEXT}]
    return f'{json.dumps(body)[:-1]}, "usage": {usage}}}'.encode()


def streamed(wire: str, *usages: str) -> bytes:
    """A stream whose reports of usage are these, at its beginning and at its end."""
    first, last = usages[0], usages[-1]
    if wire == "openai":
        begin: Any = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
        told: Any = [{"index": 0, "delta": {"content": TEXT}, "finish_reason": None}]
        stop: Any = [{"index": 0, "delta": {}, "finish_reason": "stop"}]
        pieces: list[tuple[Any, str]] = [(told, first), (stop, "null"), ([], last)]
        datas = [json.dumps({**begin, "choices": choices})[:-1] + f', "usage": {usage}}}' for choices, usage in pieces]
        return "".join([f"data: {data}\n\n" for data in (*datas, "[DONE]")]).encode()
    datas = [
        f'{{"type": "message_start", "message": {{"id": "msg_1", "type": "message", "usage": {first}}}}}',
        '{"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}',
        json.dumps({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": TEXT}}),
        '{"type": "content_block_stop", "index": 0}',
        f'{{"type": "message_delta", "delta": {{"stop_reason": "end_turn"}}, "usage": {last}}}',
        '{"type": "message_stop"}',
    ]
    return "".join([f"event: {json.loads(data)['type']}\ndata: {data}\n\n" for data in datas]).encode()


async def charged(
    gateway: Gate, one: Simulator, wire: str, body: bytes, *, stream: bool, client: str, price: Price = PRICE
) -> Any:
    """Have the answer given, which must arrive, and return what the record says of it."""
    gateway.add("first", one, provider=wire, price=price)
    # After the end of the wire nothing is read, so the script's own events may follow.
    one.script(Script(malformed=body, malformed_at=0) if stream else Script(body=body))
    if stream:
        assert TEXT in (await gateway.frames(wire=client)).decode()
    else:
        assert TEXT in json.dumps(await gateway.answer(wire=client))
    return gateway.bench.recorder.closings[-1].facts


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("client", WIRES)
@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize(
    ("input_tokens", "output_tokens", "known"),
    [
        ('"5000"', "10.0", (5000, 10)),
        ("5e3", '" 10 "', (5000, 10)),
        ("5000", "[]", (5000, None)),
        ("5000", "-3", (5000, None)),
        ("5000", "true", (5000, None)),
        ("5000", "1e400", (5000, None)),
        ("5000", "123456789012345678901234567890", (5000, None)),
        ("{}", "10", (None, 10)),
        ("0", "0", (None, None)),
        ("null", '"many"', (None, None)),
    ],
)
async def test_counts_are_read_whatever_their_type_and_what_is_no_count_is_estimated(
    gateway: Gate,
    one: Simulator,
    wire: str,
    client: str,
    stream: bool,
    input_tokens: str,
    output_tokens: str,
    known: tuple[int | None, int | None],
) -> None:
    names = ("prompt_tokens", "completion_tokens") if wire == "openai" else ("input_tokens", "output_tokens")
    usage = f'{{"{names[0]}": {input_tokens}, "{names[1]}": {output_tokens}}}'
    body = streamed(wire, "{}", usage) if stream else whole(wire, usage)
    facts = await charged(gateway, one, wire, body, stream=stream, client=client)
    assert facts["output_tokens"] == (ESTIMATED if known[1] is None else known[1])
    assert facts["input_tokens"] == known[0] or (known[0] is None and facts["input_tokens"] > 0)
    assert facts.get("usage_is_estimate", False) is (None in known)
    assert facts["cost_micros"] == facts["input_tokens"] + 2 * facts["output_tokens"]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("usage", ["null", "[]", '"none"', "7", "true", "1e400", "{}", '{"prompt_tokens_details": 3}'])
async def test_an_answer_is_not_refused_over_a_usage_that_is_none(
    gateway: Gate, one: Simulator, wire: str, stream: bool, usage: str
) -> None:
    body = streamed(wire, usage) if stream else whole(wire, usage)
    facts = await charged(gateway, one, wire, body, stream=stream, client=wire)
    assert (facts["output_tokens"], facts["usage_is_estimate"]) == (ESTIMATED, True)


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("later", ["0", "null", '"0"', "-1", "[]"])
async def test_a_later_report_does_not_take_back_what_an_earlier_one_counted(
    gateway: Gate, one: Simulator, wire: str, later: str
) -> None:
    names = ("prompt_tokens", "completion_tokens") if wire == "openai" else ("input_tokens", "output_tokens")
    first, last = f'{{"{names[0]}": 5000, "{names[1]}": 1}}', f'{{"{names[0]}": {later}, "{names[1]}": 9}}'
    facts = await charged(gateway, one, wire, streamed(wire, first, last), stream=True, client=wire)
    assert (facts["input_tokens"], facts["output_tokens"]) == (5000, 9)
    assert "usage_is_estimate" not in facts


async def test_a_breakdown_of_zeros_does_not_take_back_what_was_written_to_caches(
    gateway: Gate, one: Simulator
) -> None:
    first = '{"input_tokens": 5, "cache_creation_input_tokens": 9, "cache_creation": {"ephemeral_1h_input_tokens": 9}}'
    last = '{"output_tokens": 3, "cache_creation": {"ephemeral_1h_input_tokens": 0}}'
    body = streamed("anthropic", first, last)
    price = replace(PRICE, cache_write_1h_micros=10_000_000)
    facts = await charged(gateway, one, "anthropic", body, stream=True, client="anthropic", price=price)
    assert (facts["input_tokens"], facts["output_tokens"]) == (14, 3)
    assert facts["cost_micros"] == 5 * 1 + 9 * 10 + 3 * 2


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}, Usage(10, 5)),
        # Reasoning within the completion, as OpenAI counts it.
        (
            {"prompt_tokens": 10, "completion_tokens": 50, "total_tokens": 60, "reasoning_tokens": 40},
            Usage(10, 50, reasoning_tokens=40),
        ),
        # Reasoning beside the completion, as xAI counts it.
        (
            {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 115, "reasoning_tokens": 100},
            Usage(10, 105, reasoning_tokens=100),
        ),
        # Reasoning that only the total tells of, as Gemini counts it.
        ({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 115}, Usage(10, 105, reasoning_tokens=100)),
        # More reasoning than completion cannot be within it.
        ({"prompt_tokens": 10, "completion_tokens": 5, "reasoning_tokens": 100}, Usage(10, 105, reasoning_tokens=100)),
        # Cached tokens beside the prompt, told by the total or by there being more of them.
        (
            {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 23, "cached_tokens": 8},
            Usage(18, 5, cache_read_tokens=8),
        ),
        (
            {"prompt_tokens": 10, "completion_tokens": 5, "cached_tokens": 80},
            Usage(90, 5, cache_read_tokens=80),
        ),
        (
            {
                "prompt_tokens": 10,
                "completion_tokens": 5,
                "total_tokens": 43,
                "cached_tokens": 8,
                "reasoning_tokens": 20,
            },
            Usage(18, 25, cache_read_tokens=8, reasoning_tokens=20),
        ),
        # Within the prompt, as OpenAI counts them.
        (
            {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15, "cached_tokens": 8},
            Usage(10, 5, cache_read_tokens=8),
        ),
        # As many cached ones within the prompt as reasoning beside the completion.
        (
            {
                "prompt_tokens": 10,
                "completion_tokens": 5,
                "total_tokens": 23,
                "cached_tokens": 8,
                "reasoning_tokens": 8,
            },
            Usage(10, 13, cache_read_tokens=8, reasoning_tokens=8),
        ),
        # One count follows from the total.
        ({"prompt_tokens": 10, "total_tokens": 15}, Usage(10, 5)),
        ({"prompt_tokens": 0, "completion_tokens": 5, "total_tokens": 15}, Usage(10, 5)),
        ({"completion_tokens": 5, "total_tokens": 15}, Usage(10, 5)),
        ({"total_tokens": 15}, Usage()),
    ],
)
def test_what_a_server_counts_beside_the_others_is_told_by_the_sums(usage: dict[str, int], expected: Usage) -> None:
    inner = {
        "prompt_tokens_details": {"cached_tokens": usage.pop("cached_tokens", None)},
        "completion_tokens_details": {"reasoning_tokens": usage.pop("reasoning_tokens", None)},
    }
    assert tokens_from({**usage, **inner}).usage() == expected


@pytest.mark.parametrize(
    "usage", ['{"prompt_tokens": "8"}', '{"prompt_tokens": null, "total_tokens": 8.0}', "[]", "1e400", "1" * 5000]
)
def test_embeddings_are_not_refused_over_their_usage_either(usage: str) -> None:
    reply = embeddings.read_reply(b'{"data": [{"embedding": [0.5]}], "usage": ' + usage.encode() + b"}", headers={})
    assert reply.usage == Usage(8 if "8" in usage else None, 0)
