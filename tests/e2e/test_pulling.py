"""A better open-weight model is pulled to the machine and answers behind an alias."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import openai
import pytest

from headgate.gateway.embedded.weights import find_weights
from headgate.testing.running import RunningHeadgate, running_headgate

pytestmark = pytest.mark.e2e

NETWORK = """
[[network]]
id = "mirror"
allow = ["127.0.0.1:{port}"]
"""


@contextmanager
def mirror(data: bytes) -> Generator[int]:
    """Serve the file on loopback; the first answer breaks off in the middle."""
    broken: list[bool] = []

    class Mirror(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            begin = int((self.headers.get("range") or "bytes=0-").removeprefix("bytes=").removesuffix("-"))
            self.send_response(206 if begin else 200)
            if begin:
                self.send_header("content-range", f"bytes {begin}-{len(data) - 1}/{len(data)}")
            self.send_header("content-length", str(len(data) - begin))
            self.send_header("etag", '"one"')
            self.end_headers()
            end = len(data) if broken else len(data) // 2
            broken.append(True)
            self.wfile.write(memoryview(data)[begin:end])

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Mirror) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def headgate(gate: RunningHeadgate, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "headgate.cli.main", "--data", str(gate.data), "models", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_a_pulled_model_answers_behind_an_alias(tmp_path: Path) -> None:
    data = find_weights().chat_gguf.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    with mirror(data) as port, running_headgate(tmp_path / "data") as gate:
        source = ("better", "--url", f"http://127.0.0.1:{port}/better.gguf", "--sha256", digest)
        refused = headgate(gate, "pull", *source)
        assert refused.returncode != 0 and not list((gate.data / "models").glob("*.gguf")), refused.stderr
        gate.apply(NETWORK.format(port=port))
        pulled = headgate(gate, "pull", *source, "--network", "mirror", "--apply", "--alias", "clever")
        assert pulled.returncode == 0, pulled.stderr
        assert "100.0 % of" in pulled.stderr and "the alias clever leads to better" in pulled.stdout

        with openai.OpenAI(
            base_url=f"{gate.base_url}/v1", api_key=gate.admin_key, max_retries=0, timeout=120
        ) as client:
            answer = client.chat.completions.with_raw_response.create(
                model="clever", messages=[{"role": "user", "content": "Say hello."}], max_tokens=5, temperature=0
            )
            assert answer.headers["x-headgate-deployment"] == "better"
            assert answer.parse().choices[0].message.content

        listed = headgate(gate, "pulled").stdout
        assert "better" in listed and "can be pulled" in listed
        used = headgate(gate, "remove", "better")
        assert "is used by better" in used.stderr
        gate.api.call("DELETE", "/api/entries/alias/clever")
        gate.api.call("DELETE", "/api/entries/deployment/better")
        assert "are free again" in headgate(gate, "remove", "better").stdout
        assert not list((gate.data / "models").glob("*.gguf"))
