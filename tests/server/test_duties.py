"""Duties of rules, as whoever reads records and answers sees them kept."""

from __future__ import annotations

import json
from typing import Any

import pytest

from headgate.testing.house import House
from headgate.testing.simulator import Script

MAIL = "ada@example.org"
SECRET = "AKIAIOSFODNN7EXAMPLE"
ANSWER = "write to grace@example.org"
CALLS: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"messages": [{"role": "user", "content": f"I am {MAIL}, my key is {SECRET}"}]},
    "/v1/messages": {
        "max_tokens": 99,
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": f"key {SECRET} of ada@exam"}]},
            {"role": "assistant", "content": f"I know {MAIL}"},
            {"role": "user", "content": [{"type": "text", "text": "ada@exa"}, {"type": "text", "text": "mple.org"}]},
        ],
    },
}


async def declare(house: House, duty: str, action: str) -> None:
    text = f"""@id("duty") @reason("as the test wants it") @duty{duty}
permit (principal, action == Headgate::Action::"{action}", resource);"""
    async with house.admin as client:
        answer = await client.put("/api/entries/policy/duty", json={"entry": {"text": text}})
        assert answer.status_code == 200, answer.text


async def kept(house: House, record: str) -> dict[str, str | None]:
    """The parts that the records of one call keep, opened."""
    await house.log_everything()
    found: dict[str, str | None] = {}
    async with house.admin as client:
        whole = (await client.get(f"/api/records/{record}")).json()
        for one in (whole["record"], *whole["children"]):
            detail = (await client.get(f"/api/records/{one['id']}")).json()
            found |= {part["name"]: part["text"] for part in detail["parts"]}
    return found


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("path", CALLS)
@pytest.mark.parametrize("action", ["model.dispatch", "model.invoke"])
async def test_what_is_logged_masked_holds_no_value_that_was_found_wherever_the_call_went(
    house: House, path: str, stream: bool, action: str
):
    await declare(house, '("log") @level("masked")', action)
    house.simulator.script(Script(text=ANSWER, chunk_chars=3))
    async with house.client(house.admin_key) as client:
        answer = await client.post(path, json={"model": "local-chat", "stream": stream, **CALLS[path]})
    assert answer.status_code == 200
    # Our own model saw the address, and the caller the answer as it was.
    assert b"example.org" in house.simulator.requests[0].body or b"mple.org" in house.simulator.requests[0].body
    parts = await kept(house, answer.headers["x-headgate-record"])
    assert set(parts) == {"sent", "answer"}
    for text in parts.values():
        assert text and "example.org" not in text and "mple.org" not in text and SECRET not in text
    assert "write to " in str(parts["answer"])


@pytest.mark.parametrize("action", ["model.dispatch", "model.invoke"])
async def test_a_duty_of_the_call_holds_for_what_is_sent_for_it(house: House, action: str):
    await declare(house, '("mask") @categories("pii")', action)
    house.simulator.script(Script(echo=True))
    async with house.client(house.admin_key) as client:
        await client.post("/v1/chat/completions", json={"model": "local-chat", **CALLS["/v1/chat/completions"]})
    await declare(house, '("cap") @output_tokens("7")', action)
    async with house.client(house.admin_key) as client:
        await client.post("/v1/chat/completions", json={"model": "local-chat", **CALLS["/v1/chat/completions"]})
    masked, capped = house.simulator.requests
    assert MAIL.encode() not in masked.body
    assert 7 in json.loads(capped.body).values()


@pytest.mark.parametrize("duty", ["cite", "watermark"])
async def test_a_duty_that_nothing_enforces_is_refused_wherever_it_is_declared(house: House, duty: str):
    text = f'@id("d") @reason("x") @duty("{duty}") permit (principal, action, resource);'
    toml = f"[[policy]]\nid = \"d\"\ntext = '''{text}'''"
    async with house.admin as client:
        for answer in (
            await client.put("/api/entries/policy/d", json={"entry": {"text": text}}),
            await client.post("/api/config/plan", json={"toml": toml}),
            await client.post("/api/config/apply", json={"toml": toml}),
        ):
            assert answer.status_code == 400
            assert "not supported by this version" in answer.json()["error"]["message"]
