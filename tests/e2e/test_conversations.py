"""Conversations on the command line: what the console keeps is listed, found, exported and deleted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from headgate.testing.lab import Lab


def test_a_conversation_is_found_exported_and_deleted_on_the_command_line(lab: Lab, tmp_path: Path) -> None:
    kept = _conversation(lab, "Where does the heron nest?")
    assert kept in _shell(lab, "list")
    assert "heron" in _shell(lab, "search", "hero", "nest")
    assert [hit["conversation"]["id"] for hit in json.loads(_shell(lab, "search", "heron", "--json"))] == [kept]
    assert "## You\n\nWhere does the heron nest?" in _shell(lab, "show", kept)
    file = tmp_path / "heron.md"
    _shell(lab, "export", kept, "--output", str(file))
    assert file.read_text().startswith("# Where does the heron nest?\n\ncloud · getting-started\n")
    turns = json.loads(_shell(lab, "export", kept, "--format", "json"))["turns"]
    assert [turn["role"] for turn in turns] == ["user", "assistant"]
    assert "the records stay" in _shell(lab, "delete", kept, "--yes")
    assert json.loads(_shell(lab, "search", "heron", "--json")) == []
    assert json.loads(_shell(lab, "list", "--shared", "--json")) == []


def _conversation(lab: Lab, text: str) -> str:
    api = lab.gate.api
    conversation = str(api.call("POST", "/api/conversations", {"model": "cloud", "use_case": "getting-started"})["id"])
    question: dict[str, Any] = {"text": text, "use_case": "getting-started"}
    said = api.call("POST", f"/api/conversations/{conversation}/messages", question)
    with lab.http(lab.gate.admin_key) as client:
        client.post(f"/api/conversations/{conversation}/answers", json={"question": said["id"], "model": "onprem"})
    return conversation


def _shell(lab: Lab, *command: str) -> str:
    words = [sys.executable, "-m", "headgate.cli.main", "conversations", *command, "--url", lab.gate.base_url]
    environment = {**os.environ, "HEADGATE_DATA": str(lab.gate.data)}
    done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout
