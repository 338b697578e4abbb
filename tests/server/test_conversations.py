"""Conversations of two people: kept, searched, branched, shared by clearance, and deleted with their content."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import httpx2
import psycopg
import pytest
import pytest_asyncio

from headgate.chat import store
from headgate.chat.exports import as_markdown
from headgate.chat.service import Chat, Kept, NewTurn
from headgate.chat.store import AnsweringRow, TurnRow
from headgate.kernel.errors import Conflict
from headgate.kernel.identity import TenantId
from headgate.ledger.log_keys import read_verifier, verifier_path
from headgate.ledger.verify import verify_log
from headgate.policy.entities import DEFAULT_TENANT
from headgate.server.api import signed_in
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

    def streams(self, house: House, conversation: str, question: str) -> Streamed:
        """Return the request for an answer, to follow event by event."""
        cookie = "; ".join(f"{name}={value}" for name, value in self.client.cookies.items())
        headers = {"host": HOST, "origin": f"http://{HOST}", "x-headgate-csrf": "1", "cookie": cookie}
        body = json.dumps({"question": question}).encode()
        path = f"/api/conversations/{conversation}/answers"
        return Streamed(house.app, "POST", path, {**headers, "content-type": "application/json"}, body)

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


async def test_an_answer_that_is_asked_again_or_marked_as_bad_counts_in_the_outcomes_of_its_alias(
    house: House, people: People
):
    async with house.admin as client:
        for name, price in (("cheap", "0.1"), ("premium", "10")):
            entry = {
                "provider": "openai",
                "model": "gpt-sim",
                "base_url": house.simulator.openai_url,
                "clearance": {"custody": "organisation", "level": "restricted"},
                "price": {"input": price, "output": price},
            }
            assert (await client.put(f"/api/entries/deployment/{name}", json={"entry": entry})).status_code == 200
        alias = {"deployments": ["cheap", "premium"], "prefer": "auto", "cache": {"ttl": "10m"}}
        assert (await client.put("/api/entries/alias/tutor", json={"entry": alias})).status_code == 200
        assert (await client.get("/api/models/outcomes", params={"alias": "local-chat"})).status_code == 400
    talk = await people.ann.begins(model="tutor")
    question = await people.ann.says(talk, "What is the capital of France?")
    for _ in range(2):
        assert (await people.ann.asks(talk, question)).status_code == 200
    turns = await people.ann.turns(talk)
    first, second = [one for one in turns if one["role"] == "assistant"]
    assert [(one["gate"]["difficulty"], one["gate"]["cache"]) for one in (first, second)] == [
        (0, "miss"),
        (0, "bypass"),
    ]
    for is_good in (True, False):
        told = {"answer": first["id"], "is_good": is_good}
        assert (await people.ann.client.post(f"/api/conversations/{talk}/rating", json=told)).status_code < 300
    nothing = {"answer": question, "is_good": True}
    assert (await people.ann.client.post(f"/api/conversations/{talk}/rating", json=nothing)).status_code == 404
    await house.count_usage()
    async with house.admin as client:
        found = (await client.get("/api/models/outcomes", params={"alias": "tutor", "days": 1})).json()
    cheap = found["tiers"][0]
    assert [cheap[name] for name in ("calls", "failed", "again", "bad", "good")] == [2, 0, 1, 1, 0]
    assert (found["currency"], found["saved_micros"] > 0, found["suggested"]) == ("USD", True, 40)


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


async def test_an_answer_goes_on_without_its_reader_until_its_person_stops_it(house: House, people: People):
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
        assert (await admin.turns(conversation))[-1]["state"] == "running"
        path = f"/api/conversations/{conversation}/stop"
        assert (await people.bob.client.post(path)).status_code == 403
        assert (await client.post(path)).status_code == 204
        async with asyncio.timeout(30):
            stopped = (await admin.turns(conversation))[-1]
            while stopped["state"] == "running":
                stopped = (await admin.turns(conversation))[-1]
    assert (stopped["state"], stopped["text"].startswith("word")) == ("stopped", True)
    assert stopped["gate"]["deployment"] == "local-chat"
    (record,) = await house.records(verb="model.invoke")
    assert (stopped["record"], record["outcome"]) == (record["id"], "abandoned")


async def test_a_full_conversation_asks_no_model_and_ends_nobody_elses_answer(
    house: House, people: People, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(store, "MOST_TURNS", 2)
    house.simulator.script(Script(text="word " * 50, stall="stream", stall_after=4))
    full, other = await people.ann.begins(), await people.bob.begins()
    question = [await people.ann.says(full, text) for text in ("one", "two")][-1]
    bobs = people.bob.streams(house, other, await people.bob.says(other, "hello"))
    async with asyncio.TaskGroup() as group:
        group.create_task(bobs.run())
        await bobs.until("word")
        # The answer on its way takes the last place.
        body = {"text": "more", "parent": None}
        assert (await people.bob.client.post(f"/api/conversations/{other}/messages", json=body)).status_code == 409
        refused = await people.ann.asks(full, question)
        assert (refused.status_code, "holds at most 2 messages" in refused.text) == (409, True)
        house.simulator.release()
    assert [name for name, _ in events_of(bobs.text)][-1] == "gate"
    assert (await people.bob.turns(other))[-1]["state"] == "whole"
    assert [turn["role"] for turn in await people.ann.turns(full)] == ["user", "user"]
    assert len(house.simulator.requests) == 1


async def test_one_person_has_four_answers_on_their_way_and_no_more(house: House, people: People):
    house.simulator.script(*(Script(text="word " * 50, stall="stream", stall_after=4) for _ in range(5)))
    conversation, other = await people.ann.begins(), await people.bob.begins()
    question = await people.ann.says(conversation, "hello")
    asked = [people.ann.streams(house, conversation, question) for _ in range(4)]
    bobs = people.bob.streams(house, other, await people.bob.says(other, "hello"))
    async with asyncio.TaskGroup() as group:
        for one in asked:
            group.create_task(one.run())
            await one.until("word")
        fifth = await people.ann.asks(conversation, question)
        assert (fifth.status_code, "4 answers to you are on their way" in fifth.text) == (429, True)
        group.create_task(bobs.run())
        await bobs.until("word")
        house.simulator.release()
    assert (await people.ann.asks(conversation, question)).status_code == 200


@pytest.mark.parametrize("error", [Conflict("no"), TimeoutError(), RuntimeError("broken")])
async def test_an_answer_that_fails_on_our_side_ends_nobody_elses(
    house: House, people: People, monkeypatch: pytest.MonkeyPatch, error: Exception
):
    house.simulator.script(*(Script(text="word " * 50, stall="stream", stall_after=4) for _ in range(2)))
    conversations = {name: await person.begins() for name, person in (("ann", people.ann), ("bob", people.bob))}
    add, write = Chat.add, Chat.write_answer

    async def add_but_hers(self: Chat, conversation_id: str, turn: NewTurn, *, tenant: TenantId) -> TurnRow:
        if conversation_id == conversations["ann"] and turn.role == "assistant":
            raise error
        return await add(self, conversation_id, turn, tenant=tenant)

    async def write_but_hers(self: Chat, kept: Kept, row: AnsweringRow) -> bool:
        if kept.row.id == conversations["ann"]:
            raise error
        return await write(self, kept, row)

    hers = people.ann.streams(house, conversations["ann"], await people.ann.says(conversations["ann"], "hello"))
    his = people.bob.streams(house, conversations["bob"], await people.bob.says(conversations["bob"], "hello"))
    monkeypatch.setattr(Chat, "add", add_but_hers)
    monkeypatch.setattr(Chat, "write_answer", write_but_hers)
    async with asyncio.TaskGroup() as group:
        for one in (hers, his):
            group.create_task(one.run())
            await one.until("word")
        await people.ann.client.post(f"/api/conversations/{conversations['ann']}/stop")
        await hers.until("could not be kept")
        house.simulator.release()
    assert [name for name, _ in events_of(his.text)][-1] == "gate"
    assert (await people.bob.turns(conversations["bob"]))[-1]["state"] == "whole"
    monkeypatch.undo()
    again = await people.bob.asks(conversations["bob"], (await people.bob.turns(conversations["bob"]))[0]["id"])
    assert again.status_code == 200, again.text


async def test_a_reader_whose_session_was_ended_reads_no_more_and_the_answer_goes_on(
    house: House, people: People, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(signed_in, "LOOK_S", 0.05)
    house.simulator.script(Script(text="word " * 50, stall="stream", stall_after=4))
    conversation = await people.ann.begins()
    stream = people.ann.streams(house, conversation, await people.ann.says(conversation, "Count"))
    async with asyncio.TaskGroup() as group:
        reading = group.create_task(stream.run())
        await stream.until("word")
        assert (await people.admin.client.delete("/api/people/ann/sessions")).status_code == 200
        await reading
    name, told = events_of(stream.text)[-1]
    assert (name, "this session has ended" in told["error"]["message"]) == ("error", True)
    house.simulator.release()
    async with house.browser("ann") as client, asyncio.timeout(60):
        again = Person(client)
        while (answer := (await again.turns(conversation))[-1])["state"] == "running":
            pass
    assert (answer["state"], answer["text"].count("word")) == ("whole", 50)


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
