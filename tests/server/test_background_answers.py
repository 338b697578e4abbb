"""Answers in the background: begun, followed, resumed, cancelled and lost. Following one waits for its end."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import psycopg

from headgate.admin.background import BACKGROUND
from headgate.chat.background import KeptBackground
from headgate.kernel.identity import Principal
from headgate.kernel.labels import BOTTOM
from headgate.policy.entities import ADMIN, DEFAULT_TENANT
from headgate.server.background_answers import MOST_AT_ONCE
from headgate.testing.house import House
from headgate.testing.simulator import Failure, Script
from headgate.wire.sse import SseParser

MODEL = "local-chat"
PATH = "/v1/responses"


async def begin(client: Any, *, status: int = 200, **fields: Any) -> Any:
    body = {"model": MODEL, "input": "Hello", "background": True, **fields}
    answer = await client.post(PATH, json=body)
    assert answer.status_code == status, answer.text
    return events_in(answer.content) if fields.get("stream") else answer.json()


def events_in(raw: bytes) -> list[dict[str, Any]]:
    return [json.loads(event.data) for event in SseParser().feed(raw)]


async def followed(client: Any, answer: str, **query: Any) -> list[dict[str, Any]]:
    streamed = await client.get(f"{PATH}/{answer}", params={"stream": "true", **query})
    assert streamed.status_code == 200, streamed.text
    return events_in(streamed.content)


def execute(house: House, statement: str) -> None:
    with psycopg.connect(house.database.owner.conninfo, autocommit=True) as connection:
        connection.execute(statement.encode())


async def test_an_answer_is_written_while_nobody_waits_and_its_stream_is_resumed(house: House) -> None:
    """Trap 32."""
    house.simulator.script(Script(text="Bonn is by the Rhine."), Script(text="Yes."), Script(text="Rain."))
    async with house.client(house.admin_key) as client:
        queued = await begin(client, instructions="Be brief.")
        assert (queued["status"], queued["background"], queued["output"]) == ("queued", True, [])
        events = await followed(client, queued["id"])
        assert [event["sequence_number"] for event in events] == list(range(len(events)))
        assert (events[0]["type"], events[-1]["type"]) == ("response.created", "response.completed")
        assert await followed(client, queued["id"], starting_after=3) == events[4:]
        whole = (await client.get(f"{PATH}/{queued['id']}")).json()
        assert (whole, whole["status"], whole["background"]) == (events[-1]["response"], "completed", True)
        on = await client.post(PATH, json={"model": MODEL, "input": "Really?", "previous_response_id": queued["id"]})
        assert on.status_code == 200
        assert [one["content"] for one in house.simulator.requests[-1].json["messages"]] == [
            *("Hello", "Bonn is by the Rhine.", "Really?")
        ]
        again = await client.post(f"{PATH}/{queued['id']}/cancel")
        assert again.json() == whole
        streamed = await begin(client, stream=True)
        assert streamed[-1]["response"]["output"][0]["content"][0]["text"] == "Rain."
        refused = await client.get(f"{PATH}/{queued['id']}", params={"stream": "true", "starting_after": "x"})
        assert refused.json()["error"]["param"] == "starting_after"
        assert (await client.delete(f"{PATH}/{queued['id']}")).json()["deleted"]
        assert (await client.get(f"{PATH}/{queued['id']}")).status_code == 404
        assert (await begin(client, store=False, status=400))["error"]["param"] == "background"
    assert {one["verb"] for one in await house.records()} >= {"answer.read", "answer.delete", "model.invoke"}


async def test_a_cancelled_answer_stops_and_a_failed_one_says_why(house: House) -> None:
    """Trap 32."""
    other = await house.register("another", "developer")
    house.simulator.script(Script(text="A long answer", stall="stream"))
    async with house.client(house.admin_key) as client, house.client(other) as stranger:
        answer = (await begin(client))["id"]
        received = await house.simulator.received()
        assert (await client.get(f"{PATH}/{answer}")).json()["status"] in ("queued", "in_progress")
        for method, place in (("get", ""), ("delete", ""), ("post", "/cancel"), ("get", "?stream=true")):
            assert (await getattr(stranger, method)(f"{PATH}/{answer}{place}")).status_code == 404
        for _ in range(2):
            cancelled = await client.post(f"{PATH}/{answer}/cancel")
            assert (cancelled.status_code, cancelled.json()["status"]) == (200, "cancelled")
        assert all(event["type"] != "response.completed" for event in await followed(client, answer))
        async with asyncio.timeout(30):
            await received.left.wait()
        house.simulator.script(Script(failure=Failure(400)))
        failed = (await begin(client))["id"]
        assert (await followed(client, failed))[-1]["type"] == "response.failed"
        said = (await client.get(f"{PATH}/{failed}")).json()
        assert (said["status"], bool(said["error"]["message"])) == ("failed", True)


async def test_an_answer_that_lost_its_worker_has_failed(house: House) -> None:
    """Trap 32."""
    kept = house.worker.platform.offers.ask(BACKGROUND)
    assert isinstance(kept, KeptBackground)
    caller = Principal(ADMIN, tenant=DEFAULT_TENANT)
    async with house.client(house.admin_key) as client, house.admin as admin:
        names = [f"resp_{at}" for at in range(MOST_AT_ONCE)]
        body = json.dumps({"id": "resp", "status": "queued", "error": None, "metadata": {"a": "secret"}}).encode()
        for name in names:
            await kept.begin(name, body, labels=BOTTOM, principal=caller, most=MOST_AT_ONCE)
        assert (await begin(client, status=429))["error"]["code"] == "rate_limit_exceeded"
        execute(house, "UPDATE chat.background_answers SET alive_until = now() - interval '1 second'")
        lost = (await client.get(f"{PATH}/{names[0]}")).json()
        assert (lost["status"], "worker" in lost["error"]["message"]) == ("failed", True)
        (event,) = await followed(client, names[0])
        assert (event["type"], event["sequence_number"], event["response"]) == ("response.failed", 0, lost)
        with psycopg.connect(house.database.owner.conninfo) as connection:
            rows = connection.execute("SELECT body FROM chat.background_answers").fetchall()
        assert all(b"secret" not in bytes(row[0]) for row in rows)
        assert (await begin(client))["status"] == "queued"
        execute(house, f"UPDATE chat.background_answers SET created_at = '2020-01-01' WHERE id <> '{names[0]}'")
        erased = (await admin.post("/api/records/erase", json={"before": "2020-01-02"})).json()
        assert erased["answers"] == MOST_AT_ONCE
        execute(house, "UPDATE chat.background_answers SET expires_at = now()")
        assert (await client.get(f"{PATH}/{names[0]}")).status_code == 404
        await kept.sweep()
    with psycopg.connect(house.database.owner.conninfo) as connection:
        assert connection.execute("SELECT count(*) FROM chat.background_answers").fetchone() == (0,)
