"""Calls to Azure, Bedrock and Vertex AI: their paths, bodies, signatures and tokens, on the simulator."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from headgate.kernel.errors import Invalid, Upstream
from headgate.testing.gate import Gate, gate
from headgate.testing.simulator import Failure, Framing, Script, Simulator, Tokens, ToolCall, context_overflow
from headgate.wire.aws_signing import AwsKey

AWS = AwsKey("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "session==")
KEY = "secret-of-the-application"
ENTRA = {"tenant_id": "11111111-2222", "client_id": "app-1"}
PLACE = {"project": "sim-project", "location": "europe-west1"}
CLAUDE = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"
CALLS = (ToolCall("weather", '{"city": "Zürich"}'), ToolCall("clock", "{}"))
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}}
TOOLS: Mapping[str, Any] = {
    "openai": [{"type": "function", "function": {"name": n, "parameters": PARAMETERS}} for n in ("weather", "clock")],
    "anthropic": [{"name": n, "input_schema": PARAMETERS} for n in ("weather", "clock")],
}


@pytest.fixture
async def cloud() -> AsyncIterator[Simulator]:
    async with Simulator(key=KEY, aws_key=AWS) as running:
        yield running


@pytest.fixture
async def gateway() -> AsyncIterator[Gate]:
    async with gate() as opened:
        yield opened


def add(gateway: Gate, cloud: Simulator, provider: str, **how: Any) -> None:
    """Add a deployment with the credential that its provider needs."""
    match provider:
        case "azure" | "azure_classic":
            how = {"key": KEY, **how}
        case "vertex" | "vertex_gemini":
            how = {"key": cloud.issuer.service_account(cloud.base_url), "options": PLACE, **how}
        case _:
            how = {"key": ":".join(filter(None, AWS)), "options": {"region": "eu-central-1"}, "model": CLAUDE, **how}
    gateway.add("d1", cloud, provider=provider, **how)


def said(answer: Any) -> str:
    if "choices" in answer:
        return str(answer["choices"][0]["message"]["content"])
    return "".join(block["text"] for block in answer["content"] if block["type"] == "text")


def data_of(frames: bytes) -> list[Any]:
    found = [line[6:] for line in frames.decode().splitlines() if line.startswith("data: ")]
    return [json.loads(text) for text in found if text != "[DONE]"]


def streamed(frames: bytes) -> str:
    pieces: list[str] = []
    for event in data_of(frames):
        if "choices" in event:
            pieces += [choice["delta"].get("content") or "" for choice in event["choices"]]
        elif event["type"] == "content_block_delta":
            pieces.append(event["delta"].get("text", ""))
    return "".join(pieces)


PLACED = "/v1/projects/sim-project/locations/europe-west1"
WHOLE = {
    "azure": "/openai/v1/chat/completions",
    "azure_classic": "/openai/deployments/d1-model/chat/completions?api-version=2024-10-21",
    "vertex": f"{PLACED}/publishers/anthropic/models/d1-model:rawPredict",
    "vertex_gemini": f"{PLACED}/publishers/google/models/d1-model:generateContent",
    "bedrock": "/model/eu.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse",
    "bedrock_anthropic": "/model/eu.anthropic.claude-sonnet-4-5-20250929-v1%3A0/invoke",
}
STREAMED = {
    **WHOLE,
    "vertex": WHOLE["vertex"].replace(":rawPredict", ":streamRawPredict"),
    "vertex_gemini": WHOLE["vertex_gemini"].replace(":generate", ":streamGenerate") + "?alt=sse",
    "bedrock": WHOLE["bedrock"] + "-stream",
    "bedrock_anthropic": WHOLE["bedrock_anthropic"] + "-with-response-stream",
}
EVERY = tuple(WHOLE)
WIRES = ("openai", "anthropic")


@pytest.mark.parametrize("provider", EVERY)
@pytest.mark.parametrize("client", WIRES)
async def test_a_cloud_answers_every_client_whole(gateway: Gate, cloud: Simulator, client: str, provider: str) -> None:
    add(gateway, cloud, provider)
    cloud.script(Script(text="Grüezi", tokens=Tokens(input=5, output=3)))
    answer = await gateway.answer(wire=client)
    assert said(answer) == "Grüezi"
    assert answer["model"] == "chat"
    assert cloud.requests[-1].path == WHOLE[provider]
    facts = gateway.bench.recorder.closings[-1].facts
    assert (facts["input_tokens"], facts["output_tokens"], facts["cost_micros"]) == (5, 3, 11)


BETAS = {"betas": "interleaved-thinking-2025-05-14,context-1m-2025-08-07"}


@pytest.mark.parametrize(
    ("provider", "options"),
    [("vertex", PLACE), ("bedrock_anthropic", {"region": "eu-central-1"})],
)
async def test_a_cloud_gets_the_betas_that_its_deployment_names_and_no_others(
    gateway: Gate, cloud: Simulator, provider: str, options: dict[str, str]
) -> None:
    asked = {"anthropic-beta": "claude-code-20250219,context-1m-2025-08-07"}
    for given, expected in (({}, []), (BETAS, ["context-1m-2025-08-07"])):
        add(gateway, cloud, provider, options={**options, **given})
        await gateway.ask(wire="anthropic", headers=asked)
        sent = cloud.requests[-1]
        header = [one for one in sent.headers.get("anthropic-beta", "").split(",") if one]
        assert [*header, *sent.json.get("anthropic_beta", [])] == expected


@pytest.mark.parametrize("provider", EVERY)
@pytest.mark.parametrize("client", WIRES)
async def test_a_cloud_answers_every_client_in_a_stream(
    gateway: Gate, cloud: Simulator, client: str, provider: str
) -> None:
    add(gateway, cloud, provider)
    cloud.script(Script(text=("Grü", "ezi"), tokens=Tokens(input=5, output=3, cache_read=2)))
    assert streamed(await gateway.frames(wire=client)) == "Grüezi"
    assert cloud.requests[-1].path == STREAMED[provider]
    facts = gateway.bench.recorder.closings[-1].facts
    assert (facts["input_tokens"], facts["output_tokens"]) == (7, 3)
    assert "usage_is_estimate" not in facts


@pytest.mark.parametrize("provider", EVERY)
@pytest.mark.parametrize("client", WIRES)
async def test_tool_calls_come_back_from_a_cloud_and_go_there_again(
    gateway: Gate, cloud: Simulator, client: str, provider: str
) -> None:
    add(gateway, cloud, provider)
    cloud.script(Script(tool_calls=CALLS), Script(tool_calls=CALLS), Script(text="Rain."))
    body = {"tools": TOOLS[client]}
    answer = await gateway.answer(wire=client, body=body)
    events = data_of(await gateway.frames(wire=client, body=body))
    first: Any = {"role": "user", "content": "Weather?"}
    if client == "openai":
        message = answer["choices"][0]["message"]
        found = [(one["function"]["name"], json.loads(one["function"]["arguments"])) for one in message["tool_calls"]]
        parts = [call for e in events for c in e["choices"] for call in c["delta"].get("tool_calls") or ()]
        arguments = ["".join(p["function"].get("arguments") or "" for p in parts if p["index"] == i) for i in (0, 1)]
        results = [{"role": "tool", "tool_call_id": one["id"], "content": "rain"} for one in message["tool_calls"]]
        again = [first, message, *results]
    else:
        calls = [block for block in answer["content"] if block["type"] == "tool_use"]
        found = [(one["name"], one["input"]) for one in calls]
        deltas = [(e["index"], e["delta"]) for e in events if e["type"] == "content_block_delta"]
        arguments = ["".join(d.get("partial_json", "") for at, d in deltas if at == i) for i in (0, 1)]
        results = [{"type": "tool_result", "tool_use_id": one["id"], "content": "rain"} for one in calls]
        again = [first, {"role": "assistant", "content": answer["content"]}, {"role": "user", "content": results}]
    assert found == [("weather", {"city": "Zürich"}), ("clock", {})]
    assert [json.loads(one or "{}") for one in arguments] == [{"city": "Zürich"}, {}]
    assert said(await gateway.answer(wire=client, body={**body, "messages": again})) == "Rain."


@pytest.mark.parametrize("stream", [False, True])
async def test_a_tools_own_name_comes_back_where_bedrock_refuses_it(
    gateway: Gate, cloud: Simulator, stream: bool
) -> None:
    add(gateway, cloud, "bedrock")
    name = "get weather/now"
    body = {"tools": [{"type": "function", "function": {"name": name, "parameters": PARAMETERS}}]}

    def call(received: Any) -> Script:
        return Script(tool_calls=(ToolCall(received.json["toolConfig"]["tools"][0]["toolSpec"]["name"]),))

    cloud.script(call)
    if stream:
        parts = [c["delta"].get("tool_calls") for e in data_of(await gateway.frames(body=body)) for c in e["choices"]]
        found = [one["function"]["name"] for calls in parts for one in calls or () if "name" in one["function"]]
    else:
        answer = await gateway.answer(body=body)
        found = [one["function"]["name"] for one in answer["choices"][0]["message"]["tool_calls"]]
    assert found == [name]
    assert cloud.requests[-1].json["toolConfig"]["tools"][0]["toolSpec"]["name"].startswith("get_weather_now_")


async def test_anthropics_bytes_stay_as_they_are_on_vertex_and_bedrock_but_for_the_vendors_fields(
    gateway: Gate, cloud: Simulator
) -> None:
    body = {"metadata": {"user_id": "u"}, "temperature": 1e0}
    for provider in ("vertex", "bedrock_anthropic"):
        gateway.deployments.clear()
        add(gateway, cloud, provider)
        await gateway.answer(wire="anthropic", body=body)
        sent = cloud.requests[-1].body
        assert b'"temperature": 1.0' in sent
        assert b'"model"' not in sent
    assert json.loads(sent)["anthropic_version"] == "bedrock-2023-05-31"


async def test_vertex_counts_tokens(gateway: Gate, cloud: Simulator) -> None:
    add(gateway, cloud, "vertex")
    answer = await gateway.answer(wire="anthropic", counts=True)
    assert answer == {"input_tokens": 12}
    assert cloud.requests[-1].path.endswith("/models/count-tokens:rawPredict")
    assert cloud.requests[-1].json["model"] == "d1-model"


# ---- tokens


@pytest.mark.parametrize(("provider", "how"), [("azure", {"options": ENTRA}), ("vertex", {})])
async def test_a_token_is_bought_once_and_renewed_before_it_expires(
    gateway: Gate, cloud: Simulator, provider: str, how: dict[str, Any]
) -> None:
    if provider == "azure":
        how = {"options": {**ENTRA, "authority": cloud.base_url}}
    add(gateway, cloud, provider, **how)
    await asyncio.gather(*(gateway.ask() for _ in range(8)))
    assert cloud.issuer.issued == ["token-1"]
    assert cloud.requests[-1].headers["authorization"] == "Bearer token-1"
    assert "api-key" not in cloud.requests[-1].headers
    gateway.bench.clock.advance(3_200.0)
    await gateway.ask()
    assert cloud.issuer.issued == ["token-1"]
    gateway.bench.clock.advance(200.0)
    await gateway.ask()
    assert cloud.requests[-1].headers["authorization"] == "Bearer token-2"
    assert all(KEY not in str(one) for one in gateway.bench.recorder.closings)


async def test_a_token_that_the_provider_refuses_is_bought_again(gateway: Gate, cloud: Simulator) -> None:
    add(gateway, cloud, "vertex")
    await gateway.ask()
    cloud.issuer.issued[0] = "revoked"
    with pytest.raises(Upstream):
        await gateway.ask()
    await gateway.ask()
    assert cloud.requests[-1].headers["authorization"] == "Bearer token-2"


async def test_a_refused_credential_names_the_deployment_and_no_secret(gateway: Gate, cloud: Simulator) -> None:
    add(gateway, cloud, "azure", key="a-wrong-secret", options={**ENTRA, "authority": cloud.base_url})
    for _ in range(2):
        with pytest.raises(Upstream, match="credential of deployment d1 cannot be used") as caught:
            await gateway.ask()
        assert "refuses the credential" in caught.value.recorded
        assert "a-wrong-secret" not in caught.value.recorded + str(caught.value.__cause__)
    assert [one.path for one in cloud.requests] == ["/11111111-2222/oauth2/v2.0/token"], "the failure is shared"


async def test_an_issuer_that_is_away_fails_the_call_as_the_provider_would(gateway: Gate, cloud: Simulator) -> None:
    add(gateway, cloud, "azure", options={**ENTRA, "authority": "http://127.0.0.1:1"})
    with pytest.raises(Upstream, match="deployment d1 cannot be used"):
        await gateway.ask()
    gateway.deployments.clear()
    add(gateway, cloud, "vertex", key='{"client_email": "x"}')
    with pytest.raises(Upstream) as caught:
        await gateway.ask()
    assert isinstance(caught.value.__cause__, Invalid)
    add(gateway, cloud, "vertex", key=KEY)
    assert said(await gateway.answer()) == "Hello from the simulator.", "an access token is sent as it is"


# ---- Bedrock


async def test_a_wrong_signature_is_the_gateways_own_fault(gateway: Gate, cloud: Simulator) -> None:
    add(gateway, cloud, "bedrock", key="AKIDEXAMPLE:another-secret")
    with pytest.raises(Upstream) as caught:
        await gateway.ask()
    assert caught.value.upstream_status == 403
    add(gateway, cloud, "bedrock", key="a:b:c:d")
    with pytest.raises(Upstream, match="cannot be used") as caught:
        await gateway.ask()
    assert "ACCESS_KEY_ID" in caught.value.recorded


@pytest.mark.parametrize("provider", ["bedrock", "bedrock_anthropic"])
async def test_an_overflow_on_bedrock_keeps_the_words_that_clients_look_for(
    gateway: Gate, cloud: Simulator, provider: str
) -> None:
    add(gateway, cloud, provider)
    cloud.script(Script(failure=context_overflow()))
    with pytest.raises(Upstream, match=r"prompt is too long: 9001 tokens > 8192 maximum") as caught:
        await gateway.ask()
    assert caught.value.upstream_status == 400


async def test_an_exception_within_a_stream_ends_it(gateway: Gate, cloud: Simulator) -> None:
    add(gateway, cloud, "bedrock")
    cloud.script(Script(breaks=Failure(503)))
    with pytest.raises(Upstream) as caught:
        await gateway.frames()
    assert caught.value.upstream_status == 503


@pytest.mark.parametrize("split", [1, 7, 4096])
async def test_frames_may_be_split_anywhere(gateway: Gate, cloud: Simulator, split: int) -> None:
    add(gateway, cloud, "bedrock")
    cloud.script(Script(text=("Grü", "ezi"), framing=Framing(split_bytes=split)))
    assert streamed(await gateway.frames()) == "Grüezi"


@pytest.mark.parametrize("cut", ["fin", "short"])
async def test_a_binary_stream_that_breaks_off_is_a_failure(gateway: Gate, cloud: Simulator, cut: Any) -> None:
    add(gateway, cloud, "bedrock")
    cloud.script(Script(cut=cut))
    with pytest.raises(Upstream):
        await gateway.frames()


async def test_an_upstream_that_does_not_stream_is_replayed(gateway: Gate, cloud: Simulator) -> None:
    add(gateway, cloud, "bedrock")
    body = {
        "output": {"message": {"role": "assistant", "content": [{"text": "Whole."}]}},
        "stopReason": "end_turn",
        "usage": {"inputTokens": 3, "outputTokens": 2, "totalTokens": 5},
    }
    cloud.script(Script(body=json.dumps(body).encode(), content_type="application/json"))
    assert streamed(await gateway.frames()) == "Whole."
