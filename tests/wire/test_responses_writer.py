"""What the writer of Responses streams makes of odd streams of other wires."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from tests.wire.test_openai_client_stream import Foreign

from headgate.kernel.errors import Upstream
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
from headgate.wire.dialect import Outgoing
from headgate.wire.model_call import ModelCall, Usage
from headgate.wire.openai_responses import dialect
from headgate.wire.sse import SseParser


def asked(**fields: Any) -> ModelCall:
    return dialect.read_call(json.dumps({"model": "m", "input": "x", **fields}).encode(), headers={})


def written(*deltas: Delta) -> list[dict[str, Any]]:
    writer = dialect.write_events(asked(service_tier="auto"), created=7)
    raw = b"".join([*(writer.write(Foreign((delta,))) for delta in deltas), writer.end()])
    return [json.loads(event.data) for event in SseParser().feed(raw)]


def test_empty_pieces_make_no_items_and_text_and_refusal_share_a_message() -> None:
    events = written(
        Begin("msg_1", "m", Usage(5)),
        TextDelta(""),
        ReasoningDelta("", signature="s"),
        TextDelta("No"),
        RefusalDelta("Sorry"),
        End("refusal"),
        UsageUpdate(Usage(5, 2)),
    )
    final = events[-1]["response"]
    (message,) = final["output"]
    assert [part["type"] for part in message["content"]] == ["output_text", "refusal"]
    assert (final["usage"]["total_tokens"], final["service_tier"]) == (7, "default")
    done = [event["type"] for event in events if event["type"].endswith(".done")]
    assert done == [
        *("response.output_text.done", "response.content_part.done", "response.refusal.done"),
        *("response.content_part.done", "response.output_item.done"),
    ]


def test_a_stream_without_an_end_or_a_beginning_is_a_whole_response() -> None:
    assert [event["type"] for event in written()] == ["response.created", "response.in_progress", "response.completed"]


def test_arguments_of_a_call_that_has_not_begun_are_the_providers_mistake() -> None:
    with pytest.raises(Upstream, match="had not begun"):
        written(ToolDelta(0, "{}"))


def test_an_answer_in_too_many_pieces_is_cut() -> None:
    with pytest.raises(Upstream, match="more than 1024"):
        written(*(delta for _ in range(600) for delta in (TextDelta("a"), ReasoningDelta("b"))))


def test_a_call_without_arguments_has_an_empty_object() -> None:
    events = written(ToolBegin(0, "call_1", "f"), End("tool_use"))
    assert events[-1]["response"]["output"][0]["arguments"] == "{}"
    assert [event["delta"] for event in events if event["type"].endswith("arguments.delta")] == ["{}"]


def test_a_long_answer_is_asked_for_as_a_stream() -> None:
    assert json.loads(dialect.write_call(replace(asked(), stream=True), Outgoing("m")))["stream"] is True
