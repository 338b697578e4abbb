"""The console's chat and preview: the same gate as for programs, and what it did is told."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx2
import pytest

from headgate.testing.house import House, Streamed, events_of
from headgate.testing.simulator import Failure, Script

SECRET = "AKIAIOSFODNN7EXAMPLE"
CLOUD = """
[[use_case]]
id = "support"
owner = "ann"
purpose = "Answer customers"

[[deployment]]
id = "cloud"
provider = "openai"
model = "gpt-sim"
base_url = "https://models.example/v1"
clearance = {{ level = "internal" }}

[[deployment]]
id = "claude"
provider = "anthropic"
model = "claude-sim"
base_url = "https://claude.example"
clearance = {{ level = "internal" }}

[[alias]]
id = "smart"
deployments = ["cloud", "claude", "local-chat"]
"""


async def chat(house: House, text: str, **more: Any) -> httpx2.Response:
    """Chat as the signed-in administrator."""
    async with house.browser() as browser:
        body = {"model": "local-chat", "messages": [{"role": "user", "content": text}], **more}
        return await browser.post("/api/chat", json=body)


async def test_a_chat_streams_the_answer_and_then_tells_what_the_gate_did(house: House):
    house.simulator.script(Script(echo=True))
    answer = await chat(house, f"my key is {SECRET}, keep it")
    events = events_of(answer.text)
    gate = events[-1][1]
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert [name for name, _ in events[:-1]] == ["delta"] * (len(events) - 1)
    assert "".join(data["text"] for _, data in events[:-1]) == f"my key is {SECRET}, keep it"
    assert SECRET.encode() not in house.simulator.requests[0].body
    assert gate["masked"] == gate["restored"] == {"aws_access_key_id": 1}
    assert gate["deployment"] == "local-chat"
    assert gate["record"] == answer.headers["x-headgate-record"]
    records = await house.records()
    assert {record["verb"] for record in records} == {"session.open", "model.invoke"}


async def test_a_chat_under_a_use_case_that_is_not_there_is_refused_with_a_status(house: House):
    for use_case, expected in (("nowhere", 403), ("administration", 403)):
        answer = await chat(house, "hello", use_case=use_case)
        assert answer.status_code == expected
        assert answer.json()["error"]["message"]
    assert (await chat(house, "hello", model="nothing")).status_code == 404


async def test_a_key_chats_under_its_own_use_case_only(house: House):
    async with house.admin as client:
        body = {"model": "local-chat", "messages": [{"role": "user", "content": "x"}]}
        assert (await client.post("/api/chat", json=body)).status_code == 200
        await client.put("/api/use-cases/support", json={"owner": "ann", "purpose": "x"})
        assert (await client.post("/api/chat", json={**body, "use_case": "support"})).status_code == 403


async def test_an_upstream_that_fails_before_the_answer_is_an_error_with_its_status(house: House):
    house.simulator.script(*[Script(failure=Failure(500)) for _ in range(3)])
    answer = await chat(house, "hello")
    assert answer.status_code == 502
    assert answer.json()["error"]["record"]


async def test_an_upstream_that_breaks_within_the_answer_is_an_error_event_and_no_gate(house: House):
    house.simulator.script(Script(text="many words " * 20, cut="rst", cut_after=5))
    answer = await chat(house, "hello")
    names = [name for name, _ in events_of(answer.text)]
    assert names[-1] == "error"
    assert "gate" not in names


async def test_whoever_closes_the_page_stops_the_model(house: House):
    house.simulator.script(Script(text="word " * 50, stall="stream", stall_after=4))
    body = json.dumps({"model": "local-chat", "messages": [{"role": "user", "content": "hello"}]}).encode()
    headers = {
        "host": "127.0.0.1:8080",
        "authorization": f"Bearer {house.admin_key}",
        "content-type": "application/json",
    }
    request = Streamed(house.app, "POST", "/api/chat", headers, body)
    async with asyncio.TaskGroup() as group:
        group.create_task(request.run())
        await request.until("word")
        request.leave()
    async with asyncio.timeout(30):
        await house.simulator.requests[0].left.wait()
    assert {record["outcome"] for record in await house.records()} == {"abandoned"}


async def test_a_preview_shows_each_destination_and_sends_nothing(house: House):
    async with house.browser() as browser:
        applied = await browser.post("/api/config/apply", json={"toml": CLOUD.format()})
        assert applied.status_code == 200, applied.text
        text = f"ä mail jane@example.org, key {SECRET}"
        body = {"text": text, "model": "smart", "use_case": "support"}
        preview = (await browser.post("/api/preview", json=body)).json()
    cloud, claude, local = preview["destinations"]
    found = {text[one["start"] : one["end"]] for one in preview["findings"]}
    assert {"jane@example.org", SECRET} <= found
    assert (cloud["deployment"], cloud["custody"], cloud["effect"]) == ("cloud", "any", "allow")
    assert "jane@example.org" not in cloud["bytes_out"]
    assert json.loads(cloud["bytes_out"])["model"] == "gpt-sim"
    assert json.loads(claude["bytes_out"])["model"] == "claude-sim"
    assert "max_tokens" in claude["bytes_out"]
    assert "jane@example.org" in local["bytes_out"]
    assert all(SECRET not in one["bytes_out"] for one in preview["destinations"])
    assert "pii_pseudonymous" in cloud["labels"]
    assert not house.simulator.requests
    assert {record["verb"] for record in await house.records()} == {"config.apply", "session.open", "model.preview"}


async def test_a_preview_says_why_something_may_not_go_where(house: House):
    async with house.browser() as browser:
        await browser.post("/api/config/apply", json={"toml": CLOUD.format()})
        body = {"text": "hello", "model": "smart"}
        here = (await browser.post("/api/preview", json=body)).json()["destinations"]
        restricted = {"owner": "ann", "purpose": "x", "confidentiality": "restricted"}
        await browser.put("/api/use-cases/secret-things", json=restricted)
        there = (await browser.post("/api/preview", json={**body, "use_case": "secret-things"})).json()["destinations"]
    assert [one["effect"] for one in here] == ["deny", "deny", "allow"]
    assert "getting-started" in here[0]["why"]
    assert here[0]["bytes_out"] is None
    assert [one["effect"] for one in there] == ["deny", "deny", "allow"]
    assert "restricted" in there[0]["why"]


async def test_a_preview_of_an_embedding_shows_an_embedding(house: House):
    async with house.browser() as browser:
        answer = await browser.post("/api/preview", json={"text": "some words", "model": "local-embed"})
    destination = answer.json()["destinations"][0]
    assert json.loads(destination["bytes_out"])["input"] == "some words"


@pytest.mark.parametrize("duty", ['("cap") @output_tokens("30000")', '("mask") @categories("pii")'])
@pytest.mark.parametrize("action", ["model.dispatch", "model.invoke"])
@pytest.mark.parametrize("provider", ["openai", "anthropic"])
async def test_a_preview_shows_the_bytes_that_a_real_call_sends(house: House, provider: str, action: str, duty: str):
    """Across wires, under duties of the call and of the dispatch, and where the answer is streamed to us."""
    text = f"key {SECRET} of jane@example.org"
    rule = f'@id("d") @reason("x") @duty{duty} permit (principal, action == Headgate::Action::"{action}", resource);'
    port, suffix = house.simulator.port, "/v1" if provider == "openai" else ""
    deployment: dict[str, Any] = {
        **{"provider": provider, "model": "sim", "base_url": f"http://127.0.0.1:{port}{suffix}"},
        "clearance": {"custody": "organisation", "level": "restricted", "categories": ["pii", "secret"]},
    }
    async with house.browser() as browser:
        for path, entry in (
            ("policy/d", {"text": rule}),
            ("deployment/x", deployment),
            ("alias/smart", {"deployments": ["x"]}),
        ):
            answer = await browser.put(f"/api/entries/{path}", json={"entry": entry})
            assert answer.status_code == 200, answer.text
        body = {"text": text, "model": "smart"}
        preview = (await browser.post("/api/preview", json=body)).json()
    sent = await _sent(house, {"model": "smart", "stream": False, "messages": [{"role": "user", "content": text}]})
    assert preview["destinations"][0]["bytes_out"] == sent


async def test_a_preview_is_decided_and_recorded_as_a_use_of_models(house: House):
    key = await house.register("bob")
    async with house.admin as client:
        await client.put("/api/use-cases/support", json={"owner": "ann", "purpose": "x"})
    asked = {"text": f"my key is {SECRET}", "model": "local-chat"}
    async with house.browser("bob") as browser:
        seen = await browser.post("/api/preview", json=asked)
        refused = await browser.post("/api/preview", json={**asked, "use_case": "support"})
        foreign = await browser.post("/api/preview", json={**asked, "use_case": "administration"})
    async with house.client(key) as client:
        assert (await client.post("/api/preview", json=asked)).status_code == 200
    assert seen.status_code == 200
    assert [one.status_code for one in (refused, foreign)] == [403, 403]
    assert "ask its owner, ann" in refused.json()["error"]["message"]
    records = {one["id"]: one for one in await house.records(verb="model.preview")}
    assert records[seen.headers["x-headgate-record"]]["outcome"] == "done"
    assert records[refused.json()["error"]["record"]]["outcome"] == "refused"
    journal = b"".join(path.read_bytes() for path in house.worker.base.settings.journal_folder.rglob("*.log"))
    assert SECRET.encode() not in journal


async def _sent(house: House, call: dict[str, Any]) -> str:
    async with house.admin as client:
        answer = await client.post(
            "/v1/chat/completions",
            content=json.dumps(call, separators=(",", ":")),
            headers={"content-type": "application/json"},
        )
    assert answer.status_code == 200
    return house.simulator.requests[-1].body.decode()
