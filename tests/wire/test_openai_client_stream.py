from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from headgate.kernel.content import TextSlot
from headgate.kernel.errors import Denied, Upstream
from headgate.wire.conversation import (
    Begin,
    Delta,
    End,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    ToolBegin,
    ToolDelta,
    UsageUpdate,
)
from headgate.wire.model_call import ModelCall, StopReason, Usage
from headgate.wire.openai_chat import dialect
from headgate.wire.openai_chat_event import OpenAiChatEvent
from headgate.wire.sse import SseEvent, SseParser

GOLDEN = Path(__file__).parent / "golden" / "openai"


@dataclass(frozen=True)
class Foreign:
    """An event of some other wire."""

    said: tuple[Delta, ...]
    wire: str = "elsewhere"
    data: bytes = b""
    slots: tuple[TextSlot, ...] = ()
    closes: tuple[str, ...] = ()
    ends_runs: bool = False
    usage: Usage | None = None
    stop_reason: StopReason | None = None

    def deltas(self) -> Sequence[Delta]:
        return self.said

    def run(self, channel: str) -> None:
        return

    def edit(self, texts: Sequence[str]) -> Foreign:
        return self

    def without_spelling(self) -> Foreign:
        return self

    def insert(self, slot: TextSlot) -> Foreign:
        return self


def client_call(*, usage: bool = False) -> ModelCall:
    options = ',"stream_options":{"include_usage":true}' if usage else ""
    body = f'{{"model":"alias/chat","stream":true,"messages":[{{"role":"user","content":"x"}}]{options}}}'
    return dialect.read_call(body.encode(), headers={})


def rewritten(stream: bytes, *, usage: bool) -> bytes:
    parser, reader, writer = SseParser(), dialect.read_events(), dialect.write_events(client_call(usage=usage))
    out = [writer.write(event) for sse_event in parser.feed(stream) for event in reader.feed(sse_event)]
    return b"".join(out) + writer.end()


def crossed(*deltas: Delta, usage: bool = False) -> list[Any]:
    writer = dialect.write_events(client_call(usage=usage))
    out = b"".join(writer.write(Foreign((delta,))) for delta in deltas) + writer.end()
    events = SseParser().feed(out)
    assert events[-1].data == b"[DONE]"
    return [json.loads(event.data) for event in events[:-1]]


@pytest.mark.parametrize(("name", "usage"), [("stream.client", False), ("stream.client_with_usage", True)])
def test_a_stream_keeps_its_bytes_but_for_the_alias_and_for_usage_nobody_asked_for(name: str, usage: bool) -> None:
    """Traps 1, 2 and 42."""
    stream = (GOLDEN / "stream.upstream.sse").read_bytes()
    assert rewritten(stream, usage=usage) == (GOLDEN / f"{name}.sse").read_bytes()


def test_usage_that_came_on_a_chunk_with_choices_is_told_in_a_last_chunk_of_its_own() -> None:
    """Traps 1 and 2."""
    stream = (
        b'data: {"id":"c","created":5,"model":"m","choices":[{"index":0,"delta":{"content":"a"},'
        b'"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":4}}\n\ndata: [DONE]\n\n'
    )
    events = [event.data for event in SseParser().feed(rewritten(stream, usage=True))]
    last = json.loads(events[-2])
    assert (last["id"], last["created"], last["choices"]) == ("c", 5, [])
    assert last["usage"]["total_tokens"] == 7
    assert events[-1] == b"[DONE]"
    unasked = rewritten(stream, usage=False)
    assert unasked == (
        b'data: {"id":"c","created":5,"model":"alias/chat","choices":[{"index":0,"delta":{"content":"a"},'
        b'"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
    )


@pytest.mark.parametrize(
    "chunk",
    [
        '{"model":"m","choices":[]}',
        '{ "model" : "m" , "choices":[]}',
        '{"model": "m", "choices":[{"index":0,"delta":{"content":"say \\"model\\":\\"m\\""}}]}',
        '{"choices":[{"index":0,"delta":{"content":"model"}}],"x":{"model":"m"},"model":"m"}',
        '{"choices":[],"model":null}',
    ],
)
def test_the_alias_stands_where_the_model_stood_and_only_there(chunk: str) -> None:
    """Trap 42."""
    writer = dialect.write_events(client_call())
    (event,) = dialect.read_events().feed(SseEvent("", chunk.encode()))
    (frame,) = SseParser().feed(writer.write(event))
    assert json.loads(frame.data) == {**json.loads(chunk), "model": "alias/chat"}


def test_a_chunk_without_a_model_gets_none() -> None:
    writer = dialect.write_events(client_call())
    assert writer.write(OpenAiChatEvent(b'{"choices":[]}')) == b'data: {"choices":[]}\n\n'


def test_another_wires_stream_becomes_chunks() -> None:
    """Traps 3, 9, 11 and 42."""
    chunks = crossed(
        Begin("msg_1", "claude", Usage(input_tokens=12, cache_read_tokens=2)),
        ReasoningDelta("hm"),
        ReasoningDelta(signature="sig"),
        TextDelta("hi"),
        ToolBegin(0, "toolu_1", "f"),
        ToolDelta(0, "{}"),
        ToolBegin(1, "t" * 50, "g"),
        End("tool_use", usage=Usage(output_tokens=5)),
    )
    assert {(chunk["id"], chunk["model"]) for chunk in chunks} == {("msg_1", "alias/chat")}
    assert all("usage" not in chunk for chunk in chunks)
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
    assert deltas[:3] == [{"role": "assistant", "content": ""}, {"reasoning_content": "hm"}, {"content": "hi"}]
    function = {"name": "f", "arguments": ""}
    assert deltas[3] == {"tool_calls": [{"index": 0, "id": "toolu_1", "type": "function", "function": function}]}
    assert deltas[4] == {"tool_calls": [{"index": 0, "function": {"arguments": "{}"}}]}
    assert len(deltas[5]["tool_calls"][0]["id"]) <= 40
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks] == [None] * 6 + ["tool_calls"]


def test_usage_of_another_wire_is_merged_from_its_first_and_last_report() -> None:
    """Traps 1, 2 and 18."""
    chunks = crossed(
        Begin("m", "x", Usage(input_tokens=12, cache_read_tokens=2)),
        TextDelta("a"),
        End("stop", usage=Usage(output_tokens=5)),
        UsageUpdate(Usage(output_tokens=6, reasoning_tokens=1)),
        usage=True,
    )
    assert [chunk["usage"] for chunk in chunks[:-1]] == [None, None, None]
    assert chunks[-1]["choices"] == []
    assert chunks[-1]["usage"] == {
        "prompt_tokens": 12,
        "completion_tokens": 6,
        "total_tokens": 18,
        "prompt_tokens_details": {"cached_tokens": 2},
        "completion_tokens_details": {"reasoning_tokens": 1},
    }


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("stop", "stop"),
        ("stop_sequence", "stop"),
        ("length", "length"),
        ("context_length", "length"),
        ("tool_use", "tool_calls"),
        ("refusal", "content_filter"),
        ("content_filter", "content_filter"),
        ("pause", "length"),
        ("unknown", "length"),
    ],
)
def test_only_a_stop_becomes_a_stop(reason: StopReason, finish: str) -> None:
    """Traps 8 and 9."""
    (chunk, end) = crossed(RefusalDelta("no"), End(reason))
    assert chunk["choices"][0]["delta"] == {"refusal": "no"}
    assert end["choices"][0]["finish_reason"] == finish


def test_a_failing_stream_ends_with_an_error_that_names_rule_and_reason_and_never_with_done() -> None:
    """Trap 37."""
    writer = dialect.write_events(client_call())
    frame = writer.fail(Denied("the answer holds a secret", rules=("secrets.block",), record_id="r1"))
    (event,) = SseParser().feed(frame)
    assert b"[DONE]" not in frame
    assert json.loads(event.data)["error"] == {
        "message": "the answer holds a secret (rule secrets.block)",
        "type": "invalid_request_error",
        "param": None,
        "code": "denied",
        "record_id": "r1",
        "rules": ["secrets.block"],
    }
    assert json.loads(SseParser().feed(writer.fail(Upstream("cut")))[0].data)["error"]["code"] == "upstream_error"


def test_a_heartbeat_is_a_comment_that_parsers_skip() -> None:
    """Trap 38."""
    assert dialect.write_events(client_call()).heartbeat() == b": keep-alive\n\n"
