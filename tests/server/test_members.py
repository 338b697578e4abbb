"""Who may use a use case, and whom a new key stands for: at the doors where people and programs notice."""

from __future__ import annotations

from typing import Any

import pytest

from headgate.testing.house import House

SUPPORT = """
[[use_case]]
id = "support"
owner = "olga"
purpose = "Answer customers"
{members}

[[person]]
id = "admin"
roles = ["admin"]

[[person]]
id = "olga"

[[person]]
id = "anna"
groups = ["care", "night"]

[[person]]
id = "bob"
"""
CALLS: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"model": "local-chat", "messages": [{"role": "user", "content": "hi"}]},
    "/v1/messages": {"model": "local-chat", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]},
    "/v1/embeddings": {"model": "local-embed", "input": "hi"},
}
CHAT = {**CALLS["/v1/chat/completions"], "use_case": "support"}


async def declare(house: House, members: str) -> None:
    async with house.admin as client:
        answer = await client.post("/api/config/apply", json={"toml": SUPPORT.format(members=members)})
        assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(
    ("members", "may"),
    [
        ("", {"admin", "olga"}),
        ("members = []", {"admin", "olga"}),
        ('members = ["bob"]', {"admin", "olga", "bob"}),
        ('members = ["group:care"]', {"admin", "olga", "anna"}),
        ('members = ["care", "group:bob", "group:"]', None),
        ('members = ["care", "group:bob"]', {"admin", "olga"}),
        ('members = ["*"]', {"admin", "olga", "anna", "bob"}),
    ],
)
async def test_members_its_owner_and_administrators_use_a_use_case_and_nobody_else(
    house: House, members: str, may: set[str] | None
):
    if may is None:
        async with house.admin as client:
            answer = await client.post("/api/config/apply", json={"toml": SUPPORT.format(members=members)})
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, "use_case[0].members")
        return
    await declare(house, members)
    for person in ("admin", "olga", "anna", "bob"):
        async with house.browser(person) as browser:
            listed = (await browser.get("/api/overview")).json()["use_cases"]
            answer = await browser.post("/api/chat", json=CHAT)
            for built_in in ("jobs", "administration"):
                refused = await browser.post("/api/chat", json={**CHAT, "use_case": built_in})
                assert refused.status_code == 403 and f"the use case {built_in}" in refused.text
        assert ("support" in listed, answer.status_code) == ((True, 200) if person in may else (False, 403)), person
        assert "getting-started" in listed


@pytest.mark.parametrize("path", CALLS)
async def test_who_is_no_member_is_told_whom_to_ask_in_the_callers_wire_and_a_record_says_it_without_names(
    house: House, path: str
):
    await declare(house, "")
    key = await house.register("mallory", use_case="support", by="mallory")
    async with house.client(key, **{"anthropic-version": "2023-06-01"}) as client:
        answer = await client.post(path, json=CALLS[path])
    error = answer.json()["error"]
    assert (answer.status_code, error["type"]) == (400, "invalid_request_error")
    assert "use case support" in error["message"] and "olga" in error["message"]
    (record,) = [one for one in await house.records() if one["id"] == answer.headers["x-headgate-record"]]
    assert (record["outcome"], record["facts"]["refused_by"]) == ("refused", "use-case-members")
    assert "olga" not in str(record)


async def test_a_key_that_somebody_else_made_lets_its_holder_use_its_use_case(house: House):
    await declare(house, "")
    async with house.admin as client:
        given = await client.post("/api/keys", json={"name": "x", "principal": "bob", "use_case": "support"})
        program = await client.post("/api/keys", json={"name": "nightly job", "use_case": "support"})
    for made in (given, program):
        async with house.client(made.json()["secret"]) as client:
            answer = await client.post("/v1/chat/completions", json=CALLS["/v1/chat/completions"])
            assert answer.status_code == 200
            assert (await client.get("/api/overview")).json()["use_cases"] == ["support"]


async def test_what_does_not_speak_of_members_leaves_them_as_they_are(house: House):
    await declare(house, 'members = ["*"]')
    await declare(house, "")
    async with house.admin as client:
        await client.put("/api/use-cases/support", json={"owner": "olga", "purpose": "x"})
        entry = {"owner": "olga", "purpose": "y"}
        planned = await client.put("/api/entries/use_case/support", json={"entry": entry}, params={"dry_run": "true"})
        await client.put("/api/entries/use_case/support", json={"entry": entry})
        stored = (await client.get("/api/entries/use_case/support")).json()["entry"]
        assert [change["detail"] for change in planned.json()["changes"]] == ["purpose"]
        assert stored["members"] == ["*"]
        await client.put("/api/entries/use_case/support", json={"entry": {**entry, "members": ["bob"]}})
        listed = (await client.get("/api/use-cases")).json()["use_cases"]
    assert [one["members"] for one in listed if one["id"] == "support"] == [["bob"]]


async def test_a_key_stands_for_a_program_of_its_own_unless_it_says_for_whom(house: House):
    async with house.admin as client:
        names = ["ci", "ci", "admin", "Nightly / job", "!!"]
        made = [(await client.post("/api/keys", json={"name": name})).json()["key"] for name in names]
        mine = (await client.post("/api/keys", json={"name": "mine", "principal": "admin"})).json()["key"]
        people = (await client.get("/api/entries/person")).json()["entries"]
    programs = [key["principal"] for key in made]
    assert programs[0] == "ci" and programs[3] == "Nightly-job"
    assert len({*programs, "admin"}) == 6
    registered = {one["id"]: one for one in people}
    assert {(registered[one]["kind"], registered[one]["owner"]) for one in programs} == {("service", "admin")}
    assert mine["principal"] == "admin"


async def test_a_program_is_cleared_for_no_more_than_its_maker_and_makers_give_no_more_than_they_have(house: House):
    makers = """@id("developers") @reason("developers make keys")
permit (principal, action == Headgate::Action::"key.create", resource)
when { principal.roles.contains("developer") };"""
    async with house.admin as client:
        toml = f"""
[[policy]]
id = "developers"
text = '''{makers}'''
[[person]]
id = "admin"
roles = ["admin"]
[[person]]
id = "dev"
roles = ["developer"]
confidentiality = "internal"
"""
        assert (await client.post("/api/config/apply", json={"toml": toml})).status_code == 200
        await client.put("/api/use-cases/support", json={"owner": "olga", "purpose": "x"})
    async with house.browser("dev") as browser:
        made = await browser.post("/api/keys", json={"name": "bot", "roles": ["developer"]})
        assert made.status_code == 200, made.text
        for beyond in ({"roles": ["admin"]}, {"principal": "admin"}, {"use_case": "support"}):
            refused = await browser.post("/api/keys", json={"name": "more", **beyond})
            assert refused.status_code == 403, beyond
            assert refused.json()["error"]["record"]
    async with house.admin as client:
        program = (await client.get("/api/entries/person/bot")).json()["entry"]
    assert (program["confidentiality"], program["owner"], program["roles"]) == ("internal", "dev", ["developer"])


async def test_members_are_put_and_stay_where_a_later_change_does_not_name_them(house: House) -> None:
    terms = {"owner": "ann", "purpose": "x"}
    async with house.admin as client:
        put = await client.put("/api/use-cases/teamwork", json={**terms, "members": ["bob", "group:support"]})
        kept = await client.put("/api/use-cases/teamwork", json={**terms, "purpose": "y"})
        emptied = await client.put("/api/use-cases/teamwork", json={**terms, "members": []})
    assert sorted(put.json()["members"]) == sorted(kept.json()["members"]) == ["bob", "group:support"]
    assert (kept.json()["purpose"], emptied.json()["members"]) == ("y", [])
