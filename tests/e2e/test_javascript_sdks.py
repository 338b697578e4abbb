"""Unmodified SDKs of OpenAI, Anthropic and Vercel for JavaScript, in Node.js, against a whole Headgate."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from headgate.testing.lab import Lab
from headgate.testing.simulator import Failure, Script, ToolCall

pytestmark = pytest.mark.e2e

HERE = Path(__file__).parent / "js"
CALLS = (ToolCall("weather", '{"city":"Bonn"}', "call_1"), ToolCall("weather", '{"city":"Köln"}', "call_2"))
CITIES = [["call_1", "weather", {"city": "Bonn"}], ["call_2", "weather", {"city": "Köln"}]]

Run = Callable[..., Any]


@pytest.fixture(scope="session")
def path() -> str:
    """Where Node.js is: the machine's own, or the one in the environment; the SDKs are installed once."""
    places = os.pathsep.join([os.environ.get("PATH", ""), str(Path(sys.executable).parent)])
    assert shutil.which("node", path=places), "Node.js is missing: scripts/console.sh puts it into the environment"
    installed = HERE / "node_modules" / ".package-lock.json"
    if not installed.exists() or installed.stat().st_mtime < (HERE / "package-lock.json").stat().st_mtime:
        done = subprocess.run(
            [shutil.which("npm", path=places) or "npm", "ci", "--ignore-scripts", "--loglevel=error"],
            cwd=HERE,
            env={**os.environ, "PATH": places},
            capture_output=True,
            text=True,
            timeout=240,
        )
        assert done.returncode == 0, done.stderr
    return places


@pytest.fixture
def run(lab: Lab, path: str) -> Run:
    """Runs a scenario of one SDK and gives what it saw."""

    def call(sdk: str, scenario: str, model: str = "", *, key: str | None = None, prompt: str = "Hello") -> Any:
        environment = {"PATH": path, "HEADGATE_URL": lab.gate.base_url, "HEADGATE_KEY": key or lab.clerk}
        done = subprocess.run(
            ["node", f"{sdk}.mjs", scenario],
            executable=shutil.which("node", path=path),
            cwd=HERE,
            env={**environment, "MODEL": model, "PROMPT": prompt},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return call


@pytest.mark.parametrize("model", ["cloud", "claude"])
def test_openai_for_javascript_chats(run: Run, lab: Lab, model: str) -> None:
    seen = run("openai", "chat", model)
    assert (seen["text"], seen["model"]) == ("Hello from the simulator.", model)
    assert (seen["usage"]["prompt_tokens"], seen["usage"]["completion_tokens"]) == (12, 7)
    assert lab.record(seen["record"])["record"]["outcome"] == "done"


@pytest.mark.parametrize("model", ["cloud", "claude"])
def test_openai_for_javascript_streams(run: Run, model: str) -> None:
    seen = run("openai", "stream", model)
    assert "".join(seen["pieces"]) == "Hello from the simulator."
    assert len(seen["pieces"]) > 1
    assert seen["usage"]["total_tokens"] == 19


@pytest.mark.parametrize("model", ["cloud", "claude"])
def test_openai_for_javascript_streams_parallel_tool_calls(run: Run, lab: Lab, model: str) -> None:
    lab.cloud.script(Script(text="", tool_calls=CALLS, chunk_chars=3))
    seen = run("openai", "tools", model)
    assert seen == {"finish": "tool_calls", "calls": CITIES}


def test_openai_for_javascript_embeds_and_lists(run: Run) -> None:
    assert run("openai", "embed", "local-embed")["sizes"] == [384, 384]
    assert {"cloud", "local-chat"} <= set(run("openai", "models")["names"])


def test_openai_for_javascript_raises_its_own_errors(run: Run, lab: Lab) -> None:
    unknown = run("openai", "error", "cloud", key="hg_wrong")
    assert (unknown["kind"], unknown["code"]) == ("AuthenticationError", "invalid_api_key")
    assert run("openai", "error", "cloud", key=lab.gate.admin_key)["kind"] == "BadRequestError"
    assert run("openai", "error", "nowhere")["kind"] == "NotFoundError"
    lab.cloud.script(Script(failure=Failure(429, retry_after_s=5)), Script(failure=Failure(500)))
    limited = run("openai", "error", "unreliable")
    assert (limited["kind"], limited["retryAfter"]) == ("RateLimitError", "5")
    assert run("openai", "error", "unreliable")["kind"] == "InternalServerError"


@pytest.mark.parametrize("model", ["claude", "cloud"])
def test_anthropic_for_javascript_chats(run: Run, lab: Lab, model: str) -> None:
    seen = run("anthropic", "chat", model)
    assert (seen["text"], seen["model"], seen["stop"]) == ("Hello from the simulator.", model, "end_turn")
    assert (seen["usage"]["input_tokens"], seen["usage"]["output_tokens"]) == (12, 7)
    assert lab.record(seen["record"])["record"]["outcome"] == "done"


@pytest.mark.parametrize("model", ["claude", "cloud"])
def test_anthropic_for_javascript_streams(run: Run, model: str) -> None:
    seen = run("anthropic", "stream", model)
    assert "".join(seen["pieces"]) == "Hello from the simulator."
    assert len(seen["pieces"]) > 1
    assert (seen["usage"]["output_tokens"], seen["stop"]) == (7, "end_turn")


@pytest.mark.parametrize("model", ["claude", "cloud"])
def test_anthropic_for_javascript_streams_parallel_tool_use(run: Run, lab: Lab, model: str) -> None:
    lab.cloud.script(Script(text="", tool_calls=CALLS, chunk_chars=3))
    seen = run("anthropic", "tools", model)
    assert seen["stop"] == "tool_use"
    assert [call[1:] for call in seen["calls"]] == [call[1:] for call in CITIES]


def test_anthropic_for_javascript_counts_and_lists(run: Run) -> None:
    assert run("anthropic", "count", "local-chat")["input_tokens"] > 0
    assert {"claude", "local-chat"} <= set(run("anthropic", "models")["names"])


def test_anthropic_for_javascript_raises_its_own_errors(run: Run, lab: Lab) -> None:
    unknown = run("anthropic", "error", "claude", key="hg_wrong")
    assert (unknown["kind"], unknown["type"]) == ("AuthenticationError", "authentication_error")
    assert run("anthropic", "error", "claude", key=lab.gate.admin_key)["kind"] == "BadRequestError"
    assert run("anthropic", "error", "nowhere")["kind"] == "NotFoundError"
    lab.cloud.script(Script(failure=Failure(429, retry_after_s=5)), Script(failure=Failure(500)))
    limited = run("anthropic", "error", "unreliable-claude")
    assert (limited["kind"], limited["retryAfter"]) == ("RateLimitError", "5")
    assert run("anthropic", "error", "unreliable-claude")["kind"] == "InternalServerError"


@pytest.mark.parametrize("model", ["cloud", "claude"])
def test_an_agent_of_vercels_sdk_calls_its_tool_and_names_items(run: Run, lab: Lab, model: str) -> None:
    lab.cloud.script(Script(text="", reasoning=("Hm.",), tool_calls=CALLS[:1]))
    lab.cloud.answer_always(Script(text=f"Rain, says {model}."))
    seen = run("vercel", "agent", model)
    assert seen == {"steps": 2, "texts": [f"Rain, says {model}."] * 2}
    last = lab.cloud.requests[-1].body.decode()
    assert last.index("rain in Bonn") < last.index(f"Rain, says {model}.") < last.index("And then?")


def test_an_agent_of_vercels_sdk_streams(run: Run, lab: Lab) -> None:
    lab.cloud.script(Script(text="", tool_calls=CALLS), Script(text="Rain, and more rain."))
    seen = run("vercel", "stream", "cloud")
    assert (seen["steps"], "".join(seen["pieces"])) == (2, "Rain, and more rain.")
