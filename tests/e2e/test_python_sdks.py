"""Unmodified OpenAI and Anthropic SDKs for Python, against a whole Headgate: only `base_url` and the key differ."""

from __future__ import annotations

import json
from typing import Any

import anthropic
import openai
import pytest

from headgate.testing.lab import Lab
from headgate.testing.simulator import Failure, Script, Tokens, ToolCall, context_overflow

pytestmark = pytest.mark.e2e

HELLO: Any = [{"role": "user", "content": "Hello"}]
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
OPENAI_TOOLS: Any = [{"type": "function", "function": {"name": "weather", "parameters": PARAMETERS}}]
ANTHROPIC_TOOLS: Any = [{"name": "weather", "input_schema": PARAMETERS}]
TWO_CALLS = (ToolCall("weather", '{"city":"Bonn"}', "call_1"), ToolCall("weather", '{"city":"Köln"}', "call_2"))


# ---- OpenAI's SDK


def test_openai_chat_answers_under_the_name_that_was_called(lab: Lab, openai_client: openai.OpenAI) -> None:
    answer = openai_client.chat.completions.create(model="cloud", messages=HELLO)
    assert answer.choices[0].message.content == "Hello from the simulator."
    assert answer.choices[0].finish_reason == "stop"
    assert answer.model == "cloud"
    assert answer.usage is not None
    assert answer.usage.total_tokens == 19
    assert lab.cloud.requests[0].json["model"] == "gpt-sim"
    assert lab.clerk not in str(lab.cloud.requests[0].headers)


def test_openai_chat_says_where_its_record_is(lab: Lab, openai_client: openai.OpenAI) -> None:
    answer = openai_client.chat.completions.with_raw_response.create(model="cloud", messages=HELLO)
    assert answer.headers["x-headgate-deployment"] == "cloud-openai"
    found = lab.record(answer.headers["x-headgate-record"])
    assert found["record"]["outcome"] == "done"
    assert found["record"]["facts"]["destination"] == "deployment:cloud-openai"


def test_openai_chat_streams_pieces_and_usage_when_asked(openai_client: openai.OpenAI) -> None:
    with openai_client.chat.completions.create(
        model="cloud", messages=HELLO, stream=True, stream_options={"include_usage": True}
    ) as stream:
        chunks = list(stream)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == "Hello from the simulator."
    assert sum(bool(chunk.choices and chunk.choices[0].delta.content) for chunk in chunks) > 1
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.total_tokens == 19
    assert {chunk.model for chunk in chunks} == {"cloud"}


def test_openai_chat_streams_no_usage_unasked(openai_client: openai.OpenAI) -> None:
    chunks = list(openai_client.chat.completions.create(model="cloud", messages=HELLO, stream=True))
    assert all(chunk.choices for chunk in chunks)
    assert all(chunk.usage is None for chunk in chunks)


def test_openai_tool_calls_pass_in_both_directions(lab: Lab, openai_client: openai.OpenAI) -> None:
    lab.cloud.script(Script(text="", tool_calls=TWO_CALLS), Script(text="Rain."))
    first = openai_client.chat.completions.create(model="cloud", messages=HELLO, tools=OPENAI_TOOLS)
    message = first.choices[0].message
    assert first.choices[0].finish_reason == "tool_calls"
    calls = [(call.id, call.function.name, json.loads(call.function.arguments)) for call in _functions(message)]
    assert calls == [("call_1", "weather", {"city": "Bonn"}), ("call_2", "weather", {"city": "Köln"})]
    results: Any = [{"role": "tool", "tool_call_id": call.id, "content": "rain"} for call in message.tool_calls or ()]
    history: Any = [*HELLO, message.model_dump(exclude_none=True), *results]
    second = openai_client.chat.completions.create(model="cloud", messages=history, tools=OPENAI_TOOLS)
    assert second.choices[0].message.content == "Rain."
    sent = lab.cloud.requests[1].json
    assert [one["role"] for one in sent["messages"]] == ["user", "assistant", "tool", "tool"]
    assert sent["tools"] == OPENAI_TOOLS


def test_openai_parallel_tool_calls_stream_with_their_own_indices(lab: Lab, openai_client: openai.OpenAI) -> None:
    lab.cloud.script(Script(text="", tool_calls=TWO_CALLS, chunk_chars=4))
    gathered: dict[int, str] = {}
    names: dict[int, str] = {}
    for chunk in openai_client.chat.completions.create(model="cloud", messages=HELLO, tools=OPENAI_TOOLS, stream=True):
        for call in chunk.choices[0].delta.tool_calls or ():
            assert call.function is not None
            gathered[call.index] = gathered.get(call.index, "") + (call.function.arguments or "")
            names[call.index] = names.get(call.index, "") + (call.function.name or "")
    assert names == {0: "weather", 1: "weather"}
    assert [json.loads(text) for text in gathered.values()] == [{"city": "Bonn"}, {"city": "Köln"}]


def test_openai_json_schema_output_of_the_embedded_model_parses(openai_client: openai.OpenAI) -> None:
    answer = openai_client.chat.completions.create(
        model="local-chat",
        messages=[{"role": "user", "content": "Name a colour and how warm it is."}],
        max_tokens=60,
        response_format={
            "type": "json_schema",
            "json_schema": {
                "name": "colour",
                "strict": True,
                "schema": {
                    "type": "object",
                    "properties": {"name": {"enum": ["red", "blue"]}, "is_warm": {"type": "boolean"}},
                    "required": ["name", "is_warm"],
                    "additionalProperties": False,
                },
            },
        },
    )
    told = json.loads(answer.choices[0].message.content or "")
    assert set(told) == {"name", "is_warm"}
    assert told["name"] in ("red", "blue")


def test_openai_chat_of_the_embedded_model_streams(openai_client: openai.OpenAI) -> None:
    stream = openai_client.chat.completions.create(model="local-chat", messages=HELLO, stream=True, max_tokens=8)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)
    assert text.strip()


def test_openai_embeddings_are_the_same_as_numbers_and_as_base64(openai_client: openai.OpenAI) -> None:
    """The SDK asks for base64 unless told otherwise, and decodes it unseen."""
    texts = ["a red house", "a crimson building", "tax return"]
    usual = openai_client.embeddings.create(model="local-embed", input=texts)
    plain = openai_client.embeddings.create(model="local-embed", input=texts, encoding_format="float")
    assert [one.index for one in usual.data] == [0, 1, 2]
    for one, other in zip(usual.data, plain.data, strict=True):
        assert one.embedding == pytest.approx(other.embedding, abs=1e-6)
    house, building, tax = (one.embedding for one in plain.data)
    assert _dot(house, building) > _dot(house, tax)


def test_openai_embeddings_reach_a_provider_in_the_cloud(lab: Lab, openai_client: openai.OpenAI) -> None:
    answer = openai_client.embeddings.create(model="cloud-embed", input="a red house", dimensions=16)
    assert len(answer.data[0].embedding) == 16
    assert lab.cloud.requests[0].json["dimensions"] == 16


def test_openai_lists_and_retrieves_models(openai_client: openai.OpenAI) -> None:
    names = [model.id for model in openai_client.models.list()]
    assert {"cloud", "claude", "onprem", "hybrid", "local-chat", "local-embed", "cloud-embed"} <= set(names)
    assert openai_client.models.retrieve("hybrid").id == "hybrid"
    with pytest.raises(openai.NotFoundError):
        openai_client.models.retrieve("not/there")


@pytest.mark.parametrize(
    ("status", "kind", "seen"),
    [
        (400, openai.BadRequestError, 400),
        (404, openai.APIStatusError, 502),
        (429, openai.RateLimitError, 429),
        (500, openai.InternalServerError, 502),
        (503, openai.InternalServerError, 503),
        (401, openai.InternalServerError, 502),
    ],
)
def test_openai_errors_of_the_provider_are_the_sdks_own(
    lab: Lab, openai_client: openai.OpenAI, status: int, kind: type[openai.APIStatusError], seen: int
) -> None:
    lab.cloud.answer_always(Script(failure=Failure(status, retry_after_s=7 if status == 429 else None)))
    with pytest.raises(kind) as caught:
        openai_client.chat.completions.create(model="unreliable", messages=HELLO)
    assert caught.value.status_code == seen
    assert isinstance(caught.value.body, dict)
    if status == 429:
        assert caught.value.response.headers["retry-after"] == "7"


def test_openai_context_overflow_keeps_the_code_that_clients_compact_on(lab: Lab, openai_client: openai.OpenAI) -> None:
    lab.cloud.script(Script(failure=context_overflow()))
    with pytest.raises(openai.BadRequestError) as caught:
        openai_client.chat.completions.create(model="unreliable", messages=HELLO)
    assert caught.value.code == "context_length_exceeded"


def test_openai_errors_of_the_gate_are_the_sdks_own(lab: Lab, openai_client: openai.OpenAI) -> None:
    with pytest.raises(openai.AuthenticationError) as unknown:
        openai_client.with_options(api_key="hg_wrong").chat.completions.create(model="cloud", messages=HELLO)
    assert unknown.value.code == "invalid_api_key"
    with pytest.raises(openai.BadRequestError):
        openai_client.with_options(api_key=lab.gate.admin_key).chat.completions.create(model="cloud", messages=HELLO)
    with pytest.raises(openai.NotFoundError) as missing:
        openai_client.chat.completions.create(model="nowhere", messages=HELLO)
    assert "nowhere" in missing.value.message
    with pytest.raises(openai.BadRequestError):
        openai_client.chat.completions.create(model="cloud", messages="not a list")  # pyright: ignore[reportArgumentType] - wrong on purpose
    with pytest.raises(openai.APIStatusError) as large:
        openai_client.chat.completions.create(model="cloud", messages=[{"role": "user", "content": "x" * (33 << 20)}])
    assert large.value.status_code == 413
    assert lab.cloud.requests == []


def test_openai_a_key_over_its_rate_is_told_when_to_come_back(lab: Lab, openai_client: openai.OpenAI) -> None:
    """Trap 35: limits of our own say so too."""
    key = lab.gate.new_key("slow", use_case="support", requests_per_minute=2)
    slow = openai_client.with_options(api_key=key)
    answers: list[object] = []
    with pytest.raises(openai.RateLimitError) as caught:
        while len(answers) < 5:
            answers.append(slow.chat.completions.create(model="cloud", messages=HELLO))
    assert len(answers) in (2, 3, 4), "two a minute, and a new minute may have begun"
    assert 0 < float(caught.value.response.headers["retry-after"]) <= 60


def test_openai_a_stream_that_the_provider_cuts_ends_in_an_error(lab: Lab, openai_client: openai.OpenAI) -> None:
    lab.cloud.script(Script(text="A long answer that is cut", chunk_chars=2, cut="rst", cut_after=9))
    with pytest.raises(openai.APIError):
        list(openai_client.chat.completions.create(model="unreliable", messages=HELLO, stream=True))


# ---- Anthropic's SDK


def test_anthropic_messages_answer_under_the_name_that_was_called(
    lab: Lab, anthropic_client: anthropic.Anthropic
) -> None:
    """Traps 26 and 42: the key in `x-api-key`, and the alias for the model."""
    answer = anthropic_client.messages.create(model="claude", messages=HELLO, max_tokens=100)
    assert _text(answer) == "Hello from the simulator."
    assert answer.stop_reason == "end_turn"
    assert answer.model == "claude"
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (12, 7)
    assert lab.cloud.requests[0].json["model"] == "claude-sim"
    assert lab.cloud.requests[0].headers["x-api-key"] != lab.clerk


def test_anthropic_messages_stream_in_the_order_that_the_sdk_accumulates(
    anthropic_client: anthropic.Anthropic,
) -> None:
    with anthropic_client.messages.stream(model="claude", messages=HELLO, max_tokens=100) as stream:
        pieces = list(stream.text_stream)
        final = stream.get_final_message()
    assert "".join(pieces) == _text(final) == "Hello from the simulator."
    assert len(pieces) > 1
    assert (final.model, final.usage.input_tokens, final.usage.output_tokens) == ("claude", 12, 7)


def test_anthropic_tool_use_passes_in_both_directions(lab: Lab, anthropic_client: anthropic.Anthropic) -> None:
    lab.cloud.script(Script(text="I look.", tool_calls=TWO_CALLS), Script(text="Rain."))
    first = anthropic_client.messages.create(model="claude", messages=HELLO, max_tokens=100, tools=ANTHROPIC_TOOLS)
    used = [block for block in first.content if block.type == "tool_use"]
    assert first.stop_reason == "tool_use"
    assert [block.input for block in used] == [{"city": "Bonn"}, {"city": "Köln"}]
    results = [{"type": "tool_result", "tool_use_id": block.id, "content": "rain"} for block in used]
    history: Any = [
        *HELLO,
        {"role": "assistant", "content": [block.model_dump(exclude_none=True) for block in first.content]},
        {"role": "user", "content": results},
    ]
    second = anthropic_client.messages.create(model="claude", messages=history, max_tokens=100, tools=ANTHROPIC_TOOLS)
    assert _text(second) == "Rain."
    assert lab.cloud.requests[1].json["tools"] == ANTHROPIC_TOOLS


def test_anthropic_tool_use_streams_valid_json(lab: Lab, anthropic_client: anthropic.Anthropic) -> None:
    lab.cloud.script(Script(text="", tool_calls=TWO_CALLS, chunk_chars=3))
    with anthropic_client.messages.stream(
        model="claude", messages=HELLO, max_tokens=100, tools=ANTHROPIC_TOOLS
    ) as stream:
        final = stream.get_final_message()
    assert [block.input for block in final.content if block.type == "tool_use"] == [{"city": "Bonn"}, {"city": "Köln"}]


@pytest.mark.parametrize("model", ["claude", "cloud", "local-chat"])
def test_anthropic_tokens_are_counted_for_every_model(anthropic_client: anthropic.Anthropic, model: str) -> None:
    short = anthropic_client.messages.count_tokens(model=model, messages=HELLO).input_tokens
    assert short > 0
    if model != "claude":
        long: Any = [{"role": "user", "content": "Hello, and again. " * 200}]
        assert anthropic_client.messages.count_tokens(model=model, messages=long).input_tokens > short + 200


@pytest.mark.parametrize("model", ["cloud", "claude"])
@pytest.mark.parametrize("stream", [False, True])
def test_anthropic_tool_runners_keep_the_whole_conversation(
    lab: Lab, anthropic_client: anthropic.Anthropic, model: str, stream: bool
) -> None:
    """They leave the history to the provider until they hear that they cannot."""

    @anthropic.beta_tool
    def weather(city: str) -> str:
        """Tell the weather in a city."""
        return f"rain in {city}"

    lab.cloud.script(Script(text="", tool_calls=TWO_CALLS[:1]), Script(text="Take a coat."))
    how: Any = {"model": model, "max_tokens": 50, "messages": HELLO, "tools": [weather], "stream": stream}
    messages_api: Any = anthropic_client.beta.messages
    last = messages_api.tool_runner(**how).until_done()
    assert [block.text for block in last.content if block.type == "text"] == ["Take a coat."]
    said = json.dumps([received.json for received in lab.cloud.requests])
    assert len(lab.cloud.requests) == 2
    assert "thread" not in said
    messages = lab.cloud.requests[1].json["messages"]
    assert [message["role"] for message in messages][:2] == ["user", "assistant"]
    assert "rain in Bonn" in json.dumps(messages[2])


@pytest.mark.parametrize("model", ["claude", "cloud"])
def test_an_anthropic_thread_is_continued_from_what_is_kept(
    lab: Lab, anthropic_client: anthropic.Anthropic, model: str
) -> None:
    """A thread that asks for errors would raise where Headgate does not keep it."""
    lab.cloud.answer_always(Script(text=f"A thread with {model}."))
    thread = anthropic_client.beta.messages.thread(model=model, max_tokens=50, system="Be brief.")
    first = thread.send({"role": "user", "content": "Where am I?"})
    assert thread.previous_message_id == first.id
    with thread.stream({"role": "user", "content": "And now?"}) as stream:
        second = stream.get_final_message()
    third = thread.send({"role": "user", "content": "Really?"})
    assert len({first.id, second.id, third.id}) == 3
    sent = lab.cloud.requests[-1].body.decode()
    assert [sent.count(text) for text in ("Be brief.", "Where am I?", "And now?", "Really?")] == [1, 1, 1, 1]
    assert sent.count(f"A thread with {model}.") == 2
    assert "thread" not in lab.cloud.requests[-1].json
    messages: Any = anthropic_client.beta.messages
    how: Any = {"model": model, "max_tokens": 50, "messages": HELLO, "betas": ["message-threads-2026-08-12"]}
    with pytest.raises(anthropic.NotFoundError) as unknown:
        messages.create(**how, thread={"type": "continue", "previous_message_id": "msg_0"})
    assert unknown.value.error_code == "thread_not_found"
    with pytest.raises(anthropic.BadRequestError) as other:
        messages.create(**how, system="Be long.", thread={"type": "continue", "previous_message_id": third.id})
    assert other.value.error_code == "thread_fingerprint_mismatch"


def test_anthropic_lists_and_retrieves_models(anthropic_client: anthropic.Anthropic) -> None:
    names = {model.id for model in anthropic_client.models.list(limit=2)}
    assert {"cloud", "claude", "local-chat"} <= names
    assert anthropic_client.models.retrieve("claude").id == "claude"
    with pytest.raises(anthropic.NotFoundError):
        anthropic_client.models.retrieve("nowhere")


@pytest.mark.parametrize(
    ("status", "kind", "seen"),
    [
        (400, anthropic.BadRequestError, 400),
        (429, anthropic.RateLimitError, 429),
        (500, anthropic.InternalServerError, 502),
        (529, anthropic.InternalServerError, 529),
        (401, anthropic.InternalServerError, 502),
    ],
)
def test_anthropic_errors_of_the_provider_are_the_sdks_own(
    lab: Lab, anthropic_client: anthropic.Anthropic, status: int, kind: type[anthropic.APIStatusError], seen: int
) -> None:
    lab.cloud.answer_always(Script(failure=Failure(status, retry_after_s=9 if status == 429 else None)))
    with pytest.raises(kind) as caught:
        anthropic_client.messages.create(model="unreliable-claude", messages=HELLO, max_tokens=10)
    assert caught.value.status_code == seen
    body: Any = caught.value.body
    assert body["type"] == "error"
    if status == 429:
        assert caught.value.response.headers["retry-after"] == "9"


def test_anthropic_errors_of_the_gate_are_the_sdks_own(lab: Lab, anthropic_client: anthropic.Anthropic) -> None:
    def call(client: anthropic.Anthropic, model: str = "claude", messages: Any = HELLO) -> None:
        client.messages.create(model=model, messages=messages, max_tokens=10)

    with pytest.raises(anthropic.AuthenticationError) as unknown:
        call(anthropic_client.with_options(api_key="hg_wrong"))
    body: Any = unknown.value.body
    assert body["error"]["type"] == "authentication_error"
    with pytest.raises(anthropic.BadRequestError):
        call(anthropic_client.with_options(api_key=lab.gate.admin_key))
    with pytest.raises(anthropic.NotFoundError):
        call(anthropic_client, model="nowhere")
    with pytest.raises(anthropic.BadRequestError):
        call(anthropic_client, messages="not a list")
    with pytest.raises(anthropic.RequestTooLargeError):
        call(anthropic_client, messages=[{"role": "user", "content": "x" * (33 << 20)}])
    assert lab.cloud.requests == []


def test_anthropic_clients_may_send_the_key_as_a_bearer_token(lab: Lab) -> None:
    """Trap 26."""
    with anthropic.Anthropic(base_url=lab.gate.base_url, auth_token=lab.clerk, max_retries=0) as client:
        assert _text(client.messages.create(model="claude", messages=HELLO, max_tokens=10)).startswith("Hello")


# ---- across wires


def test_an_openai_client_uses_tools_of_an_anthropic_deployment(lab: Lab, openai_client: openai.OpenAI) -> None:
    lab.cloud.script(Script(text="", tool_calls=TWO_CALLS), Script(text="Rain."))
    first = openai_client.chat.completions.create(model="claude", messages=HELLO, tools=OPENAI_TOOLS)
    message = first.choices[0].message
    assert first.choices[0].finish_reason == "tool_calls"
    assert [json.loads(call.function.arguments) for call in _functions(message)] == [{"city": "Bonn"}, {"city": "Köln"}]
    results: Any = [{"role": "tool", "tool_call_id": call.id, "content": "rain"} for call in message.tool_calls or ()]
    history: Any = [*HELLO, message.model_dump(exclude_none=True), *results]
    second = openai_client.chat.completions.create(model="claude", messages=history, tools=OPENAI_TOOLS)
    assert second.choices[0].message.content == "Rain."
    turns = lab.cloud.requests[1].json["messages"]
    assert [turn["role"] for turn in turns] == ["user", "assistant", "user"]
    assert [block["type"] for block in turns[2]["content"]] == ["tool_result", "tool_result"]


def test_an_openai_client_streams_parallel_tools_of_an_anthropic_deployment(
    lab: Lab, openai_client: openai.OpenAI
) -> None:
    lab.cloud.script(Script(text="", tool_calls=TWO_CALLS, chunk_chars=3))
    gathered: dict[int, str] = {}
    for chunk in openai_client.chat.completions.create(model="claude", messages=HELLO, tools=OPENAI_TOOLS, stream=True):
        for call in chunk.choices[0].delta.tool_calls or ():
            assert call.function is not None
            gathered[call.index] = gathered.get(call.index, "") + (call.function.arguments or "")
    assert {index: json.loads(text) for index, text in gathered.items()} == {0: {"city": "Bonn"}, 1: {"city": "Köln"}}


def test_an_anthropic_client_uses_tools_of_an_openai_deployment(
    lab: Lab, anthropic_client: anthropic.Anthropic
) -> None:
    lab.cloud.script(Script(text="I look.", tool_calls=TWO_CALLS), Script(text="Rain."))
    first = anthropic_client.messages.create(model="cloud", messages=HELLO, max_tokens=100, tools=ANTHROPIC_TOOLS)
    assert first.stop_reason == "tool_use"
    used = [block for block in first.content if block.type == "tool_use"]
    assert [block.input for block in used] == [{"city": "Bonn"}, {"city": "Köln"}]
    results = [{"type": "tool_result", "tool_use_id": block.id, "content": "rain"} for block in used]
    history: Any = [
        *HELLO,
        {"role": "assistant", "content": [block.model_dump(exclude_none=True) for block in first.content]},
        {"role": "user", "content": results},
    ]
    second = anthropic_client.messages.create(model="cloud", messages=history, max_tokens=100, tools=ANTHROPIC_TOOLS)
    assert _text(second) == "Rain."
    sent = lab.cloud.requests[1].json["messages"]
    assert [one["role"] for one in sent] == ["user", "assistant", "tool", "tool"]
    assert [one["tool_call_id"] for one in sent[2:]] == [block.id for block in used]


def test_an_anthropic_client_streams_parallel_tools_of_an_openai_deployment(
    lab: Lab, anthropic_client: anthropic.Anthropic
) -> None:
    lab.cloud.script(Script(text="", tool_calls=TWO_CALLS, chunk_chars=3, interleaved=True))
    with anthropic_client.messages.stream(
        model="cloud", messages=HELLO, max_tokens=100, tools=ANTHROPIC_TOOLS
    ) as stream:
        final = stream.get_final_message()
    assert [block.input for block in final.content if block.type == "tool_use"] == [{"city": "Bonn"}, {"city": "Köln"}]
    assert final.stop_reason == "tool_use"
    assert final.usage.output_tokens == 7


def test_images_cross_both_ways(lab: Lab, openai_client: openai.OpenAI, anthropic_client: anthropic.Anthropic) -> None:
    part: Any = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}}
    openai_client.chat.completions.create(
        model="seeing-claude", messages=[{"role": "user", "content": [{"type": "text", "text": "What is it?"}, part]}]
    )
    block: Any = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}}
    anthropic_client.messages.create(
        model="seeing",
        max_tokens=10,
        messages=[{"role": "user", "content": [{"type": "text", "text": "What is it?"}, block]}],
    )
    to_anthropic, to_openai = (request.json["messages"][0]["content"] for request in lab.cloud.requests)
    assert to_anthropic[1] == block
    assert to_openai[1]["image_url"]["url"] == part["image_url"]["url"]


@pytest.mark.parametrize(
    ("stop", "for_openai", "for_anthropic"),
    [
        ("stop", "stop", "end_turn"),
        ("length", "length", "max_tokens"),
    ],
)
def test_stop_reasons_cross_both_ways(
    lab: Lab,
    openai_client: openai.OpenAI,
    anthropic_client: anthropic.Anthropic,
    stop: Any,
    for_openai: str,
    for_anthropic: str,
) -> None:
    lab.cloud.answer_always(Script(text="Half an", stop=stop))
    crossed = openai_client.chat.completions.create(model="claude", messages=HELLO)
    assert crossed.choices[0].finish_reason == for_openai
    other = anthropic_client.messages.create(model="cloud", messages=HELLO, max_tokens=10)
    assert other.stop_reason == for_anthropic


def test_usage_with_cached_tokens_crosses_by_each_wires_arithmetic(
    lab: Lab, openai_client: openai.OpenAI, anthropic_client: anthropic.Anthropic
) -> None:
    lab.cloud.answer_always(Script(tokens=Tokens(input=10, output=5, cache_read=100)))
    inclusive = openai_client.chat.completions.create(model="claude", messages=HELLO).usage
    assert inclusive is not None
    assert (inclusive.prompt_tokens, inclusive.completion_tokens) == (110, 5)
    assert inclusive.prompt_tokens_details is not None
    assert inclusive.prompt_tokens_details.cached_tokens == 100
    exclusive = anthropic_client.messages.create(model="cloud", messages=HELLO, max_tokens=10).usage
    assert (exclusive.input_tokens, exclusive.cache_read_input_tokens, exclusive.output_tokens) == (10, 100, 5)


@pytest.mark.parametrize("model", ["unreliable", "unreliable-claude"])
def test_a_provider_that_fails_answers_in_the_clients_wire(
    lab: Lab, openai_client: openai.OpenAI, anthropic_client: anthropic.Anthropic, model: str
) -> None:
    lab.cloud.answer_always(Script(failure=Failure(429, retry_after_s=3)))
    with pytest.raises(openai.RateLimitError) as one:
        openai_client.chat.completions.create(model=model, messages=HELLO)
    with pytest.raises(anthropic.RateLimitError) as other:
        anthropic_client.messages.create(model=model, messages=HELLO, max_tokens=10)
    assert one.value.type is not None
    body: Any = other.value.body
    assert body["error"]["type"] == "rate_limit_error"


def test_a_failed_deployment_is_followed_by_the_next_of_the_alias(lab: Lab, openai_client: openai.OpenAI) -> None:
    openai_client.chat.completions.create(model="unreliable", messages=HELLO)
    lab.cloud.script(Script(failure=Failure(503)))
    answer = openai_client.chat.completions.with_raw_response.create(model="with-fallback", messages=HELLO)
    assert answer.headers["x-headgate-deployment"] == "onprem"
    assert answer.parse().choices[0].message.content == "Hello from the simulator."
    found = lab.record(answer.headers["x-headgate-record"])
    assert [child["outcome"] for child in found["children"]] == ["failed", "done"]


def _functions(message: Any) -> list[Any]:
    return list(message.tool_calls or ())


def _text(message: anthropic.types.Message) -> str:
    return "".join(block.text for block in message.content if block.type == "text")


def _dot(one: list[float], other: list[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))
