"""Answers that a program continues by their id: kept, found, counted and deleted, each for its own principal."""

from __future__ import annotations

import json
from typing import Any

import psycopg
import pytest

from headgate.admin.threads import THREADS
from headgate.chat.threads import MOST_BYTES, KeptThreads
from headgate.testing.house import House
from headgate.testing.simulator import Script
from headgate.wire.sse import SseParser

MODEL = "local-chat"


async def respond(client: Any, text: Any = "Hello", **fields: Any) -> dict[str, Any]:
    answer = await client.post("/v1/responses", json={"model": MODEL, "input": text, **fields})
    assert answer.status_code == 200, answer.text
    return answer.json()


def sent(house: House) -> list[dict[str, Any]]:
    return house.simulator.requests[-1].json["messages"]


async def test_an_answer_is_continued_by_its_id(house: House) -> None:
    """Trap 28."""
    house.simulator.script(Script(text="Bonn."), Script(text="Rain."), Script(text="So it is."))
    async with house.client(house.admin_key) as client:
        first = await respond(client, "Where am I?", instructions="Be brief.")
        second = await respond(
            client,
            [{"role": "user", "content": "The weather?"}],
            previous_response_id=first["id"],
            instructions="Be long.",
        )
        third = await respond(client, "Really?", previous_response_id=second["id"])
    assert [(one["role"], one["content"]) for one in sent(house)] == [
        *[("user", "Where am I?"), ("assistant", "Bonn."), ("user", "The weather?"), ("assistant", "Rain.")],
        ("user", "Really?"),
    ]
    assert (first["previous_response_id"], second["previous_response_id"]) == (None, first["id"])
    assert third["id"].startswith("resp_")
    assert "Bonn." not in json.dumps(second["output"])


async def test_a_streamed_answer_is_kept_before_its_last_event(house: House) -> None:
    house.simulator.script(Script(text="Bonn.", reasoning=("Hm.",)), Script(text="Rain."))
    async with house.client(house.admin_key) as client:
        streamed = await client.post("/v1/responses", json={"model": MODEL, "input": "x", "stream": True})
        events = [json.loads(event.data) for event in SseParser().feed(streamed.content)]
        (answer,) = {event["response"]["id"] for event in events if "response" in event}
        kept = await client.get(f"/v1/responses/{answer}")
        assert kept.json() == events[-1]["response"]
        await respond(client, [{"role": "user", "content": "y"}], previous_response_id=answer)
    assert [one["content"] for one in sent(house)] == ["x", "Bonn.", "y"]


async def test_a_kept_answer_is_read_and_deleted(house: House) -> None:
    house.simulator.script(Script(text="One."), Script(text="Two."))
    async with house.client(house.admin_key) as client:
        first = await respond(client, "1")
        second = await respond(client, "2", previous_response_id=first["id"], metadata={"a": "b"})
        path = f"/v1/responses/{second['id']}"
        assert (await client.get(path)).json() == second
        listed = (await client.get(f"{path}/input_items", params={"order": "asc"})).json()
        texts = [part["text"] for item in listed["data"] for part in item["content"]]
        assert (texts, listed["has_more"]) == (["1", "One.", "2"], False)
        newest = (await client.get(f"{path}/input_items", params={"limit": 1})).json()
        assert (newest["data"], newest["has_more"]) == (listed["data"][-1:], True)
        rest = (await client.get(f"{path}/input_items", params={"after": newest["last_id"], "limit": 2})).json()
        assert rest["data"] == listed["data"][1::-1]
        empty = (await client.get(f"{path}/input_items", params={"after": rest["last_id"]})).json()
        assert (empty["data"], empty["first_id"]) == ([], None)
        for query in ("limit=0", "order=up", "after=nothing"):
            assert (await client.get(f"{path}/input_items?{query}")).status_code == 400
        assert (await client.get(f"{path}?stream=true")).json()["error"]["param"] == "stream"
        assert (await client.get(f"{path}/other")).status_code == 404
        assert (await client.put(path)).status_code == 405
        assert "synchronous" in (await client.post(f"{path}/cancel")).json()["error"]["message"]
        deleted = await client.delete(f"/v1/responses/{first['id']}")
        assert deleted.json() == {"id": first["id"], "object": "response", "deleted": True}
        assert (await client.delete(f"/v1/responses/{first['id']}")).status_code == 404
        # What continues it cannot be continued either, as a part of the conversation is gone.
        gone = await client.post(
            "/v1/responses", json={"model": MODEL, "input": "x", "previous_response_id": second["id"]}
        )
        assert (gone.status_code, gone.json()["error"]["code"]) == (400, "previous_response_not_found")
        assert (await client.get(path)).status_code == 404
        assert (await client.get("/v1/responses/")).status_code in (404, 405)


async def test_nobody_else_learns_of_an_answer(house: House) -> None:
    """Trap 28."""
    other = await house.register("another", "developer")
    async with house.client(house.admin_key) as client, house.client(other) as stranger:
        kept = await respond(client)
        path = f"/v1/responses/{kept['id']}"
        for method in ("get", "delete"):
            refused = await getattr(stranger, method)(path)
            missing = await getattr(stranger, method)("/v1/responses/resp_0")
            assert refused.status_code == missing.status_code == 404
            assert (
                refused.json()["error"]["message"].replace(kept["id"], "resp_0") == missing.json()["error"]["message"]
            )
        body = {"model": MODEL, "input": "x", "previous_response_id": kept["id"]}
        assert (await stranger.post("/v1/responses", json=body)).json()["error"]["param"] == "previous_response_id"
        assert (await client.get(path)).status_code == 200
        assert (await house.client().get(path)).status_code == 401


async def test_reading_and_deleting_an_answer_leave_records(house: House) -> None:
    async with house.client(house.admin_key) as client:
        path = f"/v1/responses/{(await respond(client))['id']}"
        read = await client.get(path)
        deleted = await client.delete(path)
        missing = await client.get(path)
    seen = {one["id"]: one for one in await house.records() if one["verb"].startswith("answer.")}
    for answer, verb, outcome in ((read, "read", "done"), (deleted, "delete", "done"), (missing, "read", "failed")):
        record = seen[answer.headers["x-headgate-record"]]
        assert (record["verb"], record["outcome"], record["use_case"]) == (f"answer.{verb}", outcome, "getting-started")
        assert record["resource"] == path.replace("/v1/responses/", "answer:")


async def test_erasing_the_content_of_past_days_erases_the_answers_of_everybody(house: House) -> None:
    other = await house.register("another", "developer")
    async with house.client(other) as program, house.admin as admin:
        old, new = await respond(program, "1"), await respond(program, "2")
        with psycopg.connect(house.database.owner.conninfo, autocommit=True) as connection:
            connection.execute("UPDATE chat.kept_answers SET kept_at = '2020-01-01' WHERE id = %s", [old["id"]])
        erased = (await admin.post("/api/records/erase", json={"before": "2020-01-02"})).json()
        assert erased["answers"] == 1
        assert (await program.get(f"/v1/responses/{old['id']}")).status_code == 404
        assert (await program.get(f"/v1/responses/{new['id']}")).status_code == 200
    assert (await house.records(verb="record.erase"))[0]["facts"]["copies"] == 1


async def test_an_answer_that_is_not_to_be_kept_is_not(house: House) -> None:
    """Trap 28."""
    async with house.client(house.admin_key) as client:
        loose = await respond(client, store=False)
        assert (await client.get(f"/v1/responses/{loose['id']}")).status_code == 404
        incomplete = {"model": MODEL, "stream": True, "input": "x", "store": False}
        assert (await client.post("/v1/responses", json=incomplete)).status_code == 200


async def test_the_labels_of_what_is_continued_raise_the_floor(house: House) -> None:
    async with house.client(house.admin_key) as client:
        first = await client.post(
            "/v1/responses",
            json={"model": MODEL, "input": "x"},
            headers={"x-headgate-labels": "confidentiality=confidential"},
        )
        assert first.status_code == 200, first.text
        body = {"model": MODEL, "input": "y", "previous_response_id": first.json()["id"]}
        second = await client.post("/v1/responses", json=body)
    assert "confidential" in second.headers["x-headgate-labels"]


async def test_what_is_kept_is_sealed(house: House) -> None:
    async with house.client(house.admin_key) as client:
        await respond(client, "A very secret question")
    with psycopg.connect(house.database.owner.conninfo) as connection:
        rows = connection.execute("SELECT body, key FROM chat.kept_answers").fetchall()
    assert len(rows) == 1
    assert all(b"secret" not in bytes(value) for row in rows for value in row)


async def test_an_expired_answer_is_gone(house: House) -> None:
    async with house.client(house.admin_key) as client:
        kept = await respond(client)
        with psycopg.connect(house.database.owner.conninfo, autocommit=True) as connection:
            connection.execute("UPDATE chat.kept_answers SET expires_at = now() - interval '1 second'")
        assert (await client.get(f"/v1/responses/{kept['id']}")).status_code == 404
        threads = house.worker.platform.offers.ask(THREADS)
        assert isinstance(threads, KeptThreads)
        await threads.sweep()
    with psycopg.connect(house.database.owner.conninfo) as connection:
        assert connection.execute("SELECT count(*) FROM chat.kept_answers").fetchone() == (0,)


async def test_an_answer_that_cannot_be_kept_is_given_all_the_same(house: House) -> None:
    async with house.client(house.admin_key) as client:
        with psycopg.connect(house.database.owner.conninfo, autocommit=True) as connection:
            connection.execute("ALTER TABLE chat.kept_answers ADD CONSTRAINT full_up CHECK (false)")
        answer = await respond(client)
        assert answer["status"] == "completed"
        assert (await client.get(f"/v1/responses/{answer['id']}")).status_code == 404


@pytest.mark.parametrize("text", ["x" * (MOST_BYTES + 1)])
async def test_an_answer_with_a_very_long_call_is_not_kept(house: House, text: str) -> None:
    async with house.client(house.admin_key) as client:
        answer = await respond(client, text)
        assert (await client.get(f"/v1/responses/{answer['id']}")).status_code == 404


async def test_the_tokens_of_a_request_are_counted(house: House) -> None:
    async with house.client(house.admin_key) as client:
        first = await respond(client, "x" * 400)
        body = {"model": MODEL, "input": "y"}
        short = (await client.post("/v1/responses/input_tokens", json=body)).json()
        continued = {**body, "previous_response_id": first["id"]}
        long = (await client.post("/v1/responses/input_tokens", json=continued)).json()
    assert short["object"] == "response.input_tokens"
    assert long["input_tokens"] > short["input_tokens"] + 90


async def test_a_compacted_conversation_goes_on_from_its_summary(house: House) -> None:
    other = await house.register("another", "developer")
    house.simulator.script(Script(text="Bonn."), Script(text="The user is in Bonn."), Script(text="Rain."))
    async with house.client(house.admin_key) as client, house.client(other) as stranger:
        first = await respond(client, "Where am I?")
        raised = {"x-headgate-labels": "confidentiality=confidential"}
        body = {"model": MODEL, "input": "Now compact.", "previous_response_id": first["id"], "stream": True}
        answer = await client.post("/v1/responses/compact", json=body, headers=raised)
        compacted = answer.json()
        assert compacted["object"] == "response.compaction"
        assert [one["content"] for one in sent(house)][:2] == ["Where am I?", "Bonn."]
        *users, summary = compacted["output"]
        assert [one["content"][0]["text"] for one in users] == ["Where am I?", "Now compact."]
        assert (summary["type"], "Bonn" in summary["encrypted_content"]) == ("compaction", False)
        assert (await client.get(f"/v1/responses/{compacted['id']}")).status_code == 404
        asked = [*compacted["output"], {"role": "user", "content": "The weather?"}]
        on = await client.post("/v1/responses", json={"model": MODEL, "input": asked})
        assert "confidential" in on.headers["x-headgate-labels"]
        assert [one["role"] for one in sent(house)] == ["user", "assistant", "user"]
        assert sent(house)[1]["content"].endswith("The user is in Bonn.")
        stolen = await stranger.post("/v1/responses", json={"model": MODEL, "input": asked})
        changed = [{**summary, "encrypted_content": summary["encrypted_content"][:-9]}]
        broken = await client.post("/v1/responses", json={"model": MODEL, "input": changed})
        assert stolen.status_code == broken.status_code == 400
        assert stolen.json()["error"]["message"] == broken.json()["error"]["message"]
        house.simulator.script(Script(text=""))
        empty = await client.post("/v1/responses/compact", json={"model": MODEL, "input": "x"})
        assert empty.status_code == 502
