"""The providers' own SDKs, unmodified, take the simulator for the real thing."""

from __future__ import annotations

from collections.abc import AsyncIterator

import anthropic
import openai
import pytest

from headgate.testing.simulator import Failure, Script, Simulator, Tokens, ToolCall, context_overflow

USER = "Good day"
TOOLS = (ToolCall("weather", '{"city":"Zürich","days":3}'), ToolCall("clock", '{"zone":"CET"}'))


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator(key="secret") as running:
        yield running


@pytest.fixture
async def gpt(simulator: Simulator) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=simulator.openai_url, api_key="secret", max_retries=0) as client:
        yield client


@pytest.fixture
async def claude(simulator: Simulator) -> AsyncIterator[anthropic.AsyncAnthropic]:
    async with anthropic.AsyncAnthropic(base_url=simulator.base_url, api_key="secret", max_retries=0) as client:
        yield client


async def test_openai_reads_a_whole_answer(simulator: Simulator, gpt: openai.AsyncOpenAI) -> None:
    simulator.script(Script(text="Grüezi", tokens=Tokens(input=5, output=2, cache_read=3)))
    reply = await gpt.chat.completions.create(model="gpt-sim", messages=[{"role": "user", "content": USER}])
    assert reply.choices[0].message.content == "Grüezi"
    assert reply.choices[0].finish_reason == "stop"
    assert reply.usage is not None
    assert (reply.usage.prompt_tokens, reply.usage.completion_tokens) == (8, 2)
    assert reply.usage.prompt_tokens_details is not None
    assert reply.usage.prompt_tokens_details.cached_tokens == 3
    received = simulator.requests[0]
    assert (received.method, received.path, received.json["messages"][0]["content"]) == (
        "POST",
        "/v1/chat/completions",
        USER,
    )


async def test_openai_reads_a_stream_and_its_usage(simulator: Simulator, gpt: openai.AsyncOpenAI) -> None:
    simulator.script(Script(text=("Grü", "ezi"), tokens=Tokens(output=2)))
    async with gpt.chat.completions.stream(
        model="gpt-sim", messages=[{"role": "user", "content": USER}], stream_options={"include_usage": True}
    ) as stream:
        whole = await stream.get_final_completion()
    assert whole.choices[0].message.content == "Grüezi"
    assert whole.usage is not None
    assert whole.usage.completion_tokens == 2


async def test_openai_gets_no_usage_in_a_stream_unless_it_asks(simulator: Simulator, gpt: openai.AsyncOpenAI) -> None:
    stream = await gpt.chat.completions.create(
        model="gpt-sim", messages=[{"role": "user", "content": USER}], stream=True
    )
    chunks = [chunk async for chunk in stream]
    assert all(chunk.usage is None and chunk.choices for chunk in chunks)


@pytest.mark.parametrize("interleaved", [True, False])
async def test_openai_puts_parallel_tool_calls_together(
    simulator: Simulator, gpt: openai.AsyncOpenAI, interleaved: bool
) -> None:
    simulator.script(Script(tool_calls=TOOLS, interleaved=interleaved), Script(tool_calls=TOOLS))
    async with gpt.chat.completions.stream(model="gpt-sim", messages=[{"role": "user", "content": USER}]) as stream:
        streamed = await stream.get_final_completion()
    whole = await gpt.chat.completions.create(model="gpt-sim", messages=[{"role": "user", "content": USER}])
    for reply in (streamed, whole):
        calls = reply.choices[0].message.tool_calls or []
        assert [(one.id, one.function.name, one.function.arguments) for one in calls if one.type == "function"] == [
            ("call_1", "weather", TOOLS[0].arguments),
            ("call_2", "clock", TOOLS[1].arguments),
        ]
        assert reply.choices[0].finish_reason == "tool_calls"


async def test_openai_reads_a_refusal(simulator: Simulator, gpt: openai.AsyncOpenAI) -> None:
    simulator.script(Script(refusal="I cannot."), Script(refusal="I cannot."))
    whole = await gpt.chat.completions.create(model="gpt-sim", messages=[{"role": "user", "content": USER}])
    async with gpt.chat.completions.stream(model="gpt-sim", messages=[{"role": "user", "content": USER}]) as stream:
        streamed = await stream.get_final_completion()
    assert whole.choices[0].message.refusal == streamed.choices[0].message.refusal == "I cannot."


async def test_openai_reads_embeddings_in_both_encodings(simulator: Simulator, gpt: openai.AsyncOpenAI) -> None:
    usual = await gpt.embeddings.create(model="embed-sim", input=["a", "b"], dimensions=4)
    floats = await gpt.embeddings.create(model="embed-sim", input=["a", "b"], dimensions=4, encoding_format="float")
    assert simulator.requests[0].json["encoding_format"] == "base64"
    for one, other in zip(usual.data, floats.data, strict=True):
        assert one.embedding == pytest.approx(other.embedding)
        assert sum(value * value for value in one.embedding) == pytest.approx(1)
    assert usual.data[0].embedding != usual.data[1].embedding
    tokens = await gpt.embeddings.create(model="embed-sim", input=[1, 2, 3])
    assert len(tokens.data) == 1


async def test_openai_lists_models_and_gets_one(gpt: openai.AsyncOpenAI) -> None:
    names = [model.id async for model in gpt.models.list()]
    assert "org/model-with-slash" in names
    assert (await gpt.models.retrieve("org/model-with-slash")).id == "org/model-with-slash"
    with pytest.raises(openai.NotFoundError):
        await gpt.models.retrieve("absent")


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        (Failure(400), openai.BadRequestError),
        (Failure(401), openai.AuthenticationError),
        (Failure(404), openai.NotFoundError),
        (Failure(429, retry_after_s=2), openai.RateLimitError),
        (Failure(500), openai.InternalServerError),
        (Failure(529), openai.InternalServerError),
    ],
)
async def test_openai_raises_its_own_errors(
    simulator: Simulator, gpt: openai.AsyncOpenAI, failure: Failure, kind: type[openai.APIStatusError]
) -> None:
    simulator.script(Script(failure=failure))
    with pytest.raises(kind) as caught:
        await gpt.chat.completions.create(model="gpt-sim", messages=[{"role": "user", "content": USER}])
    if failure.status == 429:
        assert caught.value.response.headers["retry-after"] == "2"
        assert caught.value.code == "rate_limit_exceeded"


async def test_openai_is_told_the_overflow_in_its_own_words(simulator: Simulator, gpt: openai.AsyncOpenAI) -> None:
    simulator.script(Script(failure=context_overflow(used=9, limit=8)))
    with pytest.raises(openai.BadRequestError, match="maximum context length is 8 tokens") as caught:
        await gpt.chat.completions.create(model="gpt-sim", messages=[{"role": "user", "content": USER}])
    assert caught.value.code == "context_length_exceeded"


async def test_openai_raises_an_error_within_a_stream(simulator: Simulator, gpt: openai.AsyncOpenAI) -> None:
    simulator.script(Script(breaks=Failure(500)))
    with pytest.raises(openai.APIError, match="had an error"):
        async with gpt.chat.completions.stream(model="gpt-sim", messages=[{"role": "user", "content": USER}]) as stream:
            await stream.get_final_completion()


async def test_anthropic_reads_a_whole_answer(simulator: Simulator, claude: anthropic.AsyncAnthropic) -> None:
    simulator.script(Script(text="Grüezi", reasoning=("hm",), tokens=Tokens(input=5, cache_read=3, cache_write=2)))
    reply = await claude.messages.create(
        model="claude-sim", max_tokens=9, messages=[{"role": "user", "content": [{"type": "text", "text": USER}]}]
    )
    assert [block.type for block in reply.content] == ["thinking", "text"]
    assert reply.content[1].type == "text"
    assert reply.content[1].text == "Grüezi"
    assert reply.stop_reason == "end_turn"
    usage = reply.usage
    assert (usage.input_tokens, usage.cache_read_input_tokens, usage.cache_creation_input_tokens) == (5, 3, 2)
    assert simulator.requests[0].is_anthropic
    assert "anthropic-version" in simulator.requests[0].headers


async def test_anthropic_reads_a_stream_of_thinking_text_and_tools(
    simulator: Simulator, claude: anthropic.AsyncAnthropic
) -> None:
    simulator.script(Script(text=("Grü", "ezi"), reasoning=("h", "m"), tool_calls=TOOLS, tokens=Tokens(output=5)))
    async with claude.messages.stream(
        model="claude-sim", max_tokens=9, messages=[{"role": "user", "content": USER}]
    ) as stream:
        whole = await stream.get_final_message()
    thinking, text, one, two = whole.content
    assert thinking.type == "thinking"
    assert (thinking.thinking, bool(thinking.signature)) == ("hm", True)
    assert text.type == "text"
    assert text.text == "Grüezi"
    assert one.type == "tool_use"
    assert two.type == "tool_use"
    assert (one.name, one.input, two.input) == ("weather", {"city": "Zürich", "days": 3}, {"zone": "CET"})
    assert (whole.stop_reason, whole.usage.output_tokens) == ("tool_use", 5)


async def test_anthropic_counts_tokens_and_lists_models(simulator: Simulator, claude: anthropic.AsyncAnthropic) -> None:
    simulator.script(Script(tokens=Tokens(input=41)))
    count = await claude.messages.count_tokens(model="claude-sim", messages=[{"role": "user", "content": USER}])
    assert count.input_tokens == 41
    assert [model.id async for model in claude.models.list()][:2] == ["gpt-sim", "claude-sim"]
    assert (await claude.models.retrieve("claude-sim")).display_name == "claude-sim"


@pytest.mark.parametrize(
    ("failure", "kind", "name"),
    [
        (Failure(400), anthropic.BadRequestError, "invalid_request_error"),
        (Failure(401), anthropic.AuthenticationError, "authentication_error"),
        (Failure(404), anthropic.NotFoundError, "not_found_error"),
        (Failure(429, retry_after_s=2), anthropic.RateLimitError, "rate_limit_error"),
        (Failure(500), anthropic.InternalServerError, "api_error"),
        (Failure(529), anthropic.APIStatusError, "overloaded_error"),
    ],
)
async def test_anthropic_raises_its_own_errors(
    simulator: Simulator,
    claude: anthropic.AsyncAnthropic,
    failure: Failure,
    kind: type[anthropic.APIStatusError],
    name: str,
) -> None:
    simulator.script(Script(failure=failure))
    with pytest.raises(kind, match=name) as caught:
        await claude.messages.create(model="claude-sim", max_tokens=9, messages=[{"role": "user", "content": USER}])
    assert caught.value.response.status_code == failure.status
    assert caught.value.response.headers.get("retry-after") == ("2" if failure.status == 429 else None)


async def test_anthropic_is_told_the_overflow_in_its_own_words(
    simulator: Simulator, claude: anthropic.AsyncAnthropic
) -> None:
    simulator.script(Script(failure=context_overflow(used=9, limit=8)))
    with pytest.raises(anthropic.BadRequestError, match="prompt is too long: 9 tokens > 8 maximum"):
        await claude.messages.create(model="claude-sim", max_tokens=9, messages=[{"role": "user", "content": USER}])


async def test_anthropic_raises_an_error_within_a_stream(
    simulator: Simulator, claude: anthropic.AsyncAnthropic
) -> None:
    simulator.script(Script(breaks=Failure(529)))
    with pytest.raises(anthropic.APIStatusError, match="Overloaded"):
        async with claude.messages.stream(
            model="claude-sim", max_tokens=9, messages=[{"role": "user", "content": USER}]
        ) as stream:
            await stream.get_final_message()


async def test_both_refuse_a_wrong_key(simulator: Simulator) -> None:
    async with openai.AsyncOpenAI(base_url=simulator.openai_url, api_key="wrong", max_retries=0) as client:
        with pytest.raises(openai.AuthenticationError):
            await client.chat.completions.create(model="gpt-sim", messages=[{"role": "user", "content": USER}])
    async with anthropic.AsyncAnthropic(base_url=simulator.base_url, api_key="wrong", max_retries=0) as claude:
        with pytest.raises(anthropic.AuthenticationError):
            await claude.messages.create(model="m", max_tokens=9, messages=[{"role": "user", "content": USER}])
