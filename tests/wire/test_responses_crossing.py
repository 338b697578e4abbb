"""Calls of Responses clients before chat and Anthropic models, and the other way round.

The unmodified SDK parses what the gateway wrote.
"""

from __future__ import annotations

import json
from typing import Any, Final, cast

import httpx2
import msgspec
import openai
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.responses import Response, ResponseStreamEvent

from headgate.kernel.errors import Invalid, Upstream
from headgate.testing.simulator import Failure, Script, ToolCall, anthropic_wire, openai_wire, responses_wire
from headgate.testing.simulator.answer import Answer
from headgate.wire import anthropic_messages, openai_chat, openai_responses
from headgate.wire.conversation import (
    Conversation,
    Document,
    Image,
    Message,
    OutputSchema,
    Reasoning,
    Refusal,
    Reply,
    Text,
    Tool,
    ToolChoice,
    ToolResult,
    ToolUse,
)
from headgate.wire.dialect import Outgoing, WholeDialect
from headgate.wire.model_call import ModelCall, StopReason, Usage
from headgate.wire.sse import SseParser, frame

RESPONSES: Final[WholeDialect] = openai_responses.dialect
CHAT: Final[WholeDialect] = openai_chat.dialect
ANTHROPIC: Final[WholeDialect] = anthropic_messages.dialect

WEATHER: dict[str, Any] = {
    "type": "function",
    "name": "weather",
    "description": "Tells it.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    "strict": False,
}
PATCH: dict[str, Any] = {
    "type": "custom",
    "name": "apply_patch",
    "description": "Edits files.",
    "format": {"type": "grammar", "syntax": "lark", "definition": "start: x"},
}
SERVER: dict[str, Any] = {
    "type": "namespace",
    "name": "mcp",
    "description": "A server.",
    "tools": [{"type": "function", "name": "go", "parameters": {}}],
}
HISTORY: list[dict[str, Any]] = [
    {"role": "developer", "content": "Answer in German."},
    {
        "type": "message",
        "role": "user",
        "content": [
            {"type": "input_text", "text": "What is this?"},
            {"type": "input_image", "image_url": "data:image/png;base64,iVBORw0KGgo=", "detail": "low"},
            {"type": "input_image", "image_url": "https://example.test/b.jpg"},
            {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0="},
        ],
    },
    {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Hm."}], "encrypted_content": "x"},
    {"role": "assistant", "content": [{"type": "output_text", "text": "Rain?"}, {"type": "refusal", "refusal": "No."}]},
    {"type": "function_call", "call_id": "call_1", "name": "weather", "arguments": '{"city":"Bonn"}'},
    {"type": "custom_tool_call", "call_id": "call_2", "name": "apply_patch", "input": "*** Begin"},
    {"type": "function_call", "call_id": "call_3", "name": "go", "namespace": "mcp", "arguments": ""},
    {"type": "web_search_call", "id": "ws_1", "status": "completed"},
    {"type": "function_call_output", "call_id": "call_1", "output": "rain"},
    {"type": "custom_tool_call_output", "call_id": "call_2", "output": [{"type": "input_text", "text": "done"}]},
    {"type": "function_call_output", "call_id": "call_3", "output": "gone"},
    {"role": "user", "content": "And tomorrow?"},
]
REQUEST: dict[str, Any] = {
    "model": "our-alias",
    "instructions": "Be brief.",
    "input": HISTORY,
    "tools": [WEATHER, PATCH, SERVER, {"type": "web_search"}],
    "tool_choice": "auto",
    "parallel_tool_calls": False,
    "max_output_tokens": 500,
    "temperature": 0.2,
    "top_p": 0.9,
    "reasoning": {"effort": "low", "summary": "auto"},
    "text": {"format": {"type": "json_schema", "name": "answer", "schema": {"type": "object"}}, "verbosity": "low"},
    "safety_identifier": "u-1",
    "store": False,
    "include": ["reasoning.encrypted_content"],
    "prompt_cache_key": "k",
    "stream": True,
}


def call(**fields: Any) -> ModelCall:
    return RESPONSES.read_call(json.dumps({"model": "our-alias", "input": "x", **fields}).encode(), headers={})


def cross(asked: ModelCall, target: WholeDialect, *, quirks: frozenset[str] = frozenset()) -> dict[str, Any]:
    conversation = RESPONSES.to_conversation(asked.content)
    return json.loads(target.from_conversation(conversation, Outgoing("upstream", quirks=quirks)))


def stream(raw: bytes, *, upstream: WholeDialect, client: WholeDialect, asked: ModelCall) -> bytes:
    reader, writer = upstream.read_events(), client.write_events(asked, created=7)
    out = [writer.write(event) for sse in SseParser().feed(raw) for event in reader.feed(sse)]
    reader.finish()
    return b"".join([*out, writer.end()])


def raw_of(answer: Answer) -> bytes:
    return b"".join(frame(event.data, event.name) for event in answer.events or ())


def sdk(body: bytes, kind: str) -> openai.OpenAI:
    transport = httpx2.MockTransport(lambda _: httpx2.Response(200, headers={"content-type": kind}, content=body))
    http = httpx2.Client(transport=transport)
    return openai.OpenAI(api_key="k", base_url="http://gate.test/v1", http_client=http, max_retries=0)


def sdk_events(raw: bytes) -> list[ResponseStreamEvent]:
    with sdk(raw, "text/event-stream").responses.create(model="a", input="x", stream=True) as events:
        return list(events)


def sdk_final(raw: bytes) -> Response:
    """Return what the SDK's own accumulator makes of a stream."""
    with sdk(raw, "text/event-stream").responses.stream(model="a", input="x") as events:
        return events.get_final_response()


def events_of(raw: bytes) -> list[dict[str, Any]]:
    return [json.loads(event.data) for event in SseParser().feed(raw)]


def test_a_request_becomes_a_chat_request_with_one_turn_of_the_assistant() -> None:
    sent = cross(call(**REQUEST), CHAT, quirks=frozenset({"reasoning_content", "reasoning_effort"}))
    assert [message["role"] for message in sent["messages"]] == [
        *("system", "user", "assistant", "tool", "tool", "tool", "user"),
    ]
    assert sent["messages"][0]["content"] == "Be brief.\n\nAnswer in German."
    kinds = [part["type"] for part in sent["messages"][1]["content"]]
    assert kinds == ["text", "image_url", "image_url", "file"]
    turn = sent["messages"][2]
    assert (turn["reasoning_content"], turn["content"], turn["refusal"]) == ("Hm.", "Rain?", "No.")
    called = [(one["id"], one["function"]["name"], one["function"]["arguments"]) for one in turn["tool_calls"]]
    assert called == [
        ("call_1", "weather", '{"city":"Bonn"}'),
        ("call_2", "apply_patch", '{"input":"*** Begin"}'),
        ("call_3", "mcp__go", "{}"),
    ]
    assert [tool["function"]["name"] for tool in sent["tools"]] == ["weather", "apply_patch", "mcp__go"]
    assert "lark grammar:\nstart: x" in sent["tools"][1]["function"]["description"]
    assert sent["response_format"]["json_schema"]["schema"] == {"type": "object"}
    assert (sent["max_tokens"], sent["reasoning_effort"], sent["user"]) == (500, "low", "u-1")
    assert sent["parallel_tool_calls"] is False
    assert sent["stream_options"] == {"include_usage": True}


def test_a_request_becomes_a_message() -> None:
    sent = cross(call(**{**REQUEST, "input": HISTORY[3:]}), ANTHROPIC)
    assert [turn["role"] for turn in sent["messages"]] == ["assistant", "user"]
    assert [block["type"] for block in sent["messages"][1]["content"]] == [*["tool_result"] * 3, "text"]
    assert sent["tool_choice"] == {"type": "auto", "disable_parallel_tool_use": True}
    ANTHROPIC.read_call(json.dumps(sent).encode(), headers={})


def test_what_no_other_wire_can_say_is_disclosed() -> None:
    dropped = RESPONSES.to_conversation(call(**REQUEST).content).dropped
    assert dropped == (
        *("input[2].encrypted_content", "input[7].web_search_call", "tools[3].web_search", "text.verbosity"),
        *("include", "prompt_cache_key", "reasoning.summary"),
    )


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"input": [{"type": "compaction", "encrypted_content": "x"}]}, "input[0]"),
        ({"input": [{"role": "user", "content": [{"type": "input_image", "file_id": "f"}]}]}, "input[0].content[0]"),
        ({"input": [{"role": "user", "content": [{"type": "input_file", "file_id": "f"}]}]}, "input[0].content[0]"),
        ({"input": [{"role": "user", "content": [{"type": "input_audio"}]}]}, "input[0].content[0]"),
        ({"tools": [{"type": "web_search"}]}, "tools"),
        ({"tools": [WEATHER, {"type": "web_search"}], "tool_choice": {"type": "web_search"}}, "tool_choice"),
        ({"tools": [WEATHER], "tool_choice": {"type": "file_search"}}, "tool_choice"),
        ({"tools": [WEATHER], "tool_choice": "always"}, "tool_choice"),
        ({"tools": [WEATHER], "tool_choice": {"type": "allowed_tools", "mode": "any", "tools": []}}, "tool_choice"),
        ({"tools": [WEATHER], "tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": []}}, "tool_choice"),
        ({"moderation": {"model": "m"}}, "moderation"),
    ],
)
def test_what_another_wire_cannot_do_is_refused_by_name(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(Invalid) as caught:
        RESPONSES.to_conversation(call(**fields).content)
    assert caught.value.param == param
    assert RESPONSES.write_call(call(**fields), Outgoing("m")), "on its own wire it passes"


@pytest.mark.parametrize(
    ("choice", "sent", "names"),
    [
        (None, None, ["weather", "mcp__go"]),
        ("required", "required", ["weather", "mcp__go"]),
        ({"type": "function", "name": "go"}, {"type": "function", "function": {"name": "mcp__go"}}, None),
        ({"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "go"}]}, "auto", ["mcp__go"]),
    ],
)
def test_a_choice_of_a_tool_crosses(choice: Any, sent: Any, names: list[str] | None) -> None:
    body = cross(call(tools=[WEATHER, SERVER], tool_choice=choice), CHAT)
    assert body.get("tool_choice") == sent
    if names is not None:
        assert [tool["function"]["name"] for tool in body["tools"]] == names


@pytest.mark.parametrize(
    ("form", "output"),
    [
        ({"type": "text"}, None),
        ({"type": "json_object"}, OutputSchema("answer", None)),
        (
            {"type": "json_schema", "name": "n", "schema": {}, "strict": True, "description": "d"},
            OutputSchema("n", {"description": "d"}, strict=True),
        ),
        ({"type": "grammar"}, None),
    ],
)
def test_a_form_of_output_crosses(form: dict[str, Any], output: OutputSchema | None) -> None:
    found = RESPONSES.to_conversation(call(text={"format": form}).content)
    assert found.output == output
    assert ("text.format" in found.dropped) == (form["type"] == "grammar")


def test_cache_marks_cross() -> None:
    marked = [
        {"type": "input_text", "text": text, "prompt_cache_breakpoint": {"mode": "explicit", **ttl}}
        for text, ttl in (("a", {}), ("b", {"ttl": "12h"}))
    ]
    parts = RESPONSES.to_conversation(call(input=[{"role": "user", "content": marked}]).content).messages[0].parts
    assert parts == (Text("a", "5m"), Text("b", "1h"))


WHOLE = Conversation(
    messages=(
        Message("system", (Text("Be brief."),)),
        Message(
            "user", (Text("See", "5m"), Image("iVBO", "image/png"), Image(url="https://a.test/b"), Document("JVBE"))
        ),
        Message("user", (Document(url="https://a.test/c"), Text(""))),
        Message("assistant", (Reasoning("Hm."), Text("So"), ToolUse("call_1", "a.b", ""), Refusal("No."))),
        Message("user", (ToolResult("call_1", (Text("1"), Text("2")), is_error=True),)),
        Message("user", (ToolResult("c" * 70, (Text("1"), Image("iVBO"))),)),
    ),
    tools=(Tool("a.b", "Does.", {"type": "object", "properties": {}}, strict=True), Tool("c", None, {"anyOf": []})),
    tool_choice=ToolChoice("named", "a.b"),
    parallel_tools=True,
    max_tokens=4,
    temperature=0.1,
    top_p=0.5,
    top_k=3,
    stop=("END",),
    seed=1,
    output=OutputSchema("answer", {"type": "object"}, strict=True),
    reasoning_tokens=4000,
    user="u" * 70,
    stream=True,
)


def test_a_conversation_becomes_a_request_of_this_wire() -> None:
    body = json.loads(RESPONSES.from_conversation(WHOLE, Outgoing("gpt", cap_output_tokens=8)))
    again = RESPONSES.to_conversation(RESPONSES.read_call(json.dumps(body).encode(), headers={}).content)
    assert [message.role for message in again.messages] == ["system", "user", "assistant", "user"]
    assert (body["store"], body["max_output_tokens"], body["reasoning"]) == (False, 16, {"effort": "medium"})
    assert body["tools"][1]["strict"] is False
    assert body["tool_choice"]["name"].startswith("a_b_")
    assert body["text"]["format"]["strict"] is False
    assert RESPONSES.unsaid(WHOLE, Outgoing("gpt", quirks=frozenset({"fixed_sampling"}))) == (
        *("cache", "reasoning", "tool_result.is_error", "tools.strict", "tools.anyOf", "max_tokens", "temperature"),
        *("top_p", "top_k", "stop", "seed", "output.strict", "user"),
    )


def test_a_conversation_that_this_wire_cannot_say_is_refused() -> None:
    with pytest.raises(Invalid, match="at least one message"):
        RESPONSES.from_conversation(Conversation((Message("user", (Text(""),)),)), Outgoing("m"))
    nameless = Conversation((Message("user", (Text("x"),)),), (Tool("a", None, {}),), ToolChoice("named", "b"))
    with pytest.raises(Invalid, match="not in tools"):
        RESPONSES.from_conversation(nameless, Outgoing("m"))


@pytest.mark.parametrize(
    ("said", "sent"),
    [
        (Conversation((Message("user", (Text("x"),)),), user="u", reasoning_effort="high"), {"effort": "high"}),
        (
            Conversation(
                (Message("user", (Text("x"),)),),
                (Tool("a", None, {}),),
                ToolChoice("required"),
                output=OutputSchema("o", None),
                reasoning_tokens=90_000,
            ),
            {"effort": "high"},
        ),
    ],
)
def test_a_short_conversation_becomes_a_request(said: Conversation, sent: dict[str, str]) -> None:
    body = json.loads(RESPONSES.from_conversation(said, Outgoing("m")))
    assert body["reasoning"] == sent
    assert body.get("tool_choice", "required") == "required"


# ---- whole answers


def test_an_answer_of_a_chat_model_becomes_a_response_that_repeats_the_request() -> None:
    script = Script(
        text="Sure.", reasoning=("Hm.",), tool_calls=(ToolCall("apply_patch", '{"input":"x\\n"}', "call_9"),)
    )
    body = openai_wire.chat({"model": "m", "messages": ["x"]}, script, number=1).body
    reply = CHAT.to_reply(CHAT.read_reply(body, headers={}))
    told = RESPONSES.from_reply(reply, model="our-alias", call=call(**REQUEST), created=7)
    answer = sdk(told, "application/json").responses.create(model="a", input="x")
    assert [item.type for item in answer.output] == ["reasoning", "message", "custom_tool_call"]
    assert answer.output_text == "Sure."
    assert json.loads(told)["output"][2]["input"] == "x\n"
    assert (answer.status, answer.model, answer.instructions) == ("completed", "our-alias", "Be brief.")
    assert (answer.temperature, answer.max_output_tokens, json.loads(told)["store"]) == (0.2, 500, False)
    assert answer.usage is not None
    assert (answer.usage.input_tokens, answer.usage.output_tokens, answer.usage.total_tokens) == (12, 7, 19)


@pytest.mark.parametrize(
    ("reason", "status", "why"),
    [
        ("stop", "completed", None),
        ("refusal", "completed", None),
        ("length", "incomplete", "max_output_tokens"),
        ("content_filter", "incomplete", "content_filter"),
        ("unknown", "incomplete", "max_output_tokens"),
    ],
)
def test_an_answer_that_broke_off_is_incomplete(reason: StopReason, status: str, why: str | None) -> None:
    """Trap 30."""
    reply = Reply("msg_1", "m", (Text("a"), Refusal("b"), Text(""), Reasoning("")), reason, usage=Usage(1, 2))
    told = json.loads(RESPONSES.from_reply(reply, model="a"))
    assert (told["status"], (told["incomplete_details"] or {}).get("reason")) == (status, why)
    assert [part["type"] for part in told["output"][0]["content"]] == ["output_text", "refusal"]


def test_a_call_that_ends_for_an_unknown_reason_is_complete_and_odd_ids_are_made_to_fit() -> None:
    parts = (ToolUse("", "a", ""), ToolUse("x" * 99, "apply_patch", "no JSON"))
    told = json.loads(RESPONSES.from_reply(Reply("", "m", parts, "unknown"), model="a", call=call(tools=[PATCH])))
    assert told["status"] == "completed"
    assert told["id"] == "resp_unnamed"
    first, second = told["output"]
    assert first["call_id"] == "call_unnamed00"
    assert first["arguments"] == "{}"
    assert second["input"] == "no JSON"
    assert len(second["call_id"]) < 64


def test_a_response_passes_to_its_own_client_and_crosses_to_others() -> None:
    script = Script(text="Sure.", reasoning=("Hm.",), tool_calls=(ToolCall("weather", '{"city":"Bonn"}'),))
    body = responses_wire.responses({"model": "gpt", "input": "x"}, script, number=1).body
    reply = RESPONSES.read_reply(body, headers={"x-request-id": "req_1"})
    assert (reply.stop_reason, reply.usage, reply.headers) == ("tool_use", Usage(12, 7), (("x-request-id", "req_1"),))
    assert json.loads(RESPONSES.write_reply(reply, model="alias")) == {**json.loads(body), "model": "alias"}
    chat = json.loads(CHAT.from_reply(RESPONSES.to_reply(reply), model="alias"))
    message = chat["choices"][0]["message"]
    assert (message["content"], message["reasoning_content"]) == ("Sure.", "Hm.")
    renamed = RESPONSES.rename_tools(reply, {"weather": "the.weather"})
    assert json.loads(renamed.content.to_bytes())["output"][2]["name"] == "the.weather"


@pytest.mark.parametrize(
    ("output", "more", "reason"),
    cast(
        "list[Any]",
        [
            ([{"type": "message", "content": [{"type": "refusal", "refusal": "No."}]}], {}, "refusal"),
            ([{"type": "custom_tool_call", "name": "a", "input": "b", "call_id": "c"}], {}, "tool_use"),
            ([{"type": "web_search_call"}, {"type": "reasoning", "summary": []}], {}, "stop"),
            ([], {"status": "incomplete", "incomplete_details": {"reason": "content_filter"}}, "content_filter"),
            ([], {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}, "length"),
            ([], {"status": "incomplete"}, "unknown"),
        ],
    ),
)
def test_the_end_of_a_response_has_its_reason(output: Any, more: dict[str, Any], reason: str) -> None:
    body = json.dumps({"id": "resp_1", "status": "completed", "output": output, **more}).encode()
    reply = RESPONSES.read_reply(body, headers={})
    assert reply.stop_reason == reason
    RESPONSES.to_reply(reply)


@pytest.mark.parametrize(
    ("body", "match", "status"),
    [
        (b"<html>", "not a response", None),
        (b"{}", "has ended", None),
        (b'{"status":"in_progress","output":[]}', "has ended", None),
        (b'{"output":[1]}', "not of its wire's form", None),
        (b'{"status":"failed","error":{"code":"rate_limit_exceeded","message":"Slow down"}}', "Slow down", 429),
    ],
)
def test_an_answer_that_is_no_response_is_the_providers_mistake(body: bytes, match: str, status: int | None) -> None:
    with pytest.raises(Upstream, match=match) as caught:
        RESPONSES.read_reply(body, headers={})
    assert caught.value.upstream_status == status


def test_an_error_answer_is_that_of_openai() -> None:
    body = b'{"error":{"message":"Your input exceeds the context window","code":"context_length_exceeded"}}'
    error = RESPONSES.read_error(400, headers={}, body=body)
    assert (error.upstream_code, error.retryable) == ("context_length_exceeded", False)
    assert RESPONSES.assembler() is None


# ---- streams

PATCHES = ToolCall("apply_patch", '{"input":"a\\"b\\n"}', "call_3")
SCRIPTS = [
    Script(text="Hello, Zoë! \U0001f600", reasoning=("Let me", " think.")),
    Script(text="", tool_calls=(ToolCall("weather", '{"city":"Köln"}', "call_1"), ToolCall("mcp__go", "{}", "call_2"))),
    Script(text="Both.", tool_calls=(ToolCall("apply_patch", '{"input":"a\\"b\\n"}', "call_3"), ToolCall("weather"))),
    Script(refusal="I will not do that."),
    Script(text="Cut", stop="length"),
]


@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize("wire", ["chat", "anthropic"])
def test_a_stream_of_another_wire_is_what_the_sdk_expects(script: Script, wire: str) -> None:
    """Trap 30."""
    asked = call(tools=[WEATHER, PATCH, SERVER], stream=True)
    if wire == "chat":
        request: dict[str, Any] = {"model": "m", "messages": ["x"], "stream": True}
        raw = raw_of(openai_wire.chat({**request, "stream_options": {"include_usage": True}}, script, number=1))
    else:
        said = [{"role": "user", "content": "x"}]
        raw = raw_of(
            anthropic_wire.messages({"model": "m", "messages": said, "max_tokens": 9, "stream": True}, script, number=1)
        )
    upstream = CHAT if wire == "chat" else ANTHROPIC
    out = stream(raw, upstream=upstream, client=RESPONSES, asked=asked)
    events = events_of(out)
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert {event.type for event in sdk_events(out)} == {event["type"] for event in events}
    final = events[-1]["response"]
    if final["status"] == "completed":
        assert [item.type for item in sdk_final(out).output] == [item["type"] for item in final["output"]]
    assert final["usage"]["output_tokens"] == 7
    # Anthropic's reason alone tells that this text is a refusal.
    is_cut = script.stop == "length" or (wire == "anthropic" and script.refusal is not None)
    assert final["status"] == ("incomplete" if is_cut else "completed")
    done = [event["item"] for event in events if event["type"] == "response.output_item.done"]
    assert sorted(done, key=lambda item: item["id"][-2:]) == final["output"]
    deltas = "".join(event["delta"] for event in events if event["type"] == "response.output_text.delta")
    assert deltas == "".join(
        part["text"]
        for item in final["output"]
        if item["type"] == "message"
        for part in item["content"]
        if part["type"] == "output_text"
    )
    names = [(item.get("namespace"), item["name"]) for item in final["output"] if item["type"].endswith("_call")]
    wanted = {"weather": (None, "weather"), "mcp__go": ("mcp", "go"), "apply_patch": (None, "apply_patch")}
    assert names == [wanted[one.name] for one in script.tool_calls]
    again = stream(out, upstream=RESPONSES, client=RESPONSES, asked=asked)
    assert events_of(again) == events


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_stream_of_this_wire_passes_and_crosses(script: Script) -> None:
    raw = raw_of(responses_wire.responses({"model": "gpt", "input": "x", "stream": True}, script, number=1))
    asked = call(**{**REQUEST, "input": "x"})
    out = stream(raw, upstream=RESPONSES, client=RESPONSES, asked=asked)
    passed, given_events = events_of(out), events_of(raw)
    assert [event["type"] for event in passed] == [event["type"] for event in given_events]
    final = passed[-1]["response"]
    assert final["output"] == given_events[-1]["response"]["output"]
    assert (final["model"], final["instructions"], final["service_tier"]) == ("our-alias", "Be brief.", "default")
    if script.stop != "length":
        assert sdk_final(out).id == "resp_1"
    chat_call = CHAT.read_call(b'{"model":"a","stream":true,"messages":[{"role":"user","content":"x"}]}', headers={})
    chunks = [
        json.loads(e.data) for e in SseParser().feed(stream(raw, upstream=RESPONSES, client=CHAT, asked=chat_call))[:-1]
    ]
    text = "".join(one["choices"][0]["delta"].get("content") or "" for one in chunks)
    silent = script.refusal is not None or (script.tool_calls and script.whole in ("", Script().whole))
    assert text == ("" if silent else script.whole)
    finish = {"length": "length"}.get(script.stop or "", "tool_calls" if script.tool_calls else None)
    assert chunks[-1]["choices"][0]["finish_reason"] == (finish or ("content_filter" if script.refusal else "stop"))


@given(st.sampled_from(SCRIPTS), st.integers(1, 97))
@settings(max_examples=25, deadline=None)
def test_the_boundaries_of_chunks_change_nothing(script: Script, size: int) -> None:
    raw = raw_of(responses_wire.responses({"model": "gpt", "input": "x", "stream": True}, script, number=1))
    parser, reader, writer = SseParser(), RESPONSES.read_events(), RESPONSES.write_events(call())
    out = b"".join(
        writer.write(event)
        for start in range(0, len(raw), size)
        for sse in parser.feed(raw[start : start + size])
        for event in reader.feed(sse)
    )
    reader.finish()
    assert out == stream(raw, upstream=RESPONSES, client=RESPONSES, asked=call())


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_whole_answer_replays_as_a_stream(script: Script) -> None:
    whole = responses_wire.responses({"model": "gpt", "input": "x"}, script, number=1).body
    out = stream(RESPONSES.replay(whole), upstream=RESPONSES, client=RESPONSES, asked=call())
    assert events_of(out)[-1]["response"]["output"] == json.loads(whole)["output"]
    assert [event.type for event in sdk_events(out)] == [event["type"] for event in events_of(out)]


def test_a_failure_ends_the_stream_as_a_failed_response() -> None:
    """Trap 30."""
    writer = RESPONSES.write_events(call(), created=7)
    assert writer.heartbeat().startswith(b":")
    out = events_of(writer.fail(Upstream("It broke.", upstream_status=503)))
    assert [event["type"] for event in out] == ["response.created", "response.in_progress", "response.failed"]
    assert out[-1]["response"]["error"] == {"code": "upstream_error", "message": "It broke."}
    assert writer.end() == b""


def test_a_failure_within_a_stream_keeps_the_items_that_are_complete() -> None:
    raw = raw_of(openai_wire.chat({"model": "m", "messages": ["x"], "stream": True}, SCRIPTS[0], number=1))
    reader, writer = CHAT.read_events(), RESPONSES.write_events(call(), created=7)
    for sse in SseParser().feed(raw)[:4]:
        for event in reader.feed(sse):
            writer.write(event)
    failed = events_of(writer.fail(Upstream("It broke.")))[-1]["response"]
    assert [item["type"] for item in failed["output"]] == ["reasoning"]
    assert all(writer.write(event) == b"" for event in CHAT.read_events().feed(SseParser().feed(raw)[1]))


def test_a_broken_stream_of_this_wire_is_an_error() -> None:
    script = Script(breaks=Failure(500, "Overloaded", code="server_error"))
    raw = raw_of(responses_wire.responses({"model": "gpt", "input": "x", "stream": True}, script, number=1))
    with pytest.raises(Upstream, match="Overloaded"):
        stream(raw, upstream=RESPONSES, client=RESPONSES, asked=call())


def test_usage_of_a_stream_reaches_the_client_also_after_its_end() -> None:
    script = Script(text="x")
    asked = {"model": "m", "messages": ["x"], "stream": True, "stream_options": {"include_usage": True}}
    out = stream(raw_of(openai_wire.chat(asked, script, number=1)), upstream=CHAT, client=RESPONSES, asked=call())
    assert events_of(out)[-1]["response"]["usage"]["total_tokens"] == 19
    assert msgspec.json.decode(out.split(b"data: ")[1].split(b"\n")[0])["response"]["usage"] is None
