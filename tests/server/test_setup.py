"""What the machine's operator does goes the one way too: decided, recorded, and done by nobody over the network."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from headgate.kernel.errors import Denied, Invalid, NeedsApproval, NotFound, Unavailable
from headgate.server.setup import first_key, sign_in_link
from headgate.substrate.settings import Settings
from headgate.testing.house import House

RULE = """
[[policy]]
id = "nobody-is-let-in"
text = '''
@id("links-with-approval")
@reason("somebody looks at who is let in")
{does}
forbid (principal, action in [Headgate::Action::"session.invite", Headgate::Action::"key.create"], resource);
'''
"""


async def test_the_first_key_is_made_once_and_its_record_says_where(house: House) -> None:
    await first_key(_settings(house))
    path = _settings(house).data / "admin.key"
    secret = path.read_text().strip()
    await first_key(_settings(house))
    await house.worker.refresh()
    async with house.client(secret) as client:
        assert (await client.get("/api/session")).json()["principal"] == "admin"
    (made,) = await house.records(verb="key.create")
    assert (path.stat().st_mode & 0o777, made["outcome"]) == (0o600, "done")
    assert made["facts"]["key"] == secret.split("_")[1]
    assert made["facts"]["channel"] == "machine"
    assert [rule["id"] for rule in made["rules"]] == ["operator-lets-people-in"]
    assert secret not in str(made)


async def test_a_key_whose_file_came_from_elsewhere_is_recorded_when_it_is_taken_up(house: House) -> None:
    path = _settings(house).data / "admin.key"
    path.write_text("nonsense")
    with pytest.raises(Invalid, match=r"admin\.key"):
        await first_key(_settings(house))
    path.write_text(f"hg_abcdefgh_{'x' * 43}\n")
    await first_key(_settings(house))
    (made,) = await house.records(verb="key.create")
    assert made["facts"]["key"] == "abcdefgh"


async def test_a_link_and_the_session_that_it_opens_are_told_by_one_name(house: House) -> None:
    await house.register("grace", "approver")
    link = await sign_in_link(_settings(house), principal="grace")
    token = link.partition("#token=")[2]
    async with house.client() as client:
        assert (await client.post("/api/session", json={"token": token})).json()["principal"] == "grace"
    (invited,) = await house.records(verb="session.invite")
    (opened,) = await house.records(verb="session.open")
    assert invited["facts"]["link"] == opened["facts"]["link"]
    assert invited["facts"]["channel"] == "machine"
    assert invited["principal"] != opened["principal"]
    assert token.partition(".")[2] not in str(invited)


async def test_what_policy_forbids_is_refused_to_the_operator_too_and_leaves_nothing(house: House) -> None:
    await _apply(house, RULE.format(does=""))
    for refused in (sign_in_link(_settings(house)), first_key(_settings(house))):
        with pytest.raises(Denied, match="somebody looks at who is let in"):
            await refused
    assert not (_settings(house).data / "admin.key").exists()
    assert _links(house) == 0
    records = [*await house.records(verb="session.invite"), *await house.records(verb="key.create")]
    assert [record["outcome"] for record in records] == ["refused", "refused"]


async def test_a_link_is_made_under_an_approval_where_policy_asks_for_one(house: House) -> None:
    grace = await house.register("grace", "approver")
    await _apply(house, RULE.format(does='@does("ask")'))
    with pytest.raises(NeedsApproval) as asked:
        await sign_in_link(_settings(house))
    grant = asked.value.approval_id
    async with house.client(grace) as client:
        shown = (await client.get(f"/api/approvals/{grant}")).json()["approval"]
        approved = await client.post(f"/api/approvals/{grant}/approve", json={"reason": "She called"})
    assert (shown["principal"], shown["details"]["principal"]) == ("machine operator", "admin")
    assert approved.status_code == 200
    with pytest.raises(Denied, match="another request"):
        await sign_in_link(_settings(house), principal="grace", grant=grant)
    assert await sign_in_link(_settings(house), grant=grant)
    assert _links(house) == 1


async def test_nobody_is_the_operator_over_the_network(house: House) -> None:
    key = await house.register("mallory", "operator")
    async with house.client(key) as client:
        assert (await client.post("/api/keys", json={"name": "k"})).status_code == 403
    async with house.browser("mallory") as browser:
        assert (await browser.post("/api/keys", json={"name": "k"})).status_code == 403


async def test_without_a_record_there_is_no_key_and_no_link(house: House, tmp_path: Path) -> None:
    settings = replace(_settings(house), data=tmp_path / "full")
    settings.secrets_folder.mkdir(parents=True)
    settings.journal_folder.write_text("no folder can be made here")
    for undone in (first_key(settings), sign_in_link(settings)):
        with pytest.raises(Unavailable):
            await undone
    assert not (settings.data / "admin.key").exists()
    assert _links(house) == 0


async def test_a_link_is_for_somebody_registered_and_made_where_headgate_is(house: House, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="nobody is registered as 'nobody'"):
        await sign_in_link(_settings(house), principal="nobody")
    elsewhere = replace(_settings(house), data=tmp_path / "elsewhere")
    with pytest.raises(Unavailable, match="there is no Headgate"):
        await sign_in_link(elsewhere)
    assert not elsewhere.data.exists()


async def test_root_leaves_nothing_in_the_folder_of_the_user_who_runs_headgate(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    if os.geteuid() == 0:
        os.chown(_settings(house).secrets_folder, 12345, -1)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with pytest.raises(Denied, match="run this as the user who runs Headgate"):
        await sign_in_link(_settings(house))
    assert _links(house) == 0


def _settings(house: House) -> Settings:
    return house.worker.base.settings


def _links(house: House) -> int:
    with psycopg.connect(house.database.owner.conninfo) as connection:
        found: Any = connection.execute("SELECT count(*) FROM server.sign_ins").fetchone()
    return int(found[0])


async def _apply(house: House, toml: str) -> None:
    async with house.admin as client:
        answer = await client.post("/api/config/apply", json={"toml": toml})
    assert answer.status_code == 200, answer.text
