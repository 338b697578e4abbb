"""Streams of the Responses wire under guard: every copy of a text says what the client was given."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.guard.test_guard_exchange import EMAIL, call, clearance, exchange, token_of

from headgate.guard import Engine
from headgate.guard.exchange import GuardExchange
from headgate.testing.simulator import Script, ToolCall, responses_wire
from headgate.wire.openai_responses import dialect
from headgate.wire.sse import SseEvent, SseParser


def given(made: GuardExchange, script: Script) -> list[dict[str, Any]]:
    """What a client is given of a provider's stream."""
    answer = responses_wire.responses({"model": "gpt", "input": "x", "stream": True}, script, number=1)
    reader = dialect.read_events()
    writer = dialect.write_events(dialect.read_call(b'{"model":"m","input":"x","stream":true}', headers={}))
    sent = [SseEvent(event.name, event.data) for event in answer.events or ()]
    items: list[Any] = [out for sse in sent for event in reader.feed(sse) for out in made.item(event)]
    raw = b"".join([*(writer.write(item) for item in [*items, *made.finish()]), writer.end()])
    return [json.loads(event.data) for event in SseParser().feed(raw)]


def texts_of(events: list[dict[str, Any]], kind: str) -> str:
    return "".join(event["delta"] for event in events if event["type"] == f"response.{kind}.delta")


@pytest.mark.parametrize("size", [1, 3, 200])
def test_a_pseudonym_is_restored_in_every_copy(engine: Engine, size: int) -> None:
    made = exchange(engine, call(f"Write to {EMAIL}"))
    token = token_of(made)
    script = Script(
        text=f"I write to {token} now.",
        reasoning=("They want ", token[:5], token[5:], " to get it."),
        tool_calls=(ToolCall("send", json.dumps({"to": token})),),
        chunk_chars=size,
    )
    events = given(made, script)
    assert token not in json.dumps(events)
    assert texts_of(events, "output_text") == f"I write to {EMAIL} now."
    assert json.loads(texts_of(events, "function_call_arguments")) == {"to": EMAIL}
    assert texts_of(events, "reasoning_summary_text") == f"They want {EMAIL} to get it."
    reasoning, message, called = events[-1]["response"]["output"]
    assert reasoning["summary"][0]["text"] == f"They want {EMAIL} to get it."
    assert message["content"][0]["text"] == f"I write to {EMAIL} now."
    assert json.loads(called["arguments"]) == {"to": EMAIL}
    done = {event["type"]: event for event in events}
    assert done["response.output_text.done"]["text"] == f"I write to {EMAIL} now."
    assert [event["sequence_number"] for event in events] == list(range(len(events)))


@pytest.mark.parametrize("size", [1, 7, 200])
def test_a_value_above_the_receivers_clearance_is_in_no_copy(engine: Engine, size: int) -> None:
    made = exchange(engine, call("Who is it?"), receiver=clearance())
    script = Script(
        text=f"It is {EMAIL}, I think.", tool_calls=(ToolCall("send", json.dumps({"to": EMAIL})),), chunk_chars=size
    )
    events = given(made, script)
    assert EMAIL not in json.dumps(events)
    assert json.loads(texts_of(events, "function_call_arguments"))["to"] != EMAIL
    assert texts_of(events, "output_text") == events[-1]["response"]["output"][0]["content"][0]["text"]
