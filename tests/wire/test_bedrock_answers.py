"""Answers of Converse: whole, streamed in binary frames, and errors. botocore writes and reads the frames too."""

from __future__ import annotations

import base64
import binascii
import json
import struct
from collections.abc import Sequence
from typing import Any

import pytest
from botocore.eventstream import EventStreamBuffer
from hypothesis import given
from hypothesis import strategies as st

from headgate.kernel.content import TextSlot
from headgate.kernel.errors import Upstream, UpstreamTimeout
from headgate.wire.aws_event_stream import EventStreamParser, frame
from headgate.wire.bedrock_converse import dialect
from headgate.wire.bedrock_stream import BedrockEvent
from headgate.wire.conversation import (
    Begin,
    Delta,
    End,
    Reasoning,
    ReasoningDelta,
    Text,
    TextDelta,
    ToolBegin,
    ToolDelta,
    ToolUse,
    UsageUpdate,
)
from headgate.wire.dialects import load_dialects
from headgate.wire.model_call import ModelReply, Usage
from headgate.wire.sse import SseEvent, SseParser
from headgate.wire.transcript import read_answer

USAGE: Any = {
    "inputTokens": 10,
    "outputTokens": 5,
    "totalTokens": 20,
    "cacheReadInputTokens": 3,
    "cacheWriteInputTokens": 2,
    "cacheDetails": [{"ttl": "1h", "inputTokens": 1}, {"ttl": "5m", "inputTokens": 1}],
}
COUNTED = Usage(15, 5, cache_read_tokens=3, cache_write_tokens=1, cache_write_1h_tokens=1)
DATA = base64.b64encode(b"secret thoughts").decode()
CONTENT: Any = [
    {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "sig"}}},
    {"reasoningContent": {"redactedContent": DATA}},
    {"text": "Grüezi"},
    {"toolUse": {"toolUseId": "t1", "name": "weather", "input": {"city": "Zürich"}}},
    {"toolUse": {"toolUseId": "t2", "name": "search", "input": {}, "type": "server_tool_use"}},
    {"citationsContent": {"content": [{"text": "cited "}, {"text": "words"}], "citations": [{"title": "A"}]}},
]
WHOLE: Any = {
    "output": {"message": {"role": "assistant", "content": CONTENT}},
    "stopReason": "stop_sequence",
    "usage": USAGE,
    "metrics": {"latencyMs": 3},
    "additionalModelResponseFields": {"stop_sequence": "END"},
}


def reply_of(value: Any) -> ModelReply:
    return dialect.read_reply(json.dumps(value, ensure_ascii=False).encode(), headers={"x-amzn-requestid": "r"})


def test_a_whole_answer_is_read() -> None:
    reply = reply_of(WHOLE)
    assert (reply.usage, reply.stop_reason) == (COUNTED, "stop_sequence")
    typed = dialect.to_reply(reply)
    assert typed.parts == (
        Reasoning("hm", signature="sig"),
        Reasoning("", redacted=DATA),
        Text("Grüezi"),
        ToolUse("t1", "weather", '{"city":"Zürich"}'),
        Text("cited words"),
    )
    assert (typed.stop_sequence, typed.usage) == ("END", COUNTED)
    assert typed.id.startswith("converse-")
    texts = [one.text for one in reply.content.segments()]
    assert {"hm", "Grüezi", "Zürich", "cited ", "A"} <= set(texts)
    assert DATA not in texts
    renamed = dialect.rename_tools(reply, {"weather": "get weather"})
    assert json.loads(renamed.content.to_bytes())["output"]["message"]["content"][3]["toolUse"]["name"] == "get weather"


def test_an_unusual_answer_is_read_as_far_as_it_goes() -> None:
    bare: dict[str, Any] = {"output": {"message": {"content": [{"image": {}}, 7]}}, "usage": {"cacheDetails": 1}}
    reply = reply_of(bare)
    assert (reply.usage, reply.stop_reason) == (Usage(None, None), "unknown")
    assert dialect.to_reply(reply).parts == ()
    assert dialect.to_reply(reply_of({**bare, "stopReason": "malformed_tool_use"})).stop_reason == "unknown"
    assert reply_of({**bare, "stopReason": "content_filtered"}).stop_reason == "content_filter"


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"output":{"message":{"content":"x"}}}', b"<html>"])
def test_an_answer_of_another_form_is_refused(body: bytes) -> None:
    with pytest.raises(Upstream, match="not an answer of Converse"):
        dialect.read_reply(body, headers={})


def events_of(*events: tuple[str, Any]) -> Sequence[BedrockEvent]:
    reader = dialect.read_events()
    return [one for name, said in events for one in reader.feed(SseEvent(name, json.dumps(said).encode()))]


def delta(index: int, **fields: Any) -> tuple[str, Any]:
    return "contentBlockDelta", {"contentBlockIndex": index, "delta": fields, "p": "abcdefg"}


STREAM: Sequence[tuple[str, Any]] = (
    ("messageStart", {"role": "assistant", "p": "abc"}),
    delta(0, reasoningContent={"text": "hm"}),
    delta(0, reasoningContent={"signature": "sig"}),
    ("contentBlockStop", {"contentBlockIndex": 0}),
    delta(1, reasoningContent={"redactedContent": DATA}),
    ("contentBlockStop", {"contentBlockIndex": 1}),
    delta(2, text="Grü"),
    delta(2, text="ezi"),
    delta(2, citation={"title": "A book", "location": {"web": {"url": "https://example.org"}}}),
    ("contentBlockStop", {"contentBlockIndex": 2}),
    ("contentBlockStart", {"contentBlockIndex": 3, "start": {"toolUse": {"toolUseId": "t1", "name": "weather"}}}),
    delta(3, toolUse={"input": ""}),
    delta(3, toolUse={"input": '{"city":"Z'}),
    delta(3, toolUse={"input": 'h"}'}),
    ("contentBlockStop", {"contentBlockIndex": 3}),
    ("contentBlockStart", {"contentBlockIndex": 4, "start": {"toolUse": {"toolUseId": "t2", "name": "clock"}}}),
    ("contentBlockStop", {"contentBlockIndex": 4}),
    (
        "contentBlockStart",
        {"contentBlockIndex": 5, "start": {"toolUse": {"toolUseId": "t3", "name": "s", "type": "server_tool_use"}}},
    ),
    delta(5, toolUse={"input": '{"q":1}'}),
    ("contentBlockStop", {"contentBlockIndex": 5}),
    ("somethingNew", {"note": "a new kind"}),
    ("messageStop", {"stopReason": "tool_use", "additionalModelResponseFields": {"stop_sequence": None}}),
    ("metadata", {"usage": USAGE, "metrics": {"latencyMs": 3}, "trace": {"guardrail": {"words": "blocked word"}}}),
)


def test_a_stream_becomes_deltas_of_every_kind() -> None:
    events = events_of(*STREAM)
    deltas: list[Delta] = [one for event in events for one in event.deltas()]
    assert deltas == [
        Begin("converse", ""),
        ReasoningDelta("hm"),
        ReasoningDelta(signature="sig"),
        ReasoningDelta(redacted=DATA),
        TextDelta("Grü"),
        TextDelta("ezi"),
        ToolBegin(0, "t1", "weather"),
        ToolDelta(0, '{"city":"Z'),
        ToolDelta(0, 'h"}'),
        ToolBegin(1, "t2", "clock"),
        ToolDelta(1, "{}"),
        End("tool_use"),
        UsageUpdate(COUNTED),
    ]
    assert all(event.wire == "bedrock_converse" and b'"p"' not in event.data for event in events)
    channels = {slot.channel: slot.text for event in events for slot in event.slots}
    assert {"a new kind", "A book", "https://example.org", "blocked word", "weather"} <= set(channels.values())
    assert not {"sig", DATA, "t1"} & set(channels.values())
    assert [event.ends_runs for event in events].count(True) == 1
    assert events[2].closes == ("reasoning/0",), "reasoning is released before the signature over it"
    assert events[1].run("reasoning/0") == events[1].run("content/2") == "words"
    assert events[1].run("tool/0/3") is None


def test_text_is_edited_and_inserted_in_place() -> None:
    text, call = events_of(delta(2, text="Jane"), delta(3, toolUse={"input": "Jane"}))
    assert text.edit(["Jane"]) is text
    assert json.loads(text.edit(["Ann"]).data) == {
        "contentBlockDelta": {"contentBlockIndex": 2, "delta": {"text": "Ann"}}
    }
    assert text.edit(["Ann"]).slots == (TextSlot("content/2", "Ann"),)
    assert text.without_spelling() is text
    for made, channel, expected in (
        (text, "content/2", TextDelta("x")),
        (text, "reasoning/0", ReasoningDelta("x")),
        (call, "tool/0/3", ToolDelta(0, "x")),
    ):
        inserted = made.insert(TextSlot(channel, "x"))
        assert list(inserted.deltas()) == [expected]
        assert list(inserted.edit(["y"]).deltas()) != [expected]
    with pytest.raises(ValueError, match="other/whole/1"):
        text.insert(TextSlot("other/whole/1", "x"))


def test_a_delta_with_further_fields_is_scanned_whole() -> None:
    (event,) = events_of(delta(0, text="a", more="b"))
    assert [slot.text for slot in event.slots] == ["a", "b"]
    assert json.loads(event.edit(["x", "y"]).data)["contentBlockDelta"]["delta"] == {"text": "x", "more": "y"}
    (odd,) = events_of(delta(0, text=7, toolUse="x"))
    assert [slot.text for slot in odd.slots] == ["x"]
    assert list(odd.deltas()) == []


def test_half_characters_are_joined() -> None:
    reader = dialect.read_events()
    pieces = [
        b'{"contentBlockIndex":0,"delta":{"text":"a\\ud83d"}}',
        b'{"contentBlockIndex":0,"delta":{"text":"\\ude00"}}',
    ]
    events = [one for data in pieces for one in reader.feed(SseEvent("contentBlockDelta", data))]
    assert [event.slots[0].text for event in events] == ["a", "😀"]


def test_a_stream_without_its_end_is_cut() -> None:
    reader = dialect.read_events()
    reader.feed(SseEvent("messageStart", b"{}"))
    with pytest.raises(Upstream, match="cut before its end"):
        reader.finish()
    reader.feed(SseEvent("messageStop", b"{}"))
    reader.finish()


@pytest.mark.parametrize(
    ("name", "data"),
    [("", b"{}"), ("", b"7"), ("x", b"7"), ("x", b"{"), ("", b'{"a":1}'), ("x", b'{"contentBlockIndex":"a"}')],
)
def test_an_event_of_another_form_is_refused(name: str, data: bytes) -> None:
    with pytest.raises(Upstream, match="not of its own wire"):
        dialect.read_events().feed(SseEvent(name, data))


def test_an_exception_that_was_stored_is_an_exception() -> None:
    with pytest.raises(Upstream) as caught:
        dialect.read_events().feed(SseEvent("", b'{"throttlingException":{"message":"slow"}}'))
    assert (caught.value.upstream_status, caught.value.message) == (429, "slow")


def test_a_whole_answer_is_replayed_as_its_stream_and_a_stored_one_read_again() -> None:
    replayed = dialect.replay(json.dumps(WHOLE).encode())
    reader, parser = dialect.read_events(), SseParser()
    events = [one for event in parser.feed(replayed) for one in reader.feed(event)]
    reader.finish()
    deltas = [one for event in events for one in event.deltas()]
    assert TextDelta("Grüezi") in deltas
    assert ToolDelta(0, '{"city":"Zürich"}') in deltas
    assert ReasoningDelta(signature="sig") in deltas
    assert ReasoningDelta(redacted=DATA) in deltas
    assert End("stop_sequence", "END") in deltas
    stored = read_answer(b"\n".join(event.data for event in events), load_dialects())
    assert stored is not None
    assert stored.is_whole
    assert Text("Grüezi") in stored.parts


# ---- frames


def parsed(*data: bytes, most: int = 1 << 20) -> list[SseEvent]:
    parser = EventStreamParser(max_event_bytes=most)
    found = [event for one in data for event in parser.feed(one)]
    parser.finish()
    return found


@given(
    st.lists(st.tuples(st.from_regex(r"[a-zA-Z]{1,20}", fullmatch=True), st.binary(max_size=50)), max_size=5),
    st.integers(1, 40),
)
def test_frames_are_botocores_and_may_be_split_anywhere(events: list[tuple[str, bytes]], size: int) -> None:
    data = b"".join(frame(f"e{name}", payload) for name, payload in events)
    theirs: Any = EventStreamBuffer()
    theirs.add_data(data)
    read: Any = [(one.headers[":event-type"], one.payload) for one in theirs]
    ours = [tuple(one) for one in parsed(*(data[at : at + size] for at in range(0, len(data), size)))]
    assert ours == read == [(f"e{name}", payload) for name, payload in events]


def message(headers: bytes, payload: bytes = b"{}") -> bytes:
    sizes = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
    data = sizes + struct.pack(">I", binascii.crc32(sizes)) + headers + payload
    return data + struct.pack(">I", binascii.crc32(data))


def header(name: bytes, kind: int, value: bytes) -> bytes:
    return bytes([len(name)]) + name + bytes([kind]) + value


def test_headers_of_every_type_are_passed_over() -> None:
    sizes = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
    headers = b"".join(header(b"h", kind, bytes(size)) for kind, size in sizes.items())
    headers += header(b"b", 6, b"\0\2ab") + header(b":event-type", 7, b"\0\1x")
    assert parsed(message(headers)) == [SseEvent("x", b"{}")]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (bytes(8) + struct.pack(">I", binascii.crc32(bytes(8))), "sizes of a message"),
        (b"\0" * 8 + b"\1" * 4, "checksum of a message's beginning"),
        (message(b"")[:-1] + b"\0", "checksum of a message is wrong"),
        (message(header(b"h", 10, b"")), "headers of a message cannot be read"),
        (message(header(b"h", 5, b"ab")), "a header of a message is cut off"),
        (message(b"\5ab"), "headers of a message cannot be read"),
        (frame("chunk", b"{}"), "content of a chunk"),
        (frame("chunk", b'{"bytes":"!"}'), "content of a chunk"),
    ],
)
def test_a_broken_frame_is_noticed(data: bytes, words: str) -> None:
    data = (
        data
        if data[:8] != b"\0" * 8 or data[8:] != b"\0" * 4
        else data[:8] + struct.pack(">I", binascii.crc32(data[:8]))
    )
    with pytest.raises(Upstream, match=words):
        parsed(data)


def test_a_frame_is_bounded_and_a_cut_one_is_dropped() -> None:
    with pytest.raises(Upstream, match="more than 64 bytes"):
        parsed(frame("x", b"a" * 64), most=64)
    assert parsed(frame("x", b"{}")[:-1]) == []


def test_events_before_an_exception_are_read() -> None:
    data = frame("a", b"{}") + frame("throttlingException", b'{"message":"slow down"}', kind="exception")
    events = EventStreamParser().feed(data)
    assert next(events) == SseEvent("a", b"{}")
    with pytest.raises(Upstream) as caught:
        next(events)
    assert (caught.value.upstream_status, caught.value.message, caught.value.retryable) == (429, "slow down", True)
    headers = header(b":message-type", 7, b"\0\5error") + header(b":error-message", 7, b"\0\3bad")
    with pytest.raises(Upstream, match="bad"):
        parsed(message(headers))
    chunk = {"bytes": base64.b64encode(b'{"type":"ping"}').decode()}
    assert parsed(frame("chunk", json.dumps(chunk).encode())) == [SseEvent("", b'{"type":"ping"}')]


# ---- errors


@pytest.mark.parametrize(
    ("status", "kind", "body", "told"),
    [
        (400, "ValidationException", b'{"message":"bad"}', (400, "bad", False)),
        (400, "com.amazon#ServiceQuotaExceededException:http://x", b'{"Message":"quota"}', (429, "quota", True)),
        (424, "ModelErrorException", b"{}", (502, "the provider answered with status 502", True)),
        (500, "", b"<html>", (500, "the provider answered with status 500", True)),
        (408, "ModelTimeoutException", b'{"message":7}', (408, "the provider answered with status 408", True)),
    ],
)
def test_an_error_is_told_by_its_type(status: int, kind: str, body: bytes, told: tuple[int, str, bool]) -> None:
    error = dialect.read_error(status, headers={"x-amzn-errortype": kind}, body=body)
    assert (error.upstream_status, error.message, error.retryable) == told
    assert isinstance(error, UpstreamTimeout) == (told[0] == 408)


def test_a_refused_key_is_the_gateways_own_fault() -> None:
    error = dialect.read_error(403, headers={}, body=b'{"message":"AKIDEXAMPLE is unknown"}')
    assert "AKIDEXAMPLE" not in error.message
    assert error.retryable
    assert dialect.assembler() is None
