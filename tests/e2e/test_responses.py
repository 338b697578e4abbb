"""Clients of the Responses API, unmodified, against models that speak other wires."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import agents
import httpx2
import openai
import pytest
from pydantic import BaseModel

from headgate.testing.lab import Lab
from headgate.testing.simulator import Failure, Script, ToolCall

pytestmark = pytest.mark.e2e

MODELS = ("cloud", "claude")
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS: Any = [{"type": "function", "name": "weather", "parameters": PARAMETERS, "strict": False}]


class Colour(BaseModel):
    name: str
    is_warm: bool


@pytest.mark.parametrize("model", MODELS)
def test_a_response_answers_under_the_name_that_was_called(openai_client: openai.OpenAI, model: str) -> None:
    answer = openai_client.responses.create(model=model, input="Hello", instructions="Be brief.", metadata={"a": "b"})
    assert answer.output_text == "Hello from the simulator."
    assert (answer.status, answer.model, answer.instructions) == ("completed", model, "Be brief.")
    assert (answer.id[:5], answer.metadata) == ("resp_", {"a": "b"})
    assert answer.usage is not None
    assert answer.usage.total_tokens == 19


@pytest.mark.parametrize("model", MODELS)
def test_a_response_streams(openai_client: openai.OpenAI, model: str) -> None:
    with openai_client.responses.stream(model=model, input="Hello") as stream:
        deltas = [event.delta for event in stream if event.type == "response.output_text.delta"]
        final = stream.get_final_response()
    assert "".join(deltas) == final.output_text == "Hello from the simulator."
    assert len(deltas) > 1


@pytest.mark.parametrize("model", MODELS)
def test_tool_calls_pass_in_both_directions(lab: Lab, openai_client: openai.OpenAI, model: str) -> None:
    lab.cloud.script(
        Script(text="", tool_calls=(ToolCall("weather", '{"city":"Köln"}', "call_1"),)), Script(text="Rain.")
    )
    first = openai_client.responses.create(model=model, input="Weather?", tools=TOOLS)
    call = first.output[0]
    assert call.type == "function_call"
    assert (call.call_id, json.loads(call.arguments)) == ("call_1", {"city": "Köln"})
    result: Any = {"type": "function_call_output", "call_id": call.call_id, "output": "rain"}
    history: Any = [{"role": "user", "content": "Weather?"}, *first.output, result]
    assert openai_client.responses.create(model=model, input=history, tools=TOOLS).output_text == "Rain."


def test_structured_output_parses(lab: Lab, openai_client: openai.OpenAI) -> None:
    lab.cloud.script(Script(text='{"name":"red","is_warm":true}'))
    answer = openai_client.responses.parse(model="cloud", input="A colour?", text_format=Colour)
    assert answer.output_parsed == Colour(name="red", is_warm=True)
    assert lab.cloud.requests[0].json["response_format"]["json_schema"]["strict"] is True


def test_the_embedded_model_answers(openai_client: openai.OpenAI) -> None:
    answer = openai_client.responses.create(model="local-chat", input="Say hello.", max_output_tokens=16)
    assert answer.output_text


def test_an_error_is_the_sdks_own(lab: Lab, openai_client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        openai_client.responses.create(model="cloud", input="x", temperature=True)
    assert refused.value.param == "temperature"
    lab.cloud.script(Script(failure=Failure(429, retry_after_s=3)))
    with pytest.raises(openai.RateLimitError):
        openai_client.responses.create(model="cloud", input="x")
    with pytest.raises(openai.NotFoundError):
        openai_client.responses.create(model="no-such-model", input="x")


def test_a_websocket_is_answered_with_426(lab: Lab) -> None:
    """Trap 31. Codex then falls back to HTTP."""
    headers = {"connection": "upgrade", "upgrade": "websocket", "authorization": f"Bearer {lab.clerk}"}
    assert httpx2.get(f"{lab.openai_url}/responses", headers=headers).status_code == 426


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("is_stream", [False, True])
def test_an_agent_of_the_agents_sdk_calls_its_tool(lab: Lab, model: str, is_stream: bool) -> None:
    lab.cloud.script(
        Script(text="", tool_calls=(ToolCall("weather", '{"city":"Bonn"}', "call_1"),)), Script(text="Rain.")
    )
    assert asyncio.run(_agent_run(lab, model, is_stream=is_stream)) == "Rain."
    assert "rain in Bonn" in lab.cloud.requests[1].body.decode()


async def _agent_run(lab: Lab, model: str, *, is_stream: bool) -> str:
    @agents.function_tool
    def weather(city: str) -> str:
        """Tell the weather of a city."""
        return f"rain in {city}"

    async with openai.AsyncOpenAI(base_url=lab.openai_url, api_key=lab.clerk, max_retries=0) as client:
        spoken = agents.OpenAIResponsesModel(model=model, openai_client=client)
        agent = agents.Agent(name="clerk", instructions="Be brief.", model=spoken, tools=[weather])
        config = agents.RunConfig(tracing_disabled=True)
        if not is_stream:
            return str((await agents.Runner.run(agent, "Weather?", run_config=config)).final_output)
        run = agents.Runner.run_streamed(agent, "Weather?", run_config=config)
        async for _ in run.stream_events():
            pass
        return str(run.final_output)


@pytest.mark.parametrize("model", MODELS)
def test_an_answer_is_continued_read_and_deleted_by_its_id(lab: Lab, openai_client: openai.OpenAI, model: str) -> None:
    """Trap 28."""
    responses = openai_client.responses
    lab.cloud.answer_always(Script(text=f"You are in a test of {model}."))  # a text that nothing else has labelled
    first = responses.create(model=model, input="Where am I?")
    with responses.stream(model=model, input="And now?", previous_response_id=first.id) as stream:
        second = stream.get_final_response()
    assert second.previous_response_id == first.id
    sent = lab.cloud.requests[-1].body.decode()
    assert sent.index("Where am I?") < sent.index(f"You are in a test of {model}.") < sent.index("And now?")
    assert responses.retrieve(second.id).output_text == second.output_text
    items = list(responses.input_items.list(second.id, order="asc", limit=1))
    assert [item.type for item in items] == ["message"] * 3
    responses.delete(first.id)
    with pytest.raises(openai.BadRequestError) as gone:
        responses.create(model=model, input="x", previous_response_id=second.id)
    assert gone.value.code == "previous_response_not_found"
    with pytest.raises(openai.NotFoundError):
        responses.retrieve(first.id)
    assert responses.input_tokens.count(model=model, input="Hello").input_tokens > 0


@pytest.mark.parametrize("model", MODELS)
def test_a_conversation_is_continued_by_the_sdk(lab: Lab, openai_client: openai.OpenAI, model: str) -> None:
    """Trap 28."""
    conversations = openai_client.conversations
    lab.cloud.answer_always(Script(text=f"A conversation with {model}."))
    made = conversations.create(items=[{"role": "user", "content": "Remember me."}], metadata={"topic": "tests"})
    first = openai_client.responses.create(model=model, input="Who am I?", conversation=made.id)
    assert first.conversation is not None
    assert first.conversation.id == made.id
    with openai_client.responses.stream(model=model, input="Really?", conversation=made.id) as stream:
        assert stream.get_final_response().output_text == f"A conversation with {model}."
    sent = lab.cloud.requests[-1].body.decode()
    assert sent.index("Remember me.") < sent.index("Who am I?") < sent.index("Really?")
    items = list(conversations.items.list(made.id, order="asc", limit=2))
    assert [item.role for item in items if item.type == "message"] == ["user", "user", "assistant", "user", "assistant"]
    added = conversations.items.create(made.id, items=[{"role": "user", "content": "One more."}])
    item_id = added.data[0].id or ""
    assert conversations.items.retrieve(item_id, conversation_id=made.id) == added.data[0]
    assert conversations.items.delete(item_id, conversation_id=made.id).metadata == {"topic": "tests"}
    assert conversations.update(made.id, metadata={"topic": "none"}).metadata == {"topic": "none"}
    named: Any = [{"type": "item_reference", "id": first.output[0].id}, {"role": "user", "content": "Go on."}]
    assert openai_client.responses.create(model=model, input=named, store=False).output_text
    assert f"A conversation with {model}." in lab.cloud.requests[-1].body.decode()
    assert conversations.delete(made.id).deleted
    with pytest.raises(openai.NotFoundError):
        conversations.retrieve(made.id)


@pytest.mark.parametrize("model", MODELS)
def test_a_conversation_is_compacted_by_the_sdk(lab: Lab, openai_client: openai.OpenAI, model: str) -> None:
    """Trap 31."""
    call: Any = {"type": "function_call", "call_id": "call_1", "name": "weather", "arguments": "{}"}
    result: Any = {"type": "function_call_output", "call_id": "call_1", "output": "rain in Bonn"}
    history: Any = [{"role": "user", "content": "Weather?"}, call, result]
    lab.cloud.answer_always(Script(text=f"It rains, says {model}."))
    raw = openai_client.responses.with_raw_response.compact(model=model, input=history, instructions="Be brief.")
    assert [item.type for item in raw.parse().output] == ["message", "compaction"]
    assert "rain in Bonn" in lab.cloud.requests[-1].body.decode()
    # The SDK's type of the user's message is that of an answer, so it warns about its parts.
    asked: Any = [*json.loads(raw.content)["output"], {"role": "user", "content": "And now?"}]
    assert openai_client.responses.create(model=model, input=asked).output_text
    sent = lab.cloud.requests[-1].body.decode()
    assert sent.index("Weather?") < sent.index(f"It rains, says {model}.") < sent.index("And now?")
    assert "rain in Bonn" not in sent


@pytest.mark.parametrize("model", MODELS)
def test_an_answer_in_the_background_is_polled_resumed_and_cancelled(
    lab: Lab, openai_client: openai.OpenAI, model: str
) -> None:
    """Trap 32."""
    responses = openai_client.responses
    said = f"Written in the background by {model}."
    lab.cloud.script(Script(text=said))
    begun = responses.create(model=model, input="Hello", background=True)
    assert (begun.status, begun.background) == ("queued", True)
    events = list(responses.retrieve(begun.id, stream=True))
    assert events[-1].type == "response.completed"
    resumed = list(responses.retrieve(begun.id, stream=True, starting_after=events[2].sequence_number))
    assert resumed == events[3:]
    assert responses.retrieve(begun.id).output_text == said
    before = len(lab.cloud.requests)
    lab.cloud.script(Script(text="A long answer", stall="stream"))
    stalled = responses.create(model=model, input="Hello", background=True)
    while len(lab.cloud.requests) == before:  # else the script would be for the next call
        time.sleep(0.02)
    assert responses.cancel(stalled.id).status == "cancelled"
    assert responses.create(model=model, input="x", previous_response_id=begun.id).output_text
