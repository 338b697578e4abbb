"""Runs `headgate` in the test's own process: starting Python anew takes longer than most commands."""

from __future__ import annotations

import io
import os
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from unittest import mock

from headgate.cli.main import headgate
from headgate.cli.running import run


@dataclass(frozen=True, slots=True)
class Ended:
    """A command that ended: its exit code, and what it wrote."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def output(self) -> str:
        """Everything that it wrote."""
        return self.stdout + self.stderr


def run_command(*words: str, **environment: str) -> Ended:
    """Run a command as the shell does, with additions to the environment."""
    out, err = _output(), _output()
    with (
        mock.patch.object(sys, "argv", ["headgate", *words]),
        mock.patch.dict(os.environ, environment),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        try:
            run(headgate)
        except SystemExit as ended:
            return Ended(int(ended.code or 0), _text(out), _text(err))


def _output() -> io.TextIOWrapper[io.BytesIO]:
    return io.TextIOWrapper(io.BytesIO(), encoding="utf-8", newline="")


def _text(output: io.TextIOWrapper[io.BytesIO]) -> str:
    output.flush()
    return output.buffer.getvalue().decode()
