"""Batches at a provider's own batch API: each line stays a governed call, and costs what the provider's batch costs."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import psycopg
import pytest
import pytest_asyncio

from headgate.testing.eventually import eventually
from headgate.testing.house import House
from headgate.testing.simulator import Failure, Script

PATH = "/v1/chat/completions"
MAIL = "anna.bauer@example.com"
CONFIG = """
[[network]]
id = "loopback"
allow = ["127.0.0.1/32"]

[[use_case]]
id = "night"
owner = "admin"
purpose = "Sort letters at night"

[[deployment]]
id = "cheap"
provider = "openai"
model = "gpt-sim"
base_url = "http://127.0.0.1:{port}/v1"
network = "loopback"
price = {{ input = 1.0, output = 2.0 }}
options = {{ batch = "provider" }}

[[deployment]]
id = "other"
provider = "openai"
model = "gpt-sim"
base_url = "http://127.0.0.1:{port}/v1"
network = "loopback"
price = {{ input = 1.0, output = 2.0 }}

[[alias]]
id = "cheap"
deployments = ["cheap"]

[[alias]]
id = "other"
deployments = ["other"]
"""
COST = 12 + 2 * 7
"""The cost of a single call, in micro-dollars."""


@pytest_asyncio.fixture
async def client(house: House) -> Any:
    """A client of the administrator, whose models are at the simulated provider."""
    async with house.admin as admin:
        applied = await admin.post("/api/config/apply", json={"toml": CONFIG.format(port=house.simulator.port)})
        assert applied.status_code == 200, applied.text
    await house.worker.refresh()
    async with house.client(await house.register("ann", use_case="night")) as opened:
        yield opened


def line(name: str, model: str = "cheap", text: str = "Hello") -> bytes:
    body = {"model": model, "messages": [{"role": "user", "content": f"{text} {name}"}]}
    return json.dumps({"custom_id": name, "method": "POST", "url": PATH, "body": body}).encode()


async def begin(client: httpx2.AsyncClient, *lines: bytes) -> str:
    files = {"file": ("calls.jsonl", b"\n".join(lines))}
    file = (await client.post("/v1/files", data={"purpose": "batch"}, files=files)).json()
    answer = await client.post("/v1/batches", json={"input_file_id": file["id"], "endpoint": PATH})
    assert answer.status_code == 200, answer.text
    return answer.json()["id"]


async def ended(client: httpx2.AsyncClient, batch: str) -> dict[str, Any]:
    async def look() -> dict[str, Any] | None:
        found = (await client.get(f"/v1/batches/{batch}")).json()
        return found if found["status"] in ("completed", "failed", "cancelled", "expired") else None

    return await eventually(look)


async def results(client: httpx2.AsyncClient, file: str | None) -> dict[str, dict[str, Any]]:
    text = "" if file is None else (await client.get(f"/v1/files/{file}/content")).text
    return {one["custom_id"]: one for one in map(json.loads, text.splitlines())}


def said(result: dict[str, Any]) -> str:
    return result["response"]["body"]["choices"][0]["message"]["content"]


def sent(house: House) -> list[str]:
    """The requests to the provider, without its looks at a batch."""
    return [f"{one.method} {one.path}" for one in house.simulator.requests if one.method == "POST"]


async def test_a_batch_goes_to_the_provider_masked_and_comes_back_restored_at_half_the_price(
    house: House, client: httpx2.AsyncClient
) -> None:
    house.simulator.default = Script(echo=True)
    batch = await begin(client, line("one", text=f"Write to {MAIL},"), line("two"), line("three"))
    done = await ended(client, batch)
    answers = await results(client, done["output_file_id"])
    assert (done["status"], done["request_counts"]) == ("completed", {"total": 3, "completed": 3, "failed": 0})
    assert {name: said(one) for name, one in answers.items()} == {
        "one": f"Write to {MAIL}, one",
        "two": "Hello two",
        "three": "Hello three",
    }
    assert sent(house) == ["POST /v1/files", "POST /v1/batches"]
    assert MAIL.encode() not in b"".join(one.body for one in house.simulator.requests)
    (made,) = house.simulator.batches.made.values()
    assert made.given["metadata"] == {"headgate": f"{batch}-1"}
    records = {one["facts"].get("custom_id"): one for one in await house.records(verb="model.invoke")}
    facts = records["one"]["facts"]
    assert (facts["batch"], facts["line"], facts["deployment"]) == (batch, 1, "cheap")
    assert (facts["provider_batch"], facts["cost_micros"]) == (made.id, COST // 2)
    assert {one["outcome"] for one in records.values()} == {"done"}
    for verb in ("batch.hand_over", "batch.collect"):
        (record,) = await house.records(verb=verb)
        assert (record["outcome"], record["use_case"], record["facts"]["provider_batch"]) == ("done", "jobs", made.id)
    async with house.admin as admin:
        assert (await admin.get(f"/api/batches/{batch}")).json()["handed"] == 3


async def test_a_batch_of_more_lines_than_the_database_has_places_runs_once(
    house: House, client: httpx2.AsyncClient
) -> None:
    done = await ended(client, await begin(client, *[line(f"l{number}") for number in range(300)]))
    assert done["request_counts"] == {"total": 300, "completed": 300, "failed": 0}
    assert len(await house.records(verb="batch.collect")) == 1
    assert len(await results(client, done["output_file_id"])) == 300


async def test_lines_of_other_deployments_run_one_by_one_meanwhile(house: House, client: httpx2.AsyncClient) -> None:
    done = await ended(client, await begin(client, line("one"), line("two", model="other"), line("three", "other")))
    assert done["request_counts"] == {"total": 3, "completed": 3, "failed": 0}
    assert sorted(sent(house)) == sorted(["POST /v1/files", "POST /v1/batches", *[f"POST {PATH}"] * 2])
    records = {one["facts"]["custom_id"]: one["facts"] for one in await house.records(verb="model.invoke")}
    assert [records[name]["cost_micros"] for name in ("one", "two", "three")] == [COST // 2, COST, COST]


async def test_a_line_that_fails_at_the_provider_fails_alone(house: House, client: httpx2.AsyncClient) -> None:
    house.simulator.script(Script(), Script(failure=Failure(400, "no such parameter")))
    done = await ended(client, await begin(client, line("one"), line("two")))
    failures = await results(client, done["error_file_id"])
    assert (done["status"], done["request_counts"]) == ("completed", {"total": 2, "completed": 1, "failed": 1})
    assert failures["one"]["response"]["status_code"] == 400
    assert "no such parameter" in failures["one"]["response"]["body"]["error"]["message"]


@pytest.mark.parametrize("refusal", [Failure(400, "Enqueued token limit reached"), Failure(500)])
async def test_a_batch_that_the_provider_does_not_take_runs_line_by_line(
    house: House, client: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch, refusal: Failure
) -> None:
    monkeypatch.setattr("headgate.batches.handing.PAUSE_S", 0.0)
    house.simulator.batches.refusal = refusal
    done = await ended(client, await begin(client, line("one"), line("two")))
    assert (done["status"], done["request_counts"]["completed"]) == ("completed", 2)
    assert sent(house)[-2:] == [f"POST {PATH}"] * 2
    assert {one["facts"]["cost_micros"] for one in await house.records(verb="model.invoke")} == {COST}


async def test_lines_that_expire_at_the_provider_expire(house: House, client: httpx2.AsyncClient) -> None:
    house.simulator.batches.most = 1
    done = await ended(client, await begin(client, line("one"), line("two")))
    failures = await results(client, done["error_file_id"])
    assert done["request_counts"] == {"total": 2, "completed": 1, "failed": 1}
    assert failures["one"]["error"]["code"] == "batch_expired"


async def test_a_cancelled_batch_is_cancelled_at_the_provider_and_keeps_what_was_answered(
    house: House, client: httpx2.AsyncClient
) -> None:
    house.simulator.batches.held = True
    batch = await begin(client, line("one"), line("two"))
    await eventually(lambda: begun(house))
    assert (await client.post(f"/v1/batches/{batch}/cancel")).json()["status"] == "cancelling"
    done = await ended(client, batch)
    answers, left = await results(client, done["output_file_id"]), await results(client, done["error_file_id"])
    assert (done["status"], list(answers), list(left)) == ("cancelled", ["two"], ["one"])
    assert left["one"]["error"]["code"] == "batch_cancelled"
    assert done["request_counts"] == {"total": 2, "completed": 1, "failed": 0}


@pytest.mark.parametrize("forgets", [False, True])
async def test_a_worker_that_takes_a_batch_over_waits_for_what_is_at_the_provider(
    house: House, client: httpx2.AsyncClient, forgets: bool
) -> None:
    house.simulator.default = Script(echo=True)
    house.simulator.batches.held = True
    batch = await begin(client, line("one", text=f"Write to {MAIL},"), line("two"))
    await eventually(lambda: begun(house))
    # As if the worker had died: its lease is over, and the next one has begun.
    async with await psycopg.AsyncConnection.connect(house.database.owner.conninfo, autocommit=True) as owner:
        await owner.execute("UPDATE durable.runs SET due_at = now(), state = 'waiting', lease = lease + 1")
        if forgets:  # it died before it could keep the provider's id: the batch is found by its name
            (made,) = house.simulator.batches.made
            await owner.execute("UPDATE durable.runs SET progress = replace(progress::text, %s, '')::jsonb", (made,))
        await owner.execute("NOTIFY headgate_durable")
    house.simulator.batches.held = False
    done = await ended(client, batch)
    answers = await results(client, done["output_file_id"])
    assert {name: said(one) for name, one in answers.items()} == {"one": f"Write to {MAIL}, one", "two": "Hello two"}
    assert sent(house) == ["POST /v1/files", "POST /v1/batches"]
    assert len(await house.records(verb="batch.hand_over")) == 1 + forgets


async def test_batches_that_wait_for_the_provider_leave_their_places_to_others(
    house: House, client: httpx2.AsyncClient
) -> None:
    house.simulator.batches.held = True
    waiting = [await begin(client, line("one")) for _ in range(4)]
    done = await ended(client, await begin(client, line("one", model="other")))
    assert done["status"] == "completed"
    house.simulator.batches.held = False
    assert [(await ended(client, batch))["status"] for batch in waiting] == ["completed"] * 4


async def begun(house: House) -> bool:
    return any(one.status == "in_progress" for one in house.simulator.batches.made.values())
