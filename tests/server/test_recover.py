"""Access comes back on the machine, however everybody was locked out, and a record tells of it."""

from __future__ import annotations

import os
from pathlib import Path

import psycopg
import pytest

from headgate.kernel.errors import Denied, Unavailable
from headgate.server.recovery import recover
from headgate.server.setup import first_key, sign_in_link
from headgate.substrate.settings import Settings
from headgate.testing.house import ORIGIN, House

FORBID = """INSERT INTO policy.policies (tenant, id, text, updated_by) VALUES ('default', '{id}',
    '@id("{id}") @reason("r") {does} forbid (principal, {scope}, resource);', 'somebody')"""
ALL = FORBID.format(id="own", scope="action", does="")

LOCKED_OUT = {
    "all is forbidden": ALL,
    "sign-in is forbidden": FORBID.format(id="own", scope='action == Headgate::Action::"session.open"', does=""),
    "the operator is forbidden": FORBID.format(id="own", scope='action == Headgate::Action::"session.invite"', does=""),
    "all has to be approved": FORBID.format(id="own", scope="action", does='@does("ask")'),
    "administration observes": """UPDATE policy.use_cases SET observe =
        '{administration-for-admins,sign-in-for-registered,operator-lets-people-in}' WHERE id = 'administration'""",
    "administration has expired": "UPDATE policy.use_cases SET expires_at = '2020-01-01' WHERE id = 'administration'",
    "administration is gone": "DELETE FROM policy.use_cases WHERE id = 'administration'",
    "administration is for what is secret": "UPDATE policy.use_cases SET floor_level = 3, ceiling_level = 0",
    "the administrator is an agent": "UPDATE policy.principals SET kind = 'agent' WHERE id = 'admin'",
    "the administrator has no role": "UPDATE policy.principals SET roles = '{}' WHERE id = 'admin'",
    "the administrator sees nothing": "UPDATE policy.principals SET level = 0, categories = '{}', access = '{}'",
    "the administrator is gone": "DELETE FROM policy.principals WHERE id = 'admin'",
    "all keys are revoked": "UPDATE policy.api_keys SET revoked_at = now()",
    "a row cannot be read": """ALTER TABLE policy.use_cases DROP CONSTRAINT use_cases_expires_at_check;
        UPDATE policy.use_cases SET expires_at = 'infinity' WHERE id = 'administration'""",
    "all of it at once": f"""{ALL}; UPDATE policy.principals SET kind = 'agent', roles = '{{}}';
        UPDATE policy.use_cases SET observe = '{{administration-for-admins}}';
        UPDATE policy.api_keys SET revoked_at = now()""",
}


@pytest.mark.parametrize("sql", LOCKED_OUT.values(), ids=LOCKED_OUT)
async def test_access_comes_back_from_every_lockout(house: House, sql: str) -> None:
    settings = _settings(house)
    await first_key(settings)
    _execute(house, sql)
    done = await recover(settings)
    await house.worker.refresh()
    async with house.client(origin=ORIGIN, **{"x-headgate-csrf": "1"}) as browser:
        signed_in = await browser.post("/api/session", json={"token": done.link.partition("#token=")[2]})
        assert signed_in.status_code == 200, signed_in.text
        applied = await browser.put("/api/entries/person/ann", json={"entry": {"roles": ["auditor"]}})
        assert applied.status_code == 200, applied.text
    house.admin_key = (settings.data / "admin.key").read_text().strip()
    async with house.admin as by_key:
        assert (await by_key.put("/api/entries/person/bob", json={"entry": {}})).status_code == 200
    (record,) = await house.records(verb="access.recover")
    assert (record["id"], record["outcome"], record["facts"]["channel"]) == (done.record, "done", "machine")
    assert await sign_in_link(settings), "the usual ways are open again"


async def test_only_policies_that_are_in_the_way_are_set_aside_and_their_text_is_kept(house: House) -> None:
    await first_key(_settings(house))
    _execute(house, ALL)
    _execute(house, FORBID.format(id="fine", scope='action == Headgate::Action::"record.export"', does=""))
    done = await recover(_settings(house))
    (path,) = done.set_aside
    assert path.name.startswith("own.")
    assert "forbid (principal, action, resource)" in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600
    await house.worker.refresh()
    async with house.admin as client:
        policies = (await client.get("/api/entries/policy")).json()["entries"]
    assert [one["id"] for one in policies] == ["fine"]


async def test_where_nothing_is_amiss_nothing_changes_but_that_there_is_a_link(house: House) -> None:
    settings = _settings(house)
    await first_key(settings)
    key = (settings.data / "admin.key").read_text()
    async with house.admin as client:
        before = (await client.get("/api/entries/person")).json()
        done = await recover(settings)
        await house.worker.refresh()
        assert (await client.get("/api/entries/person")).json() == before
    assert (done.set_aside, done.has_new_key, (settings.data / "admin.key").read_text()) == ((), False, key)


async def test_it_is_for_the_user_who_owns_the_folder_and_for_a_folder_of_headgate(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = Settings(data=tmp_path / "elsewhere")
    with pytest.raises(Unavailable, match="there is no Headgate"):
        await recover(elsewhere)
    if os.geteuid() == 0:
        os.chown(_settings(house).secrets_folder, 12345, -1)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with pytest.raises(Denied, match="run this as the user who runs Headgate"):
        await recover(_settings(house))


async def test_a_stranger_is_told_of_the_key_where_the_use_case_of_administration_is_lost(house: House) -> None:
    _execute(house, "DELETE FROM policy.use_cases WHERE id = 'administration'")
    _execute(house, "UPDATE policy.versions SET version = version + 1")
    await house.worker.refresh()
    async with house.client("hg_unknown") as stranger:
        for path in ("/v1/models", "/api/entries/policy"):
            assert (await stranger.get(path)).status_code == 401


async def test_a_person_with_a_role_of_nothing_stops_no_change_of_others(house: House) -> None:
    await house.register("ivo")
    _execute(house, "UPDATE policy.principals SET roles = '{NULL,auditor}' WHERE id = 'ivo'")
    _execute(house, "UPDATE policy.versions SET version = version + 1")
    await house.worker.refresh()
    async with house.admin as admin:
        done = await admin.put("/api/entries/person/olga", json={"entry": {"kind": "person"}})
        assert done.status_code == 200, done.text


def _settings(house: House) -> Settings:
    return house.worker.base.settings


def _execute(house: House, sql: str) -> None:
    with psycopg.connect(house.database.owner.conninfo, autocommit=True) as owner:
        owner.execute(sql.encode())
