"""Signing in, being recognised, and what a foreign page cannot do with a browser's cookie."""

from __future__ import annotations

from datetime import timedelta

import httpx2
import psycopg
import pytest

from headgate.admin.sessions import cookie_of
from headgate.kernel.errors import Unavailable
from headgate.kernel.ports import Recorder, Ticket
from headgate.kernel.record import Opening
from headgate.ledger.recorder import JournalRecorder
from headgate.people.sessions import ATTEMPTS_PER_MINUTE
from headgate.people.tokens import set_cookie
from headgate.policy.entities import ADMIN, DEFAULT_TENANT
from headgate.policy.parts import Policy
from headgate.server.refusals import AT_ONCE
from headgate.testing.house import ORIGIN, OTHER, House, add_tenant


async def test_a_sign_in_link_opens_a_session_once(house: House):
    token = await house.sign_in_token()
    async with house.client() as client:
        first = await client.post("/api/session", json={"token": token})
        again = await client.post("/api/session", json={"token": token})
        assert first.status_code == 200
        assert first.json()["principal"] == ADMIN
        assert first.json()["roles"] == ["admin"]
        assert again.status_code == 401
        assert (await client.get("/api/session")).json()["tenant"] == "default"


async def test_a_session_cookie_is_kept_from_scripts_and_from_other_sites(house: House):
    async with house.client() as client:
        answer = await client.post("/api/session", json={"token": await house.sign_in_token()})
    cookie = answer.headers["set-cookie"]
    for attribute in ("HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=1209600"):
        assert attribute in cookie
    assert "Secure" not in cookie
    assert "Secure" in set_cookie("default.x", lasts=timedelta(days=1), is_secure=True)


async def test_the_database_keeps_digests_and_no_token(house: House):
    token = await house.sign_in_token()
    async with house.browser() as browser:
        cookie = browser.cookies["headgate_session"]
    with psycopg.connect(house.database.owner.conninfo) as connection:
        kept = connection.execute("SELECT t::text FROM people.sign_ins t UNION SELECT t::text FROM people.sessions t")
        text = str(kept.fetchall())
    assert token.partition(".")[2] not in text
    assert cookie.partition(".")[2] not in text


async def test_a_link_is_over_after_ten_minutes_and_a_session_after_two_weeks(house: House):
    token = await house.sign_in_token()
    async with house.browser() as browser:
        with psycopg.connect(house.database.owner.conninfo, autocommit=True) as connection:
            connection.execute("UPDATE people.sign_ins SET expires_at = expires_at - interval '10 minutes'")
            connection.execute("UPDATE people.sessions SET expires_at = expires_at - interval '14 days'")
        assert (await browser.post("/api/session", json={"token": token})).status_code == 401
        assert (await browser.get("/api/session")).status_code == 401


async def test_a_link_is_not_redeemed_by_following_it(house: House):
    token = await house.sign_in_token()
    async with house.client() as client:
        assert (await client.get("/api/session", params={"token": token})).status_code == 401
        form = await client.post("/api/session", data={"token": token})
        assert form.status_code == 415
        assert (await client.post("/api/session", json={"token": token})).status_code == 200


async def test_guessing_links_is_slowed_down(house: House):
    async with house.client() as client:
        answers = [
            await client.post("/api/session", json={"token": f"default.{'x' * 43}"})
            for _ in range(ATTEMPTS_PER_MINUTE + 1)
        ]
    assert {answer.status_code for answer in answers[:-1]} == {401}
    assert answers[-1].status_code == 429
    assert int(answers[-1].headers["retry-after"]) > 0


async def test_whoever_guesses_keeps_nobody_out_who_has_a_link(house: House):
    token = await house.sign_in_token()
    guesses = ["x"] * ATTEMPTS_PER_MINUTE + [f"default.{'x' * 43}"]
    async with house.client() as client:
        answers = [await client.post("/api/session", json={"token": guess}) for guess in guesses]
        assert answers[-1].status_code == 429
        assert (await client.post("/api/session", json={"token": token})).status_code == 200


async def test_who_signed_in_and_out_is_recorded_and_nothing_of_the_link_or_cookie(house: House):
    token = await house.sign_in_token()
    async with house.client(origin=ORIGIN, **{"x-headgate-csrf": "1"}) as browser:
        opened = await browser.post("/api/session", json={"token": token})
        cookie = browser.cookies["headgate_session"]
        closed = await browser.delete("/api/session")
    closing, opening = await house.records()
    assert [opening["id"], closing["id"]] == [one.headers["x-headgate-record"] for one in (opened, closed)]
    assert [(one["verb"], one["outcome"]) for one in (opening, closing)] == [
        ("session.open", "done"),
        ("session.close", "done"),
    ]
    assert opening["principal"] == closing["principal"]
    assert closing["resource"] == f"session:{opening['facts']['session']}"
    for secret in (token, cookie):
        assert secret.partition(".")[2] not in str((opening, closing))


async def test_a_link_that_does_not_hold_leaves_a_record_that_says_so(house: House):
    used = await house.sign_in_token()
    async with house.client() as client:
        assert (await client.post("/api/session", json={"token": used})).status_code == 200
        for token in (used, f"default.{'x' * 43}"):
            refused = await client.post("/api/session", json={"token": token})
            assert (refused.status_code, refused.json()["error"]["code"]) == (401, "invalid_api_key")
            record = (await house.records())[0]
            assert record["id"] == refused.json()["error"]["record"]
            assert (record["verb"], record["outcome"]) == ("session.open", "refused")
            assert record["facts"]["refused_by"] == "sign-in-link-unknown"


async def test_a_link_for_somebody_who_was_unregistered_opens_nothing(house: House):
    await house.register("ann")
    token = await house.sign_in_token("ann")
    async with house.worker.platform.administration.transaction(tenant="default") as tx:
        await house.worker.service(Policy).service.delete_principal(tx, "ann", tenant=DEFAULT_TENANT)
    await house.worker.refresh()
    async with house.client() as client:
        assert (await client.post("/api/session", json={"token": token})).status_code == 401
    assert [one["outcome"] for one in await house.records(verb="session.open")] == ["refused"]


@pytest.mark.parametrize("by_file", [False, True])
async def test_whoever_is_registered_by_the_id_of_somebody_removed_is_somebody_else(house: House, *, by_file: bool):
    """Neither the session nor the unused link nor the key of the one before lets anybody in."""
    ann, joe = '[[person]]\nid = "ann"\nroles = ["auditor"]\n', '[[person]]\nid = "joe"\n'
    async with house.admin as admin:
        await admin.post("/api/config/apply", json={"toml": ann})
        made = await admin.post("/api/keys", json={"name": "a", "principal": "ann", "roles": ["auditor"]})
        token = await house.sign_in_token("ann")
        async with house.browser("ann") as browser, house.client(made.json()["secret"]) as program:
            assert (await browser.get("/api/keys")).status_code == 200
            if by_file:
                gone = await admin.post("/api/config/apply", json={"toml": joe})
            else:
                gone = await admin.delete("/api/entries/person/ann")
            assert gone.status_code == 200, gone.text
            await admin.put("/api/entries/person/ann", json={"entry": {"roles": ["admin"]}})
            assert (await browser.get("/api/session")).status_code == 401
            assert (await browser.post("/api/session", json={"token": token})).status_code == 401
            assert (await program.get("/api/session")).status_code == 401


async def test_no_session_is_opened_or_closed_without_a_record(house: House, monkeypatch: pytest.MonkeyPatch):
    def full(recorder: Recorder, opening: Opening) -> Ticket:
        raise Unavailable("the journal is over its limit")

    token = await house.sign_in_token()
    async with house.browser() as browser:
        monkeypatch.setattr(JournalRecorder, "open", full)
        assert (await browser.post("/api/session", json={"token": token})).status_code == 503
        assert (await browser.delete("/api/session")).status_code == 503
        assert (await browser.get("/api/session")).status_code == 200


async def test_whoever_sends_links_at_random_does_not_fill_the_ledger(house: House):
    async with house.client() as client:
        for number in range(ATTEMPTS_PER_MINUTE):
            await client.post("/api/session", json={"token": f"default.{'x' * 40}{number:03}"})
    assert len(await house.records(verb="session.open")) == AT_ONCE


async def test_signing_out_ends_the_session_for_whoever_copied_the_cookie(house: House):
    async with house.browser() as browser:
        cookie = browser.cookies["headgate_session"]
        assert (await browser.delete("/api/session")).status_code == 204
        assert "headgate_session" not in browser.cookies
    async with house.client(cookie=f"headgate_session={cookie}") as copied:
        assert (await copied.get("/api/session")).status_code == 401


async def test_whoever_loses_a_role_has_lost_it_in_open_sessions_too(house: House):
    await house.register("ann", "admin")
    async with house.browser("ann") as browser:
        assert (await browser.get("/api/keys")).status_code == 200
        await house.register("ann")
        assert (await browser.get("/api/session")).json()["roles"] == []
        assert (await browser.get("/api/keys")).status_code == 403
        async with house.worker.platform.administration.transaction(tenant="default") as tx:
            await house.worker.service(Policy).service.delete_principal(tx, "ann", tenant=DEFAULT_TENANT)
        await house.worker.refresh()
        assert (await browser.get("/api/session")).status_code == 401


async def test_a_change_by_cookie_needs_our_own_page(house: House):
    foreign: list[dict[str, str]] = [
        {},
        {"origin": ORIGIN},
        {"x-headgate-csrf": "1"},
        {"x-headgate-csrf": "1", "origin": "http://localhost:8080"},
        {"x-headgate-csrf": "1", "origin": "null"},
    ]
    async with house.browser() as browser:
        cookie = f"headgate_session={browser.cookies['headgate_session']}"
    for headers in foreign:
        async with house.client(cookie=cookie, **headers) as client:
            assert (await client.post("/api/keys", json={"name": "stolen"})).status_code == 403
            assert (await client.delete("/api/session")).status_code == 403
    keys = await _get(house, "/api/keys")
    assert [key["name"] for key in keys.json()["keys"]] == [""]


async def test_a_key_is_recognised_in_both_headers_and_needs_no_page(house: House):
    async with house.client(**{"x-api-key": house.admin_key}) as client:
        assert (await client.get("/api/session")).json()["principal"] == ADMIN
        assert (await client.post("/api/keys", json={"name": "by script"})).status_code == 200
    async with house.client() as client:
        refused = await client.get("/api/session")
    assert refused.status_code == 401
    assert refused.headers["www-authenticate"] == "Bearer"
    assert refused.json()["error"]["code"] == "invalid_api_key"


async def test_a_session_of_one_tenant_is_none_of_another(house: House):
    add_tenant(house.database)
    await house.worker.refresh()
    await house.register("eve", "admin", tenant=OTHER)
    async with house.browser("eve", OTHER) as browser:
        assert (await browser.get("/api/session")).json()["tenant"] == "other"
        assert [key["principal"] for key in (await browser.get("/api/keys")).json()["keys"]] == ["eve"]
        secret = browser.cookies["headgate_session"].partition(".")[2]
    async with house.client(cookie=f"headgate_session=default.{secret}") as client:
        assert (await client.get("/api/session")).status_code == 401


@pytest.mark.parametrize("cookie", ["", "headgate_session", "headgate_session=", "other=1; x=2", "=;=;;"])
def test_what_is_no_session_cookie_is_none(cookie: str):
    assert not cookie_of({"cookie": cookie})


async def _get(house: House, path: str) -> httpx2.Response:
    async with house.admin as client:
        return await client.get(path)
