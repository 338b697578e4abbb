from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from headgate.kernel.content import Segment
from headgate.kernel.errors import Upstream
from headgate.wire.conversation import Reasoning, Refusal, Reply, Text, ToolUse
from headgate.wire.model_call import StopReason, Usage
from headgate.wire.openai_chat import dialect

GOLDEN = Path(__file__).parent / "golden" / "openai"


def answer(message: dict[str, Any], finish: str = "stop", **more: Any) -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish, **more}
    return json.dumps({"id": "c1", "model": "gpt-real", "choices": [choice]}).encode()


def test_a_reply_keeps_its_bytes_but_for_the_alias() -> None:
    """Traps 35 and 42."""
    raw = (GOLDEN / "reply.upstream.json").read_bytes()
    reply = dialect.read_reply(raw, headers={"x-ratelimit-remaining-tokens": "9", "set-cookie": "x"})
    assert dialect.write_reply(reply, model="alias/chat") == (GOLDEN / "reply.client.json").read_bytes()
    assert reply.usage == Usage(input_tokens=20, output_tokens=9, cache_read_tokens=5, reasoning_tokens=2)
    assert reply.headers == (("x-ratelimit-remaining-tokens", "9"),)
    segments = reply.content.segments()
    assert Segment("Grüße & <b>", "assistant") in segments
    assert Segment('{"city":"Zürich"}', "assistant") in segments
    edited = reply.with_content(reply.content.edit({segments.index(Segment("Grüße & <b>", "assistant")): "x"}))
    assert dialect.write_reply(edited, model="gpt-real-2024") == raw.replace("Grüße & <b>".encode(), b"x")


@pytest.mark.parametrize(
    ("message", "finish", "more", "reason"),
    [
        ({"content": "a"}, "stop", {}, "stop"),
        ({"content": "a"}, "stop", {"stop_reason": "END"}, "stop_sequence"),
        ({"content": "a"}, "length", {}, "length"),
        ({"content": None, "refusal": "no"}, "stop", {}, "refusal"),
        ({"content": None}, "content_filter", {}, "content_filter"),
        ({"content": "a"}, "novel", {}, "unknown"),
    ],
)
def test_why_an_answer_ended_is_told(
    message: dict[str, Any], finish: str, more: dict[str, Any], reason: StopReason
) -> None:
    """Traps 8 and 9."""
    assert dialect.read_reply(answer(message, finish, **more), headers={}).stop_reason == reason


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"choices":[]}', b'{"choices":[{}]}', b'{"choices":{}}'])
def test_what_is_no_answer_is_the_upstreams_failure(body: bytes) -> None:
    with pytest.raises(Upstream):
        dialect.read_reply(body, headers={})


def test_an_error_with_a_good_status_is_an_error() -> None:
    with pytest.raises(Upstream, match="overloaded"):
        dialect.read_reply(b'{"error":{"message":"overloaded"}}', headers={})


def test_an_answer_in_typed_form_has_all_its_parts_in_order() -> None:
    """Traps 8, 11 and 12."""
    calls = [
        {"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"x": 1}'}},
        {"id": "b", "type": "custom", "custom": {"name": "g", "input": "raw"}},
        {"id": "c", "function": {"name": "h", "arguments": {"y": 2}}},
    ]
    message = {"content": None, "reasoning": "hm", "refusal": "partly", "tool_calls": calls}
    reply = dialect.read_reply(answer(message, "tool_calls"), headers={})
    assert dialect.to_reply(reply) == Reply(
        "c1",
        "gpt-real",
        (
            Reasoning("hm"),
            Refusal("partly"),
            ToolUse("a", "f", '{"x": 1}'),
            ToolUse("b", "g", '{"input":"raw"}'),
            ToolUse("c", "h", '{"y":2}'),
        ),
        "tool_use",
    )


def test_an_answer_of_another_wire_becomes_a_completion_and_reads_back() -> None:
    reply = Reply(
        "msg_1",
        "claude",
        (Reasoning("hm", signature="s"), Text("Hel"), Text("lo"), Refusal("no"), ToolUse("t1", "f", "")),
        "tool_use",
        usage=Usage(input_tokens=5, output_tokens=2, cache_read_tokens=1, cache_write_tokens=1),
    )
    raw = dialect.from_reply(reply, model="alias/chat")
    said = json.loads(raw)
    assert (said["object"], said["model"], said["id"]) == ("chat.completion", "alias/chat", "msg_1")
    assert said["choices"][0]["message"] == {
        "role": "assistant",
        "content": "Hello",
        "refusal": "no",
        "reasoning_content": "hm",
        "tool_calls": [{"id": "t1", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
    }
    back = dialect.to_reply(dialect.read_reply(raw, headers={}))
    assert (back.stop_reason, back.usage) == ("tool_use", reply.usage)


def test_a_refusal_of_another_wire_ends_as_filtered_content() -> None:
    """Trap 8."""
    said = json.loads(dialect.from_reply(Reply("m", "x", (Refusal("no"),), "refusal"), model="a"))
    assert said["choices"][0]["finish_reason"] == "content_filter"
    assert said["choices"][0]["message"]["content"] is None


def test_the_dialect_offers_chat_only() -> None:
    assert [route.operation for route in dialect.routes] == ["chat"]
