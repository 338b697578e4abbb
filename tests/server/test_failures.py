"""What callers hear of a failure names no host and no words of a provider's own fault; operators find them."""

from __future__ import annotations

import json
import socket
from typing import Any

import pytest

from headgate.testing.house import House
from headgate.testing.simulator import Failure, Script

WORDS = "worker 7 at db-3.corp.internal ran out of memory on 'ada@example.org'"
CALLS: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"messages": [{"role": "user", "content": "hi"}]},
    "/v1/messages": {"max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]},
}
PLACES = """
[[network]]
id = "corp"
proxy_url = "http://127.0.0.1:{closed}"

[[deployment]]
id = "there"
provider = "openai"
model = "m"
{how}

[[alias]]
id = "smart"
deployments = ["there"]

[[use_case]]
id = "work"
owner = "admin"
purpose = "p"
"""
UNREACHABLE = {
    "closed": 'base_url = "http://127.0.0.1:{closed}/v1"\nclearance = {{ custody = "organisation" }}',
    "private": 'base_url = "http://10.11.12.13:8443/v1"',
    "no such name": 'base_url = "http://no-such-host.invalid:8443/v1"',
    "plain": 'base_url = "http://8.8.8.8:8443/v1"\nnetwork = "corp"',
    "proxy": 'base_url = "https://8.8.8.8:8443/v1"\nnetwork = "corp"',
    "secret": 'base_url = "http://8.8.8.8:8443/v1"\nkey = "file:/etc/no-such-file-of-ours"',
}
SECRETS = ("127.0.0.1", "10.11.12.13", "no-such-host", "8.8.8.8", "8443", "no-such-file", "corp.internal", "ada@")


async def parts_of(house: House, record: str) -> dict[str, Any]:
    """One record with its children: reasons and parts."""
    await house.log_everything()
    async with house.admin as client:
        whole = (await client.get(f"/api/records/{record}")).json()
        ids = [one["id"] for one in whole["children"] or [whole["record"]]]
        return (await client.get(f"/api/records/{ids[0]}")).json()


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("path", CALLS)
@pytest.mark.parametrize("place", UNREACHABLE)
async def test_what_cannot_be_reached_is_told_by_its_alias_and_where_it_is_stands_in_the_record(
    house: House, place: str, path: str, stream: bool
):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        closed = unused.getsockname()[1]
    async with house.admin as client:
        toml = PLACES.format(how=UNREACHABLE[place].format(closed=closed), closed=closed)
        assert (await client.post("/api/config/apply", json={"toml": toml})).status_code == 200
        key = (await client.post("/api/keys", json={"name": "k", "use_case": "work"})).json()["secret"]
    async with house.client(key) as client:
        answer = await client.post(path, json={"model": "smart", "stream": stream, **CALLS[path]})
    assert answer.status_code in (400, 502), answer.text
    assert "there" in answer.text
    for told in (answer.text, str(answer.headers)):
        assert not any(secret in told for secret in (*SECRETS, str(closed)))
    record = (await parts_of(house, answer.headers["x-headgate-record"]))["record"]
    assert any(secret in record["facts"]["reason"] for secret in (*SECRETS, "proxy_resolves"))


@pytest.mark.parametrize(
    "script", [Script(failure=Failure(500, message=WORDS)), Script(failure=Failure(529, message=WORDS))]
)
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("path", CALLS)
async def test_what_a_provider_says_of_its_own_fault_is_sealed_and_told_to_nobody(
    house: House, path: str, stream: bool, script: Script
):
    house.simulator.script(script)
    async with house.client(house.admin_key) as client:
        answer = await client.post(path, json={"model": "local-chat", "stream": stream, **CALLS[path]})
    assert answer.status_code >= 500
    assert "local-chat" in answer.text and "memory" not in answer.text
    detail = await parts_of(house, answer.headers["x-headgate-record"])
    assert "memory" not in json.dumps(detail["record"])
    assert {part["name"]: part["text"] for part in detail["parts"]}["error"] == WORDS


@pytest.mark.parametrize("path", CALLS)
async def test_a_fault_in_the_middle_of_a_stream_is_told_without_the_providers_words(house: House, path: str):
    house.simulator.script(Script(text="one two three", breaks=Failure(500, message=WORDS)))
    async with house.client(house.admin_key) as client:
        answer = await client.post(path, json={"model": "local-chat", "stream": True, **CALLS[path]})
    assert answer.status_code == 200
    assert "three" in answer.text and "failed with status 500" in answer.text
    assert "memory" not in answer.text


@pytest.mark.parametrize(
    "words",
    [
        "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens.",
        "Unsupported parameter: 'top_q'",
    ],
)
async def test_what_a_caller_can_act_on_passes_as_the_provider_wrote_it(house: House, words: str):
    house.simulator.script(Script(failure=Failure(400, message=words)))
    async with house.client(house.admin_key) as client:
        answer = await client.post(
            "/v1/chat/completions", json={"model": "local-chat", **CALLS["/v1/chat/completions"]}
        )
    assert (answer.status_code, answer.json()["error"]["message"]) == (400, words)
    detail = await parts_of(house, answer.headers["x-headgate-record"])
    assert words not in json.dumps(detail["record"])
