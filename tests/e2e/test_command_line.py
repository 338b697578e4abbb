"""The command line of a platform engineer, against a running Headgate."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from headgate.testing.command import Ended, run_command
from headgate.testing.lab import Lab
from headgate.testing.running import free_port, running_headgate

pytestmark = pytest.mark.e2e

CHAT = {"model": "onprem", "messages": [{"role": "user", "content": "Hello"}]}
BAD = """
[[deployment]]
id = "gpt"
provider = "openai"
modle = "gpt-5-mini"
model = "gpt-5-mini"
[deployment.clearance]
level = "confidental"

[[alias]]
id = "smart"
deployments = ["gpt", "local-chatt"]

[[alias]]
id = "smart"
deployments = ["gpt"]

[[alais]]
id = "x"

[[use_case]]
id = "support"
owner = "eve"
risk = "hihg"

[[person]]
id = "eve"
roles = ["adminn"]

[[notification]]
id = "hook"
channel = "webhook"
url = "https://hooks.example/headgate"
"""

MISTAKES = [
    "18: alais: unknown section; did you mean 'alias'?",
    "24: use_case[0].risk: invalid enum value 'hihg'; did you mean 'high'?",
    "21: use_case[0].purpose: [[use_case]] needs purpose",
    "5: deployment[0].modle: unknown key; did you mean 'model'?",
    "8: deployment[0].clearance.level: invalid enum value 'confidental'; did you mean 'confidential'?",
    "12: alias[0].deployments: there is no deployment 'local-chatt'; did you mean 'local-chat'?",
    "26: person[0]: eve: there is no role 'adminn'; did you mean 'admin'?",
]


def at(lab: Lab, *words: str, **environment: str) -> Ended:
    port = lab.gate.base_url.rpartition(":")[2]
    return run_command(*words, HEADGATE_DATA=str(lab.gate.data), HEADGATE_PORT=port, **environment)


def call(lab: Lab, count: int = 1) -> list[str]:
    """Call a model; return the ids of the records once they are in the log."""
    with lab.http() as client:
        found = [client.post("/v1/chat/completions", json=CHAT).headers["x-headgate-record"] for _ in range(count)]
    for record in found:
        lab.record(record, logged=True)
    return found


def test_the_status_is_one_screen_and_an_exit_code(lab: Lab, tmp_path: Path) -> None:
    call(lab)
    shown = at(lab, "status")
    assert shown.exit_code == 0, shown.output
    for text in (
        "Ready           yes",
        "Database        answers",
        "last checkpoint",
        "requests waiting",
        "onprem",
        "ok",
    ):
        assert text in shown.stdout, shown.stdout
    found = json.loads(at(lab, "status", "--json").stdout)
    assert found["log"]["size"] > 0
    assert found["recent"]["calls"] >= 1
    assert {one["id"] for one in found["deployments"]} >= {"onprem", "local-chat"}
    away = run_command("status", HEADGATE_DATA=str(tmp_path), HEADGATE_PORT=str(free_port()))
    assert (away.exit_code, away.stdout) == (7, "")
    assert "headgate up" in away.stderr


@pytest.mark.parametrize("offline", [True, False])
def test_all_mistakes_of_a_file_are_told_at_once(lab: Lab, tmp_path: Path, offline: bool) -> None:
    file = tmp_path / "headgate.toml"
    file.write_text(BAD)
    words = ("check", str(file), *(["--offline"] if offline else []))
    found = at(lab, *words)
    assert found.exit_code == 1
    assert found.stdout.replace(f"{file}:", "").splitlines() == MISTAKES
    assert f"{len(MISTAKES)} mistakes" in found.stderr
    file.write_text(lab.toml)
    assert at(lab, *words).exit_code == 0


def test_an_export_can_be_applied_and_has_no_secret(lab: Lab, tmp_path: Path) -> None:
    exported = at(lab, "export")
    assert exported.stdout == at(lab, "export").stdout
    assert "[[deployment]]" in exported.stdout
    (tmp_path / "out.toml").write_text(exported.stdout)
    planned = at(lab, "apply", "--dry-run", str(tmp_path / "out.toml"))
    assert planned.exit_code == 0, planned.output
    only = at(lab, "export", "--section", "alias").stdout
    assert "[[alias]]" in only
    assert "[[deployment]]" not in only
    missing = at(lab, "export", "--section", "aliass")
    assert (missing.exit_code, "did you mean 'alias'" in missing.stderr) == (5, True)


def test_records_are_filtered_and_printed_for_people_and_programs(lab: Lab) -> None:
    record, _ = call(lab, 2)
    narrowed = ("records", "--since", "1h", "--model", "onprem", "--outcome", "done", "--limit", "1000")
    table = at(lab, *narrowed).stdout
    assert table.startswith("time ")
    assert record in table
    lines = at(lab, *narrowed, "--json").stdout.splitlines()
    assert {json.loads(line)["resource"] for line in lines} == {"alias:onprem"}
    rows = list(csv.DictReader(io.StringIO(at(lab, *narrowed, "--csv").stdout)))
    assert [row["id"] for row in rows] == [json.loads(line)["id"] for line in lines]
    assert at(lab, "records", "--until", "2020-01-01", "--json").stdout == ""
    assert at(lab, "records", "--since", "yesterday").exit_code == 2
    assert at(lab, "records", "--follow", "--until", "1h").exit_code == 2
    assert at(lab, "records", "show", "01ARZ3NDEKTSV4RRFFQ69G5FAV").exit_code == 4


def test_tables_name_people_and_keys_to_who_may_know_them(lab: Lab) -> None:
    call(lab)
    name = "A clerk who may see everything"
    listed = at(lab, "records", "--limit", "1", "--verb", "model.invoke").stdout
    assert f" {name}  " in listed
    (row,) = csv.DictReader(io.StringIO(at(lab, "records", "--limit", "1", "--verb", "model.invoke", "--csv").stdout))
    assert (row["who"], row["principal"][:2]) == (name, "p_")
    key = lab.gate.new_key("nightly report", use_case="support").split("_")[1]
    assert at(lab, "keys", "limits", key, "--cost-per-day", "5").stdout == f"{key}: $5.00 a day\n"
    (shown,) = [line for line in at(lab, "keys", "list").stdout.splitlines() if line.startswith(key)]
    assert "nightly report" in shown
    assert "$5.00 a day" in shown


def test_a_closed_pipe_is_quiet(lab: Lab) -> None:
    call(lab)
    command = [sys.executable, "-m", "headgate.cli.main", "--data", str(lab.gate.data)]
    command += ["records", "--json", "--url", lab.gate.base_url]
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, timeout=60)
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, b"")


def test_the_shell_completes_commands_and_names_and_never_waits_for_a_server(lab: Lab, tmp_path: Path) -> None:
    asked = {"_HEADGATE_COMPLETE": "bash_complete", "COMP_CWORD": "3"}
    words = "headgate records --model onp"
    assert "onprem" in at(lab, COMP_WORDS=words, **asked).stdout
    away = {"HEADGATE_DATA": str(tmp_path), "HEADGATE_PORT": str(free_port())}
    quiet = run_command(COMP_WORDS=words, **away, **asked)
    assert (quiet.exit_code, quiet.output.strip()) == (0, "")
    for shell in ("bash", "zsh", "fish"):
        assert "_HEADGATE_COMPLETE" in run_command("completion", shell).stdout


def test_following_records_goes_on_after_a_restart_without_a_gap(tmp_path: Path) -> None:
    port, data = free_port(), tmp_path / "data"
    with running_headgate(data, "--no-model", port=port) as gate:
        command = [sys.executable, "-m", "headgate.cli.main", "--data", str(data)]
        command += ["records", "--follow", "--json", "--verb", "key.create", "--url", gate.base_url]
        follower = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert follower.stdout is not None and follower.stderr is not None
        first = json.loads(follower.stdout.readline())
        assert first["verb"] == "key.create"
        gate.new_key("before")
        second = json.loads(follower.stdout.readline())
        assert second["leaf_index"] > first["leaf_index"]
    assert "waiting for it" in follower.stderr.readline()
    with running_headgate(data, "--no-model", port=port) as gate:
        gate.new_key("after")
        last = json.loads(follower.stdout.readline())
        follower.send_signal(signal.SIGINT)
        rest, told = follower.communicate(timeout=30)
    assert (last["verb"], rest) == ("key.create", "")
    assert last["leaf_index"] > second["leaf_index"]
    assert follower.returncode == 130
    assert "waiting for it" not in told, "it says so once"
