"""`headgate.toml` and the command line, run as people run them, against a running Headgate."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from headgate.testing.command import run_command
from headgate.testing.lab import Lab, open_lab

pytestmark = pytest.mark.e2e

CHAT = {"model": "onprem", "messages": [{"role": "user", "content": "Hello"}]}


class Shell:
    """Runs `headgate` in a folder of its own, in this process: starting Python anew takes longer than the command."""

    def __init__(self, lab: Lab, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.lab = lab
        self.folder = folder
        monkeypatch.chdir(folder)
        monkeypatch.setenv("HEADGATE_DATA", str(lab.gate.data))
        monkeypatch.setenv("HEADGATE_PORT", str(httpx2.URL(lab.gate.base_url).port))

    def run(self, *words: str, code: int = 0, **environment: str) -> str:
        """Return what the command printed; it has to end with that code."""
        ended = run_command(*words, **environment)
        assert ended.exit_code == code, (words, ended)
        return ended.stdout if code == 0 else ended.stderr

    def write(self, text: str, name: str = "headgate.toml") -> None:
        """Write a file into its folder."""
        (self.folder / name).write_text(text)


@pytest.fixture(scope="module")
def own_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """One whose configuration these tests may change."""
    with open_lab(tmp_path_factory.mktemp("declared") / "data", "--no-model") as lab:
        yield lab


@pytest.fixture
def shell(own_lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shell]:
    """In an empty folder, with the lab as it was configured at first."""
    own_lab.reset()
    shell = Shell(own_lab, tmp_path, monkeypatch)
    shell.write(own_lab.toml)
    yield shell
    own_lab.gate.apply(own_lab.toml)


def _state(lab: Lab) -> list[object]:
    return [lab.gate.api.call("GET", path) for path in ("/api/models", "/api/use-cases", "/api/rules", "/api/keys")]


# ---- headgate apply


def test_a_file_that_was_applied_changes_nothing_the_second_time(shell: Shell) -> None:
    before = _state(shell.lab)
    assert shell.run("apply", "--dry-run").startswith("nothing to change: ")
    assert shell.run("apply").startswith("0 changes applied; record ")
    assert _state(shell.lab) == before


def test_a_dry_run_prints_the_plan_and_changes_nothing(shell: Shell) -> None:
    before = _state(shell.lab)
    changed = shell.lab.toml.replace(
        'owner = "anna@lab.test"\npurpose = "Handle claims"', 'owner = "ben@lab.test"\npurpose = "Handle claims"'
    )
    changed = changed.replace('[[alias]]\nid = "cloud-embed"', '[[alias]]\nid = "embed-in-the-cloud"')
    shell.write(changed, "other.toml")
    plan = shell.run("apply", "other.toml", "--dry-run").splitlines()
    assert plan[-1] == "3 changes planned; nothing was changed"
    assert sorted(line[0] for line in plan[:-1]) == ["+", "-", "~"]
    assert "+ alias embed-in-the-cloud" in plan
    assert "- alias cloud-embed" in plan
    assert any(line.startswith("~ use_case claims") and "owner" in line for line in plan)
    assert _state(shell.lab) == before


def test_a_file_is_applied_in_one_go_and_works_at_once(shell: Shell) -> None:
    more = '\n[[alias]]\nid = "brand-new"\ndeployments = ["onprem"]\ndescription = "New"\n'
    shell.write(shell.lab.toml + more)
    assert "+ alias brand-new" in shell.run("apply")
    with shell.lab.http() as client:
        assert client.post("/v1/chat/completions", json={**CHAT, "model": "brand-new"}).status_code == 200
    shell.write(shell.lab.toml)
    assert "- alias brand-new" in shell.run("apply")
    with shell.lab.http() as client:
        assert client.post("/v1/chat/completions", json={**CHAT, "model": "brand-new"}).status_code == 404


def test_what_was_applied_is_recorded_with_the_kinds_of_changes(shell: Shell) -> None:
    record = shell.run("apply").split()[-1]
    found = shell.lab.record(record)["record"]
    assert (found["verb"], found["outcome"]) == ("config.apply", "done")


USE_CASE = "[[use_case]]\nid = 'x'\nowner = 'a'\npurpose = 'b'\n"
MODEL = "[[deployment]]\nid = 'one'\nprovider = 'openai'\nmodel = 'm'\n"
ALIAS = "[[alias]]\nid = 'a'\ndeployments = ['local-chat']\n"
MISTAKES = {
    "an unknown section": ("[[deploiment]]\nid = 'x'\n", 1, "deploiment", "deployment"),
    "an unknown field": (USE_CASE + "riks = 'high'\n", 5, "riks", "risk"),
    "an unknown choice": (USE_CASE + "risk = 'hihg'\n", 5, "risk", "high"),
    "an unknown choice of the gateway": (MODEL + "clearance = { level = 'scret' }\n", 5, "level", "restricted"),
    "a deployment that is not there": (MODEL + ALIAS.replace("local-chat", "onne"), 7, "deployments", "one"),
    "a provider that is not there": (MODEL.replace("openai", "opnai"), 3, "provider", "openai"),
    "a network that is not there": ("[[network]]\nid = 'lab'\n" + MODEL + "network = 'lba'\n", 7, "network", "lab"),
    "a rule that is not there": (USE_CASE + "observe = ['mask-secrts']\n", 5, "observe", "mask-secrets"),
    "a rule that cannot observe": (USE_CASE + "observe = ['use-case-expired']\n", 5, "observe", "use-case-expired"),
    "a wrong type": (USE_CASE.replace("'x'", "7"), 2, "id", "a text"),
    "a secret in place of a reference": (MODEL + "key = 'sk-live-abc'\n", 5, "key", "env:"),
    "no TOML": ("[[use_case]\nid = 'x'\n", 1, "", ""),
    "a key twice": ("[[use_case]]\nid = 'x'\nid = 'y'\n", 3, "", ""),
    "a policy that is no Cedar": ("[[policy]]\nid = 'p'\ntext = 'permit (everything);'\n", 3, "text", ""),
    "the same id twice": (ALIAS + ALIAS, 5, "alias", ""),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_bad_file_is_refused_whole_with_line_key_and_nearest_name(shell: Shell, name: str) -> None:
    text, line, key, near = MISTAKES[name]
    before = _state(shell.lab)
    # A good change stands before the mistake: it must not be made either.
    good = "[[person]]\nid = 'somebody-new'\n"
    shell.write(good + text)
    for words in (("apply",), ("apply", "--dry-run")):
        said = shell.run(*words, code=5)
        assert re.search(rf"\b(line )?{line + 2}\b", said), said
        assert key in said
        assert near in said
        assert "sk-live-abc" not in said
        assert len(said.strip().splitlines()) <= 3
    assert _state(shell.lab) == before


@pytest.mark.parametrize(
    "text", ["x" * 10, "[" * 20_000, 'a = "' + "x" * 100, "a = " + "9" * 100_000, "\0", "a = [" + "[" * 5000]
)
def test_a_file_that_is_no_configuration_is_refused_in_a_line(shell: Shell, text: str) -> None:
    shell.write(text)
    assert shell.run("apply", code=5).startswith("headgate: ")


def test_a_file_that_is_not_there_is_said_so(shell: Shell) -> None:
    assert "nowhere.toml" in shell.run("apply", "nowhere.toml", code=2)


# ---- the other commands


def test_keys_are_made_listed_and_revoked(shell: Shell) -> None:
    secret = shell.run("keys", "create", "from the shell", "--use-case", "support", "--alias", "onprem").strip()
    with shell.lab.http(secret) as client:
        assert client.post("/v1/chat/completions", json=CHAT).status_code == 200
        assert client.post("/v1/chat/completions", json={**CHAT, "model": "cloud"}).status_code == 400
        assert [model["id"] for model in client.get("/v1/models").json()["data"]] == ["onprem"]
    listed = shell.run("keys", "list")
    assert "from the shell" in listed
    assert secret not in listed
    (found,) = [key for key in json.loads(shell.run("keys", "list", "--json")) if key["name"] == "from the shell"]
    assert "is revoked" in shell.run("keys", "revoke", found["id"])
    with shell.lab.http(secret) as client:
        assert client.post("/v1/chat/completions", json=CHAT).status_code == 401
    shell.run("keys", "revoke", "nosuchkey", code=4)
    own = shell.lab.gate.admin_key.split("_")[1]
    assert "the key that this command itself uses" in shell.run("keys", "revoke", own, code=5)
    shell.run("keys", "list")
    shell.run("keys", "create", "x", "--use-case", "nowhere", code=4)
    assert "there is no person 'nobody'" in shell.run("keys", "create", "x", "--for", "nobody", code=4)


def test_use_cases_and_rules_are_set_from_the_shell(shell: Shell) -> None:
    shell.run(
        "use-cases",
        "put",
        "from-the-shell",
        "--owner",
        "anna@lab.test",
        "--purpose",
        "Try",
        "--confidentiality",
        "internal",
    )
    assert "from-the-shell" in shell.run("use-cases", "list")
    shell.run("rules", "mode", "from-the-shell", "mask-personal-data", "observe")
    rules = json.loads(shell.run("rules", "list", "--use-case", "from-the-shell", "--json"))
    assert {rule["mode"] for rule in rules if rule["id"] == "mask-personal-data"} == {"observe"}
    assert "always" in shell.run("rules", "mode", "from-the-shell", "use-case-expired", "observe", code=5)
    assert "mask-secrets" in shell.run("rules", "list")
    shell.run("use-cases", "delete", "from-the-shell")
    assert "from-the-shell" not in shell.run("use-cases", "list")
    shell.run("use-cases", "delete", "getting-started", code=4)


def test_models_and_records_are_listed_and_shown(shell: Shell) -> None:
    models = shell.run("models")
    assert "hybrid" in models
    assert "cloud-openai,onprem" in models
    with shell.lab.http() as client:
        record = client.post("/v1/chat/completions", json=CHAT).headers["x-headgate-record"]
    shell.lab.record(record, logged=True)
    assert record in shell.run("records", "--verb", "model.invoke", "--limit", "5")
    shown = json.loads(shell.run("records", "show", record, "--json"))
    assert shown["record"]["outcome"] == "done"
    assert shell.run("records", "show", record).startswith("User:\n")
    shell.run("records", "show", "01ARZ3NDEKTSV4RRFFQ69G5FAV", code=4)


def test_a_model_is_tested_and_added_only_if_it_answers(shell: Shell) -> None:
    assert "onprem answers after" in shell.run("models", "test", "hybrid")
    table = json.loads(shell.run("config", "show", "deployment", "onprem"))
    given = ["--provider", "openai", "--model", "m", "--ours", "--level", "restricted", "--price", "0,0"]
    refused = shell.run("models", "add", "mine", *given, "--base-url", "http://127.0.0.1:9/v1", code=1)
    assert "Nothing accepts connections" in refused
    assert "set base_url to the address of your server" in shell.run("models", "add", "mine", *given, code=5)
    added = shell.run("models", "add", "mine", *given, "--base-url", table["base_url"], "--alias", "hybrid")
    assert "the alias hybrid leads to cloud-openai, onprem, mine" in added
    assert json.loads(shell.run("config", "show", "deployment", "mine"))["clearance"] == {
        "level": "restricted",
        "custody": "organisation",
        "categories": ["pii", "phi", "pci", "secret"],
    }
    given += ["--base-url", table["base_url"]]
    assert "must have KEY" in shell.run("models", "add", "two", *given, "--key", "env:NOPE", "--no-test", code=5)


def test_a_sign_in_link_signs_in_once(shell: Shell) -> None:
    link = shell.run("sign-in").strip()
    assert link.startswith(shell.lab.gate.base_url)
    token = link.rpartition("token=")[2]
    headers = {"origin": shell.lab.gate.base_url, "x-headgate-csrf": "1"}
    with httpx2.Client(base_url=shell.lab.gate.base_url, headers=headers) as browser:
        assert browser.post("/api/session", json={"token": token}).status_code == 200
        assert browser.get("/api/overview").status_code == 200
    with httpx2.Client(base_url=shell.lab.gate.base_url, headers=headers) as other:
        assert other.post("/api/session", json={"token": token}).status_code == 401


def test_a_link_for_somebody_else_signs_them_in_and_nobody_unknown(shell: Shell) -> None:
    token = shell.run("sign-in", "--principal", "grace").strip().rpartition("token=")[2]
    headers = {"origin": shell.lab.gate.base_url, "x-headgate-csrf": "1"}
    with httpx2.Client(base_url=shell.lab.gate.base_url, headers=headers) as browser:
        assert browser.post("/api/session", json={"token": token}).json()["principal"] == "grace"
    assert "nobody is registered as 'nobody'" in shell.run("sign-in", "--principal", "nobody", code=4)


def test_one_entry_is_planned_set_changed_and_removed(shell: Shell) -> None:
    give = ("config", "set", "person", "dana", "name=Dana D.", 'roles=["auditor"]')
    assert "+ person dana" in shell.run(*give, "--dry-run")
    assert "dana" not in shell.run("config", "list", "person")
    assert "1 change applied; record" in shell.run(*give)
    changed = shell.run("config", "set", "person", "dana", "confidentiality=internal", "categories=[]")
    assert "~ person dana  (categories, confidentiality)" in changed
    shown = json.loads(shell.run("config", "show", "person", "dana"))
    assert (shown["name"], shown["roles"], shown["categories"]) == ("Dana D.", ["auditor"], [])
    assert "(categories)" in shell.run("config", "set", "person", "dana", "--unset", "categories")
    assert "- person dana" in shell.run("config", "remove", "person", "dana")
    shell.run("config", "show", "person", "dana", code=4)
    shell.run("config", "set", "deployment", "dear", "provider=openai", "model=gpt-sim", "price.input=0.25")
    shell.run("config", "set", "deployment", "dear", "price.output=2")
    price = json.loads(shell.run("config", "show", "deployment", "dear"))["price"]
    assert {name: float(price[name]) for name in ("input", "output")} == {"input": 0.25, "output": 2.0}
    shell.run("config", "remove", "deployment", "dear")
    assert "did you mean 'model'" in shell.run("config", "set", "deployment", "dear", "modle=x", code=5)
    assert "KEY=VALUE" in shell.run("config", "set", "person", "dana", "name", code=5)
    assert "not a valid key" in shell.run("config", "set", "person", "dana", "na me=x", code=5)
    assert "it is still used by alias" in shell.run("config", "remove", "deployment", "onprem", code=5)


def test_a_command_that_was_approved_is_done_with_the_grant_in_the_environment(shell: Shell) -> None:
    rule = '@id("keys-by-two")\n@reason("keys are made by two")\n@does("ask")\n'
    rule += 'forbid (principal, action == Headgate::Action::"key.create", resource);'
    shell.run("config", "set", "person", "boss", 'roles=["admin"]')
    boss = shell.lab.gate.new_key("boss's", principal="boss", roles=["admin"])
    shell.run("config", "set", "policy", "keys-by-two", f"text={rule}")
    try:
        asked = shell.run("keys", "create", "by-two", code=3, HEADGATE_API_KEY=boss)
        approval = asked.rpartition("x-headgate-grant: ")[2].strip()
        decide = ("approvals", "approve", approval, "--reason", "we need it")
        assert "other than the requester" in shell.run(*decide, code=3, HEADGATE_API_KEY=boss)
        assert "you made the requester's key" in shell.run(*decide, code=3)
        assert "the same person made" in shell.run(*decide, code=3, HEADGATE_API_KEY=shell.lab.approver)
        token = shell.run("sign-in", "--principal", "grace").strip().rpartition("token=")[2]
        headers = {"origin": shell.lab.gate.base_url, "x-headgate-csrf": "1"}
        with httpx2.Client(base_url=shell.lab.gate.base_url, headers=headers) as graces:
            graces.post("/api/session", json={"token": token}).raise_for_status()
            graces.post(f"/api/approvals/{approval}/approve", json={"reason": "we need it"}).raise_for_status()
        create = ("keys", "create", "by-two")
        assert shell.run(*create, HEADGATE_API_KEY=boss, HEADGATE_GRANT=approval).startswith("hg_")
        shell.run(*create, code=3, HEADGATE_API_KEY=boss, HEADGATE_GRANT=approval)
    finally:
        shell.run("config", "remove", "policy", "keys-by-two")


def test_the_ledger_verifies_and_proves_while_all_is_running(shell: Shell) -> None:
    with shell.lab.http() as client:
        record = client.post("/v1/chat/completions", json=CHAT).headers["x-headgate-record"]
    shell.lab.record(record, logged=True)
    assert "self-consistent" in shell.run("ledger", "verify")
    shell.run("ledger", "prove", record)
    assert record in shell.run("ledger", "check-proof", f"{record}.proof.json")


def test_a_command_with_the_wrong_key_or_no_server_says_so_in_a_line(shell: Shell) -> None:
    assert "key" in shell.run("keys", "list", code=3, HEADGATE_API_KEY="hg_wrong")
    assert "headgate up" in shell.run("keys", "list", "--url", "http://127.0.0.1:9", code=7)
    assert "Ask an administrator" in shell.run("keys", "list", code=3, HEADGATE_API_KEY=shell.lab.clerk)


@pytest.mark.parametrize("kind", ["provider", "detector", "dialect"])
def test_a_new_extension_passes_the_test_that_comes_with_it(shell: Shell, kind: str) -> None:
    shell.run("new", kind, "staff_number")
    written = sorted(path.name for path in shell.folder.glob("*.py"))
    assert written == ["staff_number.py", "test_staff_number.py"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:asyncio", "-W", "error", "."],
        cwd=shell.folder,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(shell.folder)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "passed" in done.stdout
    assert "already" in shell.run("new", kind, "staff_number", code=5)
    shell.run("new", kind, "Staff Number", code=5)
