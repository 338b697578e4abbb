"""The names that callers give models: aliases, patterns that stand for many, and the list that tells of them."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from typing import Any

import anthropic
import openai
import pytest

from headgate.testing.house import House

TOML = """
[[deployment]]
id = "named"
provider = "openai"
model = "gpt-sim"
base_url = "http://127.0.0.1:{port}/v1"
context_tokens = 128000
max_output_tokens = 16384
images = false
clearance = {{ level = "restricted", custody = "organisation" }}

[[deployment]]
id = "open"
provider = "anthropic"
model = "*"
base_url = "http://127.0.0.1:{port}"
context_tokens = 200000
max_output_tokens = 64000
clearance = {{ level = "restricted", custody = "organisation" }}

[[alias]]
id = "smart"
deployments = ["named", "local-chat"]
description = "The usual one"

[[alias]]
id = "claude-*"
deployments = ["open"]

[[alias]]
id = "claude-old-*"
deployments = ["named"]

[[alias]]
id = "claude-*-mini"
deployments = ["local-chat"]

[[alias]]
id = "claude-old-one"
deployments = ["local-chat"]

[[alias]]
id = "anthropic/*"
deployments = ["open"]

[[price]]
id = "claude-p"
provider = "anthropic"
model = "claude-p*"
from = 2024-01-01
price = {{ input = 1.0, output = 2.0 }}

[[use_case]]
id = "narrow"
owner = "anna@example.org"
purpose = "Only what is listed"
deployments = ["named"]
"""


@pytest.fixture
async def house(house: House) -> AsyncGenerator[House]:
    """With aliases that stand for many names."""
    async with house.admin as client:
        answer = await client.post("/api/config/apply", json={"toml": TOML.format(port=house.simulator.port)})
        assert answer.status_code == 200, answer.text
    await house.worker.refresh()
    yield house


def body(model: str, **more: Any) -> dict[str, Any]:
    return {"model": model, "max_tokens": 9, "messages": [{"role": "user", "content": "x"}], **more}


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"])
async def test_a_pattern_answers_to_names_that_no_other_alias_has(house: House, path: str):
    expected = (
        ("claude-sonnet-5", "open", "claude-sonnet-5"),
        ("claude-@2026/x:y", "open", "claude-@2026/x:y"),
        ("claude-old-two", "named", "gpt-sim"),
        ("claude-old-one", "local-chat", "smollm2-135m-instruct"),
        ("claude-5-mini", "local-chat", "smollm2-135m-instruct"),
        ("claude-old-*", "named", "gpt-sim"),
    )
    async with house.admin as client:
        for name, deployment, model in expected:
            whole = await client.post(path, json=body(name))
            assert whole.status_code == 200, whole.text
            assert whole.headers["x-headgate-deployment"] == deployment
            assert whole.json()["model"] == name
            assert json.loads(house.simulator.requests[-1].body)["model"] == model
            streamed = await client.post(path, json=body(name, stream=True))
            assert f'"model":"{name}"' in streamed.text.replace(" ", "")


async def test_a_name_that_no_pattern_has_is_not_there(house: House):
    async with house.admin as client:
        for name in ("claude", "gpt-5", "claude-sonnet\n", "claude-ü", "xclaude-5", "claude-" + "x" * 300):
            answer = await client.post("/v1/chat/completions", json=body(name))
            assert answer.status_code in (400, 404), name
        answer = await client.post("/v1/chat/completions", json=body("claude-*"))
        assert (answer.status_code, "send the name of one model" in answer.text) == (400, True)
    assert not house.simulator.requests


async def test_the_providers_name_before_a_slash_stays_here_and_the_model_after_it_has_its_own_price(house: House):
    async with house.admin as client:
        for name, model, cost in (
            ("anthropic/claude-p9", "claude-p9", "0.000026 USD"),
            ("claude-p9", "claude-p9", "0.000026 USD"),
            ("anthropic/org/other", "org/other", None),
        ):
            answer = await client.post("/v1/chat/completions", json=body(name))
            assert (answer.status_code, answer.json()["model"]) == (200, name), answer.text
            assert json.loads(house.simulator.requests[-1].body)["model"] == model
            assert answer.headers.get("x-headgate-cost") == cost, name


async def test_a_deployment_is_no_model_and_the_error_names_its_aliases(house: House):
    async with house.admin as client:
        told = (await client.post("/v1/chat/completions", json=body("named"))).json()["error"]
    assert (told["param"], told["message"]) == (
        "model",
        "'named' is a deployment and no model; call it by its alias claude-old-* or smart",
    )


async def test_keys_and_records_name_the_alias_and_records_the_name_that_was_asked_for_too(house: House):
    async with house.admin as client:
        terms = {"name": "claude only", "use_case": "getting-started", "aliases": ["claude-*"]}
        key = (await client.post("/api/keys", json=terms)).json()["secret"]
    await house.worker.refresh()
    async with house.client(key) as client:
        assert (await client.post("/v1/messages", json=body("claude-sonnet-5"))).status_code == 200
        assert (await client.post("/v1/messages", json=body("claude-old-two"))).status_code == 400
        assert [model["id"] for model in (await client.get("/v1/models")).json()["data"]] == ["claude-*"]
        assert (await client.get("/v1/models/claude-sonnet-5")).json()["id"] == "claude-sonnet-5"
        assert (await client.get("/v1/models/claude-old-two")).status_code == 404
    refused, called = await house.records(verb="model.invoke")
    assert (called["resource"], refused["resource"]) == ("alias:claude-*", "alias:claude-old-*")
    async with house.admin as client:
        told = (await client.get(f"/api/records/{called['id']}")).json()
    assert told["record"]["facts"]["requested_model"] == "claude-sonnet-5"


async def test_the_list_tells_each_sdk_what_a_model_can_do(house: House):
    async with house.client() as http:
        ours = openai.AsyncOpenAI(base_url="http://127.0.0.1:8080/v1", api_key=house.admin_key, http_client=http)
        listed = {model.id: json.loads(model.to_json()) async for model in ours.models.list()}
        theirs = anthropic.AsyncAnthropic(base_url="http://127.0.0.1:8080", api_key=house.admin_key, http_client=http)
        cards = {model.id: model async for model in theirs.models.list(limit=2)}
        one = await theirs.models.retrieve("claude-sonnet-5")
    assert listed.keys() == cards.keys() >= {"smart", "claude-*", "local-chat", "local-embed"}
    assert (listed["smart"]["context_length"], listed["smart"]["max_output_tokens"]) == (128_000, 16_384)
    assert listed["smart"]["capabilities"]["vision"] is False
    assert listed["local-chat"]["context_window"] == 4096
    assert (one.id, one.max_input_tokens, one.max_tokens) == ("claude-sonnet-5", 200_000, 64_000)
    assert one.capabilities is not None
    assert one.capabilities.pdf_input.supported
    smart = cards["smart"].capabilities
    assert smart is not None
    assert not smart.image_input.supported


async def test_a_model_that_the_use_case_may_not_use_is_not_listed(house: House):
    key = await house.register("clerk@example.org", use_case="narrow")
    async with house.client(key) as client:
        assert [model["id"] for model in (await client.get("/v1/models")).json()["data"]] == ["claude-old-*", "smart"]
        assert (await client.get("/v1/models/local-chat")).status_code == 404


@pytest.mark.parametrize("name", ["claude-**", "*-*", "a*b*c", "", "claude *"])
async def test_a_pattern_has_one_star(house: House, name: str):
    async with house.admin as client:
        toml = f'[[alias]]\nid = "{name}"\ndeployments = ["local-chat"]\n'
        answer = await client.post("/api/config/plan", json={"toml": toml})
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, "alias[0].id")
        fine = await client.put("/api/entries/alias/%2A", json={"entry": {"deployments": ["local-chat"]}})
        assert fine.status_code == 200, fine.text
        await house.worker.refresh()
        assert (await client.post("/v1/chat/completions", json=body("anything-at-all"))).status_code == 200
