"""A provider with a wire of its own is a stranger's package: a dialect and a provider, and no file of Headgate's."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
import pytest_asyncio

from headgate.kernel.extensions import load
from headgate.testing.extensions import check_dialect, check_provider
from headgate.testing.house import House
from headgate.testing.simulator import Script
from headgate.wire.dialect import Dialect
from headgate.wire.provider import Provider

TOML = """
[[deployment]]
id = "gem"
provider = "acme"
model = "publishers/acme?gem 1"
base_url = "http://127.0.0.1:{port}"
clearance = {{ level = "restricted", custody = "organisation" }}

[[alias]]
id = "gem"
deployments = ["gem"]

[[policy]]
id = "hide"
text = '''@id("hide") @reason("as the test wants it") @duty("mask") @categories("pii")
permit (principal, action == Headgate::Action::"model.dispatch", resource);'''
"""
MAIL = "anna.schmidt@example.org"
CHAT = {"model": "gem", "messages": [{"role": "user", "content": f"write to {MAIL}"}]}
CONTENTS = {"contents": [{"role": "user", "parts": [{"text": f"write to {MAIL}"}]}]}


@dataclass(slots=True)
class Acme:
    """A provider of that wire on loopback: it says back what it is sent, in two pieces where a stream is asked for."""

    port: int = 0
    requests: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        size = next(int(line.split(":")[1]) for line in head.splitlines() if line.lower().startswith("content-length"))
        body = (await reader.readexactly(size)).decode()
        target = head.split(" ", 2)[1]
        self.requests.append((target, body))
        text: str = json.loads(body)["contents"][-1]["parts"][0]["text"]
        last = {"finishReason": "STOP"}
        usage = {"usageMetadata": {"promptTokenCount": 5, "candidatesTokenCount": 7}}
        if "alt=sse" in target:
            at = len(text) - 4  # within the token
            pieces = [{"candidates": [_candidate(text[:at])]}, {"candidates": [_candidate(text[at:], **last)], **usage}]
            kind, said = "text/event-stream", "".join(f"data: {json.dumps(piece)}\n\n" for piece in pieces)
        else:
            kind, said = "application/json", json.dumps({"candidates": [_candidate(text, **last)], **usage})
        writer.write(
            f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {len(said)}\r\nx-acme-request: r1\r\n"
            f"connection: close\r\n\r\n{said}".encode()
        )
        await writer.drain()
        writer.close()


def _candidate(text: str, **more: Any) -> dict[str, Any]:
    return {"content": {"role": "model", "parts": [{"text": text}]}, **more}


@asynccontextmanager
async def acme_on_loopback() -> AsyncGenerator[Acme]:
    acme = Acme()
    async with await asyncio.start_server(acme.answer, "127.0.0.1", 0) as server:
        acme.port = server.sockets[0].getsockname()[1]
        yield acme


@pytest.fixture
def house(strangers_house: House) -> House:
    """The application with the stranger's package beside it."""
    return strangers_house


@pytest_asyncio.fixture
async def acme(house: House) -> AsyncGenerator[Acme]:
    """The provider, with a deployment of it behind the alias `gem` that gets no addresses."""
    async with acme_on_loopback() as provider, house.admin as client:
        answer = await client.post("/api/config/apply", json={"toml": TOML.format(port=provider.port)})
        assert answer.status_code == 200, answer.text
        await house.worker.refresh()
        yield provider


def texts_of(stream: str) -> str:
    """The text of a stream of that wire, put together."""
    events = [json.loads(line.removeprefix("data: ")) for line in stream.splitlines() if line.startswith("data: ")]
    return "".join(event["candidates"][0]["content"]["parts"][0]["text"] for event in events)


def test_what_the_stranger_wrote_keeps_the_contracts(installed: None) -> None:
    check_dialect(cast("Dialect", load("dialects")["acme_gemini"]))
    check_provider(cast("Provider", load("providers")["acme"]))


@pytest.mark.parametrize("stream", [False, True])
async def test_clients_of_other_wires_reach_the_provider_whose_path_holds_the_model(
    house: House, acme: Acme, stream: bool
) -> None:
    async with house.admin as client:
        answer = await client.post("/v1/chat/completions", json={**CHAT, "stream": stream, "temperature": 0.5})
    assert answer.status_code == 200, answer.text
    assert answer.headers["x-headgate-dropped"] == "temperature"
    ((path, sent),) = acme.requests
    action = "streamAnswer?alt=sse" if stream else "answer"
    assert path == f"/acme/models/publishers%2Facme%3Fgem%201:{action}"
    assert MAIL not in sent and "HGX_EMAIL_" in sent
    if stream:
        chunks = [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: {")]
        said = "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks if chunk["choices"])
    else:
        said = answer.json()["choices"][0]["message"]["content"]
        assert answer.json()["usage"]["total_tokens"] == 12
    assert said == f"write to {MAIL}"


@pytest.mark.parametrize("alias", ["local-chat", "gem"])
@pytest.mark.parametrize("action", ["answer", "streamAnswer"])
async def test_clients_of_the_strangers_wire_reach_every_model(
    house: House, acme: Acme, alias: str, action: str
) -> None:
    house.simulator.default = Script(echo=True, chunk_chars=5)
    async with house.client(**{"x-acme-key": house.admin_key}) as client:
        answer = await client.post(f"/acme/models/{alias}:{action}", json=CONTENTS)
    assert answer.status_code == 200, answer.text
    assert answer.headers["x-acme-request"]
    said = texts_of(answer.text if action.startswith("stream") else f"data: {answer.text}")
    assert f"write to {MAIL}" in said
    assert len(acme.requests) == (alias == "gem")
    records = await house.records()
    assert {record["outcome"] for record in records if record["verb"].startswith("model.")} == {"done"}


async def test_a_wrong_request_of_the_strangers_wire_is_refused_in_its_form(house: House) -> None:
    path = "/acme/models/local-chat:answer"
    async with house.admin as client, house.client(**{"x-acme-key": "wrong"}) as stranger:
        answers = [
            (await client.post(path, json={"contents": 1}), 400),
            (await client.post("/acme/models/nothing:answer", json=CONTENTS), 404),
            (await stranger.post(path, json=CONTENTS), 401),
            (await client.get(path), 405),
            (await client.get("/acme/nothing"), 404),
            (await client.post("/elsewhere/models/local-chat:answer", json=CONTENTS), 404),
            (await client.post("/unheard/of", json={}, headers={"x-acme-client": "1"}), 404),
        ]
        metrics = (await client.get("/metrics")).text
    for answer, status in answers:
        assert answer.status_code == status, answer.text
        assert answer.json()["error"].keys() == {"code", "status", "message"}
        assert answer.headers["x-acme-request"]
    assert answers[3][0].headers["allow"] == "POST"
    assert 'plane="acme",status="404",worker="0"} 4.0\n' in metrics


async def test_clients_of_the_strangers_plane_see_the_list_of_models_as_openais_do(house: House) -> None:
    async with house.client(house.admin_key, **{"x-acme-client": "1"}) as client:
        answer = await client.get("/v1/models")
    assert [model["id"] for model in answer.json()["data"]] == ["local-chat", "local-embed"]
    assert answer.headers["x-acme-request"]


async def test_without_the_package_nothing_of_it_is_left() -> None:
    assert "acme" not in load("providers")
    assert "acme_gemini" not in load("dialects")
