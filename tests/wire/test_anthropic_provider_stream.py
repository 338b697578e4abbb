"""Streams of Anthropic's wire: read into items that guard can edit, passed on byte for byte, parsed by the real SDK."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import anthropic
import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.kernel.content import TextSlot
from headgate.kernel.errors import OverBudget, Upstream
from headgate.wire.anthropic_messages import dialect
from headgate.wire.anthropic_provider_stream import AnthropicEvent
from headgate.wire.conversation import (
    Begin,
    End,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    ToolBegin,
    ToolDelta,
    UsageUpdate,
)
from headgate.wire.model_call import Usage
from headgate.wire.sse import SseEvent, SseParser, frame

GOLDEN = (Path(__file__).parent / "golden/anthropic/thinking_and_tools.sse").read_bytes()
CALL = dialect.read_call(
    b'{"model":"our-alias","max_tokens":9,"stream":true,"messages":[{"role":"user","content":"x"}]}', headers={}
)


def events_of(raw: bytes) -> list[AnthropicEvent]:
    reader = dialect.read_events()
    events = [event for sse in SseParser().feed(raw) for event in reader.feed(sse)]
    reader.finish()
    return events


def event_of(**said: Any) -> AnthropicEvent:
    (event,) = dialect.read_events().feed(SseEvent("", json.dumps(said).encode()))
    return event


def written(events: Iterable[AnthropicEvent]) -> bytes:
    writer = dialect.write_events(CALL)
    return b"".join([*(writer.write(event) for event in events), writer.end()])


def sdk_message(raw: bytes) -> anthropic.types.Message:
    """Return what the unmodified SDK's accumulator makes of a stream."""
    transport = httpx2.MockTransport(
        lambda _: httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=raw)
    )
    client = anthropic.Anthropic(
        api_key="k", base_url="http://gate.test", http_client=httpx2.Client(transport=transport), max_retries=0
    )
    with client.messages.stream(model="a", max_tokens=9, messages=[{"role": "user", "content": "x"}]) as stream:
        return stream.get_final_message()


def start(block: dict[str, Any], index: int = 0) -> dict[str, Any]:
    return {"type": "content_block_start", "index": index, "content_block": block}


def test_a_stream_of_the_same_wire_passes_byte_for_byte_but_for_the_models_name():
    """Traps 17, 20, 22 and 42: order, `event:` lines, signatures, padding and escapes stay."""
    assert written(events_of(GOLDEN)) == GOLDEN.replace(b"claude-opus-5", b"our-alias")


def test_the_sdk_reads_what_passed_with_thinking_signatures_tools_and_usage():
    """Traps 17 to 20."""
    message = sdk_message(written(events_of(GOLDEN)))
    kinds = [block.type for block in message.content]
    assert kinds == ["thinking", "redacted_thinking", "text", "tool_use", "tool_use"]
    thinking, redacted, _, rome, oslo = (block.to_dict() for block in message.content)
    assert (thinking["signature"], redacted["data"]) == ("EqQBCgIYAhIkGolden+/==", "EmwKAhgBEgyGolden==")
    assert (rome["input"], oslo["input"]) == ({"city": "Rome"}, {"city": "Oslo"})
    assert (message.model, message.stop_reason) == ("our-alias", "tool_use")
    assert (message.usage.input_tokens, message.usage.output_tokens) == (25, 89)


def test_usage_is_cumulative_and_its_input_includes_what_caches_held():
    """Traps 18 and 19: both events count, and 25 fresh + 1000 read + 100 + 200 written are 1325 input tokens."""
    usages = [event.usage for event in events_of(GOLDEN) if event.usage is not None]
    begun = Usage(1325, None, cache_read_tokens=1000, cache_write_tokens=100, cache_write_1h_tokens=200)
    done = Usage(
        1325, 89, cache_read_tokens=1000, cache_write_tokens=100, cache_write_1h_tokens=200, reasoning_tokens=12
    )
    assert usages == [begun, done]


def test_a_later_report_of_input_replaces_the_first():
    """Trap 18: some servers say the input only at the end."""
    reader = dialect.read_events()
    reader.feed(SseEvent("", b'{"type":"message_start","message":{"usage":{"input_tokens":0,"output_tokens":0}}}'))
    end = (
        b'{"type":"message_delta","delta":{"stop_reason":"end_turn"},'
        b'"usage":{"input_tokens":7,"cache_creation_input_tokens":5,"output_tokens":3}}'
    )
    (event,) = reader.feed(SseEvent("", end))
    assert event.usage == Usage(12, 3, cache_write_tokens=5)


def test_slots_and_channels_follow_the_blocks():
    slots = [slot for event in events_of(GOLDEN) for slot in event.slots]
    assert slots == [
        TextSlot("reasoning/0", "The user wants"),
        TextSlot("reasoning/0", " two cities – call twice."),
        TextSlot("content/2", "Let me look"),
        TextSlot("content/2", " <b>twice</b>."),
        TextSlot("other/whole/0", "weather"),
        TextSlot("tool/0/3", ""),
        TextSlot("tool/0/3", '{"city": "Ro'),
        TextSlot("tool/0/3", 'me"}'),
        TextSlot("other/whole/1", "weather"),
        TextSlot("tool/0/4", '{"city": "Oslo"}'),
    ]


def test_a_channel_closes_with_its_block_reasoning_before_its_signature_and_all_at_the_end():
    """Trap 20: nothing of the reasoning may come after what seals it."""
    events = events_of(GOLDEN)
    closes = [event.closes for event in events if event.closes]
    assert closes[0] == ("reasoning/0",)
    assert b"signature_delta" in next(event for event in events if event.closes).data
    assert closes[-2] == ("content/4", "reasoning/4", "tool/0/4")
    assert closes[-1] == ("*",)


def test_an_edit_changes_nothing_but_the_text():
    raw = b'{"index":0,  "type":"content_block_delta","delta":{"text":"text","type":"text_delta"}, "x":1.0}'
    (event,) = dialect.read_events().feed(SseEvent("", raw))
    edited = event.edit(['a "b"\n'])
    assert edited.data == raw.replace(b'"text":"text"', b'"text":"a \\"b\\"\\n"')
    assert edited.slots == (TextSlot("content/0", 'a "b"\n'),)
    assert event.edit(["text"]) is event
    with pytest.raises(ValueError, match="shorter"):
        event.edit([])


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=30))
@settings(max_examples=50, deadline=None)
def test_any_text_can_be_edited_in_and_inserted_on_every_channel(text: str):
    for channel, delta in (
        ("content/2", TextDelta(text)),
        ("reasoning/2", ReasoningDelta(text)),
        ("tool/0/2", ToolDelta(0, text)),
    ):
        stop = event_of(type="content_block_stop", index=2)
        inserted = stop.insert(TextSlot(channel, "?"))
        assert inserted.slots == (TextSlot(channel, "?"),)
        edited = inserted.edit([text])
        assert edited.slots == (TextSlot(channel, text),)
        assert tuple(edited.deltas()) == ((delta,) if text else ())
        assert json.loads(edited.data)["index"] == 2


def test_what_was_held_back_can_be_inserted_before_the_end_of_its_block():
    events = events_of(GOLDEN)
    stop = next(n for n, event in enumerate(events) if "content/2" in event.closes)
    events.insert(stop, events[stop].insert(TextSlot("content/2", " Done")))
    assert sdk_message(written(events)).content[2].to_dict()["text"] == "Let me look <b>twice</b>. Done"


def test_a_channel_without_deltas_takes_no_insertion():
    with pytest.raises(ValueError, match="refusal/0"):
        event_of(type="message_stop_later").insert(TextSlot("refusal/0", "x"))


def test_text_that_comes_with_the_start_of_a_block_moves_to_a_delta_of_its_own():
    """Trap 17: nothing that a client shows passes outside the channels."""
    reader = dialect.read_events()
    cases: Sequence[tuple[dict[str, Any], str, str]] = (
        ({"type": "text", "text": "Hi"}, "content/0", "Hi"),
        ({"type": "thinking", "thinking": "Hm", "signature": ""}, "reasoning/0", "Hm"),
        ({"type": "tool_use", "id": "t", "input": {"a": 1.0}}, "tool/0/0", '{"a": 1.0}'),
        ({"type": "server_tool_use", "id": "t", "input": {"a": 1.0}}, "tool/0/0", '{"a": 1.0}'),
    )
    for block, channel, text in cases:
        opened, delta = reader.feed(SseEvent("", json.dumps(start(block)).encode()))
        assert opened.slots == ()
        assert text not in opened.data.decode()
        assert delta.slots == (TextSlot(channel, text),)


def test_strings_of_blocks_that_nobody_knows_are_slots_that_close_as_they_come():
    """Trap 27: what server tools found is content too; identifiers and ciphertext are not."""
    result = {"type": "web_search_result", "title": "T", "url": "https://x.test", "encrypted_content": "abc"}
    event = event_of(**start({"type": "web_search_tool_result", "tool_use_id": "s", "content": [result]}, 4))
    assert [slot.text for slot in event.slots] == ["T", "https://x.test"]
    assert event.closes == tuple(slot.channel for slot in event.slots) == ("other/whole/0", "other/whole/1")
    edited = json.loads(event.edit(["U", "https://x.test"]).data)
    assert edited["content_block"]["content"][0] == {**result, "title": "U"}


def test_citations_are_content():
    cited = {"type": "citations_delta", "citation": {"type": "char_location", "cited_text": "me@x.test"}}
    event = event_of(type="content_block_delta", index=1, delta=cited)
    assert [slot.text for slot in event.slots] == ["me@x.test"]


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("end_turn", "stop"),
        ("max_tokens", "length"),
        ("stop_sequence", "stop_sequence"),
        ("tool_use", "tool_use"),
        ("pause_turn", "pause"),
        ("refusal", "refusal"),
        ("model_context_window_exceeded", "context_length"),
        ("something_new", "unknown"),
    ],
)
def test_stop_reasons_have_words_of_ours_and_a_new_one_is_unknown(theirs: str, ours: str):
    """Trap 9."""
    said = {"stop_reason": theirs, "stop_sequence": "END"}
    event = event_of(type="message_delta", delta=said, usage={"output_tokens": 1})
    assert event.stop_reason == ours
    (end,) = event.deltas()
    assert isinstance(end, End)
    assert (end.stop_reason, end.stop_sequence) == (ours, "END")


def test_the_explanation_of_a_refusal_is_kept_and_can_be_edited():
    """Trap 8."""
    details = {"type": "refusal", "category": "bio", "explanation": "No."}
    event = event_of(type="message_delta", delta={"stop_reason": "refusal", "stop_details": details})
    assert event.slots == (TextSlot("refusal/0", "No."),)
    assert RefusalDelta("Never.") in event.edit(["Never."]).deltas()


def test_events_tell_their_deltas_with_tools_counted_from_zero():
    """Trap 3: the second call is call 1, whatever its block."""
    deltas = [delta for event in events_of(GOLDEN) for delta in event.deltas()]
    assert deltas[0] == Begin(
        "msg_01Golden",
        "claude-opus-5",
        Usage(1325, None, cache_read_tokens=1000, cache_write_tokens=100, cache_write_1h_tokens=200),
    )
    assert deltas[3:5] == [
        ReasoningDelta(signature="EqQBCgIYAhIkGolden+/=="),
        ReasoningDelta(redacted="EmwKAhgBEgyGolden=="),
    ]
    assert [delta for delta in deltas if isinstance(delta, ToolBegin | ToolDelta)] == [
        ToolBegin(0, "toolu_01A", "weather"),
        ToolDelta(0, '{"city": "Ro'),
        ToolDelta(0, 'me"}'),
        ToolBegin(1, "toolu_01B", "weather"),
        ToolDelta(1, '{"city": "Oslo"}'),
    ]


@pytest.mark.parametrize("size", [1, 7, 64])
def test_the_stream_reads_the_same_however_it_is_cut(size: int):
    """Trap 40."""
    raw = b"\xef\xbb\xbf" + GOLDEN.replace(b"\n", b"\r\n")
    parser, reader = SseParser(), dialect.read_events()
    chunks = (raw[n : n + size] for n in range(0, len(raw), size))
    events = [event for chunk in chunks for sse in parser.feed(chunk) for event in reader.feed(sse)]
    assert events == events_of(GOLDEN)


def test_a_cut_stream_is_a_failure_and_never_ends_well():
    """Trap 37."""
    reader = dialect.read_events()
    for sse in SseParser().feed(GOLDEN[: GOLDEN.index(b"event: message_stop")]):
        reader.feed(sse)
    with pytest.raises(Upstream) as caught:
        reader.finish()
    assert caught.value.retryable


@pytest.mark.parametrize("data", [b"[1]", b"{", b'{"type":"content_block_delta","index":"x"}', b"\xff"])
def test_an_event_that_is_not_of_the_wire_is_a_failure(data: bytes):
    with pytest.raises(Upstream):
        dialect.read_events().feed(SseEvent("", data))


@pytest.mark.parametrize(
    ("kind", "status", "retryable"),
    [
        ("overloaded_error", 529, True),
        ("rate_limit_error", 429, True),
        ("api_error", 500, True),
        ("invalid_request_error", 400, False),
        ("authentication_error", 401, True),
        ("brand_new_error", 500, True),
    ],
)
def test_an_error_event_becomes_our_error(kind: str, status: int, retryable: bool):
    """Traps 33 and 36."""
    data = json.dumps({"type": "error", "error": {"type": kind, "message": "Overloaded"}}).encode()
    with pytest.raises(Upstream) as caught:
        dialect.read_events().feed(SseEvent("error", data))
    assert (caught.value.upstream_status, caught.value.retryable) == (status, retryable)


def test_events_after_the_end_are_ignored_and_a_name_stands_in_for_a_missing_type():
    reader = dialect.read_events()
    assert reader.feed(SseEvent("message_stop", b"{}")) == ()
    assert reader.feed(SseEvent("", b'{"type":"ping"}')) == ()
    reader.finish()


def test_a_failure_in_the_middle_is_an_error_event_that_nothing_follows():
    """Trap 37: never a clean end after it."""
    events = events_of(GOLDEN)
    writer = dialect.write_events(CALL)
    out = [writer.write(event) for event in events[:4]]
    out += [writer.fail(Upstream("the provider's stream was cut", upstream_status=529))]
    out += [writer.write(event) for event in events[4:]]
    out += [writer.end()]
    raw = b"".join(out)
    assert raw.count(b"event: error") == 1
    assert b"message_stop" not in raw
    with pytest.raises(anthropic.APIStatusError) as caught:
        sdk_message(raw)
    assert caught.value.type == "overloaded_error"
    assert caught.value.error_code == "upstream_error"


def test_a_refusal_in_the_middle_says_its_kind():
    with pytest.raises(anthropic.APIStatusError) as caught:
        sdk_message(dialect.write_events(CALL).fail(OverBudget("the budget is used up")))
    assert (caught.value.type, caught.value.api_message) == ("rate_limit_error", "the budget is used up")


def test_a_heartbeat_is_a_ping_that_clients_ignore():
    """Trap 38."""
    ping = dialect.write_events(CALL).heartbeat()
    assert ping == frame(b'{"type": "ping"}', "ping")
    first, rest = GOLDEN.split(b"\n\n", 1)
    assert sdk_message(ping + first + b"\n\n" + ping + rest).stop_reason == "tool_use"


def test_usage_in_the_middle_and_events_that_say_nothing_typed():
    """Trap 18."""
    event = event_of(type="message_delta", delta={}, usage={"output_tokens": 3})
    assert (event.wire, event.closes) == ("anthropic_messages", ("refusal/0",))
    assert tuple(event.deltas()) == (UsageUpdate(Usage(None, 3)),)
    assert tuple(event_of(type="ping").deltas()) == ()
    assert tuple(event_of(type="content_block_delta", delta={"type": "new_delta", "new": "x"}).deltas()) == ()
    assert tuple(event_of(**start({"type": "text", "text": ""})).deltas()) == ()


def test_an_edit_finds_the_right_one_of_fields_that_look_alike():
    raw = b'{"x":{"text":"a"},"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"\\u0061"}}'
    (event,) = dialect.read_events().feed(SseEvent("", raw))
    assert event.edit(["b", "a"]).data == raw.replace(b'"\\u0061"', b'"b"')
