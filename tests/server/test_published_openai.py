"""OpenAI's wire against OpenAI's own API document: each request gets an answer, or an error of that wire."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from tests.datasets import dataset

from headgate.testing.served import Served

pytestmark = pytest.mark.measured

EXAMPLES = 4
OFFERED = (
    *("/chat/completions", "/responses", "/conversations", "/embeddings", "/completions", "/moderations"),
    *("/models", "/files", "/batches", "/images/", "/audio/"),
)
"""The beginnings of the document's paths that Headgate serves itself."""

MODELS = {
    "/chat/completions": "chat",
    "/responses": "chat",
    "/responses/input_tokens": "chat",
    "/responses/compact": "chat",
    "/completions": "chat",
    "/embeddings": "embed",
    "/moderations": "moderate",
    "/images/generations": "image",
    "/audio/speech": "speech",
    "/audio/transcriptions": "transcribe",
}
"""The paths of calls, with the alias that each request names."""

CONFIG = """
[[deployment]]
id = "own"
provider = "openai"
model = "gpt-sim"
base_url = "http://127.0.0.1:{port}/v1"
operations = ["chat", "embed", "moderate", "image", "speech", "transcribe"]
quirks = ["completions_upstream"]

[deployment.clearance]
level = "restricted"
categories = ["pii", "phi", "pci", "secret", "unscanned"]
custody = "organisation"
"""

ALIAS = """
[[alias]]
id = "{name}"
operation = "{name}"
deployments = ["own"]
"""


@dataclass(slots=True)
class Client:
    """A client of the wire that keeps the statuses and the faults of the answers."""

    served: Served
    session: requests.Session
    kept: dict[str, str] = field(default_factory=dict[str, str])
    statuses: defaultdict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    faults: list[str] = field(default_factory=list[str])

    def prepare(self) -> None:
        """Configure the models, and make one thing of each kind that paths name."""
        toml = CONFIG.format(port=self.served.provider)
        toml += "".join(ALIAS.format(name=name) for name in dict.fromkeys(MODELS.values()))
        self._made("/api/config/apply", json={"toml": toml})
        line = {"custom_id": "1", "method": "POST", "url": "/v1/embeddings", "body": {"model": "embed", "input": "a"}}
        upload = {"files": {"file": ("lines.jsonl", json.dumps(line))}, "data": {"purpose": "batch"}}
        file = self._made("/v1/files", **upload)["id"]
        batch = {"input_file_id": file, "endpoint": "/v1/embeddings", "completion_window": "24h"}
        self.kept = {
            "file_id": file,
            "batch_id": self._made("/v1/batches", json=batch)["id"],
            "response_id": self._made("/v1/responses", json={"model": "chat", "input": "Hello"})["id"],
            "previous_response_id": self._made("/v1/responses", json={"model": "chat", "input": "Hello"})["id"],
            "conversation": self._made("/v1/conversations", json={})["id"],
            "conversation_id": self._made("/v1/conversations", json={})["id"],
            "model": "chat",
        }

    def _made(self, path: str, **request: Any) -> dict[str, Any]:
        answer = self.session.post(f"{self.served.url}{path}", timeout=30, **request)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def send(self, name: str, case: Any) -> None:
        """Send a generated request, with a model and ids that exist here."""
        if case.path in MODELS and isinstance(case.body, dict):
            body = cast("dict[str, Any]", case.body)
            body["model"] = MODELS[case.path]
            body |= {one: self.kept[one] for one in ("conversation", "previous_response_id") if body.get(one)}
            if case.path.startswith("/responses") and not isinstance(body.get("input"), str | list):
                body["input"] = "Hello"
        if case.method != "DELETE":
            case.path_parameters.update({one: self.kept[one] for one in case.path_parameters if one in self.kept})
        answer = case.call(base_url=f"{self.served.url}/v1", session=self.session, timeout=30)
        self.statuses[name].add(answer.status_code)
        if fault := fault_of(answer.status_code, answer.content):
            self.faults.append(f"{name}: {fault} to {case.as_curl_command()[:1000]}")


def fault_of(status: int, body: bytes) -> str:
    """Return what is wrong with an answer, or ""."""
    if status >= 500 or b"an internal error happened" in body:
        return f"{status} {body[:400]!r}"
    if status < 400:
        return ""
    try:
        error = json.loads(body)["error"]
        is_error = {"message", "type", "param", "code"} <= set(error) and isinstance(error["message"], str)
    except (ValueError, KeyError, TypeError):
        is_error = False
    return "" if is_error else f"{status} without OpenAI's error {body[:400]!r}"


def operations() -> Iterator[Any]:
    """Yield the operations of the document that Headgate serves."""
    document = json.loads(dataset("wire/openai-openapi-pruned.json").read_text())
    paths: dict[str, Any] = document["paths"]
    document["paths"] = {path: one for path, one in paths.items() if path.startswith(OFFERED) and "?" not in path}
    schema: Any = schemathesis.openapi.from_dict(document)
    for result in schema.get_all_operations():
        yield result.ok()


def modes_of(operation: Any) -> list[GenerationMode]:
    """Return the modes of an operation: a path alone cannot be wrong."""
    takes_data = len(operation.body) or len(operation.query)
    return [GenerationMode.POSITIVE, *([GenerationMode.NEGATIVE] if takes_data else [])]


@pytest.fixture
def client(served: Served) -> Iterator[Client]:
    with requests.Session() as session:
        session.headers["authorization"] = f"Bearer {served.key}"
        opened = Client(served, session)
        opened.prepare()
        yield opened


# The server's thread draws random numbers when its pool grows, which Hypothesis takes for the strategy's doing.
@pytest.mark.filterwarnings("ignore:Do not use the `random` module inside strategies")
def test_no_request_of_the_published_document_breaks_the_wire(client: Client) -> None:
    """Trap 33. Valid requests and invalid ones; the models, and the ids in paths, exist."""
    for operation in operations():
        name = f"{operation.method.upper()} {operation.path}"
        for mode in modes_of(operation):

            @settings(
                max_examples=EXAMPLES,
                deadline=None,
                database=None,
                phases=[Phase.generate],
                suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
                derandomize=True,
            )
            @given(case=operation.as_strategy(generation_mode=mode))
            def attempt(case: Any) -> None:
                client.send(name, case)  # noqa: B023 - it is called before the name changes

            attempt()
    assert not client.faults, "\n".join(client.faults)
    answered = {name for name, statuses in client.statuses.items() if 200 in statuses}
    assert answered >= {f"POST {path}" for path in MODELS}
