"""Threads of Anthropic's wire: the whole call that a continued thread makes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from headgate.kernel.errors import Invalid, Upstream
from headgate.wire.anthropic_messages import dialect
from headgate.wire.anthropic_state import ThreadMismatch
from headgate.wire.dialect import Outgoing
from headgate.wire.model_call import ModelCall
from headgate.wire.stateful import Earlier

TOOLS: list[Any] = [{"name": "weather", "input_schema": {"type": "object"}, "cache_control": {"type": "ephemeral"}}]


def call(*messages: Any, **fields: Any) -> ModelCall:
    body = {"model": "m", "max_tokens": 9, "messages": messages, **fields}
    return dialect.read_call(json.dumps(body).encode(), headers={"anthropic-version": "2023-06-01"})


def test_a_thread_keeps_its_tools_and_leaves_marks_of_the_cache_behind() -> None:
    mine = {"type": "tool_use", "id": "c", "name": "weather", "input": {"cache_control": "mine"}}
    marked = {"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}
    said_first = {"role": "user", "content": "w"}
    first = call(said_first, {"role": "user", "content": [marked, mine]}, tools=TOOLS, thread={"type": "create"})
    begun = dialect.after(first, Earlier())
    assert "thread" not in json.loads(begun.content.to_bytes())
    assert begun.headers == first.headers
    answer = b'{"type":"message","id":"msg_1","content":[{"type":"text","text":"y","vendor":1.0}]}'
    exchange = dialect.exchange(first, answer)
    thread = {"type": "continue", "previous_message_id": "msg_1"}
    choice = {"type": "tool", "name": "weather"}
    whole = dialect.after(call(thread=thread, tool_choice=choice), Earlier([exchange]))
    said = json.loads(whole.content.to_bytes())
    assert (said["tools"], said["tool_choice"], "tools" in whole.needs) == (TOOLS, choice, True)
    assert said["messages"] == [
        said_first,
        {"role": "user", "content": [{"type": "text", "text": "x"}, mine]},
        {"role": "assistant", "content": [{"type": "text", "text": "y", "vendor": 1.0}]},
    ]
    with pytest.raises(ThreadMismatch):
        dialect.after(call(thread=thread, tools=[{**TOOLS[0], "name": "other"}]), Earlier([exchange]))
    with pytest.raises(Invalid):
        dialect.after(call(thread=thread, tool_choice={**choice, "name": "other"}), Earlier([exchange]))


@pytest.mark.parametrize("thread", [{"type": "create"}, {"type": "continue", "previous_message_id": "msg_1"}])
def test_a_thread_never_leaves(thread: dict[str, str]) -> None:
    asked = call({"role": "user", "content": "x"}, thread=thread)
    with pytest.raises(Invalid):
        dialect.write_call(asked, Outgoing("m"))
    with pytest.raises(Invalid):
        dialect.to_conversation(asked.content)


def test_a_stream_that_fails_leaves_no_answer() -> None:
    writer = dialect.write_events_as(call({"role": "user", "content": "x"}, thread={"type": "create"}), answer="msg_1")
    assert writer.heartbeat().startswith(b"event: ping")
    assert b"event: error" in writer.fail(Upstream("gone"))
    assert (writer.end(), writer.answer) == (b"", None)
