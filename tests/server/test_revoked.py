"""What is under way when its key is revoked, its person removed or its rule tightened ends, and a record says why."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from headgate.testing.house import House, Streamed
from headgate.testing.simulator import Script

HOST = "127.0.0.1:8080"
WIRES = {"/v1/chat/completions": b"invalid_request_error", "/v1/messages": b"invalid_request_error"}
FORBID = """@id("closed") @reason("closed for today")
forbid (principal, action == Headgate::Action::"model.dispatch", resource);"""
WAYS = ["revoke", "remove", "forbid", "member"]


async def begin(house: House, path: str, *, stream: bool) -> tuple[Streamed, asyncio.Task[None], str]:
    """Have Bob call a model that stands still in the middle of its answer; returns the call and the id of his key."""
    async with house.admin as client:
        toml = '[[use_case]]\nid = "work"\nowner = "o"\npurpose = "p"\nmembers = ["bob"]\n'
        assert (await client.post("/api/config/apply", json={"toml": toml})).status_code == 200
    key = await house.register("bob", use_case="work", by="bob")
    body: dict[str, Any] = {"model": "local-chat", "stream": stream, "messages": [{"role": "user", "content": "hi"}]}
    if path == "/v1/messages":
        body["max_tokens"] = 50
    headers = {"host": HOST, "authorization": f"Bearer {key}", "content-type": "application/json"}
    call = Streamed(house.app, "POST", path, headers, json.dumps(body).encode())
    return call, asyncio.create_task(call.run()), key.split("_")[1]


async def end(house: House, way: str, key_id: str) -> None:
    async with house.admin as client:
        match way:
            case "revoke":
                answer = await client.delete(f"/api/keys/{key_id}")
            case "remove":
                answer = await client.delete("/api/entries/person/bob")
            case "forbid":
                answer = await client.put("/api/entries/policy/closed", json={"entry": {"text": FORBID}})
            case _:
                entry: dict[str, Any] = {"owner": "o", "purpose": "p", "members": []}
                answer = await client.put("/api/entries/use_case/work", json={"entry": entry})
    assert answer.status_code in (200, 204), answer.text


@pytest.mark.parametrize("path", WIRES)
@pytest.mark.parametrize("way", WAYS)
async def test_a_stream_that_is_silent_ends_with_its_wires_error_and_the_provider_is_told_to_stop(
    house: House, path: str, way: str
):
    house.simulator.script(Script(text="word " * 50, stall="stream", stall_after=6))
    call, task, key_id = await begin(house, path, stream=True)
    await call.until("word")
    await end(house, way, key_id)
    async with asyncio.timeout(30):
        await house.simulator.requests[0].left.wait()
        await task
    assert WIRES[path].decode() in call.text and "policy no longer allows this action" in call.text
    for record in (await house.records(verb="model.invoke"))[:1]:
        assert (record["outcome"], record["error"]) == ("withheld", "withheld")
        assert record["facts"]["reason"].startswith("ended on the way: refused by")
        assert record["facts"]["output_tokens"] > 0
    assert (await house.records(verb="model.invoke"))[0]["outcome"] == "withheld"


@pytest.mark.parametrize("way", WAYS)
async def test_a_whole_answer_that_comes_too_late_is_withheld_and_settled(house: House, way: str):
    house.simulator.script(Script(text="the whole answer", stall="headers"))
    call, task, key_id = await begin(house, "/v1/chat/completions", stream=False)
    await house.simulator.received(1)
    await end(house, way, key_id)
    house.simulator.release()
    async with asyncio.timeout(30):
        await task
    assert call.status == 400
    assert "the whole answer" not in call.text and "policy no longer allows this action" in call.text
    (record,) = await house.records(verb="model.invoke")
    assert (record["outcome"], record["facts"]["cost_micros"]) == ("withheld", 0)
    assert record["facts"]["output_tokens"] > 0


async def test_a_stream_goes_on_when_somebody_elses_key_is_revoked(house: House):
    house.simulator.script(Script(text="word " * 50, stall="stream", stall_after=6))
    call, task, _ = await begin(house, "/v1/chat/completions", stream=True)
    await call.until("word")
    other = await house.register("eve")
    await end(house, "revoke", other.split("_")[1])
    house.simulator.release()
    async with asyncio.timeout(30):
        await task
    assert call.text.rstrip().endswith("[DONE]")
