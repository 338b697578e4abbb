"""The compliance officer's work through the admin API: names, counts, search, views, export and conversations."""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from typing import Any

import httpx2
import pytest

from headgate.ledger.filters import RecordFilters
from headgate.ledger.parts import Ledger
from headgate.ledger.record_text import record_text
from headgate.ledger.search import ContentSearch, SearchLimits
from headgate.policy.entities import DEFAULT_TENANT
from headgate.testing.house import House, events_of
from headgate.testing.simulator import Script, ToolCall

MAIL = "ada@example.org"


async def chat(house: House, key: str, text: str, **more: Any) -> str:
    """Have a model answer; returns the id of the record."""
    body = {"model": "local-chat", "messages": [{"role": "user", "content": text}], **more}
    async with house.client(key) as client:
        answer = await client.post("/v1/chat/completions", json=body)
        assert answer.status_code == 200, answer.text
        return str(answer.headers["x-headgate-record"])


async def officer(house: House, **clearance: Any) -> str:
    """Register Ida the auditor; returns a key of hers."""
    async with house.admin as client:
        entry = {"name": "Ida Berg", "roles": ["auditor"], **clearance}
        assert (await client.put("/api/entries/person/ida", json={"entry": entry})).status_code == 200
        terms = {"name": "ida's", "principal": "ida", "roles": ["auditor"]}
        return str((await client.post("/api/keys", json=terms)).json()["secret"])


async def caller(house: House) -> str:
    """Register Anna, who calls models; returns a key of hers."""
    async with house.admin as client:
        entry = {"name": "Anna Kim"}
        assert (await client.put("/api/entries/person/anna", json={"entry": entry})).status_code == 200
        terms = {"name": "anna's laptop", "principal": "anna", "use_case": "getting-started"}
        return str((await client.post("/api/keys", json=terms)).json()["secret"])


async def add_lab(house: House, wire: str) -> None:
    """Add the alias `lab` for a simulated provider of a wire that may call tools."""
    port = house.simulator.port
    base_url = f"http://127.0.0.1:{port}" + ("/v1" if wire == "openai" else "")
    async with house.admin as client:
        for path, entry in (
            ("network/lab", {"allow": [f"127.0.0.1:{port}"]}),
            (
                "deployment/lab",
                {
                    "provider": wire,
                    "model": "m",
                    "base_url": base_url,
                    "network": "lab",
                    "clearance": {"custody": "organisation", "categories": ["pii", "unscanned"]},
                },
            ),
            ("alias/lab", {"deployments": ["lab"]}),
        ):
            answer = await client.put(f"/api/entries/{path}", json={"entry": entry})
            assert answer.status_code == 200, answer.text


async def listed(client: httpx2.AsyncClient, **query: str) -> list[dict[str, Any]]:
    answer = await client.get("/api/records", params=query)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["records"]
    return found


async def test_a_refusal_by_a_check_of_the_code_is_found_and_explained_like_one_by_a_rule(house: House):
    await add_lab(house, "openai")
    body = {"model": "lab", "messages": [{"role": "user", "content": "My card is 4111 1111 1111 1111"}]}
    async with house.admin as client:
        refused = await client.post("/v1/chat/completions", json=body)
        assert refused.status_code == 400, refused.text
        await house.log_everything()
        for query in ({"kind": "calls"}, {"verb": "model.invoke,model.test"}):
            (found,) = await listed(client, rule="lattice.flow", outcome="refused,withheld", **query)
            first = found["rules"][0]
            assert (first["id"], first["does"], first["mode"]) == ("lattice.flow", "deny", "enforce")
        many = await client.get("/api/records", params={"verb": "a,b,c,d,e"})
        assert (many.status_code, many.json()["error"]["param"]) == (400, "verb")
        rules = {one["id"]: one for one in (await client.get("/api/rules")).json()["rules"]}
        assert (rules["lattice.flow"]["reason"], rules["lattice.flow"]["is_always"]) == (first["reason"], True)


async def test_an_officer_sees_who_called_by_name_and_finds_calls_by_name_key_and_outcome(house: House):
    ida, anna = await officer(house), await caller(house)
    record = await chat(house, anna, f"Write to {MAIL}")
    await house.log_everything()
    async with house.client(ida) as client:
        (call,) = await listed(client, kind="calls")
        assert (call["id"], call["who"]) == (record, {"id": "anna", "name": "Anna Kim", "kind": "person"})
        assert call["key"]["name"] == "anna's laptop"
        assert call["principal"].startswith("p_")
        for query in (
            {"principal": "anna kim"},
            {"principal": "anna"},
            {"principal": call["principal"]},
            {"key": "anna's laptop"},
            {"key": call["key"]["id"]},
            {"model": "local-chat"},
            {"deployment": "local-chat"},
            {"text": record},
            {"text": record[:12]},
            {"text": "local-chat"},
            {"text": "getting-started"},
            {"period": "1h"},
            {"category": "pii", "model": "local-chat", "deployment": "local-chat"},
        ):
            assert [one["id"] for one in await listed(client, kind="calls", **query)] == [record], query
        for query in ({"principal": "nobody"}, {"key": "no key"}, {"error": "denied"}, {"masked": "any"}):
            assert await listed(client, kind="calls", **query) == [], query
        administration = await listed(client, kind="administration")
        assert {one["use_case"] for one in administration} == {"administration"}
        assert record not in {one["id"] for one in administration}
        for bad in ({"kind": "all"}, {"period": "1y"}, {"text": "x" * 201}):
            assert (await client.get("/api/records", params=bad)).status_code == 400


async def test_a_reader_who_may_not_list_people_sees_pseudonyms_and_only_her_own_name(house: House):
    ida, anna = await officer(house), await caller(house)
    rule = """@id("no-people")
        @reason("nobody lists people")
        forbid (principal, action == Headgate::Action::"person.list", resource);"""
    async with house.admin as client:
        assert (await client.put("/api/entries/policy/no-people", json={"entry": {"text": rule}})).status_code == 200
    await chat(house, anna, "hello")
    await chat(house, ida, "hello")
    await house.log_everything()
    async with house.client(ida) as client:
        calls = await listed(client, kind="calls")
        assert [one["who"] and one["who"]["name"] for one in calls] == ["Ida Berg", None]
        assert [one["key"] for one in calls] == [None, None]
        assert "Anna" not in str(calls)
        assert await listed(client, kind="calls", principal="Anna Kim") == []


async def test_what_happened_is_told_in_words_and_found_by_them(house: House):
    anna = await caller(house)
    async with house.admin as client:
        ask = """@id("ask-first")
            @reason("claims leave with approval")
            @does("ask")
            forbid (principal, action == Headgate::Action::"model.dispatch", resource)
            when { context.use_case.id == "claims" };"""
        claims = {"owner": "Anna", "purpose": "Handle claims"}
        assert (await client.put("/api/entries/use_case/claims", json={"entry": claims})).status_code == 200
        assert (await client.put("/api/entries/policy/ask-first", json={"entry": {"text": ask}})).status_code == 200
    async with house.client(await house.register("bob", use_case="claims")) as client:
        body = {"model": "local-chat", "messages": [{"role": "user", "content": "hi"}]}
        assert (await client.post("/v1/chat/completions", json=body)).status_code >= 400
    await chat(house, anna, "my key is AKIAIOSFODNN7EXAMPLE")
    await house.log_everything()
    async with house.admin as client:
        masked, asked = await listed(client, kind="calls")
        assert masked["told"] == "masked 1"
        assert asked["told"] == "needs approval: claims leave with approval"
        for query, expected in (
            ({"masked": "any"}, masked),
            ({"masked": "aws_access_key_id"}, masked),
            ({"rule": "mask-secrets", "masked": "any"}, masked),
            ({"error": "needs_approval"}, asked),
            ({"text": "approval claims"}, asked),
        ):
            assert [one["id"] for one in await listed(client, kind="calls", **query)] == [expected["id"]], query


async def test_counts_over_time_match_the_list_for_every_filter(house: House):
    anna = await caller(house)
    for text in ("one", "my key is AKIAIOSFODNN7EXAMPLE", "three"):
        await chat(house, anna, text)
    async with house.admin as client:
        await client.post("/api/keys", json={"name": "x", "use_case": "nowhere"})
    await house.log_everything()
    async with house.admin as client:
        for query in (
            {},
            {"kind": "calls"},
            {"kind": "administration"},
            {"outcome": "failed"},
            {"masked": "any"},
            {"masked": "any", "rule": "mask-secrets", "roots": "true"},
            {"principal": "anna"},
            {"resource": "deployment:local-chat"},
            {"period": "7d", "model": "local-chat"},
            {"outcome": "open"},
        ):
            answer = await client.get("/api/records/counts", params=query)
            assert answer.status_code == 200, answer.text
            counts = answer.json()
            found = await listed(client, **query)
            assert (counts["total"], counts["is_exact"]) == (len(found), True), query
            by_outcome = Counter(one["outcome"] for one in found)
            assert {name: sum(row) for name, row in counts["outcomes"].items()} == by_outcome
            assert all(len(row) == len(counts["starts"]) <= 61 for row in counts["outcomes"].values())
        for bad in (
            {"text": "x"},
            {"since": "2026-02-01T00:00:00Z", "until": "2026-01-01T00:00:00Z"},
        ):
            assert (await client.get("/api/records/counts", params=bad)).status_code == 400


async def search(house: House, key: str, text: str, **query: str) -> list[tuple[str, dict[str, Any]]]:
    async with house.client(key) as client:
        answer = await client.post("/api/records/search", params=query, json={"text": text})
    assert answer.status_code == 200, answer.text
    return events_of(answer.text)


async def test_a_search_in_content_finds_what_the_reader_is_cleared_for_says_how_far_it_looked_and_is_recorded(
    house: House,
):
    anna = await caller(house)
    house.simulator.script(Script(text="Gladly."), Script(text=("The str", "eam ends in Zürich.")))
    plain = await chat(house, anna, 'The quarterly "report"\nfor Züri')
    streamed = await chat(house, anna, f"{MAIL} asks", stream=True)
    await house.log_everything()
    cleared, uncleared = await officer(house, categories=["pii"]), None
    found = await search(house, cleared, "ZÜRI", kind="calls")
    hits = [data for name, data in found if name == "hit"]
    assert [(hit["record"]["id"], hit["part"], hit["match"]) for hit in hits] == [
        (streamed, "answer", "Züri"),
        (plain, "sent", "Züri"),
    ]
    assert hits[0]["before"].endswith("The stream ends in ")
    name, done = found[-1]
    assert (name, done["looked"], done["withheld"], done["ended"]) == ("done", 2, 0, "all")
    uncleared = await officer(house, confidentiality="internal", categories=["pii_pseudonymous"])
    found = await search(house, uncleared, MAIL, kind="calls")
    assert [name for name, _ in found] == ["done"]
    assert found[-1][1]["withheld"] == 1
    searches = await house.records(verb="record.search")
    assert [one["facts"]["hits"] for one in searches] == [0, 2]
    assert MAIL not in str(searches)
    assert "kind=calls" in searches[0]["facts"]["filters"]


async def test_a_rule_against_reading_content_holds_for_searches_and_exports_too(house: House):
    anna = await caller(house)
    await chat(house, anna, "The quarterly report")
    rule = """@id("no-looks")
        @reason("nobody looks")
        forbid (principal, action == Headgate::Action::"record.reveal", resource);"""
    async with house.admin as client:
        assert (await client.put("/api/entries/policy/no-looks", json={"entry": {"text": rule}})).status_code == 200
    await house.log_everything()
    found = await search(house, house.admin_key, "quarterly")
    assert [name for name, _ in found if name == "hit"] == []
    async with house.admin as client:
        file = await client.get("/api/records/export", params={"kind": "calls", "content": "true"})
    assert "quarterly" not in file.text
    assert "(withheld)" in file.text


async def test_searching_and_exporting_need_the_role(house: House):
    bob = await house.register("bob")
    async with house.client(bob) as client:
        assert (await client.post("/api/records/search", json={"text": "abc"})).status_code == 403
        assert (await client.get("/api/records/export")).status_code == 403
        assert (await client.get("/api/records/counts")).status_code == 403
        assert (await client.get("/api/views")).status_code == 403


async def test_an_export_is_a_recorded_file_that_no_spreadsheet_runs(house: House):
    anna = await caller(house)
    record = await chat(house, anna, "=cmd|' /C calc'!A0 is a formula")
    await house.log_everything()
    async with house.admin as client:
        file = await client.get("/api/records/export", params={"kind": "calls", "content": "true"})
        assert file.headers["content-type"].startswith("text/csv")
        assert "attachment" in file.headers["content-disposition"]
        (row,) = csv.DictReader(io.StringIO(file.text))
        assert (row["id"], row["who"], row["outcome"]) == (record, "Anna Kim", "done")
        assert row["sent"].startswith("'=cmd")
        lines = await client.get(
            "/api/records/export", params={"kind": "calls", "format": "jsonl", "since": "2026-01-01T00:00:00Z"}
        )
        (line,) = map(json.loads, lines.text.splitlines())
        assert (line["id"], "content" in line) == (record, False)
        assert (await client.get("/api/records/export", params={"format": "pdf"})).status_code == 400
    exports = await house.records(verb="record.export")
    assert [(one["facts"]["records"], one["facts"]["content"], one["facts"]["format"]) for one in exports] == [
        (1, False, "jsonl"),
        (1, True, "csv"),
    ]
    assert exports[1]["facts"]["filters"] == "kind=calls"
    assert "since=2026-01-01T00:00:00+00:00" in exports[0]["facts"]["filters"]


async def test_views_are_ones_own_until_they_are_shared(house: House):
    ida, other = await officer(house), await house.register("otto", "auditor")
    filters = {"kind": "calls", "outcome": "refused", "use_case": "claims"}
    async with house.client(ida) as client, house.client(other) as stranger:

        async def names(who: httpx2.AsyncClient) -> list[str]:
            return [one["name"] for one in (await who.get("/api/views")).json()["views"] if not one["is_built_in"]]

        saved = await client.put("/api/views/Refused%20claims", json={"filters": filters})
        assert saved.status_code == 200, saved.text
        assert (saved.json()["filters"], saved.json()["is_own"]) == (filters, True)
        assert await names(stranger) == []
        await client.put("/api/views/Refused%20claims", json={"filters": filters, "is_shared": True})
        assert await names(stranger) == await names(client) == ["Refused claims"]
        assert (await stranger.delete("/api/views/Refused%20claims")).status_code == 404
        for name, field, status in (("x", "colour", 400), ("%20x", "kind", 400), ("Failed", "kind", 409)):
            answer = await client.put(f"/api/views/{name}", json={"filters": {field: "calls"}})
            assert answer.status_code == status, name
        assert (await client.delete("/api/views/Refused%20claims")).status_code == 204
        assert await names(client) == []
        built_in = {one["name"]: one["filters"] for one in (await client.get("/api/views")).json()["views"]}
        assert set(built_in) == {"Refused today", "Masked this week", "Failed", "Administration"}
        for query in built_in.values():
            await listed(client, **query)
    assert len(await house.records(verb="view.save")) == 2


@pytest.mark.parametrize("wire", ["openai", "anthropic"])
@pytest.mark.parametrize("stream", [False, True])
async def test_a_record_shows_its_conversation_with_tools_and_a_stream_put_together(
    house: House, wire: str, stream: bool
):
    await add_lab(house, wire)
    tool = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}
    house.simulator.script(Script(text=("Let me ", "look."), tool_calls=(ToolCall("look", '{"at":"sky"}'),)))
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": f"Write to {MAIL}"},
    ]
    record = await chat(house, house.admin_key, "", model="lab", messages=messages, tools=[tool], stream=stream)
    await house.log_everything()
    async with house.admin as client:
        shown = (await client.get(f"/api/records/{record}")).json()
    found, told = shown["conversation"], "\n".join(record_text(shown))
    assert f"System:\n  Be brief.\n\nUser:\n  Write to {MAIL}\n\nAnswer:\n  Let me look.\n  calls look(" in told
    assert re.search(r"^who +admin$", told, re.MULTILINE) and "model.invoke on alias:lab" in told
    assert found["record"] == record
    assert [(turn["role"], turn["pieces"][0]["text"]) for turn in found["sent"]] == [
        ("system", "Be brief."),
        ("user", f"Write to {MAIL}"),
    ]
    assert [(one["kind"], one["name"], one["text"]) for one in found["answer"]] == [
        ("text", "", "Let me look."),
        ("tool_call", "look", '{"at":"sky"}'),
    ]
    assert found["is_whole"] is True


async def test_nobody_saves_views_without_end(house: House):
    async with house.admin as client:
        for number in range(100):
            saved = await client.put(f"/api/views/v{number}", json={"filters": {"outcome": "failed"}})
            assert saved.status_code == 200, saved.text
        refused = await client.put("/api/views/one-more", json={"filters": {"outcome": "failed"}})
    assert refused.status_code == 429 and "you have 100 saved views" in refused.text


async def test_a_search_stops_at_each_of_its_limits(house: House):
    anna = await caller(house)
    for _ in range(3):
        await chat(house, anna, "aubergine")
    await house.log_everything()
    ledger = house.worker.service(Ledger)
    filters, tenant = RecordFilters(kind="calls"), DEFAULT_TENANT

    async def ends(limits: SearchLimits) -> tuple[int, str | None]:
        search = ContentSearch(ledger.reader, ledger.dialects, limits)
        pages = search.pages("aubergine", filters, tenant=tenant, readable=lambda record: frozenset(record.parts))
        found = [page async for page in pages]
        return found[-1].looked, found[-1].ended

    assert await ends(SearchLimits(page_records=1, records=2)) == (2, "records")
    assert await ends(SearchLimits(page_records=1, size_bytes=1)) == (1, "bytes")
    assert await ends(SearchLimits(page_records=1, hits=2)) == (2, "hits")
    assert await ends(SearchLimits(page_records=1)) == (3, "all")
