"""Streams of Gemini's wire: read into items that guard can edit, passed on, and written from other wires."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

import pytest
from google.genai import errors, types
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.wire.gemini_sdk import STREAM, call_of, parts_of, sdk_chunks

from headgate.kernel.content import TextSlot
from headgate.kernel.errors import OverBudget, Upstream
from headgate.wire import anthropic_messages, openai_chat
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
from headgate.wire.dialect import WholeDialect
from headgate.wire.gemini import dialect
from headgate.wire.gemini_client_stream import MAX_WAITING_CHARS
from headgate.wire.gemini_event import GeminiEvent
from headgate.wire.model_call import ModelCall, Usage
from headgate.wire.sse import SseEvent, SseParser, frame
from headgate.wire.tool_names import RestoringReader

HELLO = b'{"contents":[{"parts":[{"text":"Hello"}]}]}'
THINKING = b'{"contents":[{"parts":[{"text":"x"}]}],"generationConfig":{"thinkingConfig":{"includeThoughts":true}}}'
CALL = call_of(HELLO, STREAM)


def piece(*parts: Any, finish: str | None = None, usage: Any = None, **candidate: Any) -> bytes:
    """One event of a stream."""
    said: dict[str, Any] = {"content": {"parts": list(parts), "role": "model"}, **candidate}
    if finish is not None:
        said["finishReason"] = finish
    event: dict[str, Any] = {"candidates": [said], "modelVersion": "gem", "responseId": "r1"}
    return frame(json.dumps(event if usage is None else {**event, "usageMetadata": usage}, ensure_ascii=False).encode())


THOUGHT = {"text": "Two cities – call twice.", "thought": True}
ROME = {"functionCall": {"name": "weather", "args": {"city": "Rome", "n": 1.0}}, "thoughtSignature": "Zz+/"}
OSLO = {"functionCall": {"id": "own", "name": "weather", "args": {"city": "Oslo"}}}
GOLDEN = b"".join(
    [
        piece(THOUGHT, usage={"promptTokenCount": 25, "totalTokenCount": 25}),
        piece({"text": "Let me look <b>"}),
        piece({"text": "twice</b>. é😀"}, ROME),
        piece(OSLO),
        piece(
            {"text": ""},
            finish="STOP",
            usage={
                "promptTokenCount": 25,
                "candidatesTokenCount": 9,
                "thoughtsTokenCount": 12,
                "cachedContentTokenCount": 5,
                "totalTokenCount": 46,
            },
        ),
    ]
)


def events_of(raw: bytes) -> list[GeminiEvent]:
    reader = dialect.read_events()
    events: list[Any] = [event for sse in SseParser().feed(raw) for event in reader.feed(sse)]
    reader.finish()
    return events


def written(events: Iterable[GeminiEvent], call: ModelCall = CALL) -> bytes:
    writer = dialect.write_events(call)
    return b"".join([*(writer.write(event) for event in events), writer.end()])


def across(raw: bytes, *, upstream: WholeDialect, client: WholeDialect, call: ModelCall) -> bytes:
    reader, writer = upstream.read_events(), client.write_events(call)
    out = [writer.write(event) for sse in SseParser().feed(raw) for event in reader.feed(sse)]
    reader.finish()
    return b"".join([*out, writer.end()])


def test_a_stream_of_the_same_wire_passes_byte_for_byte_but_for_the_models_name() -> None:
    """Traps 20, 22 and 42: signatures, numbers and escapes stay."""
    assert written(events_of(GOLDEN)) == GOLDEN.replace(b'"gem"', b'"our-alias"')


def test_the_sdk_reads_what_passed() -> None:
    chunks = sdk_chunks(written(events_of(GOLDEN)))
    texts = "".join(part.text or "" for part in parts_of(chunks) if not part.thought)
    assert texts == "Let me look <b>twice</b>. é😀"
    calls = [part for part in parts_of(chunks) if part.function_call]
    assert [part.function_call.args for part in calls if part.function_call] == [
        {"city": "Rome", "n": 1.0},
        {"city": "Oslo"},
    ]
    assert calls[0].thought_signature is not None


def test_slots_and_channels_follow_the_parts() -> None:
    slots = [slot for event in events_of(GOLDEN) for slot in event.slots]
    assert slots == [
        TextSlot("reasoning/0", "Two cities – call twice."),
        TextSlot("content/0", "Let me look <b>"),
        TextSlot("content/0", "twice</b>. é😀"),
        TextSlot("tool_name/0/0", "weather"),
        TextSlot("tool/0/0", '{"city": "Rome", "n": 1.0}'),
        TextSlot("tool_name/0/1", "weather"),
        TextSlot("tool/0/1", '{"city": "Oslo"}'),
        TextSlot("content/0", ""),
    ]
    events = events_of(GOLDEN)
    assert events[2].closes == ("tool_name/0/0", "tool/0/0")
    assert events[-1].closes == ("reasoning/0", "content/0")
    assert events[-1].ends_runs
    assert not events[2].ends_runs
    assert (events[0].run("reasoning/0"), events[0].run("content/0"), events[0].run("tool/0/0")) == ("0", "0", None)
    assert events[0].wire == "gemini"


def test_deltas_are_what_other_wires_write() -> None:
    deltas = [delta for event in events_of(GOLDEN) for delta in event.deltas()]
    usage = Usage(25, 21, cache_read_tokens=5, reasoning_tokens=12)
    assert deltas == [
        Begin("r1", "gem"),
        ReasoningDelta("Two cities – call twice."),
        UsageUpdate(Usage(25, None)),
        TextDelta("Let me look <b>"),
        TextDelta("twice</b>. é😀"),
        ToolBegin(0, "call_r1_0", "weather"),
        ToolDelta(0, '{"city": "Rome", "n": 1.0}'),
        ToolBegin(1, "own", "weather"),
        ToolDelta(1, '{"city": "Oslo"}'),
        End("tool_use", usage=usage),
    ]


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_the_cuts_of_a_stream_do_not_matter(data: st.DataObject) -> None:
    """Trap 40."""
    raw = GOLDEN if data.draw(st.booleans()) else GOLDEN.replace(b"\n", b"\r\n")
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=8)))
    parser, reader = SseParser(), dialect.read_events()
    pieces = [raw[start:end] for start, end in zip([0, *cuts], [*cuts, len(raw)], strict=True)]
    events: list[Any] = [event for one in pieces for sse in parser.feed(one) for event in reader.feed(sse)]
    reader.finish()
    assert [event.slots for event in events] == [event.slots for event in events_of(GOLDEN)]


@given(st.lists(st.text(max_size=8), min_size=1, max_size=6), st.booleans())
@settings(max_examples=40, deadline=None)
def test_any_text_comes_through_edited_or_not(texts: Sequence[str], is_edited: bool) -> None:
    raw = b"".join([*(piece({"text": text}) for text in texts), piece({"text": "."}, finish="STOP")])
    events = events_of(raw)
    if is_edited:
        events = [event.edit([slot.text[::-1] for slot in event.slots]) for event in events]
    said = "".join(text[::-1] if is_edited else text for text in texts)
    client = openai_chat.dialect
    out = across_events(
        events,
        client=client,
        call=client.read_call(
            b'{"model":"our-alias","messages":[{"role":"user","content":"x"}],"stream":true}', headers={}
        ),
    )
    chunks = [json.loads(line[6:]) for line in out.decode().split("\n") if line.startswith("data: {")]
    assert "".join(one["choices"][0]["delta"].get("content") or "" for one in chunks) == f"{said}."
    passed = [json.loads(line[6:]) for line in written(events).decode().split("\n") if line.startswith("data: {")]
    parts = [part for one in passed for part in one["candidates"][0]["content"]["parts"]]
    assert "".join(part["text"] for part in parts) == f"{said}."


def across_events(events: Iterable[GeminiEvent], *, client: WholeDialect, call: ModelCall) -> bytes:
    writer = client.write_events(call)
    return b"".join([*(writer.write(event) for event in events), writer.end()])


def test_an_edit_changes_the_texts_only() -> None:
    event = events_of(piece({"text": "a"}, ROME, finish="STOP"))[0]
    assert event.edit([slot.text for slot in event.slots]) is event
    edited = event.edit(["b", "sky", '{"city": "Bonn"}'])
    said = json.loads(edited.data)["candidates"][0]["content"]["parts"]
    assert [said[0]["text"], said[1]["functionCall"], said[1]["thoughtSignature"]] == [
        "b",
        {"name": "sky", "args": {"city": "Bonn"}},
        "Zz+/",
    ]
    assert [slot.text for slot in edited.slots] == ["b", "sky", '{"city": "Bonn"}']
    broken = json.loads(event.edit(["b", "sky", '{"city": ']).data)
    assert broken["candidates"][0]["content"]["parts"][1]["functionCall"]["args"] == {"arguments": '{"city": '}


def test_held_text_goes_into_an_event_of_its_own() -> None:
    event = events_of(GOLDEN)[1]
    inserted = event.insert(TextSlot("reasoning/0", "more"))
    assert json.loads(inserted.data) == {
        "candidates": [{"content": {"parts": [{"text": "more", "thought": True}], "role": "model"}, "index": 0}],
        "modelVersion": "gem",
        "responseId": "r1",
    }
    assert inserted.edit(["less"]).slots == (TextSlot("reasoning/0", "less"),)
    assert b'"thought"' not in event.insert(TextSlot("content/1", "more")).data
    with pytest.raises(ValueError, match="nothing can be inserted"):
        event.insert(TextSlot("tool/0/0", "{"))


def test_strings_of_unknown_fields_are_scanned_and_identifiers_are_not() -> None:
    part = {"executableCode": {"language": "PYTHON", "code": "print('x')"}}
    raw = piece(part, finish="STOP", groundingMetadata={"chunks": [{"uri": "https://a.test"}]})
    (event,) = events_of(raw)
    assert [slot.text for slot in event.slots] == ["PYTHON", "print('x')", "https://a.test"]
    assert {slot.channel for slot in event.slots} == {"other/whole/0", "other/whole/1", "other/whole/2"}
    assert event.deltas()[-1] == End("stop", usage=None)


def test_log_probabilities_can_be_left_out() -> None:
    raw = piece({"text": "a"}, finish="STOP", logprobsResult={"chosenCandidates": [{"token": "a"}]})
    (event,) = events_of(raw)
    bare = event.without_spelling()
    assert b'"logprobsResult":null' in bare.data.replace(b" ", b"")
    assert [slot.text for slot in bare.slots] == ["a"]
    assert bare.without_spelling() is bare


def test_a_second_candidate_has_channels_of_its_own() -> None:
    one = {"content": {"parts": [{"text": "a"}]}, "finishReason": "STOP"}
    two = {"content": {"parts": [{"text": "b"}, ROME]}, "finishReason": "MAX_TOKENS", "index": 1}
    (event,) = events_of(frame(json.dumps({"candidates": [one, two]}).encode()))
    assert [slot.channel for slot in event.slots] == ["content/0", "content/1", "tool_name/1/0", "tool/1/0"]
    assert event.stop_reason == "stop"
    assert [type(delta) for delta in event.deltas()] == [Begin, TextDelta, End]


@pytest.mark.parametrize(
    ("finish", "reason"),
    [
        ("STOP", "stop"),
        ("MAX_TOKENS", "length"),
        ("SAFETY", "content_filter"),
        ("RECITATION", "content_filter"),
        ("PROHIBITED_CONTENT", "content_filter"),
        ("CONTINUATION", "pause"),
        ("MALFORMED_FUNCTION_CALL", "unknown"),
        ("SOMETHING_NEW", "unknown"),
    ],
)
def test_a_finish_reason_never_becomes_a_stop_silently(finish: str, reason: str) -> None:
    """Trap 9."""
    assert events_of(piece({"text": "x"}, finish=finish))[0].stop_reason == reason


def test_a_blocked_answer_keeps_its_explanation() -> None:
    """Trap 8."""
    raw = piece(finish="SAFETY", finishMessage="It is unsafe.")
    (event,) = events_of(raw)
    assert event.deltas()[1:] == [RefusalDelta("It is unsafe."), End("content_filter")]
    said = across(raw, upstream=dialect, client=dialect, call=CALL)
    assert sdk_chunks(said)[0].candidates[0].finish_reason == types.FinishReason.SAFETY  # pyright: ignore[reportOptionalSubscript] - it has one


def test_a_blocked_prompt_ends_the_stream() -> None:
    raw = frame(b'{"promptFeedback":{"blockReason":"SAFETY"},"usageMetadata":{"promptTokenCount":4}}')
    (event,) = events_of(raw)
    assert event.deltas() == [Begin("", ""), End("content_filter", usage=Usage(4, None))]
    assert event.closes == ("*",)
    assert written([event]) == raw


@pytest.mark.parametrize(
    "data",
    [
        b"not json",
        b"[]",
        b'{"candidates":[{"index":9999}]}',
        b'{"candidates":[{"index":"0"}]}',
        b'{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f"}},7]}}]}',
        b'{"candidates":[{"content":{"parts":[{"text":"\\ud83d"}' + b"[" * 9999,
    ],
)
def test_an_event_of_another_form_is_refused(data: bytes) -> None:
    with pytest.raises(Upstream):
        dialect.read_events().feed(SseEvent("", data))


def test_an_error_event_is_the_providers() -> None:
    with pytest.raises(Upstream, match="overloaded") as caught:
        events_of(frame(b'{"error":{"code":503,"message":"overloaded","status":"UNAVAILABLE"}}'))
    assert caught.value.retryable


@pytest.mark.parametrize("raw", [b"", piece({"text": "x"}), piece({"text": "x"}, finish="FINISH_REASON_UNSPECIFIED")])
def test_a_stream_without_an_end_is_cut(raw: bytes) -> None:
    """Trap 37."""
    with pytest.raises(Upstream, match=r"ended before it began|cut before its end"):
        events_of(raw)


def test_halves_of_a_character_are_joined() -> None:
    first = b'{"candidates":[{"content":{"parts":[{"text":"a\\ud83d"},{"functionCall":{"name":"f"}}]}}]}'
    last = b'{"candidates":[{"content":{"parts":[{"text":"\\ude00"}]},"finishReason":"STOP"}]}'
    events = events_of(frame(first) + frame(last))
    assert "".join(slot.text for event in events for slot in event.slots if slot.channel == "content/0") == "a😀"


def test_renamed_functions_get_their_names_back() -> None:
    reader = RestoringReader(dialect.read_events(), {"weather": "my.weather"})
    events: list[Any] = [event for sse in SseParser().feed(GOLDEN) for event in reader.feed(sse)]
    reader.finish()
    assert [delta.name for event in events for delta in event.deltas() if isinstance(delta, ToolBegin)] == [
        "my.weather",
        "my.weather",
    ]


# ---- streams of other wires for a client of this one


def openai_stream(*deltas: Any, finish: str = "stop", usage: Any = None) -> bytes:
    chunks = [{"choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    chunks.append({"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]})
    chunks += [{"choices": [], "usage": usage}] if usage else []
    return b"".join(frame(json.dumps({"id": "c1", "model": "gpt", **chunk}).encode()) for chunk in chunks) + frame(
        b"[DONE]"
    )


def tool(index: int, **fields: Any) -> Any:
    name = {"name": fields["name"]} if "name" in fields else {}
    call = {"index": index, "function": {**name, "arguments": fields.get("arguments", "")}}
    return {"tool_calls": [{**call, "id": fields["id"], "type": "function"} if "id" in fields else call]}


def test_an_openai_stream_with_parallel_calls_becomes_whole_calls() -> None:
    """Trap 3: interleaved deltas become one call each."""
    raw = openai_stream(
        {"reasoning_content": "Hm."},
        {"content": "Look"},
        tool(0, id="a", name="weather", arguments='{"city":'),
        tool(1, id="b", name="weather", arguments='{"city":"Oslo"}'),
        tool(0, arguments='"Rome"}'),
        finish="tool_calls",
        usage={"prompt_tokens": 5, "completion_tokens": 7, "prompt_tokens_details": {"cached_tokens": 2}},
    )
    for body, thoughts in ((HELLO, []), (THINKING, ["Hm."])):
        chunks = sdk_chunks(across(raw, upstream=openai_chat.dialect, client=dialect, call=call_of(body, STREAM)))
        parts = parts_of(chunks)
        assert [part.text for part in parts if part.thought] == thoughts
        calls = [part.function_call for part in parts if part.function_call]
        assert [(one.id, one.name, one.args) for one in calls] == [
            ("a", "weather", {"city": "Rome"}),
            ("b", "weather", {"city": "Oslo"}),
        ]
        last: Any = chunks[-1]
        assert last.candidates[0].finish_reason == types.FinishReason.STOP
        usage = last.usage_metadata
        assert (usage.prompt_token_count, usage.candidates_token_count, usage.cached_content_token_count) == (5, 7, 2)
        assert {chunk.model_version for chunk in chunks} == {"our-alias"}


def test_an_openai_refusal_is_told_as_one() -> None:
    raw = openai_stream({"refusal": "I will "}, {"refusal": "not."}, {"refusal": ""})
    out = across(raw, upstream=openai_chat.dialect, client=dialect, call=CALL)
    chunks: Any = sdk_chunks(out)
    assert "".join(part.text or "" for part in parts_of(chunks)) == "I will not."
    assert chunks[-1].candidates[0].finish_reason == types.FinishReason.SAFETY
    assert b'"finishMessage":"I will not."' in out


def test_an_anthropic_stream_reaches_the_sdk() -> None:
    events: list[Any] = [
        {"type": "message_start", "message": {"id": "m1", "model": "c", "usage": {"input_tokens": 3}}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hi"}},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "max_tokens"}, "usage": {"output_tokens": 4}},
        {"type": "message_stop"},
    ]
    raw = b"".join(frame(json.dumps(event).encode(), event["type"]) for event in events)
    chunks: Any = sdk_chunks(across(raw, upstream=anthropic_messages.dialect, client=dialect, call=CALL))
    assert [part.text for part in parts_of(chunks)] == ["Hi"]
    assert chunks[-1].candidates[0].finish_reason == types.FinishReason.MAX_TOKENS
    assert chunks[-1].usage_metadata.total_token_count == 7


def test_a_stream_without_an_end_or_usage_still_finishes() -> None:
    writer = dialect.write_events(CALL)
    chunks: Any = sdk_chunks(writer.end())
    assert chunks[0].candidates[0].finish_reason == types.FinishReason.STOP
    assert chunks[0].usage_metadata is None


def test_calls_that_are_not_this_wires_are_refused() -> None:
    writer = dialect.write_events(CALL)
    reader = openai_chat.dialect.read_events()
    (begun,) = reader.feed(next(iter(SseParser().feed(openai_stream(tool(0, id="a", name="f"))))))
    writer.write(begun)

    class Other:
        """An event of another wire."""

        def __init__(self, *deltas: Any) -> None:
            self._deltas = deltas

        def deltas(self) -> Any:
            return self._deltas

    other: Any = Other(ToolDelta(7, "{}"))
    with pytest.raises(Upstream, match="had not begun"):
        writer.write(other)
    long: Any = Other(ToolDelta(0, "x" * MAX_WAITING_CHARS))
    with pytest.raises(Upstream, match="more than"):
        writer.write(long)


def test_an_error_within_a_stream_is_raised_by_the_sdk() -> None:
    """Trap 37."""
    writer = dialect.write_events(CALL)
    with pytest.raises(errors.ClientError) as caught:
        sdk_chunks(writer.fail(OverBudget("too much", retry_after_s=3)))
    assert (caught.value.code, caught.value.status) == (429, "RESOURCE_EXHAUSTED")


def test_a_heartbeat_is_an_empty_text_that_the_sdk_reads() -> None:
    """Trap 38: the SDK takes comments for JSON."""
    writer = dialect.write_events(CALL)
    chunks = sdk_chunks(writer.heartbeat() + writer.end())
    assert [chunk.text for chunk in chunks] == ["", ""]
    assert parts_of(chunks) == []


def test_a_whole_answer_becomes_a_stream() -> None:
    whole = json.dumps(json.loads(piece({"text": "Hi"}, finish="STOP")[6:]), indent=1).encode()
    events = events_of(dialect.replay(whole))
    assert events[0].deltas()[1] == TextDelta("Hi")
    assert written(events).count(b"\n") == 2
    with pytest.raises(Upstream):
        dialect.replay(b"{}")
    assert dialect.assembler() is None
