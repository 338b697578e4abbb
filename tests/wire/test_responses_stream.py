"""Streams of Responses servers: channels, edits by guard, unknown events, and servers that deviate."""

from __future__ import annotations

import json
from typing import Any, Final

import pytest

from headgate.kernel.content import TextSlot
from headgate.kernel.errors import Upstream
from headgate.wire import openai_responses
from headgate.wire.conversation import Begin, End, ReasoningDelta, RefusalDelta, TextDelta, ToolBegin, ToolDelta
from headgate.wire.dialect import WholeDialect
from headgate.wire.model_call import Usage
from headgate.wire.openai_responses_event import ResponsesEvent
from headgate.wire.openai_responses_provider_stream import ResponsesReader
from headgate.wire.sse import SseEvent, SseParser

DIALECT: Final[WholeDialect] = openai_responses.dialect
CREATED: dict[str, Any] = {
    "type": "response.created",
    "response": {"id": "resp_1", "model": "gpt", "instructions": "a secret", "output": [], "status": "in_progress"},
}
PLACE: dict[str, Any] = {"item_id": "msg_1", "output_index": 0, "content_index": 0}


def delta(text: str, **more: Any) -> dict[str, Any]:
    return {"type": "response.output_text.delta", **PLACE, "delta": text, "logprobs": [], **more}


def item(index: int, phase: str, **fields: Any) -> dict[str, Any]:
    return {"type": f"response.output_item.{phase}", "output_index": index, "item": fields}


def ended(*output: dict[str, Any], status: str = "completed", **more: Any) -> dict[str, Any]:
    return {
        "type": f"response.{status}",
        "response": {"id": "resp_1", "status": status, "output": list(output), **more},
    }


def feed(*events: dict[str, Any], reader: ResponsesReader | None = None) -> list[ResponsesEvent]:
    reader = reader or ResponsesReader()
    return [made for one in events for made in reader.feed(SseEvent(one.get("type", ""), json.dumps(one).encode()))]


def channels(events: list[ResponsesEvent]) -> list[tuple[str, str]]:
    return [(slot.channel, slot.text) for event in events for slot in event.slots]


def written(events: list[ResponsesEvent]) -> list[dict[str, Any]]:
    writer = DIALECT.write_events(DIALECT.read_call(b'{"model":"alias","input":"x"}', headers={}))
    raw = b"".join([*(writer.write(event) for event in events), writer.end()])
    return [json.loads(event.data) for event in SseParser().feed(raw)]


def test_each_text_has_one_channel_and_copies_have_none() -> None:
    message: dict[str, Any] = {
        "type": "message",
        "id": "msg_1",
        "content": [{"type": "output_text", "text": "Hello", "annotations": []}],
    }
    call = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "f", "arguments": "{}"}
    events = feed(
        CREATED,
        {**CREATED, "type": "response.in_progress"},
        item(0, "added", **{**message, "content": []}),
        delta("Hel"),
        delta("lo", obfuscation="xyz"),
        {"type": "response.output_text.done", **PLACE, "text": "Hello", "logprobs": []},
        item(0, "done", **message),
        item(1, "added", **{**call, "arguments": ""}),
        {"type": "response.function_call_arguments.delta", "item_id": "fc_1", "output_index": 1, "delta": "{}"},
        {"type": "response.function_call_arguments.done", "item_id": "fc_1", "output_index": 1, "arguments": "{}"},
        item(1, "done", **call),
        ended(message, call, usage={"input_tokens": 3, "output_tokens": 2}, instructions="a secret"),
    )
    assert channels(events) == [
        *[("content/0.0", "Hel"), ("content/0.0", "lo"), ("tool_name/0/1", "f"), ("tool/0/1", "{}")],
    ]
    assert b"Hello" not in b"".join(event.data for event in events)
    assert [one for event in events for one in event.deltas()] == [
        *[Begin("resp_1", "gpt"), TextDelta("Hel"), TextDelta("lo"), ToolBegin(0, "call_1", "f"), ToolDelta(0, "{}")],
        End("tool_use", None, Usage(3, 2)),
    ]
    assert (events[-1].usage, events[-1].ends_runs, events[-1].wire) == (Usage(3, 2), True, "openai_responses")
    told = written(events)
    assert told[5]["text"] == "Hello"
    assert told[6]["item"] == message
    assert told[-1]["response"]["output"] == [message, call]
    assert told[-1]["response"]["instructions"] is None, "the client's own"


def test_edited_text_reaches_every_copy_of_it() -> None:
    message: dict[str, Any] = {
        "type": "message",
        "content": [{"type": "output_text", "text": "token", "annotations": []}],
    }
    call = {"type": "function_call", "call_id": "c", "name": "sent", "arguments": "{}"}
    events = feed(CREATED, delta("token"), item(0, "done", **message), item(1, "added", **call), ended(message, call))
    edited = [
        event.edit(
            ["Jane" if slot.text == "token" else "called" if slot.text == "sent" else slot.text for slot in event.slots]
        )
        for event in events
    ]
    last = written(edited)[-1]["response"]["output"]
    assert last[0]["content"][0]["text"] == "Jane"
    assert (last[1]["name"], last[1]["arguments"]) == ("called", "{}")
    assert events[0].edit([]) is events[0]


@pytest.mark.parametrize(
    ("events", "channel", "place"),
    [
        ([delta("x")], "content/0.0", {"logprobs": []}),
        ([{"type": "response.refusal.delta", **PLACE, "delta": "x"}], "refusal/0.0", {}),
        (
            [{"type": "response.reasoning_summary_text.delta", "output_index": 2, "summary_index": 1, "delta": "x"}],
            "reasoning/2.s1",
            {"summary_index": 1},
        ),
        ([{"type": "response.reasoning_text.delta", **PLACE, "delta": "x"}], "reasoning/0.0", {}),
        ([{"type": "response.custom_tool_call_input.delta", "output_index": 1, "delta": "x"}], "input/1", {}),
        (
            [{"type": "response.code_interpreter_call_code.delta", "output_index": 1, "item_id": "ci", "delta": "x"}],
            "other/code_interpreter_call_code/1",
            {"item_id": "ci"},
        ),
        ([item(3, "done", type="custom_tool_call", name="f", input="x")], "input/3", {"output_index": 3}),
        (
            [item(0, "done", type="reasoning", id="rs", summary=[{"type": "summary_text", "text": "x"}])],
            "reasoning/0.s0",
            {},
        ),
        (
            [{"type": "response.content_part.done", **PLACE, "part": {"type": "output_text", "text": "x"}}],
            "content/0.0",
            {},
        ),
        (
            [{"type": "response.content_part.added", **PLACE, "part": {"type": "output_text", "text": "x"}}],
            "content/0.0",
            {},
        ),
    ],
)
def test_held_text_goes_out_in_an_event_of_its_channel(
    events: list[dict[str, Any]], channel: str, place: dict[str, Any]
) -> None:
    made = feed(CREATED, *events)
    assert (channel, "x") in channels(made)
    inserted = made[-1].insert(TextSlot(channel, "more"))
    said = json.loads(inserted.data)
    assert said["delta"] == "more"
    assert place.items() <= said.items()
    assert inserted.run(channel) == ("words" if channel.startswith(("content/", "reasoning/")) else None)
    assert not inserted.ends_runs
    with pytest.raises(ValueError, match="no delta carries"):
        made[-1].insert(TextSlot("tool_name/0/0", "x"))


def test_the_plain_text_of_a_custom_tool_crosses_as_json() -> None:
    """Trap 31."""
    call = {"type": "custom_tool_call", "id": "ctc_1", "call_id": "call_1", "name": "patch", "input": 'a"b'}
    events = feed(CREATED, item(0, "added", **{**call, "input": ""}), item(0, "done", **call), ended(call))
    said = [one for event in events for one in event.deltas()]
    arguments = "".join(one.arguments for one in said if isinstance(one, ToolDelta))
    assert json.loads(arguments) == {"input": 'a"b'}
    assert said[-1] == End("tool_use", None, None)


def test_other_strings_are_scanned_once_and_log_probabilities_can_be_removed() -> None:
    cited = {"type": "url_citation", "url": "https://a.test", "title": "A page"}
    events = feed(
        CREATED,
        {"type": "response.output_text.annotation.added", **PLACE, "annotation": cited},
        delta("Hi", logprobs=[{"token": "Hi", "logprob": -0.1, "bytes": [72]}]),
        item(1, "done", type="web_search_call", id="ws_1", status="completed", action={"query": "a question"}),
        {"type": "response.web_search_call.searching", "output_index": 1, "item_id": "ws_1"},
        ended(),
    )
    texts = {text: channel for channel, text in channels(events)}
    assert texts["A page"].startswith("other/whole/")
    assert {"https://a.test", "a question"} <= texts.keys()
    spelled = events[2]
    assert [slot.text for slot in spelled.slots] == ["Hi", "Hi"]
    plain = spelled.without_spelling()
    assert [slot.text for slot in plain.slots] == ["Hi"]
    assert json.loads(plain.data)["logprobs"] == []
    assert plain.without_spelling() is plain
    changed = spelled.edit(["Ho", "Hi"])
    assert json.loads(changed.data)["delta"] == "Ho"
    both = json.loads(spelled.edit(["Ho", "Ho"]).data)
    assert (both["delta"], both["logprobs"][0]["token"]) == ("Ho", "Ho")


def test_halves_of_characters_are_joined() -> None:
    reader = ResponsesReader()
    first = rb'{"type":"response.output_text.delta","output_index":0,"content_index":0,"delta":"a\ud83d"}'
    second = rb'{"type":"response.output_text.delta","output_index":0,"content_index":0,"delta":"\ude00b"}'
    third = rb'{"type":"response.output_text.delta","output_index":0,"content_index":0,"delta":"c\ud83d"}'
    last = json.dumps(ended()).encode()
    events = [one for data in (first, second, third, last) for one in reader.feed(SseEvent("", data))]
    assert "".join(text for _, text in channels(events)) == "a\U0001f600bc"


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (b"[1]", "not of its own wire"),
        (b"{", "not of its own wire"),
        (b'{"type":"response.created"}', "not of its own wire"),
        (b'{"type":"response.output_text.delta","output_index":9999,"delta":"x"}', "not of its own wire"),
        (b'{"type":"response.output_text.delta","output_index":"a","delta":"x"}', "not of its own wire"),
        (b'{"type":"error","code":"server_error","message":"Sorry"}', "Sorry"),
        (b'{"error":{"message":"Sorry"}}', "Sorry"),
        (b'{"type":"response.failed","response":{"error":{"code":"server_error","message":"Sorry"}}}', "Sorry"),
        (b'{"type":"response.failed","response":{}}', "status 500"),
    ],
)
def test_a_broken_event_is_an_error_of_the_provider(data: bytes, match: str) -> None:
    with pytest.raises(Upstream, match=match):
        ResponsesReader().feed(SseEvent("", data))


def test_a_stream_that_breaks_off_is_an_error() -> None:
    reader = ResponsesReader()
    with pytest.raises(Upstream, match="before it began"):
        reader.finish()
    feed(CREATED, reader=reader)
    with pytest.raises(Upstream, match="cut before its end"):
        reader.finish()
    feed(ended(), reader=reader)
    reader.finish()
    assert reader.feed(SseEvent("", b"[DONE]")) == ()
    assert feed(delta("late"), reader=reader) == []


@pytest.mark.parametrize(
    ("output", "more", "reason"),
    [
        ([{"type": "message", "content": [{"type": "refusal", "refusal": "No."}]}], {}, "refusal"),
        ([], {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}, "length"),
        ([{"type": "function_call", "name": "f", "call_id": "c", "arguments": "{}"}], {}, "tool_use"),
        ([{"type": "reasoning", "content": [{"type": "reasoning_text", "text": "Hm."}], "summary": None}], {}, "stop"),
        ([{"type": "function_call", "name": "f", "arguments": None}], {}, "tool_use"),
        ([], {"usage": None}, "stop"),
    ],
)
def test_a_last_event_alone_is_a_whole_answer(output: list[dict[str, Any]], more: dict[str, Any], reason: str) -> None:
    """Some servers send little else."""
    events = feed(ended(*output, **more))
    assert events[-1].stop_reason == reason
    kinds = {type(one) for event in events for one in event.deltas()} - {End}
    wanted = {"refusal": RefusalDelta, "stop": ReasoningDelta}.get(reason)
    if output and wanted is not None:
        assert kinds == {wanted}
    assert written(events)[-1]["response"]["output"] == output
