"""Trap 6: a stream of Anthropic's wire becomes the whole answer that it would have been."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import anthropic
import httpx2
import pytest

from headgate.kernel.errors import Upstream
from headgate.wire.anthropic_messages import dialect
from headgate.wire.sse import SseParser, frame

GOLDEN = (Path(__file__).parent / "golden/anthropic/thinking_and_tools.sse").read_bytes()
START = {"type": "message_start", "message": {"id": "msg_1", "type": "message", "role": "assistant", "model": "m"}}
END = {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}}
STOP = {"type": "message_stop"}


def assembled(raw: bytes) -> bytes:
    reader, assembler = dialect.read_events(), dialect.assembler()
    for sse in SseParser().feed(raw):
        for event in reader.feed(sse):
            assembler.add(event)
    reader.finish()
    return assembler.whole()


def stream(*events: dict[str, Any]) -> bytes:
    return b"".join(frame(json.dumps(event).encode(), event["type"]) for event in events)


def block(start: dict[str, Any], *deltas: dict[str, Any], index: int = 0) -> list[dict[str, Any]]:
    return [
        {"type": "content_block_start", "index": index, "content_block": start},
        *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": index},
    ]


def content_of(start: dict[str, Any], *deltas: dict[str, Any]) -> Any:
    return json.loads(assembled(stream(START, *block(start, *deltas), END, STOP)))["content"][0]


def test_it_is_what_the_sdk_makes_of_the_same_stream():
    transport = httpx2.MockTransport(
        lambda _: httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=GOLDEN)
    )
    client = anthropic.Anthropic(
        api_key="k", base_url="http://gate.test", http_client=httpx2.Client(transport=transport), max_retries=0
    )
    with client.messages.stream(model="a", max_tokens=9, messages=[{"role": "user", "content": "x"}]) as opened:
        theirs = opened.get_final_message()
    ours = anthropic.types.Message.construct(**json.loads(assembled(GOLDEN)))
    assert json.loads(ours.to_json(exclude_none=True)) == json.loads(theirs.to_json(exclude_none=True))
    reply = dialect.read_reply(assembled(GOLDEN), headers={})
    assert (reply.stop_reason, reply.usage.reasoning_tokens > 0) == ("tool_use", True)


def test_citations_gather_and_text_that_comes_with_the_start_counts():
    cited = {"type": "char_location", "cited_text": "x", "document_index": 0}
    found = content_of(
        {"type": "text", "text": "So", "citations": [cited]},
        {"type": "text_delta", "text": " be it"},
        {"type": "citations_delta", "citation": {**cited, "document_index": 1}},
    )
    assert found["text"] == "So be it"
    assert [one["document_index"] for one in found["citations"]] == [0, 1]


def test_the_first_citation_makes_a_list_of_null():
    cited = {"type": "char_location", "cited_text": "x"}
    found = content_of({"type": "text", "text": "", "citations": None}, {"type": "citations_delta", "citation": cited})
    assert found["citations"] == [cited]


def test_kinds_of_blocks_and_deltas_that_nobody_knows_keep_what_they_say():
    found = content_of(
        {"type": "compaction", "content": None, "kept": [1]},
        {"type": "compaction_delta", "content": "Earlier: "},
        {"type": "compaction_delta", "content": "nothing.", "kept": [1, 2]},
    )
    assert found == {"type": "compaction", "content": "Earlier: nothing.", "kept": [1, 2]}


def test_tool_input_keeps_its_digits_and_what_the_limit_cut_off_is_wrapped():
    tool: dict[str, Any] = {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}}
    pieces = [
        {"type": "input_json_delta", "partial_json": text}
        for text in ("", '{"n": 1', '.0, "m": 12345678901234567890123}')
    ]
    assert b'"input":{"n": 1.0, "m": 12345678901234567890123}' in assembled(
        stream(START, *block(tool, *pieces), END, STOP)
    )
    assert content_of(tool, pieces[1])["input"] == {"arguments": '{"n": 1'}
    assert content_of(tool)["input"] == {}


def test_blocks_stand_by_their_index_and_fields_beside_the_delta_are_the_messages():
    text = {"type": "text", "text": ""}
    late = block(text, {"type": "text_delta", "text": "first"}, index=0)
    early = block(text, {"type": "text_delta", "text": "second"}, index=1)
    end: dict[str, Any] = {**END, "context_management": {"applied_edits": []}}
    message = json.loads(assembled(stream(START, *early, *late, {"type": "ping"}, end, STOP)))
    assert [one["text"] for one in message["content"]] == ["first", "second"]
    assert message["context_management"] == {"applied_edits": []}
    assert "usage" not in message


@pytest.mark.parametrize("later", ["null", "0", '"0"', "-3", "[]", '{"a": 0}', "1" * 5000])
def test_usage_that_a_later_report_leaves_out_or_takes_back_survives(later: str):
    start = {
        "type": "message_start",
        "message": {"id": "msg_1", "usage": {"input_tokens": 5, "output_tokens": 1, "service_tier": "standard"}},
    }
    end = {**END, "usage": {"input_tokens": "LATER", "output_tokens": 9, "service_tier": "priority"}}
    raw = stream(start, end, STOP).replace(b'"LATER"', later.encode())
    message = json.loads(assembled(raw))
    assert message["usage"] == {"input_tokens": 5, "output_tokens": 9, "service_tier": "priority"}


def test_usage_that_is_no_object_is_passed_over():
    start = {"type": "message_start", "message": {"id": "msg_1", "usage": {"input_tokens": 5}}}
    assert json.loads(assembled(stream(start, {**END, "usage": [1]}, STOP)))["usage"] == {"input_tokens": 5}


@pytest.mark.parametrize(
    "raw",
    [
        stream(STOP),
        stream(
            START, *block({"type": "text", "text": ""})[2:], {"type": "content_block_delta", "delta": {"text": "x"}}
        ),
        stream(START, {"type": "content_block_start", "index": 0}),
        stream(START, *block({"type": "text", "text": 7}, {"type": "other", "text": "x"})),
    ],
    ids=["nothing", "a delta of no block", "a block without a start", "text on a number"],
)
def test_what_does_not_fit_together_is_the_upstreams_failure(raw: bytes):
    with pytest.raises(Upstream):
        assembled(raw)


@pytest.mark.parametrize("levels", [129, 990, 100_000])
def test_input_that_is_nested_deeper_than_a_body_may_be_is_the_providers_mistake(levels: int):
    deep = '{"a":' * levels + "1" + "}" * levels
    start: dict[str, Any] = {"type": "tool_use", "id": "t", "name": "n", "input": {}}
    with pytest.raises(Upstream, match="nested deeper than 128 levels"):
        content_of(start, {"type": "input_json_delta", "partial_json": deep})
