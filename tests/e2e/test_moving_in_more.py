"""Configurations of Portkey and lists for OpenRouter move in, with a report of what has no equal."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import openai
import pytest

from headgate.gateway.specs import AliasSpec, DeploymentSpec
from headgate.kernel.errors import Invalid, NotFound
from headgate.kernel.extensions import load
from headgate.moving_in.move import Move
from headgate.moving_in.openrouter import read_list
from headgate.moving_in.portkey import read_config
from headgate.substrate.declarative import decode_table
from headgate.testing.running import running_headgate
from headgate.testing.simulator import Failure, Script
from headgate.testing.threaded import ThreadedSimulator

pytestmark = pytest.mark.e2e

PROVIDERS = load("providers")
PORTKEY: dict[str, Any] = {
    "strategy": {"mode": "fallback", "onStatusCodes": [429, 503]},
    "cache": {"mode": "simple", "max_age": 3600},
    "retry": {"attempts": 3},
    "request_timeout": 20_000,
    "targets": [
        {
            "strategy": {"mode": "loadbalance"},
            "targets": [
                {"virtual_key": "openai-main-258f4d", "weight": 0.75,
                 "override_params": {"model": "gpt-4o", "top_p": 1}},
                {"provider": "azure-openai", "api_key": "in-the-file", "resource_name": "contoso", "weight": 0.25,
                 "deployment_id": "gpt4o-eu", "api_version": "2024-10-21"},
            ],
        },
        {"provider": "@claude-team", "override_params": {"model": "@claude-team/claude-sonnet-4-5"},
         "cache": {"mode": "semantic"}},
        {"virtual_key": "mystery", "override_params": {"model": "llama-4"}},
        {"provider": "stability-ai", "api_key": "x", "before_request_hooks": [{"id": "g"}]},
    ],
}  # fmt: skip


def portkey(config: dict[str, Any], **more: Any) -> Move:
    move = Move()
    read_config(config, move, alias="house", providers=PROVIDERS, **more)
    return checked(move)


def router(found: Any) -> Move:
    move = Move()
    read_list(found, move, providers=PROVIDERS)
    return checked(move)


def checked(move: Move) -> Move:
    """Check that the catalogue takes the entries."""
    decode_table(move.tables.get("deployment", []), DeploymentSpec, section="deployment")
    decode_table(move.tables.get("alias", []), AliasSpec, section="alias")
    return move


def deployments(move: Move) -> dict[str, tuple[str, str]]:
    return {one["id"]: (one["provider"], one["model"]) for one in move.tables["deployment"]}


def told(move: Move) -> str:
    return "\n".join(move.report())


def test_a_tree_of_portkey_becomes_one_alias_with_its_shares_and_fallbacks() -> None:
    move = portkey(PORTKEY, said={"mystery": "groq"})
    assert deployments(move) == {
        "gpt-4o": ("openai", "gpt-4o"),
        "gpt4o-eu": ("azure", "gpt4o-eu"),
        "claude-sonnet-4-5": ("anthropic", "claude-sonnet-4-5"),
        "llama-4": ("openai", "llama-4"),
    }
    assert move.tables["alias"] == [
        {
            "id": "house",
            "deployments": ["gpt-4o", "gpt4o-eu", "claude-sonnet-4-5", "llama-4"],
            "prefer": "weighted",
            "weights": {"gpt-4o": 100, "gpt4o-eu": 33, "claude-sonnet-4-5": 0, "llama-4": 0},
            "cache": {"ttl": "3600s"},
        }
    ]
    first, azure, _, groq = move.tables["deployment"]
    assert (first["key"], first["timeout_s"]) == ("env:OPENAI_MAIN_258F4D_API_KEY", 20.0)
    assert azure["options"] == {"resource": "contoso", "api_version": "2024-10-21"}
    assert groq["base_url"] == "https://api.groq.com/openai/v1"
    for line in (
        "Portkey keeps the credential of 'openai-main-258f4d': set it as OPENAI_MAIN_258F4D_API_KEY",
        "its key stands in the configuration itself: set it as GPT4O_EU_API_KEY",
        "override_params.top_p has no equal",
        "config.strategy: failures, limits and timeouts go on to the next deployment",
        "config.retry: Headgate asks the next deployment",
        "targets[1].cache: is left out",
        "targets[3]: not moved: no installed provider is known for 'stability-ai'.",
    ):
        assert line in told(move), told(move)
    assert "in-the-file" not in move.toml(source="x") + told(move)
    assert "no installed provider is known for 'mystery'; say it with --provider" in told(portkey(PORTKEY))


def test_conditions_on_the_model_become_aliases_and_others_become_aliases_to_choose() -> None:
    move = portkey(
        {
            "strategy": {
                "mode": "conditional",
                "default": "cheap",
                "conditions": [
                    {"query": {"params.model": {"$eq": "smartest"}}, "then": "smart"},
                    {"query": {"metadata.plan": {"$eq": "paid"}}, "then": "smart"},
                    {"query": {"metadata.plan": "free"}, "then": "gone"},
                ],
            },
            "targets": [
                {"name": "smart", "provider": "anthropic", "override_params": {"model": "claude-opus-4-5"}},
                {"name": "cheap", "provider": "openai", "override_params": {"model": "gpt-4o-mini"}},
            ],
        }
    )
    aliases = {one["id"]: one["deployments"] for one in move.tables["alias"]}
    assert aliases == {"smartest": ["smart"], "house-smart": ["smart"], "house": ["cheap"]}
    assert "conditions[1]: has no equal: clients ask for the alias house-smart instead." in told(move)
    assert "conditions[2]: names the target 'gone', which is not there." in told(move)


def test_targets_without_a_model_pass_on_the_name_of_the_client() -> None:
    move = portkey({"strategy": {"mode": "single"}, "targets": [{"provider": "openai"}, {"provider": "anthropic"}]})
    assert deployments(move) == {"openai": ("openai", "*")}
    assert [one["id"] for one in move.tables["alias"]] == ["*"]


def test_what_is_no_configuration_is_refused() -> None:
    with pytest.raises(NotFound):
        portkey({"cache": {"mode": "simple"}})
    deep: dict[str, Any] = {"provider": "openai"}
    for _ in range(12):
        deep = {"strategy": {"mode": "fallback"}, "targets": [deep]}
    with pytest.raises(Invalid, match="nested"):
        portkey(deep)
    with pytest.raises(NotFound):
        router({"models": []})


def test_a_list_for_openrouter_becomes_aliases_at_the_vendors_and_at_openrouter() -> None:
    move = router(
        [
            "mistralai/mistral-large:floor",
            {
                "name": "writer",
                "model": "anthropic/claude-sonnet-4.5",
                "models": ["openai/gpt-4o"],
                "provider": {"order": ["Anthropic", "amazon-bedrock", "openai"], "max_price": {"prompt": 1}},
            },
            {"model": "openai/gpt-4o", "provider": {"only": ["openai"], "sort": "latency"}, "temperature": 0},
            {"model": "meta-llama/llama-4", "provider": {"order": ["groq"], "allow_fallbacks": False}},
            {"model": "openai/o3", "provider": {"ignore": ["azure"], "sort": {"by": "price"}}},
            {"slug": "house preset", "config": {"models": ["x-ai/grok-4"]}},
        ]
    )
    aliases = {one["id"]: one["deployments"] for one in move.tables["alias"]}
    assert aliases == {
        "mistralai/mistral-large:floor": ["openrouter-mistralai-mistral-large-floor"],
        "writer": [
            *("claude-sonnet-4-5", "openrouter-anthropic-claude-sonnet-4.5"),
            *("gpt-4o", "openrouter-openai-gpt-4o"),
        ],
        "openai/gpt-4o": ["gpt-4o"],
        "meta-llama/llama-4": ["openrouter-meta-llama-llama-4"],
        "openai/o3": ["openrouter-openai-o3"],
        "house-preset": ["openrouter-x-ai-grok-4"],
    }
    assert deployments(move)["claude-sonnet-4-5"] == ("anthropic", "claude-sonnet-4-5")
    assert deployments(move)["openrouter-openai-gpt-4o"] == ("openai", "openai/gpt-4o")
    assert {one["base_url"] for one in move.tables["deployment"] if one["id"].startswith("openrouter")} == {
        "https://openrouter.ai/api/v1"
    }
    for line in (
        "[1] writer: amazon-bedrock serves anthropic/claude-sonnet-4.5 under a name of its own",
        "[1] writer: provider.max_price: no call is refused by the price",
        "[2]: temperature has no equal",
        "[3]: OpenRouter itself chooses the provider of meta-llama/llama-4",
        "[4]: OpenRouter is asked without the list of ignored providers: azure.",
    ):
        assert line in told(move), told(move)


def test_an_imported_configuration_is_applied_and_its_fallback_works(tmp_path: Path) -> None:
    config, target = tmp_path / "house.json", tmp_path / "headgate.toml"
    with ThreadedSimulator(key="first-key") as first, ThreadedSimulator(key="second-key") as second:
        targets = [
            {
                "virtual_key": f"openai-{name}",
                "custom_host": f"http://127.0.0.1:{one.port}/v1",
                "override_params": {"model": f"gpt-{name}"},
            }
            for name, one in (("first", first), ("second", second))
        ]
        answer = {
            "success": True,
            "data": {"config": json.dumps({"strategy": {"mode": "fallback"}, "targets": targets})},
        }
        config.write_text(json.dumps(answer, indent="\t"))
        command = [sys.executable, "-m", "headgate.cli.main", "import", "portkey", str(config), "--to", str(target)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        assert "Entries: 2 × deployment, 1 × alias" in done.stdout
        assert "looks like your own machine" in done.stdout
        again = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert again.returncode != 0 and "--force" in again.stderr

        keys = {"OPENAI_FIRST_API_KEY": "first-key", "OPENAI_SECOND_API_KEY": "second-key"}
        with running_headgate(tmp_path / "data", "--no-model", environment=keys) as gate:
            gate.apply(target.read_text())
            first.script(Script(failure=Failure(500)))
            with openai.OpenAI(base_url=f"{gate.base_url}/v1", api_key=gate.admin_key, max_retries=0) as client:
                asked = client.chat.completions.create(model="house", messages=[{"role": "user", "content": "Hello"}])
            assert asked.choices[0].message.content == "Hello from the simulator."
            assert (len(first.requests), len(second.requests)) == (1, 1)
