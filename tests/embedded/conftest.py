"""The real model process with one thread, and a plain HTTP client for it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPResponse
from typing import Any, NamedTuple

import pytest

CHAT, EMBED = "smollm2-135m-instruct", "all-minilm-l6-v2"
COMMAND = [sys.executable, "-m", "headgate.gateway.embedded", "--port", "0", "--threads", "1"]


class Answer(NamedTuple):
    status: int
    body: Any


class ModelProcess:
    """A started model process; `address` is `127.0.0.1:port`."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        self.process = process
        self.address = process.stdout.readline().strip().removeprefix("http://")
        assert self.address, "the model process ended before it listened"

    def ask(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Answer:
        """One whole exchange; a body that is not bytes is sent as JSON."""
        with self.open(method, path, body, headers) as response:
            return Answer(response.status, json.loads(response.read()))

    @contextmanager
    def open(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> Generator[HTTPResponse]:
        """An answer to be read as it comes; leaving closes the connection."""
        connection = HTTPConnection(self.address, timeout=120)
        try:
            data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
            connection.request(method, path, data, headers or {})
            with connection.getresponse() as response:
                yield response
        finally:
            connection.close()

    def chat(self, text: str, **options: Any) -> Answer:
        return self.ask("POST", "/v1/chat/completions", chat(text, **options))

    def embed(self, given: Any, **options: Any) -> Answer:
        return self.ask("POST", "/v1/embeddings", {"model": EMBED, "input": given, **options})

    def wait_until_ready(self) -> None:
        """Ask until it is ready; the process itself paces this, for it answers nothing while a model loads."""
        while self.ask("GET", "/healthz").status != 200:
            pass


def chat(text: str, **options: Any) -> dict[str, Any]:
    return {"model": CHAT, "messages": [{"role": "user", "content": text}], **options}


@contextmanager
def started(**options: Any) -> Generator[ModelProcess]:
    """A model process that is listening; killed at the end if the test has not ended it."""
    with subprocess.Popen(COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **options) as process:
        try:
            yield ModelProcess(process)
        finally:
            process.kill()


@pytest.fixture(scope="session")
def models() -> Iterator[ModelProcess]:
    with started() as process:
        process.wait_until_ready()
        yield process
