"""A LiteLLM proxy moves in: its models, fallbacks, teams and keys, and its clients keep their keys."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import openai
import psycopg
import pytest

from headgate.testing.postgres import TemporaryDatabase, fresh_database, postgres
from headgate.testing.running import running_headgate
from headgate.testing.simulator import Failure, Script
from headgate.testing.threaded import ThreadedSimulator

__all__ = ["fresh_database", "postgres"]

pytestmark = pytest.mark.e2e

OLD_KEY = "sk-old-1234567890"
CONFIG = """
model_list:
  - model_name: chat
    litellm_params:
      model: openai/first
      api_base: http://127.0.0.1:{first}/v1
      api_key: os.environ/FIRST_API_KEY
      input_cost_per_token: 0.00000025
      output_cost_per_token: 2e-06
      rpm: 60
    model_info: {{ max_input_tokens: 128000, supports_vision: false }}
  - model_name: backup
    litellm_params:
      model: openai/second
      api_base: http://127.0.0.1:{second}/v1
      api_key: sk-in-the-file
      input_cost_per_token: 1e-06
      output_cost_per_token: 2e-06
  - model_name: shared
    litellm_params: {{ model: openai/second, api_base: "http://127.0.0.1:{second}/v1", weight: 3 }}
  - model_name: shared
    litellm_params: {{ model: openai/first, api_base: "http://127.0.0.1:{first}/v1", weight: 1 }}
  - model_name: picture
    litellm_params: {{ model: openai/image, output_cost_per_image: 0.04 }}
    model_info: {{ mode: image_generation }}
  - model_name: live
    litellm_params: {{ model: openai/live }}
    model_info: {{ mode: realtime }}
  - model_name: nowhere
    litellm_params: {{ model: unheard_of/model }}
litellm_settings:
  fallbacks: [{{ chat: [backup] }}]
  drop_params: true
router_settings:
  model_group_alias: {{ gpt-4: chat }}
general_settings:
  master_key: sk-master
"""
TABLES = """
CREATE TABLE "LiteLLM_VerificationToken" (token text PRIMARY KEY, key_name text, key_alias text, expires timestamp,
    models text[], user_id text, team_id text, max_budget float, budget_duration text, rpm_limit bigint,
    tpm_limit bigint, blocked boolean);
CREATE TABLE "LiteLLM_TeamTable" (team_id text PRIMARY KEY, team_alias text, admins text[], members text[],
    max_budget float, budget_duration text, tpm_limit bigint, rpm_limit bigint, blocked boolean);
CREATE TABLE "LiteLLM_UserTable" (user_id text PRIMARY KEY, user_email text, user_alias text, user_role text,
    max_budget float);
"""
ROWS = """
WITH a AS (INSERT INTO "LiteLLM_UserTable" VALUES ('u1', 'eva@example.com', 'Eva', 'internal_user', NULL)),
b AS (INSERT INTO "LiteLLM_TeamTable"
    VALUES ('t1', 'Customer Care', '{}', '{u1}', 100, '30d', NULL, NULL, false))
INSERT INTO "LiteLLM_VerificationToken" VALUES
    (%(digest)s, 'sk-...7890', 'care bot', NULL, '{chat,gone-model}', 'u1', 't1', 5, '1d', 30, 100000, NULL),
    (%(gone)s, 'sk-...0000', 'old', '2020-01-01', '{}', 'u1', NULL, NULL, NULL, NULL, NULL, NULL)
"""


def _import(*arguments: str, database: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "headgate.cli.main", "import", "litellm", *arguments]
    environment = {"LITELLM_DATABASE_URL": database, "PATH": ""} if database else {"PATH": ""}
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment)


def test_a_litellm_proxy_moves_in_and_its_clients_keep_their_keys(
    tmp_path: Path, fresh_database: TemporaryDatabase
) -> None:
    config, target = tmp_path / "config.yaml", tmp_path / "headgate.toml"
    digest, gone = hashlib.sha256(OLD_KEY.encode()).hexdigest(), hashlib.sha256(b"gone").hexdigest()
    with psycopg.connect(fresh_database.owner.conninfo) as connection:
        connection.execute(TABLES)
        connection.execute(ROWS, {"digest": digest, "gone": gone})
    with ThreadedSimulator(key="first-key") as first, ThreadedSimulator() as second:
        config.write_text(CONFIG.format(first=first.port, second=second.port))
        done = _import(str(config), "--to", str(target), database=fresh_database.owner.conninfo)
        assert done.returncode == 0, done.stderr
        told = done.stdout
        assert "Entries: 5 × deployment, 5 × alias" in told
        for line in (
            "model_list[5] live: not moved: the mode 'realtime' has no equal.",
            "model_list[6] nowhere: not moved: no provider for 'unheard_of/model' is installed.",
            "model_list[1] backup: its key stands in the configuration itself: set it as BACKUP_API_KEY",
            "model_list[0] chat: rpm has no equal and is left out.",
            "general_settings.master_key: not moved",
            "key old: not moved: it has expired.",
            "write that of shared, shared-2.",
            "key care bot: may not call gone-model",
            "team Customer Care: its month follows the calendar in UTC from now on.",
        ):
            assert line in told, told
        text = target.read_text()
        assert 'operations = ["image"]' in text and "image = 0.04" in text and 'operation = "image"' in text
        assert "sk-" not in text.replace('"sk-"', ""), "no secret is written"
        assert _import(str(config), "--to", str(target)).returncode != 0, "an existing file is not replaced"

        environment = {"FIRST_API_KEY": "first-key", "BACKUP_API_KEY": "any", "OPENAI_API_KEY": "first-key"}
        with running_headgate(tmp_path / "data", "--no-model", environment=environment) as gate:
            gate.apply(text)
            budgets = gate.api.call("GET", "/api/budgets")["budgets"]
            assert sorted((one["level"], one["unit"], one["period"], one["limit"]) for one in budgets) == [
                ("key", "money", "day", 5_000_000),
                ("key", "requests", "minute", 30),
                ("key", "tokens", "minute", 100_000),
                ("use_case", "money", "month", 100_000_000),
            ]
            with openai.OpenAI(base_url=f"{gate.base_url}/v1", api_key=OLD_KEY, max_retries=0) as client:
                asked = {"messages": [{"role": "user", "content": "Hello"}]}
                answer = client.chat.completions.create(model="chat", **asked)  # pyright: ignore[reportArgumentType, reportCallIssue, reportUnknownVariableType] - a plain message
                assert answer.choices[0].message.content == "Hello from the simulator."  # pyright: ignore[reportUnknownMemberType] - as above
                first.script(Script(failure=Failure(500)))
                client.chat.completions.create(model="chat", **asked)  # pyright: ignore[reportArgumentType, reportCallIssue] - as above
                assert len(second.requests) == 1, "the fallback moved too"
                with pytest.raises(openai.OpenAIError):
                    client.chat.completions.create(model="shared", **asked)  # pyright: ignore[reportArgumentType, reportCallIssue] - as above


def test_no_secret_of_an_address_is_written(tmp_path: Path) -> None:
    config, target = tmp_path / "config.yaml", tmp_path / "headgate.toml"
    params = {"model": "openai/m", "api_base": "https://me:hush@llm.test:8443/v1/?key=hush#hush"}
    config.write_text(json.dumps({"model_list": [{"model_name": "m", "litellm_params": params}]}))
    done = _import(str(config), "--to", str(target))
    assert 'base_url = "https://llm.test:8443/v1"' in target.read_text()
    assert "hush" not in target.read_text() + done.stderr
    assert "is left out" in done.stdout and "hush" not in done.stdout


def test_a_password_in_the_arguments_and_a_file_that_is_no_configuration_are_refused(tmp_path: Path) -> None:
    config, target = tmp_path / "config.yaml", tmp_path / "headgate.toml"
    config.write_text("model_list: [")
    broken = _import(str(config), "--to", str(target))
    assert "is not valid YAML in line 1" in broken.stderr
    for text, why in (
        ("- " * 5000, "nested too deeply"),
        ("model_list: 2026-99-99", "is not valid YAML"),
        ("a0: &a0 [1]\n" + "".join(f"a{n + 1}: &a{n + 1} [{f'*a{n}, ' * 10}]\n" for n in range(9)), "by aliases"),
        ("model_list: &a [*a]", "by aliases"),
    ):
        config.write_text(text)
        assert why in _import(str(config), "--to", str(target)).stderr, text[:40]
    config.write_text("model_list: []")
    shown = _import(str(config), "--to", str(target), "--database", "postgresql://me:secret@127.0.0.1:1/x")
    assert "LITELLM_DATABASE_URL" in shown.stderr
    assert "secret" not in shown.stderr
    away = _import(str(config), "--to", str(target), "--database", "postgresql://me@127.0.0.1:1/x")
    assert "cannot be read" in away.stderr
    assert not target.exists()
