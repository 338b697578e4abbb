from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from headgate.kernel.content import TextSlot
from headgate.kernel.errors import Upstream
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
from headgate.wire.openai_chat import dialect
from headgate.wire.openai_chat_event import OpenAiChatEvent
from headgate.wire.openai_provider_stream import OpenAiChatReader
from headgate.wire.sse import SseEvent, SseParser

GOLDEN = Path(__file__).parent / "golden" / "openai"
HEAD: dict[str, Any] = {"id": "c1", "object": "chat.completion.chunk", "created": 7, "model": "gpt-real"}


def piece(delta: Any = None, *, finish: str | None = None, index: int = 0, **more: Any) -> bytes:
    choice: dict[str, Any] = {"index": index, "delta": delta or {}, "finish_reason": finish, **more}
    return json.dumps({**HEAD, "choices": [choice]}, ensure_ascii=False).encode()


def call(index: int | None, arguments: str = "", **more: Any) -> dict[str, Any]:
    function: dict[str, Any] = {"arguments": arguments}
    if "name" in more:
        function["name"] = more.pop("name")
    numbered: dict[str, Any] = {} if index is None else {"index": index}
    return {**numbered, **more, "function": function}


def feed(*chunks: bytes, reader: OpenAiChatReader | None = None) -> list[OpenAiChatEvent]:
    reader = reader or OpenAiChatReader()
    return [event for data in chunks for event in reader.feed(SseEvent("", data))]


def channels(events: list[OpenAiChatEvent]) -> list[tuple[str, str]]:
    return [(slot.channel, slot.text) for event in events for slot in event.slots]


def texts_by_channel(events: list[OpenAiChatEvent]) -> dict[str, str]:
    found: dict[str, str] = {}
    for channel, text in channels(events):
        found[channel] = found.get(channel, "") + text
    return found


def test_a_recorded_stream_reads_as_the_answer_that_it_carries() -> None:
    parser, reader = SseParser(), OpenAiChatReader()
    events = [
        event
        for sse_event in parser.feed((GOLDEN / "stream.upstream.sse").read_bytes())
        for event in reader.feed(sse_event)
    ]
    reader.finish()
    assert texts_by_channel(events) == {
        "content/0": "It is 11 °C.",
        "tool_name/0/0": "weather",
        "tool/0/0": '{"city":"Zürich"}',
    }
    usage = Usage(input_tokens=20, output_tokens=9, cache_read_tokens=5, reasoning_tokens=2)
    assert events[-1].usage == usage
    assert [delta for event in events for delta in event.deltas()] == [
        Begin("chatcmpl-1", "gpt-real-2024"),
        TextDelta("It is "),
        TextDelta("11 °C."),
        ToolBegin(0, "call_1", "weather"),
        ToolDelta(0, '{"city":'),
        ToolDelta(0, '"Zürich"}'),
        End("tool_use"),
        UsageUpdate(usage),
    ]


def test_text_is_replaced_in_place_and_nothing_else() -> None:
    (event,) = feed(
        b'{ "id":"c1","choices":[ {"index":0, "delta":{"content":"a\\u0062c"},"finish_reason":null}],"x":[] }'
    )
    assert event.slots == (TextSlot("content/0", "abc"),)
    assert event.edit(["abc"]) is event
    edited = event.edit(['d"é'])
    assert edited.data.decode() == (
        '{ "id":"c1","choices":[ {"index":0, "delta":{"content":"d\\"é"},"finish_reason":null}],"x":[] }'
    )
    assert edited.slots == (TextSlot("content/0", 'd"é'),)
    assert edited.deltas() == [Begin("c1", ""), TextDelta('d"é')]


def test_inserted_text_comes_as_a_chunk_of_the_same_answer() -> None:
    events = feed(piece({"role": "assistant", "content": "a"}), piece({"reasoning": "b"}), piece(finish="stop"))
    made = events[-1].insert(TextSlot("content/2.1", "held"))
    assert json.loads(made.data) == {
        **HEAD,
        "choices": [{"index": 2, "delta": {"content": "held"}, "finish_reason": None}],
    }
    assert made.slots == (TextSlot("content/2.1", "held"),)
    assert json.loads(made.edit(["x"]).data)["choices"][0]["delta"] == {"content": "x"}
    reasoning = events[-1].insert(TextSlot("reasoning/0", "r"))
    assert json.loads(reasoning.data)["choices"][0]["delta"] == {"reasoning": "r"}
    tool = events[-1].insert(TextSlot("tool/0/3", "{}"))
    assert json.loads(tool.data)["choices"][0]["delta"] == {
        "tool_calls": [{"index": 3, "function": {"arguments": "{}"}}]
    }
    assert (made.is_first, made.stop_reason, made.usage) == (False, None, None)
    with pytest.raises(ValueError, match="other/1"):
        events[0].insert(TextSlot("other/1", "x"))


def test_interleaved_parallel_tool_calls_keep_their_numbers() -> None:
    """Trap 3."""
    events = feed(
        piece({"tool_calls": [call(0, id="a", type="function", name="f"), call(1, id="b", type="function", name="g")]}),
        piece({"tool_calls": [call(1, '{"y"')]}),
        piece({"tool_calls": [call(0, '{"x"'), call(1, ":2}")]}),
        piece({"tool_calls": [call(0, ":1}")]}),
        piece(finish="tool_calls"),
    )
    assert texts_by_channel(events) == {
        "tool_name/0/0": "f",
        "tool_name/0/1": "g",
        "tool/0/0": '{"x":1}',
        "tool/0/1": '{"y":2}',
    }
    assert set(events[-1].closes) == {"tool/0/0", "tool/0/1"}
    assert events[0].deltas()[1:] == [ToolBegin(0, "a", "f"), ToolBegin(1, "b", "g")]
    assert events[1].data == piece({"tool_calls": [call(1, '{"y"')]})


@pytest.mark.parametrize("index", [0, None, 1])
def test_tool_calls_that_a_server_numbers_all_alike_get_numbers_of_their_own(index: int | None) -> None:
    """Trap 3."""
    events = feed(
        piece({"tool_calls": [call(index, '{"x"', id="a", name="f")]}),
        piece({"tool_calls": [call(index, ":1}")]}),
        piece({"tool_calls": [call(index, '{"y"', id="b", name="g")]}),
        piece({"tool_calls": [call(index, ":2}")]}),
        piece(finish="tool_calls"),
    )
    assert texts_by_channel(events)["tool/0/0"] == '{"x":1}'
    assert texts_by_channel(events)["tool/0/1"] == '{"y":2}'
    sent = [json.loads(event.data)["choices"][0]["delta"].get("tool_calls") for event in events[:-1]]
    assert [calls[0]["index"] for calls in sent] == [0, 0, 1, 1]


@pytest.mark.parametrize("key", ["reasoning_content", "reasoning"])
def test_reasoning_comes_by_either_name_and_is_never_dropped_as_empty(key: str) -> None:
    """Trap 11."""
    events = feed(
        piece({"role": "assistant", "content": None, key: "first "}),
        piece({"content": "", key: "then"}),
        piece({"content": "answer"}),
        piece(finish="stop"),
    )
    assert texts_by_channel(events) == {"reasoning/0": "first then", "content/0": "answer"}
    assert [event.closes for event in events] == [(), (), (), ("reasoning/0", "content/0")]
    assert events[1].deltas() == [ReasoningDelta("then")]
    assert json.loads(events[1].edit(["x"]).data)["choices"][0]["delta"] == {"content": "", key: "x"}


def test_reasoning_sent_under_both_names_is_one_text_edited_twice() -> None:
    """Trap 11."""
    (event,) = feed(piece({"reasoning": "same", "reasoning_content": "same"}))
    assert event.slots == (TextSlot("reasoning/0", "same"),)
    assert event.edit(["x"]).data == piece({"reasoning": "x", "reasoning_content": "x"})
    (event,) = feed(piece({"reasoning": "one", "reasoning_content": "two"}))
    assert [slot.text for slot in event.slots] == ["two", "one"]
    assert json.loads(event.edit(["x", "y"]).data)["choices"][0]["delta"] == {
        "reasoning": "y",
        "reasoning_content": "x",
    }


@pytest.mark.parametrize("kind", ["reasoning", "refusal"])
def test_text_that_resumes_after_other_text_goes_on_in_its_channel(kind: str) -> None:
    events = feed(
        piece({kind: "a"}),
        piece({"content": "b"}),
        piece({kind: "c"}),
        piece({"tool_calls": [call(0, "{}", id="a", name="f")]}),
        piece({"content": "d"}),
        piece(finish="stop"),
    )
    assert texts_by_channel(events) == {
        f"{kind}/0": "ac",
        "content/0": "bd",
        "tool_name/0/0": "f",
        "tool/0/0": "{}",
    }
    assert [event.closes for event in events[:3]] == [(), (), ()]
    assert events[-1].closes == (f"{kind}/0", "content/0", "tool/0/0")


def test_text_after_the_end_is_a_channel_of_its_own_and_a_tool_call_after_the_end_fails() -> None:
    reader = OpenAiChatReader()
    events = feed(piece({"content": "a"}, finish="stop"), piece({"content": "b"}), piece(finish="stop"), reader=reader)
    assert channels(events) == [("content/0", "a"), ("content/0.1", "b")]
    assert [event.closes for event in events] == [("content/0",), (), ("content/0.1",)]
    with pytest.raises(Upstream, match="after its end"):
        feed(piece({"tool_calls": [call(0, "a")]}), reader=reader)


def test_a_tool_call_begins_even_without_a_function_or_an_id() -> None:
    first, last = feed(piece({"tool_calls": [{"index": 7}]}), piece(finish="tool_calls"))
    assert [*first.deltas()[1:], *last.deltas()] == [ToolBegin(0, "", ""), End("tool_use")]
    (event,) = feed(piece({"tool_calls": [call(0, "{}", id="a")]}))
    assert event.deltas()[1:] == [ToolBegin(0, "a", ""), ToolDelta(0, "{}")]
    reader = OpenAiChatReader()
    with pytest.raises(Upstream, match="too many tool calls"):
        for number in range(1025):
            feed(piece({"tool_calls": [call(number, id=f"c{number}", name="f")]}), reader=reader)


def test_a_name_that_comes_after_its_calls_id_is_seen_and_begins_the_call() -> None:
    """Trap 3: and one that a server repeats is seen, and begins nothing."""
    events = feed(
        piece({"tool_calls": [call(0, id="a")]}),
        piece({"tool_calls": [call(0, name="weather")]}),
        piece({"tool_calls": [call(0, "{}", name="weather")]}),
        piece(finish="tool_calls"),
    )
    name = ("tool_name/0/0", "weather")
    assert channels(events) == [name, name, ("tool/0/0", "{}")]
    assert [event.closes for event in events[:3]] == [(), (name[0],), (name[0],)]
    deltas = [delta for event in events for delta in event.deltas()][1:]
    assert deltas == [ToolBegin(0, "a", "weather"), ToolDelta(0, "{}"), End("tool_use")]


def test_choices_are_kept_apart_and_close_one_by_one() -> None:
    """Trap 13."""
    events = feed(
        piece({"content": "a"}), piece({"content": "b"}, index=1), piece(finish="stop", index=1), piece(finish="length")
    )
    assert channels(events) == [("content/0", "a"), ("content/1", "b")]
    assert [event.closes for event in events] == [(), (), ("content/1",), ("content/0",)]
    assert [event.stop_reason for event in events] == [None, None, None, "length"]
    assert events[1].deltas() == []


@pytest.mark.parametrize(
    ("finish", "reason"),
    [
        ("stop", "stop"),
        ("length", "length"),
        ("tool_calls", "tool_use"),
        ("function_call", "tool_use"),
        ("content_filter", "content_filter"),
        ("novel", "unknown"),
    ],
)
def test_a_finish_reason_that_we_do_not_know_is_never_a_stop(finish: str, reason: str) -> None:
    """Trap 9."""
    assert feed(piece({"content": "a"}), piece(finish=finish))[-1].stop_reason == reason


def test_a_refusal_is_told_from_an_answer_and_keeps_its_words() -> None:
    """Trap 8."""
    events = feed(piece({"refusal": "I will not."}), piece(finish="stop"))
    assert channels(events) == [("refusal/0", "I will not.")]
    assert [delta for event in events for delta in event.deltas()][1:] == [RefusalDelta("I will not."), End("refusal")]


def test_every_other_string_of_a_chunk_is_a_slot_that_closes_at_once() -> None:
    logprobs = {"content": [{"token": "secret", "logprob": -1.0, "bytes": [1], "top_logprobs": []}]}
    (event,) = feed(piece({"content": "secret", "annotations": [{"url": "https://x"}]}, logprobs=logprobs))
    assert [slot.text for slot in event.slots] == ["secret", "https://x", "secret"]
    assert len(event.closes) == 2
    edited = json.loads(event.edit(["a", "b", "c"]).data)["choices"][0]
    assert edited["delta"] == {"content": "a", "annotations": [{"url": "b"}]}
    assert edited["logprobs"]["content"][0]["token"] == "c"


def test_custom_tools_and_listed_content_are_scanned_too() -> None:
    custom = {"index": 0, "id": "a", "type": "custom", "custom": {"name": "run", "input": "print(1)"}}
    (event,) = feed(piece({"content": [{"type": "text", "text": "listed"}], "tool_calls": [custom]}))
    assert {slot.text for slot in event.slots} == {"listed", "run", "print(1)"}


def test_the_stop_string_that_ended_an_answer_is_told() -> None:
    """Trap 9."""
    for name in ("stop_reason", "matched_stop"):
        told: dict[str, Any] = {name: "END"}
        (event,) = feed(piece(finish="stop", **told))
        assert event.deltas()[-1] == End("stop_sequence", "END")
    (event,) = feed(piece(finish="stop", matched_stop=128009))
    assert event.deltas()[-1] == End("stop")


@pytest.mark.parametrize(
    "data",
    [
        b'{"error":{"message":"overloaded","type":"server_error","code":503}}',
        b'{"id":"c1","choices":[],"error":{"message":"overloaded","code":"server_error"}}',
    ],
)
def test_an_error_within_a_stream_is_the_upstreams_failure(data: bytes) -> None:
    """Trap 37."""
    with pytest.raises(Upstream, match="overloaded") as caught:
        feed(piece({"content": "a"}), data)
    assert caught.value.retryable
    with pytest.raises(Upstream, match="overloaded"):
        OpenAiChatReader().feed(SseEvent("error", data))


@pytest.mark.parametrize(
    "data",
    [
        *(b"", b"[DO", b"{", b"[]", b'"x"', b'{"choices":5}', b'{"choices":[5]}', b"\xff", b"[" * 20_000),
        piece({"content": 5}),
        piece({"content": "a"}, index=-1),
        piece({"content": "a"}, index=5000),
        piece({"tool_calls": [call(0, "a", id="x", name="f"), call(1, "b", id="x")]}),
        piece({"tool_calls": [{"index": 5000, "id": "x"}, *({"id": f"c{n}"} for n in range(1025))]}),
    ],
)
def test_a_malformed_chunk_is_the_upstreams_failure(data: bytes) -> None:
    with pytest.raises(Upstream):
        feed(data)


def test_half_a_character_becomes_a_replacement_instead_of_an_error() -> None:
    (event,) = feed(b'{"choices":[{"index":0,"delta":{"content":"a\\ud83d \\ud83d\\ude00 \\\\ud83d"}}]}')
    assert event.slots[0].text == "a\ufffd \U0001f600 \\ud83d"


@pytest.mark.parametrize(
    "chunks",
    [
        [],
        [b"[DONE]"],
        [piece({"content": "a"})],
        [piece({"content": "a"}), piece({"content": "a"}, index=1), piece(finish="stop")],
    ],
)
def test_a_stream_that_is_cut_fails(chunks: list[bytes]) -> None:
    """Traps 37 and 40."""
    reader = OpenAiChatReader()
    feed(*chunks, reader=reader)
    with pytest.raises(Upstream, match="stream"):
        reader.finish()


@pytest.mark.parametrize(
    "chunks",
    [
        [piece({"content": "a"}), piece(finish="stop")],
        [piece({"content": "a"}), b"[DONE]", b"garbage after the end"],
        [piece({"content": "a"}), piece(finish="stop"), b'{"choices":[],"usage":{"prompt_tokens":1}}', b"[DONE] "],
    ],
)
def test_a_stream_that_says_that_it_ended_is_whole(chunks: list[bytes]) -> None:
    reader = OpenAiChatReader()
    assert feed(*chunks, reader=reader)
    reader.finish()


def test_usage_arithmetic_includes_what_was_cached() -> None:
    """Trap 19."""
    (event,) = feed(
        b'{"choices":[],"usage":{"prompt_tokens":10,"completion_tokens":-4,"total_tokens":1,'
        b'"prompt_tokens_details":{"cached_tokens":4,"cache_write_tokens":2},"completion_tokens_details":null}}'
    )
    assert event.usage == Usage(input_tokens=10, output_tokens=0, cache_read_tokens=4, cache_write_tokens=2)
    (deepseek,) = feed(b'{"choices":[],"usage":{"prompt_tokens":10,"prompt_cache_hit_tokens":6}}')
    assert deepseek.usage == Usage(input_tokens=10, cache_read_tokens=6)


def test_the_dialect_gives_a_fresh_reader_for_each_stream() -> None:
    assert dialect.read_events() is not dialect.read_events()
