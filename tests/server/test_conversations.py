"""Conversations of two people: kept, searched, branched, shared by clearance, and deleted with their content."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import httpx2
import psycopg
import pytest_asyncio

from headgate.chat.exports import as_markdown
from headgate.ledger.log_keys import read_verifier, verifier_path
from headgate.ledger.verify import verify_log
from headgate.policy.entities import DEFAULT_TENANT
from headgate.testing.house import OTHER, House, Streamed, add_tenant, events_of
from headgate.testing.simulator import Failure, Script

HOST = "127.0.0.1:8080"


@dataclass
class Person:
    """Somebody with a browser."""

    client: httpx2.AsyncClient

    async def begins(self, **more: Any) -> str:
        made = await self.client.post("/api/conversations", json={"model": "local-chat", **more})
        assert made.status_code == 200, made.text
        return str(made.json()["id"])

    async def says(self, conversation: str, text: str, *, parent: str | None = None, **more: Any) -> str:
        body = {"text": text, "parent": parent, **more}
        said = await self.client.post(f"/api/conversations/{conversation}/messages", json=body)
        assert said.status_code == 200, said.text
        return str(said.json()["id"])

    async def asks(self, conversation: str, question: str, **more: Any) -> httpx2.Response:
        return await self.client.post(f"/api/conversations/{conversation}/answers", json={"question": question, **more})

    async def opens(self, conversation: str) -> httpx2.Response:
        return await self.client.get(f"/api/conversations/{conversation}")

    async def turns(self, conversation: str) -> list[dict[str, Any]]:
        return (await self.opens(conversation)).json()["turns"]

    async def finds(self, words: str) -> list[dict[str, Any]]:
        answer = await self.client.get("/api/conversations/search", params={"q": words})
        assert answer.status_code == 200, answer.text
        return answer.json()["hits"]


@dataclass
class People:
    """Ann, who chats; Bob, who reads; and an administrator."""

    ann: Person
    bob: Person
    admin: Person


@pytest_asyncio.fixture
async def people(house: House):
    async with AsyncExitStack() as stack:
        for name in ("ann", "bob"):
            await house.register(name)
        ann, bob, admin = [
            Person(await stack.enter_async_context(house.browser(name))) for name in ("ann", "bob", "admin")
        ]
        yield People(ann, bob, admin)


async def test_a_conversation_is_kept_branched_and_continued(house: House, people: People):
    ann = people.ann
    house.simulator.script(*[Script(echo=True) for _ in range(4)])
    conversation = await ann.begins(system="Answer briefly.")
    first = await ann.says(conversation, "What is the capital of France?")
    events = events_of((await ann.asks(conversation, first)).text)
    assert events[-1][0] == "gate"
    one = (await ann.turns(conversation))[-1]
    assert (one["text"], one["state"]) == ("What is the capital of France?", "whole")
    assert one["record"] == one["gate"]["record"] == events[-1][1]["record"]

    await ann.asks(conversation, first)  # a second answer to the same question
    edited = await ann.says(conversation, "And of Spain?")  # the question, edited
    await ann.asks(conversation, edited)
    follow = await ann.says(conversation, "Thank you", parent=one["id"])
    await ann.asks(conversation, follow)

    turns = await ann.turns(conversation)
    assert [turn["parent"] for turn in turns] == [None, first, first, None, edited, one["id"], follow]
    sent = house.simulator.requests[-1].json["messages"]
    assert [(message["role"], message["content"]) for message in sent] == [
        ("system", "Answer briefly."),
        ("user", "What is the capital of France?"),
        ("assistant", "What is the capital of France?"),
        ("user", "Thank you"),
    ]
    detail = (await ann.opens(conversation)).json()
    assert detail["conversation"]["title"] == "What is the capital of France?"
    assert detail["shown"] == turns[-1]["id"]
    assert as_markdown(detail).count("## ") == 5

    await ann.client.put(f"/api/conversations/{conversation}/shown", json={"turn": turns[4]["id"]})
    renamed = await ann.client.put(f"/api/conversations/{conversation}", json={"title": "Capitals", "system": ""})
    assert renamed.json()["title"] == "Capitals"
    detail = (await ann.opens(conversation)).json()
    assert (detail["shown"], detail["system"]) == (turns[4]["id"], None)
    assert [hit["turn"] for hit in await ann.finds("capitals")] == [None]


async def test_a_search_finds_the_beginnings_of_words_in_messages_titles_and_files(house: House, people: People):
    ann = people.ann
    older = await ann.begins(title="Résumé of the Müller case")
    file = {"name": "notes.txt", "media_type": "text/plain", "text": "The invoice was never paid."}
    newer = await ann.begins()
    await ann.says(newer, "Please read this", attachments=[file])
    assert [hit["conversation"]["id"] for hit in await ann.finds("resu mull")] == [older]
    (hit,) = await ann.finds("INVOI paid")
    assert (hit["conversation"]["id"], hit["conversation"]["title"]) == (newer, "Please read this")
    assert "The invoice was never paid." in hit["excerpt"]
    assert await ann.finds("voice") == []
    assert await people.bob.finds("invoice") == []
    refused = await ann.client.get("/api/conversations/search", params={"q": "?!"})
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "q")
    first = (await ann.client.get("/api/conversations", params={"limit": 1})).json()
    second = (await ann.client.get("/api/conversations", params={"limit": 1, "cursor": first["next"]})).json()
    assert [one["conversations"][0]["id"] for one in (first, second)] == [newer, older]
    assert second["next"] is None


async def test_nobody_reads_or_changes_what_is_not_theirs_and_not_shared(house: House, people: People):
    conversation = await people.ann.begins()
    question = await people.ann.says(conversation, "Nobody else reads this")
    path = f"/api/conversations/{conversation}"
    for other in (people.bob, people.admin):
        assert (await other.opens(conversation)).status_code == 403
        assert (await other.asks(conversation, question)).status_code == 403
        assert (await other.client.put(path, json={"title": "x"})).status_code == 403
        assert (await other.client.delete(path)).status_code == 403
        assert (await other.client.put(f"{path}/readers/bob")).status_code == 403
        assert await other.finds("nobody") == []
    add_tenant(house.database)
    await house.register("ann", tenant=OTHER)
    async with house.browser("ann", OTHER) as namesake:
        assert (await namesake.get(path)).status_code == 404
    refused = [one for one in await house.records(verb="conversation.open") if one["outcome"] == "refused"]
    assert len(refused) == 2
    with psycopg.connect(house.database.owner.conninfo) as connection:
        stored = connection.execute("SELECT string_agg(t::text, '') FROM chat.turns t").fetchone()
    assert stored is not None
    assert b"Nobody".hex() not in stored[0]


async def test_a_shared_conversation_opens_for_whoever_is_cleared_for_it(house: House, people: People):
    ann, bob = people.ann, people.bob
    house.simulator.script(Script(echo=True))
    conversation = await ann.begins()
    path = f"/api/conversations/{conversation}"
    await ann.asks(conversation, await ann.says(conversation, "Call jane@example.org about it"))
    assert (await ann.client.put(f"{path}/readers/nobody")).status_code == 404
    shared = await ann.client.put(f"{path}/readers/bob")
    assert [one["person"] for one in shared.json()["readers"]] == ["bob"]
    listed = (await bob.client.get("/api/conversations/shared")).json()["conversations"]
    assert [(one["id"], one["owner"]) for one in listed] == [(conversation, "ann")]
    opened = await bob.opens(conversation)
    assert opened.json()["turns"][0]["text"] == "Call jane@example.org about it"
    assert (opened.json()["is_own"], opened.json()["readers"]) == (False, [])
    (record,) = await house.records(verb="conversation.open")
    assert (record["id"], record["outcome"]) == (opened.headers["x-headgate-record"], "done")
    assert (await bob.client.delete(path)).status_code == 403

    less = {"confidentiality": "internal", "categories": list[str]()}
    assert (await people.admin.client.put("/api/entries/person/bob", json={"entry": less})).status_code == 200
    refused = await bob.opens(conversation)
    listed = (await bob.client.get("/api/conversations/shared")).json()["conversations"]
    assert refused.status_code == 403
    assert "pii" in refused.json()["error"]["message"]
    assert [one["title"] for one in listed] == ["Conversation of ann"]

    await ann.client.delete(f"{path}/readers/bob")
    assert (await bob.client.get("/api/conversations/shared")).json()["conversations"] == []
    assert (await bob.opens(conversation)).status_code == 403


async def test_a_refused_question_keeps_its_reason_until_an_answer_comes(house: House, people: People):
    ann = people.ann
    house.simulator.script(Script(failure=Failure(500)))
    conversation = await ann.begins()
    question = await ann.says(conversation, "Anybody there?")
    assert (await ann.asks(conversation, question)).status_code == 502
    failed = (await ann.turns(conversation))[-1]
    assert (failed["state"], failed["error"]["code"], failed["text"]) == ("failed", "upstream_error", "")
    assert failed["record"] == failed["error"]["record"]
    house.simulator.script(Script(text="Here I am"))
    again = await ann.asks(conversation, question)
    assert again.status_code == 200, again.text
    assert [turn["text"] for turn in await ann.turns(conversation)] == ["Anybody there?", "Here I am"]


async def test_what_came_before_its_person_stopped_an_answer_is_kept(house: House, people: People):
    house.simulator.script(Script(text="word " * 50, stall="stream", stall_after=4))
    async with house.admin as client:
        admin = Person(client)
        conversation = await admin.begins()
        body = json.dumps({"question": await admin.says(conversation, "Count")}).encode()
        headers = {"authorization": f"Bearer {house.admin_key}", "content-type": "application/json", "host": HOST}
        request = Streamed(house.app, "POST", f"/api/conversations/{conversation}/answers", headers, body)
        async with asyncio.TaskGroup() as group:
            group.create_task(request.run())
            await request.until("word")
            request.leave()
        stopped = (await admin.turns(conversation))[-1]
    assert (stopped["state"], stopped["text"].startswith("word")) == ("stopped", True)
    (record,) = await house.records(verb="model.invoke")
    assert (stopped["record"], record["outcome"]) == (record["id"], "abandoned")


async def test_what_is_deleted_is_gone_from_list_search_rows_and_records_and_the_log_verifies(
    house: House, people: People
):
    ann = people.ann
    house.simulator.script(Script(echo=True), Script(echo=True))
    conversation, other = await ann.begins(), await ann.begins()
    await ann.asks(conversation, await ann.says(conversation, "The secret plan"))
    await ann.asks(other, await ann.says(other, "The other plan"))
    (first, second) = [(await ann.turns(one))[-1]["record"] for one in (conversation, other)]
    await house.log_everything()
    deleted = await ann.client.delete(f"/api/conversations/{conversation}")
    assert deleted.json()["parts"] == 2
    assert (await ann.opens(conversation)).status_code == 404
    assert [hit["conversation"]["id"] for hit in await ann.finds("plan")] == [other]
    with psycopg.connect(house.database.owner.conninfo) as connection:
        for table in ("conversations", "turns", "readers", "entries"):
            column = "id" if table == "conversations" else "conversation"
            left = connection.execute(f"SELECT count(*) FROM chat.{table} WHERE {column} = %s", (conversation,))
            assert left.fetchone() == (0,)
    await house.log_everything()
    async with house.admin as client:
        gone = (await client.get(f"/api/records/{first}")).json()
        kept = (await client.get(f"/api/records/{second}")).json()
    assert {(part["text"], part["erased"]) for part in gone["parts"]} == {(None, True)}
    assert all(part["text"] for part in kept["parts"])
    assert gone["record"]["outcome"] == "done"
    folder = house.worker.base.settings.ledger_folder
    key = read_verifier(verifier_path(folder, DEFAULT_TENANT))
    assert verify_log(folder / DEFAULT_TENANT, keys=[key]).statement == "self-consistent"


async def test_content_that_is_deleted_before_it_was_shipped_does_not_come_back(house: House, people: People):
    ann = people.ann
    house.simulator.script(Script(echo=True))
    conversation = await ann.begins()
    await ann.asks(conversation, await ann.says(conversation, "Forget this at once"))
    record = (await ann.turns(conversation))[-1]["record"]
    assert (await ann.client.delete(f"/api/conversations/{conversation}")).json()["parts"] == 0
    await house.log_everything()
    async with house.admin as client:
        shown = (await client.get(f"/api/records/{record}")).json()
    assert all(part["text"] is None for part in shown["parts"])
