"""Entries of `headgate.toml` one at a time: people, use cases, policies, deployments, aliases, networks."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from headgate.testing.house import OTHER, House, add_tenant

FILE = """
[[person]]
id = "ann"
roles = ["auditor"]

[[network]]
id = "lab"
allow = ["127.0.0.1/32"]

[[deployment]]
id = "gpt"
provider = "openai"
model = "gpt"
network = "lab"
price = { input = 0.25, output = 2.0 }

[[alias]]
id = "smart"
deployments = ["gpt", "local-chat"]

[[use_case]]
id = "claims"
owner = "ann"
purpose = "Handle claims"
ceiling = "internal"
expires = 2090-12-31

[[policy]]
id = "own"
text = '''
@id("own")
@reason("a reason")
forbid (principal, action == Headgate::Action::"model.dispatch", resource)
when { context.use_case.id == "hr" };
'''
"""
PRICE = {"input": "1.5", "tiers": [{"above_input_tokens": 200_000, "input": "3"}]}
ENTRIES: dict[str, tuple[str, dict[str, Any]]] = {
    "person": ("bob", {"name": "Bob", "roles": ["approver"], "categories": ["pii"]}),
    "use_case": ("hr", {"owner": "bob", "purpose": "Answer people", "ceiling": "confidential"}),
    "policy": ("mine", {"text": '@id("mine")\n@reason("r")\nforbid (principal, action, resource)\nwhen { false };'}),
    "deployment": ("two", {"provider": "openai", "model": "m", "network": "lab", "price": PRICE}),
    "alias": ("fast", {"deployments": ["gpt"]}),
    "network": ("out", {"proxy_url": "http://proxy.example:3128"}),
}


@pytest.mark.parametrize("section", ENTRIES)
async def test_an_entry_is_planned_put_changed_and_removed_like_one_of_the_file(house: House, section: str) -> None:
    await _apply(house, FILE)
    name, entry = ENTRIES[section]
    path = f"/api/entries/{section}/{name}"
    async with house.admin as client:
        planned = await client.put(path, json={"entry": entry}, params={"dry_run": "true"})
        assert (planned.json()["applied"], (await client.get(path)).status_code) == (False, 404)
        put = (await client.put(path, json={"entry": entry})).json()
        assert put["changes"] == planned.json()["changes"] == [_change(section, name, "create")]
        found = (await client.get(path)).json()["entry"]
        assert {key: found[key] for key in entry if key != "price"} == {k: v for k, v in entry.items() if k != "price"}
        if "price" in entry:
            assert found["price"]["tiers"] == entry["price"]["tiers"]
        assert found in (await client.get(f"/api/entries/{section}")).json()["entries"]
        same = await client.put(path, json={"entry": found})
        assert (same.json()["changes"], same.status_code) == ([], 200)
        gone = await client.delete(path, params={"dry_run": "true"})
        assert gone.json()["changes"] == [_change(section, name, "remove")]
        assert (await client.delete(path)).json()["applied"] is True
        assert (await client.get(path)).status_code == 404
        assert (await client.delete(path)).status_code == 404
    records = await house.records(verb="config.apply", resource=f"{section}:{name}")
    assert [record["outcome"] for record in records] == ["failed", "done", "done", "done"]
    assert records[-1]["id"] == put["record"]


@pytest.mark.parametrize("section", ENTRIES)
async def test_what_the_file_made_is_read_as_the_file_has_it_and_a_plan_of_the_file_finds_no_change(
    house: House, section: str
) -> None:
    await _apply(house, FILE)
    async with house.admin as client:
        for entry in (await client.get(f"/api/entries/{section}")).json()["entries"]:
            if entry["id"] in ("ann", "claims", "own", "gpt", "smart", "lab"):
                again = await client.put(
                    f"/api/entries/{section}/{entry['id']}", json={"entry": entry}, params={"dry_run": "true"}
                )
                assert again.json()["changes"] == [], again.text
                break
        else:
            pytest.fail("the file's entry is not listed")
        planned = await client.post("/api/config/plan", json={"toml": FILE})
    assert planned.json()["changes"] == []


async def test_a_person_who_is_put_counts_at_once(house: House) -> None:
    key = await house.register("ann")
    async with house.client(key) as ann, house.admin as client:
        assert (await ann.get("/api/records")).status_code == 403
        changed = await client.put("/api/entries/person/ann", json={"entry": {"roles": ["auditor"]}})
        assert "roles" in changed.json()["changes"][0]["detail"]
        made = await client.post("/api/keys", json={"name": "a", "principal": "ann", "roles": ["auditor"]})
    async with house.client(made.json()["secret"]) as ann:
        assert (await ann.get("/api/records")).status_code == 200
        async with house.admin as client:
            assert (await client.delete("/api/entries/person/ann")).status_code == 200
        assert (await ann.get("/api/records")).status_code == 401


@pytest.mark.parametrize(
    ("path", "entry", "message"),
    [
        ("person/ann", {"nme": "Ann"}, "person ann: nme: unknown key; did you mean 'name'?"),
        ("use_case/care", {"members": "ann", "owner": "ann", "purpose": "x"}, "use_case care: members: expected"),
        ("deployment/gpt", {"clearance": {"levl": "public"}}, "deployment gpt: clearance.levl: unknown key"),
    ],
)
async def test_a_mistake_in_an_entry_names_its_key(house: House, path: str, entry: dict[str, Any], message: str):
    async with house.admin as client:
        refused = await client.put(f"/api/entries/{path}", json={"entry": entry})
    assert refused.status_code == 400
    assert refused.json()["error"]["message"].startswith(message)


async def test_an_entry_of_the_api_outlives_a_file_that_does_not_name_it(house: House) -> None:
    async with house.admin as client:
        await client.put("/api/entries/person/bob", json={"entry": {"roles": ["approver"]}})
        await _apply(house, FILE)
        assert (await client.get("/api/entries/person/bob")).status_code == 200


_MASKS_PIII = '@id("m") @reason("r") @duty("mask") @categories("piii") permit (principal, action, resource);'


@pytest.mark.parametrize(
    ("method", "path", "entry", "says"),
    [
        ("PUT", "alias/x", {"deployments": ["gtp"]}, "did you mean 'gpt'"),
        ("PUT", "deployment/x", {"provider": "openai", "modle": "m"}, "did you mean 'model'"),
        ("PUT", "deployment/x", {"provider": "openai", "model": "m", "network": "lap"}, "did you mean 'lab'"),
        ("PUT", "person/x", {"kind": "robot"}, "person"),
        ("PUT", "use_case/x", {"owner": "a", "purpose": "p", "observe": ["mask-secret"]}, "did you mean mask-secrets"),
        ("PUT", "use_case/jobs", {"owner": "a", "purpose": "p"}, "built in"),
        ("PUT", "policy/x", {"text": "permit all"}, "not valid Cedar"),
        ("PUT", "person/x", {"roles": ["admn"]}, "there is no role 'admn'; did you mean 'admin'"),
        ("PUT", "policy/x", {"text": _MASKS_PIII}, "there is no category 'piii'; did you mean 'pii'"),
        ("PUT", "use_case/x", {"owner": "a", "purpose": "p", "deployments": ["gtp"]}, "did you mean 'gpt'"),
        ("DELETE", "deployment/gpt", None, "it is still used by alias smart"),
        ("DELETE", "network/lab", None, "it is still used by deployment gpt"),
        ("DELETE", "deployment/local-chat", None, "there is no deployment"),
        ("DELETE", "use_case/jobs", None, "built in"),
        ("PUT", "person/headgate", {"roles": []}, "built in"),
        ("DELETE", "person/headgate", None, "built in"),
        ("PUT", "person/admin", {"roles": ["auditor"]}, "ask another administrator"),
        ("DELETE", "person/admin", None, "ask another administrator"),
        ("PUT", "imported_key/x", {}, "no section of that name"),
        ("PUT", "nothing/x", {}, "no section of that name"),
    ],
)
async def test_what_does_not_hold_is_refused_in_words_and_nothing_changes(
    house: House, method: str, path: str, entry: dict[str, Any] | None, says: str
) -> None:
    await _apply(house, FILE)
    body = None if entry is None else {"entry": entry}
    async with house.admin as client:
        before = await _everything(client)
        answer = await client.request(method, f"/api/entries/{path}", json=body)
        assert answer.status_code in (400, 404, 409), answer.text
        assert says in answer.json()["error"]["message"]
        assert await _everything(client) == before


async def test_an_auditor_reads_and_plans_and_nobody_else_but_administrators_writes(house: House) -> None:
    path, body = "/api/entries/person/bob", {"entry": dict[str, Any]()}
    async with house.client(await house.register("ida", "auditor")) as auditor:
        assert (await auditor.get("/api/entries/person")).status_code == 200
        assert (await auditor.put(path, json=body, params={"dry_run": "true"})).status_code == 200
        assert (await auditor.put(path, json=body)).status_code == 403
        assert (await auditor.delete("/api/entries/person/ida")).status_code == 403
    async with house.client(await house.register("joe")) as nobody:
        assert (await nobody.get("/api/entries/person")).status_code == 403
        assert (await nobody.put(path, json=body, params={"dry_run": "true"})).status_code == 403


async def test_another_tenants_entries_are_not_there(house: House) -> None:
    await _apply(house, FILE)
    add_tenant(house.database)
    await house.worker.refresh()
    async with house.client(await house.register("eve", "admin", tenant=OTHER)) as theirs:
        assert (await theirs.get("/api/entries/deployment")).json()["entries"] == []
        assert (await theirs.get("/api/entries/person/ann")).status_code == 404
        assert (await theirs.delete("/api/entries/person/ann")).status_code == 404


def _change(section: str, name: str, does: str) -> dict[str, str]:
    return {"section": section, "id": name, "does": does, "detail": ""}


async def _apply(house: House, toml: str) -> None:
    async with house.admin as client:
        answer = await client.post("/api/config/apply", json={"toml": toml})
    assert answer.status_code == 200, answer.text


async def _everything(client: httpx2.AsyncClient) -> list[Any]:
    return [(await client.get(f"/api/entries/{section}")).json() for section in ENTRIES]
