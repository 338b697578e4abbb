"""No change through any door leaves nobody who can undo it; what is refused changes nothing."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx2
import pytest

from headgate.testing.house import House

ADMINISTER = 'action in Headgate::Action::"administer"'
EVERYTHING = "action"
SIGN_IN = 'action in [Headgate::Action::"session.open", Headgate::Action::"session.invite"]'


def rule(scope: str, *, when: str = "true", does: str = "") -> str:
    """A rule of a tenant's own that forbids, or asks."""
    return f'@id("own") @reason("so it is wanted") {does} forbid (principal, {scope}, resource) when {{ {when} }};'


def file_of(text: str) -> str:
    """The same as a file."""
    return f"[[policy]]\nid = \"own\"\ntext = '''\n{text}\n'''\n"


LOCKS = {
    "all is forbidden": rule(EVERYTHING),
    "administration is forbidden": rule(ADMINISTER),
    "one verb is forbidden": rule('action == Headgate::Action::"config.apply"'),
    "policies cannot be changed": rule(
        'action == Headgate::Action::"config.apply"', when='resource.kind == "policy" && resource.id == "own"'
    ),
    "administrators are forbidden": rule(EVERYTHING, when='principal.roles.contains("admin")'),
    "a name is forbidden": rule(ADMINISTER, when='principal.id == "admin"'),
    "from a day on": rule(ADMINISTER, when='context.now > datetime("2029-01-01T00:00:00Z")'),
    "for years, from a day on": rule(
        ADMINISTER, when='context.now > datetime("2029-01-01") && context.now < datetime("2034-01-01")'
    ),
    "for a month, in years": rule(
        ADMINISTER, when='context.now > datetime("2029-02-01") && context.now < datetime("2029-03-01")'
    ),
    "from a day on that is far away": rule(ADMINISTER, when='context.now > datetime("2050-01-01")'),
    "for years, by the time since a day": rule(
        ADMINISTER,
        when='context.now.durationSince(datetime("2026-01-01")) > duration("400d")'
        ' && context.now.durationSince(datetime("2026-01-01")) < duration("3000d")',
    ),
    "by the admin API": rule(ADMINISTER, when='context.attributes.contains("channel=admin-api")'),
    "only with the approval of somebody who is not there": rule(ADMINISTER, does='@does("ask")'),
    "no key and no session": rule(EVERYTHING, when='["key", "session"].contains(principal.credential)'),
}


@pytest.mark.parametrize("text", LOCKS.values(), ids=LOCKS)
async def test_a_policy_that_locks_everybody_out_is_refused_at_every_door(house: House, text: str) -> None:
    async with house.admin as client:
        before = await _state(client)
        for refused in (
            await client.put("/api/entries/policy/own", json={"entry": {"text": text}}),
            await client.put("/api/entries/policy/own?dry_run=true", json={"entry": {"text": text}}),
            await client.post("/api/config/plan", json={"toml": file_of(text)}),
            await client.post("/api/config/apply", json={"toml": file_of(text)}),
        ):
            assert refused.status_code == 409, refused.text
            assert "no administrator could undo this change" in refused.json()["error"]["message"]
        assert await _state(client) == before


FINE = {
    "a verb that undoes nothing": rule('action == Headgate::Action::"record.export"'),
    "agents": rule(ADMINISTER, when='principal.kind == "agent"'),
    "over a few days": rule(
        ADMINISTER, when='context.now > datetime("2029-12-24") && context.now < datetime("2029-12-27")'
    ),
    "from the last of all days on": rule(ADMINISTER, when='context.now > datetime("9999-12-31")'),
    "at night": rule(ADMINISTER, when='context.now.toTime() < duration("6h")'),
    "sign-in, as keys stay": rule(SIGN_IN),
}


@pytest.mark.parametrize("text", FINE.values(), ids=FINE)
async def test_a_policy_that_leaves_an_administrator_is_taken(house: House, text: str) -> None:
    async with house.admin as client:
        done = await client.put("/api/entries/policy/own", json={"entry": {"text": text}})
    assert done.status_code == 200, done.text


async def test_administration_by_four_eyes_needs_a_second_person(house: House) -> None:
    await house.register("grace", "approver")
    async with house.admin as client:
        text = rule('action == Headgate::Action::"config.apply"', does='@does("ask")')
        assert (await client.put("/api/entries/policy/own", json={"entry": {"text": text}})).status_code == 200
    async with house.client(await house.register("olga", "admin")) as olga:
        asked = await olga.delete("/api/entries/person/grace")
    assert asked.json()["error"]["code"] == "needs_approval"


@pytest.mark.parametrize("allow", ["administration-for-admins"])
async def test_what_administration_rests_on_cannot_be_set_to_observe(house: House, allow: str) -> None:
    path = f"/api/use-cases/administration/rules/{allow}"
    async with house.admin as client:
        refused = await client.put(path, json={"mode": "observe"})
        assert refused.status_code == 409, refused.text
        assert (await client.put(path, json={"mode": "enforce"})).status_code == 200


async def test_sign_in_can_be_switched_off_only_while_a_key_of_an_administrator_holds(house: House) -> None:
    path = "/api/use-cases/administration/rules/sign-in-for-registered"
    async with house.admin as client:
        assert (await client.put(path, json={"mode": "observe"})).status_code == 200
        for key in (await client.get("/api/keys")).json()["keys"]:
            refused = await client.delete(f"/api/keys/{key['id']}")
            assert refused.status_code == 409, refused.text
        assert (await client.put(path, json={"mode": "enforce"})).status_code == 200
        for key in (await client.get("/api/keys")).json()["keys"]:
            assert (await client.delete(f"/api/keys/{key['id']}")).status_code == 204


PEOPLE: dict[str, dict[str, Any]] = {
    "an agent": {"kind": "agent", "roles": ["admin"]},
    "a service": {"kind": "service", "roles": ["admin"]},
    "without a role": {"kind": "person", "roles": []},
    "with another role": {"kind": "person", "roles": ["auditor", "approver"]},
}


@pytest.mark.parametrize("entry", PEOPLE.values(), ids=PEOPLE)
async def test_the_last_administrator_stays_one(house: House, entry: dict[str, Any]) -> None:
    async with house.admin as client:
        before = await _state(client)
        toml = f'[[person]]\nid = "admin"\nkind = "{entry["kind"]}"\nroles = {entry["roles"]}\n'
        for refused in (
            await client.put("/api/entries/person/admin", json={"entry": entry}),
            await client.post("/api/config/apply", json={"toml": toml}),
        ):
            assert refused.status_code == 409, refused.text
        assert await _state(client) == before
        two = await client.put("/api/entries/person/olga", json={"entry": {"kind": "service", "roles": ["admin"]}})
        assert two.status_code == 200
        assert (await client.put("/api/entries/person/admin", json={"entry": entry})).status_code == 409


async def test_a_clearance_of_nothing_leaves_an_administrator(house: House) -> None:
    entry: dict[str, Any] = {
        "kind": "person",
        "roles": ["admin"],
        "confidentiality": "public",
        "categories": [],
        "access": [],
    }
    async with house.admin as client:
        assert (await client.put("/api/entries/person/admin", json={"entry": entry})).status_code == 200
        assert (
            await client.put("/api/entries/person/admin", json={"entry": {**entry, "name": "A"}})
        ).status_code == 200
        by_clearance = rule(ADMINISTER, when="principal.level < 1")
        refused = await client.put("/api/entries/policy/own", json={"entry": {"text": by_clearance}})
    assert refused.status_code == 409


async def test_two_administrators_who_take_the_role_from_one_another_at_once_leave_one(house: House) -> None:
    olga = await house.register("olga", "admin")
    demoted: dict[str, Any] = {"kind": "person", "roles": []}
    async with house.admin as one, house.client(olga) as other:
        answers = await asyncio.gather(
            one.put("/api/entries/person/olga", json={"entry": demoted}),
            other.put("/api/entries/person/admin", json={"entry": demoted}),
        )
    assert sorted(answer.status_code for answer in answers)[0] == 200
    assert sorted(answer.status_code for answer in answers)[1] in (403, 409)


async def _state(client: httpx2.AsyncClient) -> list[Any]:
    return [(await client.get(f"/api/entries/{section}")).json() for section in ("person", "policy", "use_case")]
