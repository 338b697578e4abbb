"""Conversations that programs make and continue by their id, and items that they name by theirs."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from headgate.admin.threads import CONVERSATIONS, ConversationLocked
from headgate.chat.kept_conversations import KeptConversations
from headgate.kernel.errors import Conflict
from headgate.kernel.identity import Principal
from headgate.kernel.labels import BOTTOM
from headgate.policy.entities import ADMIN, DEFAULT_TENANT
from headgate.testing.house import House
from headgate.testing.simulator import Failure, Script

MODEL = "local-chat"
PATH = "/v1/conversations"


def item(text: str, role: str = "user") -> dict[str, Any]:
    return {"role": role, "content": text}


async def begin(client: Any, *texts: str, **fields: Any) -> str:
    body = {"items": [item(text) for text in texts], **fields}
    answer = await client.post(PATH, json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()["id"]


async def respond(client: Any, text: Any, *, status: int = 200, **fields: Any) -> dict[str, Any]:
    answer = await client.post("/v1/responses", json={"model": MODEL, "input": text, **fields})
    assert answer.status_code == status, answer.text
    return answer.json()


async def texts_of(client: Any, conversation: str) -> list[str]:
    listed = (await client.get(f"{PATH}/{conversation}/items", params={"order": "asc", "limit": 100})).json()
    return [part["text"] for one in listed["data"] for part in one["content"]]


def sent(house: House) -> list[str]:
    return [one["content"] for one in house.simulator.requests[-1].json["messages"]]


def execute(house: House, statement: str) -> None:
    with psycopg.connect(house.database.owner.conninfo, autocommit=True) as connection:
        connection.execute(statement.encode())


async def test_a_conversation_is_made_continued_read_changed_and_deleted(house: House) -> None:
    house.simulator.script(Script(text="Bonn."), Script(text="Rain."))
    async with house.client(house.admin_key) as client:
        name = await begin(client, "Be brief.", metadata={"topic": "a"})
        path = f"{PATH}/{name}"
        first = await respond(client, "Where am I?", conversation=name)
        assert first["conversation"] == {"id": name}
        streamed = await client.post(
            "/v1/responses", json={"model": MODEL, "input": "Weather?", "conversation": {"id": name}, "stream": True}
        )
        assert f'"conversation":{{"id":"{name}"}}' in streamed.text
        assert sent(house) == ["Be brief.\nWhere am I?", "Bonn.", "Weather?"]
        assert await texts_of(client, name) == ["Be brief.", "Where am I?", "Bonn.", "Weather?", "Rain."]
        shown = (await client.get(path)).json()
        assert (shown["object"], shown["metadata"]) == ("conversation", {"topic": "a"})
        assert (await client.post(path, json={"metadata": {"topic": "b"}})).json()["metadata"] == {"topic": "b"}
        added = (await client.post(f"{path}/items", json={"items": [item("More.", "assistant")]})).json()
        (more,) = added["data"]
        assert (more["status"], more["content"][0]["type"]) == ("completed", "output_text")
        assert (await client.get(f"{path}/items/{more['id']}")).json() == more
        assert (await client.delete(f"{path}/items/{more['id']}")).json()["id"] == name
        assert (await client.get(f"{path}/items/{more['id']}")).status_code == 404
        assert (await client.delete(f"{path}/items/{more['id']}")).status_code == 404
        assert (await client.get(f"/v1/responses/{first['id']}")).json()["output"] == first["output"]
        assert (await client.delete(path)).json() == {"id": name, "object": "conversation.deleted", "deleted": True}
        assert (await client.delete(path)).status_code == 404
        gone = await respond(client, "x", conversation=name, status=404)
        assert name in gone["error"]["message"]
        for method in ("get", "post"):
            fields: dict[str, Any] = {"json": {"items": [], "metadata": {}}} if method == "post" else {}
            for place in ("", "/items"):
                assert (await getattr(client, method)(f"{path}{place}", **fields)).status_code == 404
        assert (await client.put(path)).status_code == 405
        assert (await client.get(f"{path}/other")).status_code == 404
    verbs = [one["verb"] for one in await house.records(limit=200) if one["verb"].startswith("thread.")]
    assert {"thread.read", "thread.write", "thread.delete"} == set(verbs)


async def test_nobody_else_learns_of_a_conversation_or_an_item(house: House) -> None:
    other = await house.register("another", "developer")
    async with house.client(house.admin_key) as client, house.client(other) as stranger:
        name = await begin(client, "Mine.")
        answer = await respond(client, "x", conversation=name)
        for method, place in (("get", ""), ("delete", ""), ("get", "/items"), ("delete", "/items/msg_1")):
            refused = await getattr(stranger, method)(f"{PATH}/{name}{place}")
            missing = await getattr(stranger, method)(f"{PATH}/conv_0{place}")
            assert refused.status_code == missing.status_code == 404
            assert refused.json()["error"]["message"].replace(name, "conv_0") == missing.json()["error"]["message"]
        said = await respond(stranger, "x", conversation=name, status=404)
        assert said["error"]["param"] == "conversation"
        reference = [{"type": "item_reference", "id": answer["output"][0]["id"]}, item("x")]
        said = await respond(stranger, reference, status=404)
        assert said["error"]["param"] == "input"
        assert (await client.get(f"{PATH}/{name}")).status_code == 200


async def test_an_item_is_named_by_its_id(house: House) -> None:
    house.simulator.script(Script(text="Bonn."), Script(text="Rain."), Script(text="Snow."))
    async with house.client(house.admin_key) as client:
        first = await respond(client, "Where am I?")
        listed = (await client.get(f"/v1/responses/{first['id']}/input_items")).json()
        references = [{"type": "item_reference", "id": listed["data"][0]["id"]}, {"id": first["output"][0]["id"]}]
        second = await respond(client, [*references, item("And the weather?")])
        assert sent(house) == ["Where am I?", "Bonn.", "And the weather?"]
        # What comes before anyway is not repeated.
        await respond(client, [*references, item("Really?")], previous_response_id=second["id"])
        assert sent(house) == ["Where am I?", "Bonn.", "And the weather?", "Rain.", "Really?"]
        await client.delete(f"/v1/responses/{first['id']}")
        assert "not found" in (await respond(client, references, status=404))["error"]["message"]


async def test_two_answers_to_one_conversation_do_not_mix(house: House) -> None:
    caller = Principal(ADMIN, tenant=DEFAULT_TENANT)
    kept = house.worker.platform.offers.ask(CONVERSATIONS)
    assert isinstance(kept, KeptConversations)
    async with house.client(house.admin_key) as client:
        name = await begin(client, "1")
        assert await kept.hold(name, holder="resp_other", principal=caller) is not None
        refused = await client.post("/v1/responses", json={"model": MODEL, "input": "2", "conversation": name})
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "conversation_locked")
        assert not house.simulator.requests
        added = await client.post(f"{PATH}/{name}/items", json={"items": [item("2")]})
        assert added.json()["error"]["code"] == "conversation_locked"
        # A lost worker's time ends, and its answer comes too late.
        execute(house, "UPDATE chat.kept_conversations SET held_until = now() - interval '1 second'")
        await respond(client, "2", conversation=name)
        with pytest.raises(Conflict):
            await kept.settle(name, [], labels=BOTTOM, floor=BOTTOM, holder="resp_other", principal=caller)
        # A renewed one is held on, and a failed call lets go.
        assert await kept.hold(name, holder="resp_other", principal=caller) is not None
        execute(house, "UPDATE chat.kept_conversations SET held_until = now() - interval '1 second'")
        await kept.renew()
        with pytest.raises(ConversationLocked):
            await kept.hold(name, holder="resp_third", principal=caller)
        await kept.let_go(name, holder="resp_other", principal=caller)
        house.simulator.script(Script(failure=Failure(400)))
        await respond(client, "3", conversation=name, status=400)
        await respond(client, "4", conversation=name)
        assert [text for text in await texts_of(client, name) if text.isdecimal()] == ["1", "2", "4"]


async def test_labels_never_fall_and_raise_the_floor(house: House) -> None:
    async with house.client(house.admin_key) as client:
        raised = {"x-headgate-labels": "confidentiality=confidential"}
        made = await client.post(PATH, json={"items": [item("x")]}, headers=raised)
        name = made.json()["id"]
        (first,) = (await client.get(f"{PATH}/{name}/items")).json()["data"]
        await client.delete(f"{PATH}/{name}/items/{first['id']}")
        answer = await client.post("/v1/responses", json={"model": MODEL, "input": "y", "conversation": name})
    assert "confidential" in answer.headers["x-headgate-labels"]


async def test_what_is_kept_is_sealed_bounded_expires_and_is_erased(house: House) -> None:
    kept = house.worker.platform.offers.ask(CONVERSATIONS)
    assert isinstance(kept, KeptConversations)
    async with house.client(house.admin_key) as client, house.admin as admin:
        name = await begin(client, "A very secret question", metadata={"a": "secret"})
        with psycopg.connect(house.database.owner.conninfo) as connection:
            rows = connection.execute("SELECT key, metadata FROM chat.kept_conversations").fetchall()
            rows += connection.execute("SELECT body, body FROM chat.kept_items").fetchall()
        assert all(b"secret" not in bytes(value) for row in rows for value in row)
        for body in (
            {"items": [item("x")] * 21},
            {"items": ["x"]},
            {"items": [{"type": "item_reference", "id": "msg_1"}]},
            {"items": [{**item("x"), "id": 1}]},
            {"metadata": {"a": 1}},
        ):
            assert (await client.post(PATH, json=body)).status_code == 400
        both = await respond(client, "x", conversation=name, previous_response_id="resp_1", status=400)
        assert both["error"]["param"] == "previous_response_id"
        assert (await respond(client, "x", conversation={}, status=400))["error"]["param"] == "conversation"
        execute(house, f"UPDATE chat.kept_conversations SET size_bytes = {1 << 40}")
        full = await client.post(f"{PATH}/{name}/items", json={"items": [item("x")]})
        assert full.status_code == 413
        assert (await respond(client, "y", conversation=name))["status"] == "completed"  # paid for, and not kept
        assert await texts_of(client, name) == ["A very secret question"]
        execute(house, "UPDATE chat.kept_items SET kept_at = '2020-01-01'")
        execute(house, "UPDATE chat.kept_conversations SET created_at = '2020-01-01'")
        erased = (await admin.post("/api/records/erase", json={"before": "2020-01-02"})).json()
        assert erased["answers"] == 2
        assert (await client.get(f"{PATH}/{name}")).status_code == 404
        await begin(client)
        execute(house, "UPDATE chat.kept_conversations SET expires_at = now() - interval '1 second'")
        await kept.sweep()
    with psycopg.connect(house.database.owner.conninfo) as connection:
        assert connection.execute("SELECT count(*) FROM chat.kept_conversations").fetchone() == (0,)
