"""An approval from beginning to end: OpenAI's and Anthropic's SDKs ask, somebody else decides on the command line."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import anthropic
import openai
import pytest

from headgate.testing.lab import Lab

ASKED: list[Any] = [{"role": "user", "content": "Write to ada@example.org about her claim"}]
OTHER: list[Any] = [{"role": "user", "content": "Write to bob@example.org about his claim"}]


def test_a_call_of_openais_sdk_works_once_after_it_was_approved_on_the_command_line(lab: Lab) -> None:
    with openai.OpenAI(base_url=lab.openai_url, api_key=lab.careful, max_retries=2) as client:

        def ask(messages: list[Any], grant: str = "", *, stream: bool = False) -> str:
            headers = {"x-headgate-grant": grant} if grant else {}
            if stream:
                with client.chat.completions.create(
                    model="cloud", messages=messages, stream=True, extra_headers=headers
                ) as chunks:
                    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
            done = client.chat.completions.create(model="cloud", messages=messages, extra_headers=headers)
            return done.choices[0].message.content or ""

        for stream in (False, True):
            approval = _refused(partial(ask, ASKED, stream=stream), openai.BadRequestError)
            assert lab.cloud.requests == []
            assert approval in _shell(lab, "approvals", "list")
            shown = _shell(lab, "approvals", "show", approval)
            assert "deployment:cloud-openai" in shown
            assert "careful-with-approval" in shown
            _shell(lab, "approvals", "approve", approval, "--reason", "her consent is on file")
            with pytest.raises(openai.BadRequestError, match="another request"):
                ask(OTHER, approval, stream=stream)
            assert ask(ASKED, approval, stream=stream)
            with pytest.raises(openai.BadRequestError, match="already used"):
                ask(ASKED, approval, stream=stream)
            assert len(lab.cloud.requests) == 1
            lab.reset()


def test_a_refused_call_of_anthropics_sdk_stays_refused(lab: Lab) -> None:
    with anthropic.Anthropic(base_url=lab.gate.base_url, api_key=lab.careful, max_retries=2) as client:

        def ask(grant: str = "") -> object:
            headers = {"x-headgate-grant": grant} if grant else {}
            return client.messages.create(model="claude", max_tokens=64, messages=ASKED, extra_headers=headers)

        approval = _refused(ask, anthropic.BadRequestError)
        assert "is refused" in _shell(lab, "approvals", "refuse", approval, "--reason", "not this one")
        with pytest.raises(anthropic.BadRequestError, match="was refused"):
            ask(approval)
        assert approval not in _shell(lab, "approvals", "list")
        assert "refused" in _shell(lab, "approvals", "list", "--all")
        assert "not this one" in _shell(lab, "approvals", "show", approval)
    assert lab.cloud.requests == []


def _refused(ask: Callable[[], object], error: type[openai.APIStatusError] | type[anthropic.APIStatusError]) -> str:
    """Ask and be refused; returns the approval's id, which header, body and message name."""
    with pytest.raises(error) as caught:
        ask()
    approval: str = caught.value.response.headers["x-headgate-approval"]
    said = caught.value.response.json()["error"]
    assert said.get("approval_id", said.get("details", {}).get("approval_id")) == approval
    assert f"x-headgate-grant: {approval}" in said["message"]
    return approval


def _shell(lab: Lab, *command: str) -> str:
    """Run a command as grace, who approves; returns what it printed."""
    environment = {**os.environ, "HEADGATE_API_KEY": lab.approver}
    words = [sys.executable, "-m", "headgate.cli.main", *command, "--url", lab.gate.base_url]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout
