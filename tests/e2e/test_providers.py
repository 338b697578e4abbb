"""Unmodified SDKs for OpenAI and Anthropic through every provider, and `headgate models add` for one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anthropic
import httpx2
import openai
import pytest

from headgate.substrate.toml_writing import array_of_tables
from headgate.testing.running import RunningHeadgate, running_headgate
from headgate.testing.simulator import Script, ToolCall
from headgate.testing.threaded import ThreadedSimulator
from headgate.wire.aws_signing import AwsKey

pytestmark = pytest.mark.e2e

KEY = "provider-key-of-the-test"
AWS = AwsKey("AKIDEXAMPLE", "secret/of+the+test")
CLAUDE = "anthropic.claude-sonnet-4-5-20250929-v1:0"
HELLO: Any = [{"role": "user", "content": "Hello"}]
PARAMETERS: Any = {"type": "object", "properties": {"city": {"type": "string"}}}
CALL = Script(text="", tool_calls=(ToolCall("weather", '{"city":"Bonn"}', "call_1"),))
HOUSE = """
[[network]]
id = "lab"
allow = ["127.0.0.1/32"]

[[use_case]]
id = "support"
owner = "ann"
purpose = "Answer customers"

"""
ROOT = "http://127.0.0.1:@PORT"
PROVIDERS: dict[str, dict[str, Any]] = {
    "azure": {"base_url": ROOT, "key": "env:LAB_KEY"},
    "azure_classic": {"base_url": ROOT, "key": "env:LAB_KEY", "options": {"api_version": "2025-01-01-preview"}},
    "azure_entra": {
        "provider": "azure",
        "base_url": ROOT,
        "key": "env:LAB_KEY",
        "options": {"tenant_id": "t-1", "client_id": "c-1", "authority": ROOT},
    },
    "bedrock": {"base_url": ROOT, "key": "env:LAB_AWS_KEY", "model": CLAUDE, "options": {"region": "eu-central-1"}},
    "bedrock_anthropic": {
        "base_url": ROOT,
        "key": "env:LAB_AWS_KEY",
        "model": CLAUDE,
        "options": {"region": "eu-central-1"},
    },
    "vertex": {
        "base_url": ROOT + "/v1",
        "key": "file:@ACCOUNT",
        "options": {"project": "sim-project", "location": "europe-west1"},
    },
    **{
        name: {"base_url": ROOT + "/v1", "key": "env:LAB_KEY"}
        for name in ("mistral", "cohere", "ollama", "vllm", "llamacpp", "tgi", "lmstudio")
    },
}


def toml_of(*, port: int, account: Path) -> str:
    usual = {"network": "lab", "model": "m"}
    deployments = [{"id": name, "provider": name, **usual, **entry} for name, entry in PROVIDERS.items()]
    aliases = [{"id": name, "deployments": [name]} for name in PROVIDERS]
    text = array_of_tables("deployment", deployments) + array_of_tables("alias", aliases)
    text = text.replace("@PORT", str(port)).replace("@ACCOUNT", str(account))
    return f"{HOUSE}{text}"


@pytest.fixture(scope="module")
def cloud() -> Iterator[ThreadedSimulator]:
    with ThreadedSimulator(key=KEY, aws_key=AWS) as running:
        yield running


@pytest.fixture(scope="module")
def headgate(cloud: ThreadedSimulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHeadgate]:
    folder = tmp_path_factory.mktemp("providers")
    account = folder / "account.json"
    account.write_text(cloud.service_account())
    environment = {"LAB_KEY": KEY, "LAB_AWS_KEY": f"{AWS.id}:{AWS.secret}"}
    with running_headgate(folder / "data", "--no-model", environment=environment) as gate:
        gate.apply(toml_of(port=cloud.port, account=account))
        yield gate


@pytest.fixture(scope="module")
def key(headgate: RunningHeadgate) -> str:
    return headgate.new_key("the test's", principal="ann", use_case="support")


@pytest.mark.parametrize("name", PROVIDERS)
def test_both_sdks_are_answered_whole_and_streamed_with_a_tool_call(
    headgate: RunningHeadgate, cloud: ThreadedSimulator, key: str, name: str
) -> None:
    cloud.reset()
    one = openai.OpenAI(base_url=f"{headgate.base_url}/v1", api_key=key, max_retries=0, timeout=60)
    other = anthropic.Anthropic(base_url=headgate.base_url, api_key=key, max_retries=0, timeout=60)
    with one, other:
        answer = one.chat.completions.create(model=name, messages=HELLO)
        assert answer.choices[0].message.content == "Hello from the simulator."
        assert (answer.model, answer.usage and answer.usage.total_tokens) == (name, 19)
        chunks = list(one.chat.completions.create(model=name, messages=HELLO, stream=True))
        text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
        assert text == "Hello from the simulator."

        cloud.script(CALL, CALL)
        tool: Any = {"name": "weather", "parameters": PARAMETERS}
        called = one.chat.completions.create(model=name, messages=HELLO, tools=[{"type": "function", "function": tool}])
        call: Any = (called.choices[0].message.tool_calls or [])[0]
        assert (call.function.name, json.loads(call.function.arguments)) == ("weather", {"city": "Bonn"})

        tools: Any = [{"name": "weather", "input_schema": PARAMETERS}]
        with other.messages.stream(model=name, max_tokens=64, messages=HELLO, tools=tools) as stream:
            message = stream.get_final_message()
        used: Any = message.content[-1]
        assert (message.stop_reason, used.name, used.input) == ("tool_use", "weather", {"city": "Bonn"})

        written = other.messages.create(model=name, max_tokens=64, messages=HELLO)
        assert [block.text for block in written.content if block.type == "text"] == ["Hello from the simulator."]
        assert (written.usage.input_tokens, written.usage.output_tokens) == (12, 7)


@pytest.mark.parametrize("name", ["azure", "azure_classic", "mistral"])
def test_embeddings_come_from_the_providers_that_have_them(headgate: RunningHeadgate, key: str, name: str) -> None:
    toml = f'[[alias]]\nid = "embed-{name}"\noperation = "embed"\ndeployments = ["{name}"]\n'
    entry = tomllib.loads(toml)["alias"][0]
    headgate.api.call("PUT", f"/api/entries/alias/embed-{name}", {"entry": entry})
    with openai.OpenAI(base_url=f"{headgate.base_url}/v1", api_key=key, max_retries=0, timeout=60) as one:
        assert len(one.embeddings.create(model=f"embed-{name}", input="a", dimensions=8).data[0].embedding) == 8


def add(headgate: RunningHeadgate, *arguments: str, told: str = "", code: int = 0) -> str:
    """Run `headgate models add` with these words on its standard input."""
    command = [sys.executable, "-m", "headgate.cli.main", "--data", str(headgate.data), "models", "add", *arguments]
    port = str(httpx2.URL(headgate.base_url).port)
    environment = {**os.environ, "HEADGATE_PORT": port}
    done = subprocess.run(command, env=environment, input=told, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_models_add_asks_for_what_is_missing_and_writes_a_file(
    headgate: RunningHeadgate, cloud: ThreadedSimulator, tmp_path: Path
) -> None:
    cloud.reset()
    file = tmp_path / "headgate.toml"
    file.write_text("# ours\n")
    url = f"http://127.0.0.1:{cloud.port}/v1"
    given = ["--base-url", url, "--network", "lab", "--price", "0.25,2", "--file", str(file)]
    told = add(headgate, *given, told="openai\nenv:LAB_KEY\n3\n\nsmart\n")
    assert "3  gpt-sim" in told
    assert "gpt-sim answers after" in told
    document = tomllib.loads(file.read_text())
    assert file.read_text().startswith("# ours\n")
    assert document["deployment"] == [
        {
            "id": "gpt-sim",
            "provider": "openai",
            "model": "gpt-sim",
            "base_url": url,
            "key": "env:LAB_KEY",
            "network": "lab",
            "clearance": {"level": "internal"},
            "price": {"currency": "USD", "input": 0.25, "output": 2},
        }
    ]
    assert document["alias"] == [{"id": "smart", "deployments": ["gpt-sim"]}]
    again = add(headgate, *given, told="openai\nenv:LAB_KEY\ngpt-sim\n\nother\n", code=5)
    assert "has the deployment gpt-sim already" in again


def test_models_add_checks_a_providers_options(headgate: RunningHeadgate, cloud: ThreadedSimulator) -> None:
    place = ["--base-url", f"http://127.0.0.1:{cloud.port}", "--network", "lab", "--key", "env:LAB_AWS_KEY"]
    given = ["claude-eu", "--provider", "bedrock", "--model", CLAUDE, *place]
    assert "bedrock needs the option region" in add(headgate, *given, code=5)
    assert "did you mean 'region'" in add(headgate, *given, "--option", "regoin=eu-central-1", code=5)
    assert "write NAME=VALUE" in add(headgate, *given, "--option", "region", code=5)
    assert "added the deployment claude-eu" in add(headgate, *given, "--option", "region=eu-central-1")
    stored = headgate.api.call("GET", "/api/entries/deployment/claude-eu")["entry"]
    assert stored["options"] == {"region": "eu-central-1"}
