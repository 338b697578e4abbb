"""Calls of Responses clients: to a provider's own Responses endpoint where it has one, and else across wires."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from headgate.kernel.errors import Invalid
from headgate.testing.gate import Gate, gate
from headgate.testing.simulator import Script, Simulator, ToolCall
from headgate.wire.sse import SseParser

TOOL: dict[str, Any] = {"type": "function", "name": "weather.of", "parameters": {}, "strict": False}


@pytest.fixture
async def upstream() -> AsyncIterator[Simulator]:
    async with Simulator() as running:
        yield running


@pytest.fixture
async def gateway() -> AsyncIterator[Gate]:
    async with gate() as opened:
        yield opened


async def test_a_deployment_with_the_endpoint_gets_the_clients_own_bytes(gateway: Gate, upstream: Simulator) -> None:
    gateway.add("d1", upstream, quirks=["responses_upstream"])
    answer = await gateway.answer("Good day", wire="responses", body={"vendor": 1.0, "instructions": "Be brief."})
    received = upstream.requests[0]
    assert received.path == "/v1/responses"
    assert (received.json["vendor"], received.json["store"], received.json["model"]) == (1.0, False, "d1-model")
    assert (answer["model"], answer["output"][0]["content"][0]["text"]) == ("chat", "Hello from the simulator.")
    raw = await gateway.frames("Good day", wire="responses")
    last = json.loads(SseParser().feed(raw)[-1].data)["response"]
    assert (last["status"], last["model"]) == ("completed", "chat")


async def test_clients_of_other_wires_use_the_chat_endpoint_unless_there_is_none(
    gateway: Gate, upstream: Simulator
) -> None:
    gateway.add("d1", upstream, quirks=["responses_upstream"])
    await gateway.answer("Good day")
    gateway.add("d1", upstream, quirks=["responses_only"])
    answer = await gateway.answer("Good day")
    assert answer["choices"][0]["message"]["content"] == "Hello from the simulator."
    upstream.script(Script(text="", tool_calls=(ToolCall("weather_of_b", "{}"),)))
    raw = await gateway.frames("Good day", wire="anthropic", body={"tools": [{"name": "f", "input_schema": {}}]})
    assert b'"type":"tool_use"' in raw
    assert [one.path for one in upstream.requests] == ["/v1/chat/completions", "/v1/responses", "/v1/responses"]


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
async def test_without_the_endpoint_the_call_crosses(gateway: Gate, upstream: Simulator, provider: str) -> None:
    gateway.add("d1", upstream, provider=provider)
    called = "weather_of_" if provider == "openai" else "x"
    upstream.script(lambda received: Script(text="", tool_calls=(ToolCall(name_in(received.json["tools"]), "{}"),)))
    answer = await gateway.answer("Weather?", wire="responses", body={"tools": [TOOL]})
    assert answer["output"][0]["name"] == "weather.of", called
    done = await gateway.ask("Weather?", wire="responses", body={"prompt_cache_key": "k"})
    assert done.run.facts["dropped"] == "prompt_cache_key"


def name_in(tools: list[dict[str, Any]]) -> str:
    return str(tools[0].get("name") or tools[0]["function"]["name"])


async def test_an_earlier_answer_of_the_provider_is_never_continued(gateway: Gate, upstream: Simulator) -> None:
    """Trap 28."""
    gateway.add("d1", upstream, quirks=["responses_upstream"])
    with pytest.raises(Invalid, match="previous_response_id"):
        await gateway.answer("And?", wire="responses", body={"previous_response_id": "resp_1"})
    assert not upstream.requests


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
async def test_tokens_are_estimated_where_no_deployment_counts_them(
    gateway: Gate, upstream: Simulator, provider: str
) -> None:
    gateway.add("d1", upstream, provider=provider)
    counted = await gateway.answer("word " * 100, wire="responses", counts=True)
    assert counted["input_tokens"] > 100
    assert not upstream.requests


async def test_encrypted_reasoning_goes_back_to_its_deployment_and_to_no_other(
    gateway: Gate, upstream: Simulator
) -> None:
    """Trap 29."""
    for name in ("d1", "d2"):
        gateway.add(name, upstream, quirks=["responses_upstream"])
    upstream.script(*[Script(text="Rain.", reasoning=("Hm.",))] * 2)
    whole = await gateway.answer("Weather?", wire="responses")
    streamed = [json.loads(one.data) for one in SseParser().feed(await gateway.frames("Weather?", wire="responses"))]
    for output in (whole["output"], streamed[-1]["response"]["output"]):
        assert output[0]["encrypted_content"].startswith("hg1-")
    done = [one["item"] for one in streamed if one["type"] == "response.output_item.done"]
    assert done[0]["encrypted_content"] == whole["output"][0]["encrypted_content"]
    asked = {"role": "user", "content": "And now?"}
    body: dict[str, Any] = {"input": [*whole["output"], asked]}

    await gateway.answer(wire="responses", body=body)
    sent = upstream.requests[-1].json["input"]
    assert (sent[0]["encrypted_content"], len(sent)) == ("c2VhbGVk", 3)
    plain = {**whole["output"][0], "encrypted_content": "from elsewhere"}
    await gateway.answer(wire="responses", body={"input": [plain, {**plain, "encrypted_content": ""}, asked]})
    assert upstream.requests[-1].json["input"] == [plain, asked]
    # The deployment that issued it is asked first, whatever the order; another one does without.
    gateway.deployments = dict(reversed(gateway.deployments.items()))
    await gateway.answer(wire="responses", body=body)
    assert upstream.requests[-1].json["model"] == "d1-model"
    del gateway.deployments["d1"]
    await gateway.answer(wire="responses", body=body)
    sent = upstream.requests[-1].json
    assert (sent["model"], sent["input"]) == ("d2-model", [whole["output"][1], asked])
