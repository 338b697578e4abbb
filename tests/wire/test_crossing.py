"""Calls that cross wires: an OpenAI client before an Anthropic model, and an Anthropic client before an OpenAI model.

Nothing here looks at our own form of an answer: the unmodified SDK of the client's wire parses what the gateway wrote.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import anthropic
import httpx2
import msgspec
import openai
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from headgate.kernel.errors import Invalid, Upstream
from headgate.wire import anthropic_messages, openai_chat
from headgate.wire.anthropic_encoding import unsaid
from headgate.wire.dialect import Outgoing, WholeDialect
from headgate.wire.model_call import ModelCall
from headgate.wire.sse import SseParser, frame

ANTHROPIC: Final[WholeDialect] = anthropic_messages.dialect
OPENAI: Final[WholeDialect] = openai_chat.dialect
GOLDEN = Path(__file__).parent / "golden/anthropic"

WEATHER_SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
OPENAI_REQUEST: dict[str, Any] = {
    "model": "our-alias",
    "messages": [
        {"role": "developer", "content": "Be brief."},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Where is this, and is it raining there and in Oslo?"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo=", "detail": "low"}},
                {"type": "image_url", "image_url": {"url": "https://example.test/b.jpg"}},
            ],
        },
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Rome"}'}},
                {"id": "f.weather:1", "type": "function", "function": {"name": "weather", "arguments": '{"city":1.0}'}},
            ],
        },
        {"role": "tool", "tool_call_id": "call_1", "content": "sun"},
        {"role": "tool", "tool_call_id": "f.weather:1", "content": "rain"},
        {"role": "user", "content": "And tomorrow?"},
    ],
    "tools": [
        {
            "type": "function",
            "function": {"name": "weather", "description": "Tells it.", "parameters": WEATHER_SCHEMA, "strict": True},
        }
    ],
    "tool_choice": "required",
    "parallel_tool_calls": False,
    "max_completion_tokens": 500,
    "temperature": 0.2,
    "seed": 7,
    "stop": "END",
    "user": "u-1",
    "stream": True,
    "stream_options": {"include_usage": True},
    "logit_bias": {"50256": -100},
}


def openai_call(**fields: Any) -> ModelCall:
    said = {"model": "our-alias", "messages": [{"role": "user", "content": "x"}], **fields}
    return OPENAI.read_call(json.dumps(said).encode(), headers={})


def anthropic_call(**fields: Any) -> ModelCall:
    said = {"model": "our-alias", "max_tokens": 99, "messages": [{"role": "user", "content": "x"}], **fields}
    return ANTHROPIC.read_call(json.dumps(said).encode(), headers={})


def cross(
    call: ModelCall, *, source: WholeDialect, target: WholeDialect, quirks: frozenset[str] = frozenset()
) -> bytes:
    return target.from_conversation(source.to_conversation(call.content), Outgoing("upstream", quirks=quirks))


def stream(raw: bytes, *, upstream: WholeDialect, client: WholeDialect, call: ModelCall) -> bytes:
    """Return what the client gets of an upstream's stream, as the server would write it."""
    reader, writer = upstream.read_events(), client.write_events(call)
    out = [writer.write(event) for sse in SseParser().feed(raw) for event in reader.feed(sse)]
    reader.finish()
    return b"".join([*out, writer.end()])


def anthropic_client(status: int, body: bytes, kind: str = "application/json") -> anthropic.Anthropic:
    transport = httpx2.MockTransport(lambda _: httpx2.Response(status, headers={"content-type": kind}, content=body))
    http = httpx2.Client(transport=transport)
    return anthropic.Anthropic(api_key="k", base_url="http://gate.test", http_client=http, max_retries=0)


def anthropic_stream_message(raw: bytes) -> anthropic.types.Message:
    client = anthropic_client(200, raw, "text/event-stream")
    with client.messages.stream(model="a", max_tokens=9, messages=[{"role": "user", "content": "x"}]) as events:
        return events.get_final_message()


def openai_client(status: int, body: bytes, kind: str = "application/json") -> openai.OpenAI:
    transport = httpx2.MockTransport(lambda _: httpx2.Response(status, headers={"content-type": kind}, content=body))
    http = httpx2.Client(transport=transport)
    return openai.OpenAI(api_key="k", base_url="http://gate.test/v1", http_client=http, max_retries=0)


def openai_chunks(raw: bytes) -> list[ChatCompletionChunk]:
    client = openai_client(200, raw, "text/event-stream")
    with client.chat.completions.create(model="a", messages=[{"role": "user", "content": "x"}], stream=True) as chunks:
        return list(chunks)


def openai_completion(chunks: list[ChatCompletionChunk]) -> ChatCompletion:
    """Return what the SDK's own accumulator makes of chunks."""
    state: ChatCompletionStreamState[None] = ChatCompletionStreamState()
    for chunk in chunks:
        state.handle_chunk(chunk)
    return state.get_final_completion()


def chunk(delta: dict[str, Any], *, finish: str | None = None, **extra: Any) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    said = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "gpt", "choices": [choice]}
    return frame(json.dumps({**said, **extra}).encode())


def openai_stream(*chunks: bytes, usage: dict[str, Any] | None = None) -> bytes:
    tail = [chunk({}, choices=[], usage=usage)] if usage else []
    return b"".join([*chunks, *tail, frame(b"[DONE]")])


def test_an_openai_request_becomes_the_golden_anthropic_one():
    """Traps 3 to 7, 10, 12 to 14, 21 and 23: the whole of a request at once."""
    raw = cross(OPENAI.read_call(json.dumps(OPENAI_REQUEST).encode(), headers={}), source=OPENAI, target=ANTHROPIC)
    assert json.loads(raw) == json.loads((GOLDEN / "crossed_request.json").read_bytes())
    ANTHROPIC.read_call(raw, headers={})


def test_what_an_openai_request_says_that_no_message_can_is_disclosed():
    """Trap 13."""
    call = OPENAI.read_call(json.dumps(OPENAI_REQUEST).encode(), headers={})
    conversation = OPENAI.to_conversation(call.content)
    assert "logit_bias" in conversation.dropped
    assert unsaid(conversation, Outgoing("m")) == ("image_detail", "temperature", "seed")


def test_a_request_that_crossed_and_came_back_asks_the_same():
    """Trap 42: and each crossing starts from the client's own request."""
    call = OPENAI.read_call(json.dumps(OPENAI_REQUEST).encode(), headers={})
    there = ANTHROPIC.read_call(cross(call, source=OPENAI, target=ANTHROPIC), headers={})
    back = json.loads(cross(there, source=ANTHROPIC, target=OPENAI))
    assert [message["role"] for message in back["messages"]] == ["system", "user", "assistant", "tool", "tool", "user"]
    first, second = back["messages"][2]["tool_calls"]
    assert (first["id"], first["function"]["arguments"]) == ("call_1", '{"city":"Rome"}')
    assert second["function"]["arguments"] == '{"city":1.0}'
    assert second["id"] == back["messages"][4]["tool_call_id"]
    assert (back["tool_choice"], back["parallel_tool_calls"], back["stop"]) == ("required", False, ["END"])
    assert back["messages"][1]["content"][1]["image_url"]["url"] == "data:image/png;base64,iVBORw0KGgo="


def nested(levels: int) -> str:
    return '{"a":' * levels + "1" + "}" * levels


def with_arguments(arguments: str) -> ModelCall:
    call = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": arguments}}
    asked = {"role": "assistant", "content": None, "tool_calls": [call]}
    return openai_call(messages=[asked, {"role": "tool", "tool_call_id": "call_1", "content": "sun"}])


@pytest.mark.parametrize("levels", [129, 990, 100_000])
def test_arguments_nested_deeper_than_a_body_may_be_are_the_callers_mistake(levels: int):
    """In a body they are a string, and on the other wire an object of it."""
    with pytest.raises(Invalid, match="nested deeper than 128 levels") as caught:
        cross(with_arguments(nested(levels)), source=OPENAI, target=ANTHROPIC)
    assert caught.value.status == 400
    assert OPENAI.write_call(with_arguments(nested(levels)), Outgoing("m")), "on its own wire it stays a string"


@pytest.mark.parametrize("arguments", [nested(128), nested(129)[:-1], "[" * 500])
def test_arguments_within_the_bound_or_that_are_no_json_still_cross(arguments: str):
    said = json.loads(cross(with_arguments(arguments), source=OPENAI, target=ANTHROPIC))
    given = said["messages"][0]["content"][0]["input"]
    assert given == (json.loads(arguments) if arguments == nested(128) else {"arguments": arguments})


@pytest.mark.parametrize("levels", [129, 990, 100_000])
def test_an_answer_whose_arguments_are_nested_too_deep_is_the_providers_mistake(levels: int):
    call = {"id": "c", "type": "function", "function": {"name": "weather", "arguments": nested(levels)}}
    message = {"role": "assistant", "content": None, "tool_calls": [call]}
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls"}
    answer = {"id": "chatcmpl-1", "model": "gpt", "choices": [choice]}
    reply = OPENAI.to_reply(OPENAI.read_reply(json.dumps(answer).encode(), headers={}))
    with pytest.raises(Upstream, match="nested deeper than 128 levels"):
        ANTHROPIC.from_reply(reply, model="our-alias")


@pytest.mark.parametrize("levels", [129, 990, 100_000])
def test_a_stream_whose_arguments_are_nested_too_deep_to_tell_their_end_is_the_providers_mistake(levels: int):
    calls = [
        {"index": index, "id": f"c{index}", "type": "function", "function": {"name": "weather", "arguments": arguments}}
        for index, arguments in enumerate((nested(levels), "{}"))
    ]
    raw = openai_stream(*(chunk({"tool_calls": [call]}) for call in calls), chunk({}, finish="tool_calls"))
    with pytest.raises(Upstream, match="deeper than any body"):
        stream(raw, upstream=OPENAI, client=ANTHROPIC, call=anthropic_call(stream=True))


def test_an_anthropic_request_crosses_without_cache_marks_and_signatures():
    """Traps 7, 20, 21 and 23: what only the origin understands stays there."""
    ephemeral = {"type": "ephemeral", "ttl": "1h"}
    call = anthropic_call(
        system=[{"type": "text", "text": "Be kind", "cache_control": ephemeral}],
        thinking={"type": "adaptive"},
        tools=[{"name": "weather", "input_schema": WEATHER_SCHEMA, "cache_control": ephemeral}],
        tool_choice={"type": "any", "disable_parallel_tool_use": True},
        messages=[
            {"role": "user", "content": "Rain?"},
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "Ask.", "signature": "c2ln"},
                    {"type": "redacted_thinking", "data": "eA=="},
                    {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Rome"}},
                    {"type": "tool_use", "id": "toolu_2", "name": "weather", "input": {"city": "Oslo"}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "toolu_1", "content": "sun", "cache_control": ephemeral},
                    {"type": "tool_result", "tool_use_id": "toolu_2", "content": [{"type": "text", "text": "rain"}]},
                    {"type": "text", "text": "So?"},
                ],
            },
        ],
    )
    raw = cross(call, source=ANTHROPIC, target=OPENAI)
    for word in (b"cache_control", b"ephemeral", b"c2ln", b"eA==", b"Ask."):
        assert word not in raw
    said = json.loads(raw)
    assert [message["role"] for message in said["messages"]] == ["system", "user", "assistant", "tool", "tool", "user"]
    assert (said["tool_choice"], said["parallel_tool_calls"]) == ("required", False)
    replayed = json.loads(cross(call, source=ANTHROPIC, target=OPENAI, quirks=frozenset({"reasoning_content"})))
    assert replayed["messages"][2]["reasoning_content"] == "Ask."


def test_a_limit_of_no_tokens_is_refused_rather_than_lifted_on_the_way_to_openai():
    """Trap 6: on Anthropic's own wire it may pass."""
    call = anthropic_call(max_tokens=0)
    assert json.loads(ANTHROPIC.write_call(call, Outgoing("claude")))["max_tokens"] == 0
    with pytest.raises(Invalid) as caught:
        cross(call, source=ANTHROPIC, target=OPENAI)
    assert caught.value.param == "max_tokens"


def test_an_openai_client_reads_an_anthropic_stream():
    """Traps 1, 3, 9, 11 and 19: text, reasoning, two tool calls, the stop reason and the arithmetic of tokens."""
    raw = stream(
        (GOLDEN / "thinking_and_tools.sse").read_bytes(),
        upstream=ANTHROPIC,
        client=OPENAI,
        call=openai_call(stream=True, stream_options={"include_usage": True}),
    )
    assert raw.endswith(b"data: [DONE]\n\n")
    completion = openai_completion(openai_chunks(raw))
    message = completion.choices[0].message
    assert (completion.model, completion.choices[0].finish_reason) == ("our-alias", "tool_calls")
    assert message.content == "Let me look <b>twice</b>."
    assert message.tool_calls is not None
    calls = [(call.id, call.function.arguments) for call in message.tool_calls if call.type == "function"]
    assert calls == [("toolu_01A", '{"city": "Rome"}'), ("toolu_01B", '{"city": "Oslo"}')]
    usage = completion.usage
    assert usage is not None
    assert usage.prompt_tokens_details is not None
    assert (usage.prompt_tokens, usage.completion_tokens) == (1325, 89)
    assert usage.prompt_tokens_details.cached_tokens == 1000
    assert "c2ln" not in raw.decode()


@pytest.mark.parametrize("pieces", [[], [""], ["", " "], ["", "{", "}"]])
def test_a_streamed_call_without_arguments_gives_an_openai_client_an_empty_object(pieces: list[str]):
    """Trap 12: an SDK reads the arguments as JSON, and no text is none."""
    begun: dict[str, Any] = {"type": "tool_use", "id": "toolu_1", "name": "now", "input": {}}
    said: list[dict[str, Any]] = [
        {"type": "message_start", "message": {"id": "msg_1", "model": "claude", "usage": {"input_tokens": 1}}},
        {"type": "content_block_start", "index": 0, "content_block": begun},
        *(
            {"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": piece}}
            for piece in pieces
        ),
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 1}},
        {"type": "message_stop"},
    ]
    raw = b"".join(frame(msgspec.json.encode(event), event["type"]) for event in said)
    (choice,) = openai_completion(
        openai_chunks(stream(raw, upstream=ANTHROPIC, client=OPENAI, call=openai_call(stream=True)))
    ).choices
    (call,) = choice.message.tool_calls or []
    assert call.type == "function"
    assert json.loads(call.function.arguments) == {}
    assert stream(raw, upstream=ANTHROPIC, client=ANTHROPIC, call=anthropic_call()) == raw.replace(
        b'"claude"', b'"our-alias"'
    )


def test_an_openai_client_that_asked_for_no_usage_gets_no_usage_chunk():
    """Traps 1 and 2."""
    golden = (GOLDEN / "thinking_and_tools.sse").read_bytes()
    chunks = openai_chunks(stream(golden, upstream=ANTHROPIC, client=OPENAI, call=openai_call(stream=True)))
    assert all(part.choices for part in chunks)
    assert all(part.usage is None for part in chunks)


def test_an_anthropic_client_reads_an_openai_stream_with_interleaved_calls():
    """Traps 3, 11, 17 and 18."""
    first = {"index": 0, "id": "call_a", "type": "function", "function": {"name": "weather", "arguments": ""}}
    second = {"index": 1, "id": "f.w:1", "type": "function", "function": {"name": "weather", "arguments": '{"ci'}}
    raw = openai_stream(
        chunk({"role": "assistant", "content": ""}),
        chunk({"reasoning_content": "Two cities."}),
        chunk({"content": "Let me "}),
        chunk({"content": "look."}),
        chunk({"tool_calls": [first]}),
        chunk({"tool_calls": [second]}),
        chunk({"tool_calls": [{"index": 0, "function": {"arguments": '{"city":"Rome"}'}}]}),
        chunk({"tool_calls": [{"index": 1, "function": {"arguments": 'ty":"Oslo"}'}}]}),
        chunk({}, finish="tool_calls"),
        usage={
            "prompt_tokens": 100,
            "completion_tokens": 20,
            "total_tokens": 120,
            "prompt_tokens_details": {"cached_tokens": 60},
            "completion_tokens_details": {"reasoning_tokens": 4},
        },
    )
    message = anthropic_stream_message(stream(raw, upstream=OPENAI, client=ANTHROPIC, call=anthropic_call(stream=True)))
    blocks = [block.to_dict() for block in message.content]
    assert [block["type"] for block in blocks] == ["thinking", "text", "tool_use", "tool_use"]
    assert (blocks[0]["thinking"], blocks[1]["text"]) == ("Two cities.", "Let me look.")
    assert [block["input"] for block in blocks[2:]] == [{"city": "Rome"}, {"city": "Oslo"}]
    assert (message.model, message.stop_reason) == ("our-alias", "tool_use")
    usage = message.usage
    assert (usage.input_tokens, usage.cache_read_input_tokens, usage.output_tokens) == (40, 60, 20)
    assert usage.output_tokens_details is not None
    assert usage.output_tokens_details.thinking_tokens == 4


@pytest.mark.parametrize(
    ("finish", "stop"),
    [("stop", "end_turn"), ("length", "max_tokens"), ("tool_calls", "tool_use"), ("content_filter", "refusal")],
)
def test_finish_reasons_become_stop_reasons(finish: str, stop: str):
    """Trap 9."""
    raw = openai_stream(chunk({"content": "x"}), chunk({}, finish=finish))
    message = anthropic_stream_message(stream(raw, upstream=OPENAI, client=ANTHROPIC, call=anthropic_call()))
    assert message.stop_reason == stop


def test_calls_of_a_tool_that_the_client_named_are_to_be_run_though_openai_ends_them_with_stop():
    """Trap 9: of a named `tool_choice` OpenAI says `stop`."""
    call = {"index": 0, "id": "call_a", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
    raw = openai_stream(chunk({"tool_calls": [call]}), chunk({}, finish="stop"))
    streamed = anthropic_stream_message(stream(raw, upstream=OPENAI, client=ANTHROPIC, call=anthropic_call()))
    assert (streamed.stop_reason, [block.type for block in streamed.content]) == ("tool_use", ["tool_use"])
    message = {"role": "assistant", "content": None, "tool_calls": [call]}
    body = {"id": "c", "model": "gpt", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
    reply = OPENAI.read_reply(json.dumps(body).encode(), headers={})
    whole = json.loads(ANTHROPIC.from_reply(OPENAI.to_reply(reply), model="our-alias"))
    assert (whole["stop_reason"], whole["content"][0]["type"]) == ("tool_use", "tool_use")


def test_calls_that_their_server_gave_no_id_are_told_apart():
    """Trap 23."""
    calls = [
        {"index": index, "id": "", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
        for index in (0, 1)
    ]
    raw = openai_stream(*(chunk({"tool_calls": [call]}) for call in calls), chunk({}, finish="tool_calls"))
    streamed = anthropic_stream_message(stream(raw, upstream=OPENAI, client=ANTHROPIC, call=anthropic_call()))
    message = {"role": "assistant", "content": None, "tool_calls": calls}
    body = {"id": "c", "model": "gpt", "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]}
    reply = OPENAI.read_reply(json.dumps(body).encode(), headers={})
    whole = json.loads(ANTHROPIC.from_reply(OPENAI.to_reply(reply), model="our-alias"))
    for blocks in ([block.to_dict() for block in streamed.content], whole["content"]):
        first, second = (str(block["id"]) for block in blocks)
        assert first != second
        assert first.startswith("toolu_")


def test_a_finish_reason_that_nobody_knows_is_no_clean_end():
    """Trap 9."""
    raw = openai_stream(chunk({"content": "x"}), chunk({}, finish="cosmic_ray"))
    message = anthropic_stream_message(stream(raw, upstream=OPENAI, client=ANTHROPIC, call=anthropic_call()))
    assert message.stop_reason == "max_tokens"


@pytest.mark.parametrize(
    ("stop", "finish"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("tool_use", "tool_calls"),
        ("refusal", "content_filter"),
    ],
)
def test_stop_reasons_become_finish_reasons(stop: str, finish: str):
    """Traps 8 and 9, in a whole answer."""
    body = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude",
        "content": [{"type": "text", "text": "x"}],
        "stop_reason": stop,
        "usage": {"input_tokens": 1, "output_tokens": 2},
    }
    reply = ANTHROPIC.read_reply(json.dumps(body).encode(), headers={})
    raw = OPENAI.from_reply(ANTHROPIC.to_reply(reply), model="our-alias")
    completion = openai_client(200, raw).chat.completions.create(model="a", messages=[{"role": "user", "content": "x"}])
    assert completion.choices[0].finish_reason == finish


def test_a_whole_anthropic_answer_reaches_an_openai_client():
    """Traps 3, 11, 12 and 19."""
    body = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude",
        "content": [
            {"type": "thinking", "thinking": "Hm", "signature": "c2ln"},
            {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Rome"}},
        ],
        "stop_reason": "tool_use",
        "usage": {
            "input_tokens": 10,
            "cache_read_input_tokens": 30,
            "cache_creation_input_tokens": 5,
            "output_tokens": 7,
        },
    }
    reply = ANTHROPIC.read_reply(json.dumps(body).encode(), headers={})
    raw = OPENAI.from_reply(ANTHROPIC.to_reply(reply), model="our-alias")
    completion = openai_client(200, raw).chat.completions.create(model="a", messages=[{"role": "user", "content": "x"}])
    message = completion.choices[0].message
    assert (message.content, completion.model) == (None, "our-alias")
    assert message.tool_calls is not None
    call = message.tool_calls[0]
    assert call.type == "function"
    assert json.loads(call.function.arguments) == {"city": "Rome"}
    assert completion.usage is not None
    assert (completion.usage.prompt_tokens, completion.usage.completion_tokens) == (45, 7)


def test_a_whole_openai_answer_reaches_an_anthropic_client():
    """Traps 8, 11, 12, 18 and 23."""
    call = {"id": "f.w:1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Rome"}'}}
    body = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "gpt",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": None, "reasoning": "Hm", "tool_calls": [call]},
                "finish_reason": "tool_calls",
            }
        ],
        "usage": {"prompt_tokens": 45, "completion_tokens": 7, "prompt_tokens_details": {"cached_tokens": 30}},
    }
    reply = OPENAI.read_reply(json.dumps(body).encode(), headers={})
    raw = ANTHROPIC.from_reply(OPENAI.to_reply(reply), model="our-alias")
    message = anthropic_client(200, raw).messages.create(
        model="a", max_tokens=9, messages=[{"role": "user", "content": "x"}]
    )
    assert [block.type for block in message.content] == ["thinking", "tool_use"]
    assert message.content[1].to_dict()["input"] == {"city": "Rome"}
    usage = message.usage
    assert (usage.input_tokens, usage.cache_read_input_tokens, usage.output_tokens) == (15, 30, 7)


def test_a_refusal_crosses_both_ways_with_its_explanation():
    """Trap 8."""
    raw = openai_stream(chunk({"refusal": "I can't "}), chunk({"refusal": "do that."}), chunk({}, finish="stop"))
    message = anthropic_stream_message(stream(raw, upstream=OPENAI, client=ANTHROPIC, call=anthropic_call()))
    assert message.stop_reason == "refusal"
    assert message.stop_details is not None
    assert message.stop_details.explanation == "I can't do that."
    details = {"type": "refusal", "category": "bio", "explanation": "No."}
    events: tuple[dict[str, Any], ...] = (
        {"type": "message_start", "message": {"id": "msg_1", "model": "c", "usage": {"input_tokens": 1}}},
        {"type": "message_delta", "delta": {"stop_reason": "refusal", "stop_details": details}, "usage": {}},
        {"type": "message_stop"},
    )
    raw = b"".join(frame(json.dumps(event).encode(), event["type"]) for event in events)
    chunks = openai_chunks(stream(raw, upstream=ANTHROPIC, client=OPENAI, call=openai_call(stream=True)))
    # The SDK's accumulator raises for this finish reason, so the chunks themselves are looked at.
    assert "".join(part.choices[0].delta.refusal or "" for part in chunks) == "No."
    assert chunks[-1].choices[0].finish_reason == "content_filter"


@pytest.mark.parametrize("upstream", [ANTHROPIC, OPENAI], ids=["anthropic", "openai"])
def test_a_cut_upstream_never_ends_well_on_either_wire(upstream: WholeDialect):
    """Traps 37 and 38."""
    whole = {
        "anthropic_messages": (GOLDEN / "thinking_and_tools.sse").read_bytes(),
        "openai_chat": openai_stream(*[chunk({"content": "x"})] * 4, chunk({}, finish="stop")),
    }[upstream.name]
    blocks = whole.split(b"\n\n")
    reader = upstream.read_events()
    for sse in SseParser().feed(b"\n\n".join(blocks[: len(blocks) // 2]) + b"\n\n"):
        reader.feed(sse)
    with pytest.raises(Upstream) as caught:
        reader.finish()
    failed = ANTHROPIC.write_events(anthropic_call()).fail(caught.value)
    with pytest.raises(anthropic.APIStatusError):
        anthropic_stream_message(failed)
    failed = OPENAI.write_events(openai_call()).fail(caught.value)
    assert b"[DONE]" not in failed
    with pytest.raises(openai.APIError):
        openai_chunks(failed)


OVERFLOWS = {
    "openai": (
        b'{"error":{"message":"This model\'s maximum context length is 8192 tokens. However, your messages resulted in '
        b'9001 tokens.","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}}'
    ),
    "anthropic": (
        b'{"type":"error","error":{"type":"invalid_request_error",'
        b'"message":"prompt is too long: 212345 tokens > 200000 maximum"}}'
    ),
}


def test_an_anthropic_client_learns_of_an_overflow_at_an_openai_model_in_words_that_it_knows():
    """Trap 34."""
    error = OPENAI.read_error(400, headers={}, body=OVERFLOWS["openai"])
    answer = ANTHROPIC.plane.write_error(error, request_id="r")
    with pytest.raises(anthropic.BadRequestError) as caught:
        anthropic_client(answer.status, answer.body).messages.create(
            model="a", max_tokens=9, messages=[{"role": "user", "content": "x"}]
        )
    assert caught.value.api_message == "prompt is too long: 9001 tokens > 8192 maximum"


def test_an_openai_client_learns_of_an_overflow_at_an_anthropic_model_by_the_code_that_it_knows():
    """Trap 34."""
    error = ANTHROPIC.read_error(400, headers={}, body=OVERFLOWS["anthropic"])
    answer = OPENAI.plane.write_error(error, request_id="r")
    with pytest.raises(openai.BadRequestError) as caught:
        openai_client(answer.status, answer.body).chat.completions.create(
            model="a", messages=[{"role": "user", "content": "x"}]
        )
    assert caught.value.code == "context_length_exceeded"


@pytest.mark.parametrize(
    ("status", "openai_class", "anthropic_class"),
    [
        (400, openai.BadRequestError, anthropic.BadRequestError),
        (401, openai.InternalServerError, anthropic.InternalServerError),
        (429, openai.RateLimitError, anthropic.RateLimitError),
        (500, openai.InternalServerError, anthropic.InternalServerError),
        (529, openai.InternalServerError, anthropic.InternalServerError),
    ],
)
@pytest.mark.parametrize("upstream", [ANTHROPIC, OPENAI], ids=["anthropic", "openai"])
def test_an_upstreams_error_is_the_same_kind_of_error_on_both_wires(
    upstream: WholeDialect,
    status: int,
    openai_class: type[openai.APIStatusError],
    anthropic_class: type[anthropic.APIStatusError],
):
    """Traps 33 and 36."""
    error = upstream.read_error(status, headers={}, body=b'{"error":{"message":"m","type":"t"}}')
    answer = OPENAI.plane.write_error(error, request_id="r")
    with pytest.raises(openai_class):
        openai_client(answer.status, answer.body).models.list()
    answer = ANTHROPIC.plane.write_error(error, request_id="r")
    with pytest.raises(anthropic_class):
        anthropic_client(answer.status, answer.body).models.list()


PIECES = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1, max_size=8)


@given(st.lists(PIECES, max_size=4), st.lists(PIECES, max_size=4), st.integers(0, 3))
@settings(max_examples=40, deadline=None)
def test_any_openai_stream_survives_the_way_to_anthropic_and_back(reasoning: list[str], texts: list[str], calls: int):
    """Trap 3 in both directions: text for text, argument for argument, index for index."""
    arguments = [json.dumps({"n": n}) for n in range(calls)]
    begun = [
        {"index": n, "id": f"call_{n}", "type": "function", "function": {"name": "f", "arguments": text}}
        for n, text in enumerate(arguments)
    ]
    raw = openai_stream(
        *(chunk({"reasoning_content": text}) for text in reasoning),
        *(chunk({"content": text}) for text in texts),
        *(chunk({"tool_calls": [call]}) for call in begun),
        chunk({}, finish="tool_calls" if calls else "stop"),
        usage={"prompt_tokens": 9, "completion_tokens": 8, "total_tokens": 17},
    )
    call = openai_call(stream=True, stream_options={"include_usage": True})
    there = stream(raw, upstream=OPENAI, client=ANTHROPIC, call=anthropic_call())
    back = stream(there, upstream=ANTHROPIC, client=OPENAI, call=call)
    reader = OPENAI.read_events()
    deltas = [delta for sse in SseParser().feed(back) for event in reader.feed(sse) for delta in event.deltas()]
    reader.finish()
    reader = OPENAI.read_events()
    original = [delta for sse in SseParser().feed(raw) for event in reader.feed(sse) for delta in event.deltas()]
    assert spoken(deltas) == spoken(original)


def spoken(deltas: list[Any]) -> dict[str, Any]:
    """Return what a stream says in all, whatever its cuts."""
    said: dict[str, Any] = {}
    for delta in deltas:
        kind = type(delta).__name__
        match kind:
            case "TextDelta" | "ReasoningDelta":
                said[kind] = said.get(kind, "") + delta.text
            case "ToolDelta":
                said[f"{kind}{delta.index}"] = said.get(f"{kind}{delta.index}", "") + delta.arguments
            case "ToolBegin":
                said[f"{kind}{delta.index}"] = (delta.id, delta.name)
            case "End":
                said[kind] = delta.stop_reason
            case "UsageUpdate":
                said[kind] = (delta.usage.input_tokens, delta.usage.output_tokens)
            case _:
                pass
    return said
