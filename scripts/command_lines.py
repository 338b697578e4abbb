"""Drive the real command lines `codex` and `gemini` against a whole Headgate with simulated providers.

They are too large for the test suite (half a gigabyte). Install them into a folder of their own first:

    npm install --prefix FOLDER --ignore-scripts @openai/codex @google/gemini-cli
    .venv/bin/python scripts/command_lines.py FOLDER

Each run asks a model of some wire to call a tool: a shell command. The script prints one line for each run. It fails
if the tool did not run, or if its output did not reach the model.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from headgate.testing.lab import Lab, open_lab
from headgate.testing.simulator import Script, ToolCall

SAID = "The command has run."
WITHIN_S = 120
CODEX = """
model_provider = "headgate"

[model_providers.headgate]
name = "Headgate"
base_url = "{url}"
env_key = "HEADGATE_KEY"
wire_api = "responses"
"""
SHELLS: Mapping[str, Any] = {
    "exec_command": {"cmd": "printf mark-%s 42"},
    "shell_command": {"command": "printf mark-%s 42"},
    "shell": {"command": ["bash", "-c", "printf mark-%s 42"]},
    "run_shell_command": {"command": "printf mark-%s 42", "description": "Print a mark"},
}
"""The tools that run a shell command, by name, with arguments."""


class Seen(NamedTuple):
    """The result of one run."""

    what: str
    is_done: bool
    said: str


def main(folder: Path) -> int:
    """Run every command line with every model; return the exit status."""
    with tempfile.TemporaryDirectory() as data, open_lab(Path(data) / "lab", "--no-model") as lab:
        runs = [_codex(lab, folder, model) for model in ("cloud", "claude", "gem")]
        runs += [_gemini(lab, folder, model) for model in ("gem", "cloud", "claude")]
    for run in runs:
        print("done  " if run.is_done else "FAILED", run.what)
        if not run.is_done:
            print(run.said)
    return 0 if all(run.is_done for run in runs) else 1


def _codex(lab: Lab, folder: Path, model: str) -> Seen:
    with tempfile.TemporaryDirectory() as home:
        (Path(home) / "config.toml").write_text(CODEX.format(url=lab.openai_url))
        command = ["codex", "exec", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox", "-m", model]
        environment = {"CODEX_HOME": home, "HEADGATE_KEY": lab.clerk}
        return _run(
            lab, [str(_bin(folder) / command[0]), *command[1:], "Run it."], environment, f"codex, {model}", home
        )


def _gemini(lab: Lab, folder: Path, model: str) -> Seen:
    with tempfile.TemporaryDirectory() as home:
        settings = Path(home) / ".gemini" / "settings.json"
        settings.parent.mkdir()
        settings.write_text('{"security": {"auth": {"selectedType": "gemini-api-key"}}}')
        environment = {"HOME": home, "GEMINI_API_KEY": lab.clerk, "GOOGLE_GEMINI_BASE_URL": lab.gate.base_url}
        environment["GEMINI_CLI_TRUST_WORKSPACE"] = "true"
        command = [str(_bin(folder) / "gemini"), "--yolo", "-m", model, "-p", "Run it."]
        return _run(lab, command, environment, f"gemini, {model}", home)


def _bin(folder: Path) -> Path:
    return folder / "node_modules" / ".bin"


def _run(lab: Lab, command: Sequence[str], environment: Mapping[str, str], what: str, home: str) -> Seen:
    """Run a command line twice: to see the names of its tools, and with a call of its shell."""
    lab.reset()
    lab.cloud.answer_always(Script(text="Hello."))
    said = _done(command, environment, home)
    tool = next((name for name in SHELLS if any(f'"{name}"' in one.body.decode() for one in lab.cloud.requests)), None)
    if tool is None:
        return Seen(what, False, f"no known shell tool in {len(lab.cloud.requests)} requests: {said}")
    lab.reset()
    lab.cloud.answer_always(Script(text=SAID))
    lab.cloud.script(Script(text="", tool_calls=(ToolCall(tool, json.dumps(SHELLS[tool]), "call_1"),)))
    said = _done(command, environment, home)
    reached = any("mark-42" in one.body.decode() for one in lab.cloud.requests)
    return Seen(f"{what}, {tool}", reached and SAID in said, said)


def _done(command: Sequence[str], environment: Mapping[str, str], home: str) -> str:
    kept = {name: os.environ[name] for name in ("LANG", "TERM") if name in os.environ}
    path = os.pathsep.join([os.environ["PATH"], str(Path(sys.executable).parent)])
    try:
        done = subprocess.run(  # noqa: S603 - the command lines that the caller installed
            command,
            env={**kept, "PATH": path, "HOME": home, **environment},
            cwd=home,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=WITHIN_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        return f"not done after {error.timeout} s: {error.stdout!r} {error.stderr!r}"
    return f"{done.stdout}\n{done.stderr}\nexit {done.returncode}"


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
