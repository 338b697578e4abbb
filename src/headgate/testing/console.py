"""Serves the console's sources to a browser, in front of a whole Headgate with simulated providers.

`make console-dev` runs it. With `HEADGATE_URL` set it uses that Headgate instead of its own.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from headgate.testing.lab import Lab, open_lab
from headgate.testing.simulator import Script

_CONSOLE = Path(__file__).parents[3] / "console"
_HOST = "127.0.0.1"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until interrupted; returns the exit code of the development server."""
    parser = argparse.ArgumentParser(prog="scripts/console.sh dev", description=__doc__)
    parser.add_argument("--port", type=int, default=5173, help="port on loopback (5173)")
    port: int = parser.parse_args(arguments).port
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if url := os.environ.get("HEADGATE_URL"):
        _say(f"{_HOST}:{port} shows the console of {url}; `headgate sign-in` makes a link")
        return _serve(port, url=url)
    _say("starting Headgate with simulated providers; its data goes away with it")
    with TemporaryDirectory() as folder, open_lab(Path(folder) / "data", "--no-model") as lab:
        lab.cloud.answer_always(Script(echo=True))
        _make_calls(lab)
        link = lab.gate.sign_in_link.replace(lab.gate.base_url, f"http://{_HOST}:{port}")
        _say(f"sign in with {link} (once, within ten minutes)")
        return _serve(port, url=lab.gate.base_url)


def _serve(port: int, *, url: str) -> int:
    vite = _CONSOLE / "node_modules" / "vite" / "bin" / "vite.js"
    command = ["node", str(vite), "--host", _HOST, "--port", str(port), "--strictPort", "--clearScreen", "false"]
    with contextlib.suppress(KeyboardInterrupt):
        return subprocess.run(  # noqa: S603 - our own command
            command, cwd=_CONSOLE, env={**os.environ, "HEADGATE_URL": url}, check=False
        ).returncode
    return 0


def _make_calls(lab: Lab) -> None:
    """Make calls for the console's pages: done, masked, refused and waiting for approval."""
    text = "Write to ada@example.org, who paid with 4111 1111 1111 1111"
    for key, model in (
        (lab.clerk, "cloud"),
        (lab.clerk, "hybrid"),
        (lab.watched, "claude"),
        (lab.claims, "cloud"),
        (lab.careful, "cloud"),
    ):
        with lab.http(key) as client:
            body = {"model": model, "messages": [{"role": "user", "content": text}]}
            client.post("/v1/chat/completions", json=body)


def _say(text: str) -> None:
    sys.stderr.write(f"headgate: {text}\n")


if __name__ == "__main__":
    sys.exit(main())
