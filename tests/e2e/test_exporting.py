"""Spans of a whole Headgate at a collector: each batch an action with a record, and no batch about batches."""

from __future__ import annotations

import json
import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from headgate.testing.lab import until
from headgate.testing.running import running_headgate

pytestmark = pytest.mark.e2e


def test_each_batch_of_spans_is_recorded_and_none_tells_of_another(tmp_path: Path) -> None:
    with (
        _collector() as (endpoint, batches),
        running_headgate(
            tmp_path / "data", "--no-model", environment={"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint}
        ) as gate,
    ):

        def exports() -> list[Any]:
            found = gate.api.call("GET", "/api/records?verb=export.send")["records"]
            return [record for record in found if record["outcome"] == "done"]

        for number in (1, 2):
            gate.new_key(f"number {number}")
            until(lambda wanted=number: len(batches) >= wanted or None, what="a batch", within_s=20)
            until(lambda wanted=number: len(exports()) >= wanted or None, what="its record")
        assert len(batches) == len(exports()) == 2
        assert [record["facts"]["spans"] for record in exports()] == [1, 1]
    assert [_names(batch) for batch in batches] == [["key.create"], ["key.create"]]


def _names(batch: Any) -> list[str]:
    return [span["name"] for span in batch["resourceSpans"][0]["scopeSpans"][0]["spans"]]


@contextmanager
def _collector() -> Generator[tuple[str, list[Any]]]:
    """A collector on loopback, and the batches that it got."""
    batches: list[Any] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == "/v1/traces"
            batches.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(200)
            self.send_header("content-length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's own name
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Collector) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", batches
        finally:
            server.shutdown()
            thread.join()
