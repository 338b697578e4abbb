"""Every string of a streamed answer is guarded, wherever in an event it stands and however it was cut."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast

import pytest
from tests.guard.test_guard_exchange import EMAIL, call, clearance, exchange, token_of

from headgate.guard import Engine
from headgate.guard.exchange import GuardExchange
from headgate.wire import anthropic_messages, openai_chat
from headgate.wire.sse import SseEvent, SseParser

SAID = f"Please write to {EMAIL} now"
ARGUMENTS = json.dumps({"q": SAID})

OPENAI: Mapping[str, Callable[[str], dict[str, Any]]] = {
    "content": lambda text: {"content": text},
    "reasoning": lambda text: {"reasoning": text},
    "reasoning_content": lambda text: {"reasoning_content": text},
    "refusal": lambda text: {"refusal": text},
    "two reasonings": lambda text: {"reasoning_content": "hm" * len(text), "reasoning": text},
    "content in parts": lambda text: {"content": [{"type": "text", "text": text}]},
    "content as a part": lambda text: {"content": {"type": "text", "text": text}},
    "thinking in parts": lambda text: {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": text}]}]},
    "custom tool": lambda text: {"tool_calls": [{"index": 0, "type": "custom", "custom": {"input": text}}]},
    "tool": lambda text: {"tool_calls": [{"index": 0, "function": {"arguments": text}}]},
    "function call": lambda text: {"function_call": {"arguments": text}},
    "audio": lambda text: {"audio": {"id": "a", "transcript": text}},
    "reasoning details": lambda text: {"reasoning_details": [{"type": "reasoning.text", "index": 0, "text": text}]},
    "reasoning details by id": lambda text: {"reasoning_details": [{"id": "r1", "summary": text}]},
    "annotations": lambda text: {"annotations": [{"type": "url_citation", "url_citation": {"title": text}}]},
    "vendor": lambda text: {"x_vendor": {"deep": [[{"said": text}]]}},
}

SHOWN: dict[str, dict[str, Any]] = {
    "two reasonings": {"reasoning": "?"},
    "content in parts": {"content": "?"},
    "thinking in parts": {"reasoning_content": "?"},
}
"""Where the client is given the text, if elsewhere than where the server sent it."""

BLOCKS: Mapping[str, tuple[dict[str, Any], Callable[[str], dict[str, Any]]]] = {
    "text": ({"type": "text", "text": ""}, lambda text: {"type": "text_delta", "text": text}),
    "thinking": ({"type": "thinking", "thinking": ""}, lambda text: {"type": "thinking_delta", "thinking": text}),
    "server tool": (
        {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}},
        lambda text: {"type": "input_json_delta", "partial_json": text},
    ),
    "MCP tool": (
        {"type": "mcp_tool_use", "id": "m", "name": "find", "server_name": "x", "input": {}},
        lambda text: {"type": "input_json_delta", "partial_json": text},
    ),
    "citations": (
        {"type": "text", "text": ""},
        lambda text: {"type": "citations_delta", "citation": {"type": "char_location", "cited_text": text}},
    ),
    "new": ({"type": "new"}, lambda text: {"type": "new_delta", "news": text}),
    "new beside text": (
        {"type": "text", "text": ""},
        lambda text: {"type": "text_delta", "text": "", "notes": [{"n": text}]},
    ),
    "new beside thinking": (
        {"type": "thinking", "thinking": ""},
        lambda text: {"type": "thinking_delta", "thinking": "", "notes": [{"n": text}]},
    ),
    "new beside input": (
        {"type": "tool_use", "id": "t", "name": "f", "input": {}},
        lambda text: {"type": "input_json_delta", "partial_json": "", "notes": [{"n": text}]},
    ),
}


def through(made: GuardExchange, reader: Any, events: Iterable[dict[str, Any]], writer: Any) -> list[dict[str, Any]]:
    """What a client of the events' own wire is given."""
    sent = [SseEvent(str(event.get("type", "")), json.dumps(event).encode()) for event in events]
    items = [out for sse in sent for event in reader.feed(sse) for out in made.item(event)]
    raw = b"".join(writer.write(item) for item in [*items, *made.finish()])
    return [json.loads(event.data) for event in SseParser().feed(raw)]


def openai_given(
    made: GuardExchange, deltas: Iterable[dict[str, Any]], finish: Any = None, **beside: Any
) -> list[dict[str, Any]]:
    choices: list[dict[str, Any]] = [
        {"index": 0, "delta": delta, "finish_reason": finish, **beside} for delta in deltas
    ]
    choices.append({"index": 0, "delta": {}, "finish_reason": "stop"})
    chunks = [{"id": "c", "object": "chat.completion.chunk", "model": "m", "choices": [one]} for one in choices]
    body = b'{"model":"m","stream":true,"messages":[{"role":"user","content":"x"}]}'
    asked = openai_chat.dialect.read_call(body, headers={})
    return through(made, openai_chat.dialect.read_events(), chunks, openai_chat.dialect.write_events(asked))


def anthropic_given(made: GuardExchange, events: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    body = b'{"model":"m","max_tokens":9,"stream":true,"messages":[{"role":"user","content":"x"}]}'
    asked = anthropic_messages.dialect.read_call(body, headers={})
    reader, writer = anthropic_messages.dialect.read_events(), anthropic_messages.dialect.write_events(asked)
    end = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}}
    return through(made, reader, [*events, end], writer)


def block(index: int, opening: dict[str, Any], deltas: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {"type": "content_block_start", "index": index, "content_block": opening},
        *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": index},
    ]


def joined(value: Any, shape: Any) -> str:
    """All text that stands in an event where `shape` has the string `?`."""
    if shape == "?":
        return value if isinstance(value, str) else ""
    if isinstance(shape, dict):
        return "".join(joined(value.get(key), inner) for key, inner in cast("dict[str, Any]", shape).items() if value)
    return "".join(joined(item, shape[0]) for item in value or ()) if isinstance(shape, list) else ""


def cuts(text: str) -> list[list[str]]:
    """The text in single characters, and in two pieces at every place."""
    return [list(text), *([text[:at], text[at:]] for at in range(1, len(text)))]


def guarded(engine: Engine, *, is_removed: bool, said: str = SAID) -> tuple[GuardExchange, str, str]:
    """An exchange, what the model says in it, and what the client is to be given."""
    if is_removed:
        return exchange(engine, call("hi"), receiver=clearance("pci")), said, said.replace(EMAIL, "[removed:pii]")
    made = exchange(engine, call(f"mail {EMAIL}"))
    return made, said.replace(EMAIL, token_of(made)), said


@pytest.mark.parametrize("is_removed", [True, False], ids=["removed", "restored"])
@pytest.mark.parametrize("field", OPENAI)
def test_a_value_in_any_field_of_a_chunk_is_guarded_however_it_is_cut(
    fast_engine: Engine, field: str, is_removed: bool
) -> None:
    text = ARGUMENTS if field in ("tool", "function call") else SAID
    shape = SHOWN[field] if field in SHOWN else OPENAI[field]("?")
    _, said, _ = guarded(fast_engine, is_removed=is_removed, said=text)
    for pieces in cuts(said):
        made, _, expected = guarded(fast_engine, is_removed=is_removed, said=text)
        given = openai_given(made, map(OPENAI[field], pieces))
        assert "".join(joined(chunk["choices"][0]["delta"], shape) for chunk in given) == expected
        assert [chunk["choices"][0]["finish_reason"] for chunk in given[-1:]] == ["stop"]
        calls = [c for chunk in given for c in chunk["choices"][0]["delta"].get("tool_calls", [])]
        assert all(c["index"] == 0 for c in calls)


@pytest.mark.parametrize("is_removed", [True, False], ids=["removed", "restored"])
@pytest.mark.parametrize("kind", BLOCKS)
def test_a_value_in_any_delta_of_a_block_is_guarded_however_it_is_cut(
    fast_engine: Engine, kind: str, is_removed: bool
) -> None:
    opening, delta = BLOCKS[kind]
    text = ARGUMENTS if kind.endswith("tool") else SAID
    _, said, _ = guarded(fast_engine, is_removed=is_removed, said=text)
    for pieces in cuts(said):
        made, _, expected = guarded(fast_engine, is_removed=is_removed, said=text)
        given = anthropic_given(made, block(3, opening, map(delta, pieces)))
        deltas = [event for event in given if event["type"] == "content_block_delta"]
        assert "".join(joined(event["delta"], delta("?")) for event in deltas) == expected
        assert {(event["index"], event["delta"]["type"]) for event in deltas} == {(3, delta("?")["type"])}
        assert [event["type"] for event in given[-2:]] == ["content_block_stop", "message_delta"]


@pytest.mark.parametrize("is_removed", [True, False], ids=["removed", "restored"])
def test_text_beside_the_choices_and_in_events_that_nobody_knows_is_guarded(
    fast_engine: Engine, is_removed: bool
) -> None:
    _, said, _ = guarded(fast_engine, is_removed=is_removed)
    for pieces in cuts(said):
        made, _, expected = guarded(fast_engine, is_removed=is_removed)
        given = anthropic_given(made, ({"type": "new_event", "index": 1, "notes": [piece]} for piece in pieces))
        assert "".join(joined(event, {"notes": ["?"]}) for event in given) == expected
        assert all(event["index"] == 1 for event in given if event["type"] == "new_event")
        made, _, expected = guarded(fast_engine, is_removed=is_removed)
        reader = openai_chat.dialect.read_events()
        chunks: list[dict[str, Any]] = [{"id": "c", "choices": [], "notes": {"n": piece}} for piece in pieces]
        events = [event for chunk in chunks for event in reader.feed(SseEvent("", json.dumps(chunk).encode()))]
        items = [*(item for event in events for item in made.item(event)), *made.finish()]
        assert "".join(json.loads(item.data).get("notes", {}).get("n", "") for item in items) == expected


@pytest.mark.parametrize("reason", ["", " ", "null", False, 0, []])
@pytest.mark.parametrize("is_removed", [True, False], ids=["removed", "restored"])
def test_an_empty_reason_to_stop_ends_nothing(fast_engine: Engine, reason: Any, is_removed: bool) -> None:
    made, said, expected = guarded(fast_engine, is_removed=is_removed)
    given = openai_given(made, ({"content": char} for char in said), finish=reason)
    assert "".join(joined(chunk["choices"][0]["delta"], {"content": "?"}) for chunk in given) == expected
    if reason in ("", " "):
        made, said, expected = guarded(fast_engine, is_removed=is_removed)
        ping = {"type": "message_delta", "delta": {"stop_reason": reason}}
        opening, *deltas, stop = block(0, {"type": "text", "text": ""}, map(BLOCKS["text"][1], said))
        given = anthropic_given(made, [opening, *(one for delta in deltas for one in (delta, ping)), stop])
        assert "".join(joined(event, {"delta": {"text": "?"}}) for event in given) == expected


def test_what_repeats_the_answer_so_far_is_left_out_where_something_may_have_to_be_removed(
    fast_engine: Engine,
) -> None:
    for is_removed in (True, False):
        made, said, expected = guarded(fast_engine, is_removed=is_removed)
        so_far = {"role": "assistant", "content": said[: said.index("@") if is_removed else None]}
        (given, _) = openai_given(made, [{}], message=so_far)
        assert given["choices"][0]["message"] == (None if is_removed else {**so_far, "content": expected})


def test_identifiers_and_enumerations_are_neither_held_back_nor_joined(fast_engine: Engine) -> None:
    made, *_ = guarded(fast_engine, is_removed=True)
    deltas = [
        {"x": {"id": f"id-{n}", "type": "HGX_", "format": "f", "name": f"n{n}", "data": "aGk="}} for n in range(3)
    ]
    given = openai_given(made, deltas)
    assert [chunk["choices"][0]["delta"] for chunk in given] == [*deltas, {}]


@pytest.mark.parametrize("is_removed", [True, False], ids=["removed", "restored"])
def test_objects_that_come_whole_are_neither_joined_nor_cut(fast_engine: Engine, is_removed: bool) -> None:
    made, said, expected = guarded(fast_engine, is_removed=is_removed)
    texts = ["with", "so", said, "the HG"]
    cited = [{"type": "char_location", "cited_text": text, "document_title": f"of {text}"} for text in texts]
    deltas: list[dict[str, Any]] = [{"type": "citations_delta", "citation": one} for one in cited]
    text = {"type": "text_delta", "text": "x"}
    given = anthropic_given(made, block(0, {"type": "text", "text": ""}, [deltas[0], text, *deltas[1:]]))
    found = [event["delta"]["citation"] for event in given if "citation" in event.get("delta", {})]
    texts[2] = expected
    assert [one["cited_text"] for one in found] == texts
    assert [one["document_title"] for one in found] == [f"of {text}" for text in texts]
    assert [event["type"] for event in given[-2:]] == ["content_block_stop", "message_delta"]
    made, said, expected = guarded(fast_engine, is_removed=is_removed)
    notes = [{"annotations": [{"url_citation": {"title": text}}]} for text in ("with", said, "HG")]
    given = openai_given(made, [notes[0], {"content": "x", **notes[1]}, notes[2]])
    titles = [
        one["url_citation"]["title"] for chunk in given for one in chunk["choices"][0]["delta"].get("annotations", ())
    ]
    assert sorted(titles) == sorted(["with", expected, "HG"])


def test_objects_without_number_are_not_held_back_without_end(fast_engine: Engine) -> None:
    made, *_ = guarded(fast_engine, is_removed=True)
    reader = anthropic_messages.dialect.read_events()
    delta = {"type": "citations_delta", "citation": {"cited_text": "x"}}
    data = json.dumps({"type": "content_block_delta", "index": 0, "delta": delta}).encode()
    assert sum(len(made.item(event)) for _ in range(600) for event in reader.feed(SseEvent("", data))) == 512
    assert len(made.finish()) == 600 - 512
