"""Streams of other wires, written as Anthropic's: what the unmodified SDK accumulates is what was said."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import anthropic
import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.kernel.content import TextSlot
from headgate.kernel.errors import Upstream
from headgate.wire import anthropic_client_stream
from headgate.wire.anthropic_messages import dialect
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
from headgate.wire.model_call import StopReason, Usage
from headgate.wire.sse import SseEvent, SseParser

CALL = dialect.read_call(
    b'{"model":"our-alias","max_tokens":9,"messages":[{"role":"user","content":"%b"}]}' % (b"word " * 70), headers={}
)
BEGIN = Begin("chatcmpl-1", "upstream")


@dataclass(frozen=True, slots=True)
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

    def run(self, channel: str) -> None:
        return

    def edit(self, texts: Sequence[str]) -> Foreign:
        raise AssertionError(f"nothing edits this: {texts}")

    def without_spelling(self) -> Foreign:
        return self

    def insert(self, slot: TextSlot) -> Foreign:
        raise AssertionError(f"nothing inserts here: {slot}")

    def deltas(self) -> tuple[Delta, ...]:
        return self.said


def write(*deltas: Delta) -> bytes:
    writer = dialect.write_events(CALL)
    return b"".join([*(writer.write(Foreign((delta,))) for delta in deltas), writer.end()])


def events(raw: bytes) -> list[SseEvent]:
    return SseParser().feed(raw)


def said(raw: bytes) -> list[dict[str, Any]]:
    return [json.loads(event.data) for event in events(raw)]


def sdk_message(raw: bytes) -> anthropic.types.Message:
    transport = httpx2.MockTransport(
        lambda _: httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=raw)
    )
    client = anthropic.Anthropic(
        api_key="k", base_url="http://gate.test", http_client=httpx2.Client(transport=transport), max_retries=0
    )
    with client.messages.stream(model="a", max_tokens=9, messages=[{"role": "user", "content": "x"}]) as stream:
        return stream.get_final_message()


def test_events_come_in_the_wires_order_with_their_names():
    """Trap 17."""
    raw = write(BEGIN, TextDelta("Hi"), TextDelta(""), TextDelta(" you"), End("stop"), UsageUpdate(Usage(7, 2)))
    names = [event.name for event in events(raw)]
    assert names == [
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    assert [event["type"] for event in said(raw)] == names


def test_the_end_waits_for_usage_that_comes_after_the_stop_reason():
    """Traps 1 and 18: the input is an estimate until the true count comes, and the SDK ends up with the true one."""
    raw = write(BEGIN, TextDelta("Hi"), End("length"), UsageUpdate(Usage(100, 2, cache_read_tokens=60)))
    estimate = said(raw)[0]["message"]["usage"]["input_tokens"]
    assert 50 < estimate < 200
    message = sdk_message(raw)
    assert (message.model, message.stop_reason, message.id) == ("our-alias", "max_tokens", "msg_chatcmpl-1")
    usage = message.usage
    assert (usage.input_tokens, usage.cache_read_input_tokens, usage.output_tokens) == (40, 60, 2)


def test_usage_that_never_comes_is_estimated_and_never_zero():
    """Trap 18: every peer once shipped zero."""
    usage = sdk_message(write(BEGIN, TextDelta("word " * 40), End("stop"))).usage
    assert usage.input_tokens > 50
    assert 30 < usage.output_tokens < 70


def test_usage_without_input_keeps_the_estimate():
    """Trap 18."""
    assert sdk_message(write(BEGIN, End("stop", usage=Usage(None, 3)))).usage.input_tokens > 50


def test_input_that_is_known_from_the_start_is_no_estimate():
    """Trap 18."""
    begun = Begin("1", "m", usage=Usage(1000, None, cache_read_tokens=400))
    assert said(write(begun))[0]["message"]["usage"]["input_tokens"] == 600


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("stop", "end_turn"),
        ("stop_sequence", "stop_sequence"),
        ("length", "max_tokens"),
        ("context_length", "model_context_window_exceeded"),
        ("tool_use", "tool_use"),
        ("refusal", "refusal"),
        ("content_filter", "refusal"),
        ("pause", "pause_turn"),
        ("unknown", "max_tokens"),
    ],
)
def test_every_stop_reason_of_ours_has_a_word_of_theirs(ours: StopReason, theirs: str):
    """Trap 9."""
    assert sdk_message(write(BEGIN, End(ours))).stop_reason == theirs


def test_a_stream_that_ended_well_and_never_said_why_ends_with_what_it_holds():
    """Trap 9."""
    assert sdk_message(write(BEGIN, TextDelta("x"))).stop_reason == "end_turn"
    called = write(BEGIN, ToolBegin(0, "a", "f"), ToolDelta(0, "{}"))
    assert sdk_message(called).stop_reason == "tool_use"


def test_reasoning_text_and_tools_become_blocks_one_after_the_other():
    """Traps 11 and 20: reasoning comes first, with its signature where it has one."""
    message = sdk_message(
        write(
            BEGIN,
            ReasoningDelta("Hm"),
            ReasoningDelta("m"),
            ReasoningDelta(signature="c2ln"),
            ReasoningDelta(redacted="eA=="),
            ReasoningDelta(signature="b25seQ=="),
            TextDelta("Hi"),
            ToolBegin(0, "call_1", "f"),
            ToolDelta(0, '{"a":'),
            ToolDelta(0, "1}"),
            End("tool_use"),
        )
    )
    blocks = [block.to_dict() for block in message.content]
    assert [block["type"] for block in blocks] == ["thinking", "redacted_thinking", "thinking", "text", "tool_use"]
    assert (blocks[0]["thinking"], blocks[0]["signature"], blocks[2]["signature"]) == ("Hmm", "c2ln", "b25seQ==")
    assert (blocks[4]["id"], blocks[4]["input"]) == ("call_1", {"a": 1})


def test_a_tool_call_streams_as_it_comes_and_the_next_begins_once_it_is_complete():
    """Trap 3: nothing waits that need not."""
    writer = dialect.write_events(CALL)
    steps: tuple[Delta, ...] = (
        BEGIN,
        ToolBegin(0, "a", "f"),
        ToolDelta(0, '{"x"'),
        ToolDelta(0, ":1}"),
        ToolBegin(1, "b", "g"),
        ToolDelta(1, "{}"),
    )
    out = [writer.write(Foreign((step,))) for step in steps]
    kinds = [[event["type"].removeprefix("content_block_") for event in said(frames)] for frames in out]
    assert kinds == [["message_start"], ["start"], ["delta"], ["delta"], ["stop", "start"], ["delta"]]


def test_interleaved_tool_calls_are_put_one_after_the_other():
    """Traps 3 and 17: blocks of this wire never overlap, and no two calls share an index."""
    raw = write(
        BEGIN,
        ToolBegin(0, "a", "f"),
        ToolBegin(1, "b", "g"),
        ToolDelta(1, '{"y":'),
        ToolDelta(0, '{"x":{"z":0}'),
        ToolDelta(1, "2}"),
        ToolDelta(0, "}"),
        ToolDelta(1, " "),
        End("tool_use"),
    )
    opened = [event["index"] for event in said(raw) if event["type"] in ("content_block_start", "content_block_stop")]
    assert opened == [0, 0, 1, 1]
    assert [block.to_dict()["input"] for block in sdk_message(raw).content] == [{"x": {"z": 0}}, {"y": 2}]


def test_more_of_a_call_that_was_complete_or_never_begun_is_a_failure():
    """Trap 37: it cannot be said any more, so it is not silently lost."""
    complete = (BEGIN, ToolBegin(0, "a", "f"), ToolDelta(0, "{}"), ToolBegin(1, "b", "g"))
    with pytest.raises(Upstream):
        write(*complete, ToolDelta(0, '"more"'))
    assert sdk_message(write(*complete, ToolDelta(0, "\n"), End("tool_use"))).stop_reason == "tool_use"
    with pytest.raises(Upstream):
        write(BEGIN, ToolDelta(3, "{}"))


def test_what_waits_is_bounded(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(anthropic_client_stream, "MAX_WAITING_CHARS", 100)
    monkeypatch.setattr(anthropic_client_stream, "MAX_BLOCKS", 5)
    with pytest.raises(Upstream, match="characters"):
        write(BEGIN, ToolBegin(0, "a", "f"), ToolBegin(1, "b", "g"), *[ToolDelta(1, "x" * 30)] * 4)
    with pytest.raises(Upstream, match="blocks"):
        write(BEGIN, *(ToolBegin(n, str(n), "f") for n in range(7)))


def test_a_refusal_is_shown_as_text_and_explained_at_the_end():
    """Trap 8."""
    message = sdk_message(write(BEGIN, RefusalDelta("I "), RefusalDelta("won't"), End("stop")))
    assert message.stop_reason == "refusal"
    assert message.content[0].to_dict()["text"] == "I won't"
    assert message.stop_details is not None
    assert message.stop_details.explanation == "I won't"


def test_foreign_tool_ids_are_mapped_to_what_the_api_accepts():
    """Trap 23."""
    message = sdk_message(write(BEGIN, ToolBegin(0, "functions.Bash:0", "f"), ToolDelta(0, "{}"), End("tool_use")))
    tool_id = message.content[0].to_dict()["id"]
    assert isinstance(tool_id, str)
    assert tool_id.startswith("toolu_")


def test_a_stream_without_a_beginning_gets_one_and_nothing_follows_a_failure():
    """Traps 17 and 37."""
    assert events(write(TextDelta("x")))[0].name == "message_start"
    writer = dialect.write_events(CALL)
    raw = writer.write(Foreign((BEGIN, TextDelta("x")))) + writer.fail(Upstream("cut"))
    raw += writer.write(Foreign((TextDelta("y"),))) + writer.end()
    assert [event.name for event in events(raw)][-1] == "error"
    assert b"message_stop" not in raw


PIECES = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=6)


@st.composite
def interleavings(draw: st.DrawFn) -> tuple[list[Delta], dict[int, str]]:
    """Give deltas of tool calls that interleave at will, and what each call's arguments are in the end."""
    arguments = {n: json.dumps({"k": draw(PIECES)}) for n in range(draw(st.integers(1, 3)))}
    left = {n: [text[i : i + 3] for i in range(0, len(text), 3)] for n, text in arguments.items()}
    deltas: list[Delta] = [ToolBegin(n, f"call_{n}", f"f{n}") for n in left]
    while any(left.values()):
        n = draw(st.sampled_from([n for n, pieces in left.items() if pieces]))
        deltas.append(ToolDelta(n, left[n].pop(0)))
    return deltas, arguments


@given(interleavings(), st.lists(PIECES, max_size=3))
@settings(max_examples=40, deadline=None)
def test_any_interleaving_reads_back_as_the_same_text_and_calls(
    calls: tuple[list[Delta], dict[int, str]], texts: list[str]
):
    """Trap 3: and reading our own stream gives the deltas again, in one order."""
    deltas, arguments = calls
    raw = write(BEGIN, *(TextDelta(text) for text in texts), *deltas, End("tool_use", usage=Usage(5, 6)))
    reader = dialect.read_events()
    again = [delta for sse in events(raw) for event in reader.feed(sse) for delta in event.deltas()]
    reader.finish()
    assert "".join(delta.text for delta in again if isinstance(delta, TextDelta)) == "".join(texts)
    assert [delta for delta in again if isinstance(delta, ToolBegin)] == [
        ToolBegin(n, f"call_{n}", f"f{n}") for n in arguments
    ]
    for n, text in arguments.items():
        assert "".join(d.arguments for d in again if isinstance(d, ToolDelta) and d.index == n) == text
    assert again[-1] == End("tool_use", usage=Usage(5, 6))
