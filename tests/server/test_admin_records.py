"""Records through the admin API: found, opened (which is recorded), proved, watched."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx2
import pytest

from headgate.ledger.live import Watcher
from headgate.ledger.prove import check_bundle
from headgate.server.api import signed_in
from headgate.testing.house import House, Streamed, events_of
from headgate.testing.simulator import Failure, Script

HOST = "127.0.0.1:8080"
OF_ADA = "ada@example.org"
SECRET = "AKIAIOSFODNN7EXAMPLE"


async def call(house: House, text: str = "hello", key: str | None = None) -> httpx2.Response:
    """Have a model answer."""
    async with house.client(key or house.admin_key) as client:
        body = {"model": "local-chat", "messages": [{"role": "user", "content": text}]}
        return await client.post("/v1/chat/completions", json=body)


async def test_records_are_paged_newest_first_without_gap_or_repetition(house: House):
    for _ in range(3):
        await call(house)
    every = [record["id"] for record in await house.records()]
    assert len(every) == 3
    assert every == sorted(every, reverse=True)
    paged: list[str] = []
    query: dict[str, Any] = {"limit": 2}
    async with house.admin as client:
        while True:
            page = (await client.get("/api/records", params=query)).json()
            paged += [record["id"] for record in page["records"]]
            if page["next"] is None:
                break
            query["cursor"] = page["next"]
    assert paged == every


async def test_every_filter_narrows_the_list(house: House):
    other = await house.register("bob")
    await call(house)
    await call(house, f"my key is {SECRET}", other)
    async with house.admin as client:
        await client.post("/api/keys", json={"name": "x", "use_case": "nowhere"})
    every = await house.records()
    bob = next(record["principal"] for record in every if record["facts"].get("masked.aws_access_key_id"))
    cases: list[tuple[dict[str, Any], int]] = [
        ({"verb": "model.invoke"}, 2),
        ({"resource": "alias:local-chat"}, 2),
        ({"outcome": "failed"}, 1),
        ({"outcome": "refused"}, 0),
        ({"use_case": "administration"}, 1),
        ({"resource": "deployment:local-chat"}, 2),
        ({"principal": bob}, 1),
        ({"rule": "mask-secrets"}, 1),
        ({"roots": "true"}, 3),
        ({"roots": "true", "limit": 2}, 2),
        ({"outcome": "open"}, 0),
        ({"since": "2100-01-01T00:00:00Z"}, 0),
        ({"until": "2100-01-01T00:00:00Z"}, 3),
        ({"verb": "model.invoke", "principal": bob}, 1),
    ]
    for query, expected in cases:
        assert len(await house.records(**query)) == expected, query


async def test_queries_that_make_no_sense_are_refused(house: House):
    async with house.admin as client:
        for query in (
            {"limit": "0"},
            {"limit": "many"},
            {"cursor": "yesterday"},
            {"outcome": "well"},
            {"since": "2026-01-01"},
            {"since": "0001-01-01T00:00:00+14:00"},
            {"roots": "yes"},
            {"colour": "red"},
            {"verb": "a\0b"},
        ):
            answer = await client.get("/api/records", params=query)
            assert answer.status_code == 400, query
            assert answer.json()["error"]["param"] == next(iter(query))
        assert (await client.get("/api/records?limit=1&limit=2")).status_code == 400
        assert (await client.get("/api/records?verb=%ff")).status_code == 400
        assert (await client.get("/api/records/%ff")).status_code == 400
        assert (await client.get("/api/records/01NOSUCHRECORD")).status_code == 404


async def test_a_record_shows_where_a_call_went_and_what_was_sent_and_looking_is_recorded(house: House):
    answer = await call(house, f"my key is {SECRET}")
    await house.log_everything()
    async with house.admin as client:
        detail = (await client.get(f"/api/records/{answer.headers['x-headgate-record']}")).json()
    record = detail["record"]
    assert (record["verb"], record["resource"]) == ("model.invoke", "alias:local-chat")
    assert record["facts"]["destination"] == "deployment:local-chat"
    assert detail["children"] == []
    sent = next(part for part in detail["parts"] if part["name"] == "sent")
    assert "my key is" in sent["text"]
    assert SECRET not in str(detail)
    reveals = await house.records(verb="record.reveal")
    assert [reveal["resource"] for reveal in reveals] == [f"record:{record['id']}"]


async def test_a_call_that_was_tried_twice_has_a_record_with_its_attempts(house: House):
    async with house.admin as client:
        port = house.simulator.port
        base_url = f"http://127.0.0.1:{port}/v1"
        network = {"allow": [f"127.0.0.1:{port}"]}
        assert (await client.put("/api/entries/network/lab", json={"entry": network})).status_code == 200
        for name in ("one", "two"):
            entry = {"provider": "openai", "model": "m", "base_url": base_url, "network": "lab"}
            entry |= {"clearance": {"custody": "organisation"}}
            answer = await client.put(f"/api/entries/deployment/{name}", json={"entry": entry})
            assert answer.status_code == 200, answer.text
        alias = {"deployments": ["one", "two"]}
        assert (await client.put("/api/entries/alias/both", json={"entry": alias})).status_code == 200
    house.simulator.script(Script(failure=Failure(500)), Script(text="second"))
    async with house.client(house.admin_key) as client:
        body = {"model": "both", "messages": [{"role": "user", "content": "hello"}]}
        answer = await client.post("/v1/chat/completions", json=body)
    assert answer.status_code == 200, answer.text
    await house.log_everything()
    async with house.admin as client:
        whole = (await client.get(f"/api/records/{answer.headers['x-headgate-record']}")).json()
    children = whole["children"]
    assert whole["conversation"]["record"] == children[-1]["id"], "the attempt that decided"
    assert whole["conversation"]["answer"][0]["text"] == "second"
    assert (whole["record"]["verb"], whole["record"]["resource"]) == ("model.invoke", "alias:both")
    assert [(one["verb"], one["resource"], one["outcome"]) for one in children] == [
        ("model.dispatch", "deployment:one", "failed"),
        ("model.dispatch", "deployment:two", "done"),
    ]
    assert {one["root"] for one in children} == {whole["record"]["id"]}
    roots = await house.records(verb="model.invoke", roots="true")
    assert [one["id"] for one in roots] == [whole["record"]["id"]], "a call is listed once"


async def auditor(house: House, **clearance: Any) -> str:
    """Register an auditor who is cleared for so much; returns a key of hers."""
    async with house.admin as client:
        await client.put("/api/entries/person/ida", json={"entry": {"roles": ["auditor"], **clearance}})
        terms = {"name": "ida's", "principal": "ida", "roles": ["auditor"]}
        return str((await client.post("/api/keys", json=terms)).json()["secret"])


async def dispatched(house: House, text: str, key: str) -> dict[str, Any]:
    """Have a model answer; returns the record of what was sent to it, as the key's holder is shown it."""
    answer = await call(house, text)
    await house.log_everything()
    async with house.client(key) as client:
        shown = await client.get(f"/api/records/{answer.headers['x-headgate-record']}")
    assert shown.status_code == 200
    return dict(shown.json())


async def test_content_is_shown_only_to_a_reader_who_is_cleared_for_its_labels(house: House):
    key = await auditor(house, confidentiality="internal", categories=["pii_pseudonymous"])
    detail = await dispatched(house, f"{OF_ADA} is where I am", key)
    assert "categories=pii" in detail["record"]["labels"]
    assert {part["name"] for part in detail["parts"]} == {"sent", "answer"}
    for part in detail["parts"]:
        assert (part["text"], part["erased"], part["withheld"]) == (None, False, "not cleared for pii")
        assert (part["size_bytes"] > 0, len(part["digest"])) == (True, 64), "what a proof needs is there"
    assert OF_ADA not in str(detail)


async def test_an_answer_is_withheld_by_its_own_labels(house: House):
    house.simulator.script(Script(text=f"Write to {OF_ADA}"))
    key = await auditor(house, confidentiality="internal", categories=["pii_pseudonymous"])
    detail = await dispatched(house, "Whom do I write to?", key)
    answer, sent = sorted(detail["parts"], key=lambda part: part["name"] == "sent")
    assert "Whom do I write to?" in sent["text"]
    assert (answer["text"], answer["withheld"]) == (None, "not cleared for pii")
    assert OF_ADA not in str(detail)


async def test_a_reader_who_is_cleared_for_all_of_it_sees_all_of_it_and_a_look_at_nothing_is_no_reveal(house: House):
    await dispatched(house, f"{OF_ADA} is where I am", await auditor(house, confidentiality="public", categories=[]))
    before = len(await house.records(verb="record.reveal"))
    detail = await dispatched(house, f"{OF_ADA} is where I am", await auditor(house, categories=["pii"]))
    assert all(part["withheld"] is None and part["text"] for part in detail["parts"])
    assert OF_ADA in str(detail["parts"])
    assert before + 1 == len(await house.records(verb="record.reveal"))


async def test_a_part_that_policy_does_not_let_an_auditor_see_says_so(house: House):
    rule = """@id("no-looks")
        @reason("nobody looks")
        forbid (principal, action == Headgate::Action::"record.reveal", resource);"""
    async with house.admin as client:
        put = await client.put("/api/entries/policy/no-looks", json={"entry": {"text": rule}})
        assert put.status_code == 200, put.text
    detail = await dispatched(house, "hello", house.admin_key)
    assert [part["text"] for part in detail["parts"]] == [None, None]
    assert {part["withheld"] for part in detail["parts"]} == {"your role lets you read the record, but not its content"}


async def test_lists_and_the_live_feed_hold_no_content(house: House):
    headers = {"host": HOST, "authorization": f"Bearer {house.admin_key}"}
    watcher = Streamed(house.app, "GET", "/api/records/live", headers)
    async with asyncio.TaskGroup() as group:
        group.create_task(watcher.run())
        await watcher.until(": still here")
        await call(house, f"{OF_ADA} is where I am")
        listed = await house.records()
        await watcher.until("model.invoke")
        watcher.leave()
    assert len(listed) == 1
    assert OF_ADA not in str(listed) + watcher.text


async def test_a_proof_checks_with_the_logs_own_key_and_is_recorded(house: House):
    await call(house)
    records = await house.records()
    async with house.admin as client:
        bundle = (await client.get(f"/api/records/{records[0]['id']}/proof")).json()["bundle"]
        head = (await client.get("/api/ledger")).json()
    checked = check_bundle(bundle, keys=None)
    assert checked.leaf_index == records[0]["leaf_index"]
    assert head["vkey"] == bundle["verifier_key"]
    assert head["size"] == len(records)
    assert head["root_hash"] == checked.checkpoint.checkpoint.root.hex()
    assert len(await house.records(verb="record.export")) == 1


async def test_a_record_that_is_not_in_the_log_yet_has_no_proof_yet(house: House):
    answer = await call(house)
    await house.ship()
    async with house.admin as client:
        proof = await client.get(f"/api/records/{answer.headers['x-headgate-record']}/proof")
    assert proof.status_code == 404
    assert "try again" in proof.json()["error"]["message"]


async def test_watchers_see_records_as_they_are_logged_and_a_watcher_that_leaves_harms_nobody(house: House):
    headers = {"host": HOST, "authorization": f"Bearer {house.admin_key}"}
    one, two = (Streamed(house.app, "GET", "/api/records/live", headers) for _ in range(2))
    async with asyncio.TaskGroup() as group:
        for watcher in (one, two):
            group.create_task(watcher.run())
            await watcher.until(": still here")
        await call(house)
        await house.log_everything()
        await one.until("model.invoke")
        await two.until("model.invoke")
        one.leave()
        await call(house)
        await house.log_everything()
        await two.until("event: record", times=2)
        two.leave()
    assert {name for name, _ in events_of(two.text)} == {"record"}
    assert [data["verb"] for _, data in events_of(two.text)].count("model.invoke") == 2
    assert one.text.count("event: record") == 1


async def test_whoever_loses_the_role_stops_seeing_records(house: House):
    key = await house.register("ida", "auditor")
    watcher = Streamed(house.app, "GET", "/api/records/live", {"host": HOST, "authorization": f"Bearer {key}"})
    async with asyncio.TaskGroup() as group:
        group.create_task(watcher.run())
        await watcher.until(": still here")
        await house.register("ida")
        await call(house)
        await house.log_everything()
    assert "model.invoke" not in watcher.text
    assert [name for name, _ in events_of(watcher.text)] == ["error"]


@pytest.mark.parametrize("look_s", [0.05, 3600.0])
async def test_a_watcher_whose_session_was_ended_sees_no_more_records(
    house: House, monkeypatch: pytest.MonkeyPatch, look_s: float
):
    """Also between two looks at the session: each batch looks again."""
    monkeypatch.setattr(signed_in, "LOOK_S", look_s)
    async with house.browser_of("ida", "auditor") as ida, house.admin as admin:
        cookie = "; ".join(f"{name}={value}" for name, value in ida.cookies.items())
        watcher = Streamed(house.app, "GET", "/api/records/live", {"host": HOST, "cookie": cookie})
        async with asyncio.timeout(120), asyncio.TaskGroup() as group:
            watching = group.create_task(watcher.run())
            await watcher.until(": still here")
            ended = await admin.delete("/api/people/ida/sessions")
            assert ended.json()["ended"] == 1
            if look_s < 1:
                await watching
            await house.log_everything()
    ((name, told),) = events_of(watcher.text)
    assert (name, told["error"]["code"]) == ("error", "invalid_api_key"), told
    assert "this session has ended" in told["error"]["message"]


async def test_watching_needs_the_role(house: House):
    key = await house.register("bob")
    async with house.client(key) as client:
        assert (await client.get("/api/records/live")).status_code == 403
        assert (await client.head("/api/records/live")).status_code == 405


def test_a_watcher_that_does_not_read_is_left_behind_and_takes_no_more_room():
    watcher = Watcher()
    for number in range(600):
        watcher.offer(b"%d" % number)
    assert watcher.is_behind
    assert watcher.waiting.qsize() == watcher.waiting.maxsize < 600


async def test_followed_records_come_once_each_in_the_order_of_the_log(house: House):
    async with house.admin as client:

        async def feed(**query: Any) -> dict[str, Any]:
            answer = await client.get("/api/records/feed", params=query)
            assert answer.status_code == 200, answer.text
            return answer.json()

        assert (await feed()) == {"records": [], "after": -1}
        other = await house.register("bob")
        await call(house)
        await call(house, f"my key is {SECRET}", other)
        await house.log_everything()
        assert (await feed())["after"] == 1
        every = await feed(after=-1)
        assert [one["leaf_index"] for one in every["records"]] == [0, 1]
        assert (await feed(after=every["after"])) == {"records": [], "after": 1}
        masked = every["records"][1]
        cases: list[tuple[dict[str, Any], int]] = [
            ({"verb": "model.invoke"}, 2),
            ({"outcome": "failed"}, 0),
            ({"resource": "alias:local-chat"}, 2),
            ({"resource": "deployment:local-chat"}, 2),
            ({"resource": "alias:none"}, 0),
            ({"principal": masked["principal"]}, 1),
            ({"principal": "bob"}, 1),
            ({"rule": "mask-secrets"}, 1),
            ({"since": "2100-01-01T00:00:00Z"}, 0),
            ({"until": "2000-01-01T00:00:00Z"}, 0),
            ({"roots": "true"}, 2),
        ]
        for query, expected in cases:
            found = await feed(after=-1, **query)
            assert (len(found["records"]), found["after"]) == (expected, 1), query
