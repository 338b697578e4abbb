"""People: invited, changed and removed by others; sessions, keys and the account of one's own."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import psycopg
import pytest

from headgate.people.parts import People
from headgate.testing.house import ORIGIN, OTHER, House, add_tenant

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
PAGE = {"origin": ORIGIN, "x-headgate-csrf": "1", "user-agent": FIREFOX}


def in_days(days: int) -> str:
    return f"{datetime.now(UTC) + timedelta(days=days):%Y-%m-%dT%H:%M:%SZ}"


async def invite(admin: httpx2.AsyncClient, **person: Any) -> str:
    """Register a person and return the token of their link."""
    added = await admin.post("/api/people", json=person)
    assert added.status_code == 200, added.text
    made = await admin.post(f"/api/people/{person['id']}/link")
    assert made.status_code == 200, made.text
    return str(made.json()["link"].partition("#token=")[2])


async def redeem(client: httpx2.AsyncClient, token: str) -> None:
    answer = await client.post("/api/session", json={"token": token})
    assert answer.status_code == 200, answer.text


async def put_use_case(admin: httpx2.AsyncClient, name: str, **fields: Any) -> None:
    answer = await admin.put(f"/api/use-cases/{name}", json={"owner": "olga", "purpose": "Answer customers", **fields})
    assert answer.status_code == 200, answer.text


async def test_somebody_invited_signs_in_and_sees_their_own_account_and_nothing_else(house: House):
    async with house.admin as admin, house.client(**PAGE) as anna:
        await put_use_case(admin, "support", members=["anna@example.com"])
        await put_use_case(admin, "claims")
        await redeem(anna, await invite(admin, id="anna@example.com", name="Anna Kim"))
        account = (await anna.get("/api/account")).json()
        assert (account["person"]["name"], account["person"]["sessions"]) == ("Anna Kim", 1)
        assert "See the people" not in account["may"]
        assert [one["id"] for one in account["use_cases"]] == ["getting-started", "support"]
        for path in ("people", "people/admin", "people/admin/sessions", "keys", "entries/person"):
            assert (await anna.get(f"/api/{path}")).status_code == 403, path
        for method, path in (
            ("POST", "people/admin/link"),
            ("DELETE", "people/admin"),
            ("DELETE", "people/admin/sessions"),
        ):
            assert (await anna.request(method, f"/api/{path}")).status_code == 403, path
        (session,) = (await anna.get("/api/sessions")).json()["sessions"]
        assert (session["browser"], session["is_current"], session["let_in_by"]) == ("Firefox on Linux", True, "admin")
        seen = (await admin.get("/api/people/anna@example.com")).json()
        assert [(one["id"], one["is_owner"]) for one in seen["use_cases"]] == [
            ("getting-started", False),
            ("support", False),
        ]


async def test_a_role_changes_in_the_open_session_and_the_effects_are_told_first(house: House):
    async with house.admin as admin, house.browser_of("grace") as grace:
        path = "/api/people/grace"
        planned = await admin.put(path, json={"roles": ["auditor"]}, params={"dry_run": "true"})
        assert "See the people" in planned.json()["gains"] and planned.json()["loses"] == []
        assert (await grace.get("/api/people")).status_code == 403
        changed = await admin.put(path, json={"roles": ["auditor"], "confidentiality": "internal"})
        assert (changed.json()["gains"], changed.json()["record"]) == (
            planned.json()["gains"],
            changed.headers["x-headgate-record"],
        )
        assert (await grace.get("/api/people")).status_code == 200
        taken = await admin.put(path, json={"roles": []})
        assert taken.json()["loses"] == planned.json()["gains"]
        assert (await grace.get("/api/people")).status_code == 403
        kept = (await admin.get(path)).json()
    assert (kept["confidentiality"], kept["roles"]) == ("internal", [])


async def test_an_ended_session_is_out_at_once(house: House):
    async with house.admin as admin, house.browser_of("ann") as first, house.browser_of("ann") as second:
        mine = (await first.get("/api/sessions")).json()["sessions"]
        other = next(one["id"] for one in mine if not one["is_current"])
        assert (await first.delete(f"/api/sessions/{other}")).status_code == 204
        assert [(await one.get("/api/account")).status_code for one in (first, second)] == [200, 401]
        async with house.browser_of("ann") as third:
            assert (await first.delete("/api/sessions")).json() == {"ended": 1}
            assert [(await one.get("/api/account")).status_code for one in (first, third)] == [200, 401]
        (left,) = (await admin.get("/api/people/ann/sessions")).json()["sessions"]
        assert (await second.delete(f"/api/sessions/{left['id']}")).status_code == 401
        link = await house.sign_in_token("ann")
        assert (await admin.delete("/api/people/ann/sessions")).json() == {"ended": 1}
        assert (await first.get("/api/account")).status_code == 401
        assert (await first.post("/api/session", json={"token": link})).status_code == 401
    records = await house.records(verb="session.end")
    assert [(one["outcome"], one["facts"].get("sessions")) for one in records] == [("done", 1)]


async def test_nobody_ends_the_session_of_another_and_learns_nothing_of_it(house: House):
    async with house.browser_of("ann") as ann, house.browser_of("bob") as bob:
        (of_ann,) = (await ann.get("/api/sessions")).json()["sessions"]
        refused = [await bob.delete(f"/api/sessions/{name}") for name in (of_ann["id"], "0" * 16)]
        assert [one.status_code for one in refused] == [403, 403]
        assert (await ann.get("/api/account")).status_code == 200
    async with house.admin as admin:
        assert (await admin.delete(f"/api/sessions/{'0' * 16}")).status_code == 404


async def test_members_make_rotate_and_revoke_keys_of_their_own(house: House):
    terms = {"name": "laptop", "use_case": "support", "principal": "ann@example.com", "expires_at": in_days(90)}
    async with house.admin as admin, house.browser_of("ann@example.com") as ann:
        await put_use_case(admin, "support", members=["ann@example.com"])
        assert (await ann.get("/api/keys/own")).json() == {"keys": [], "use_cases": ["getting-started", "support"]}
        made = (await ann.post("/api/keys", json=terms)).json()
        rotated = (await ann.post(f"/api/keys/{made['key']['id']}/rotate", json={})).json()
        assert rotated["key"]["expires_at"] == made["key"]["expires_at"]
        for secret in (made["secret"], rotated["secret"]):
            async with house.client(secret) as program:
                assert (await program.get("/api/session")).json()["principal"] == "ann@example.com"
                # A key makes no keys, or it could outlive its own end.
                assert (await program.post("/api/keys", json=terms)).status_code == 403
        old = (await ann.get("/api/keys/own")).json()["keys"][1]
        assert old["replaced_by"] == rotated["key"]["id"]
        assert (await ann.post(f"/api/keys/{old['id']}/rotate", json={})).status_code == 409
        assert (await ann.delete(f"/api/keys/{rotated['key']['id']}")).status_code == 204
        await put_use_case(admin, "support", members=[])
        assert (await ann.get("/api/keys/own")).json()["use_cases"] == ["getting-started"]


async def test_nobody_makes_keys_without_end(house: House):
    terms = {"use_case": "getting-started", "principal": "ann@example.com", "expires_at": in_days(9)}
    async with house.browser_of("ann@example.com") as ann:
        for number in range(50):
            assert (await ann.post("/api/keys", json={"name": f"key {number}", **terms})).status_code == 200
        refused = await ann.post("/api/keys", json={"name": "one more", **terms})
    assert refused.status_code == 403 and "you have 50 keys; revoke one" in refused.text


async def test_a_rotated_key_ends_when_it_was_told_to(house: House):
    async with house.admin as admin:
        made = (await admin.post("/api/keys", json={"name": "ci", "principal": "ci"})).json()
        path = f"/api/keys/{made['key']['id']}/rotate"
        assert (await admin.post(path, json={"old_until": in_days(31)})).status_code == 400
        rotated = await admin.post(path, json={"old_until": in_days(-1)})
    async with house.client(made["secret"]) as old, house.client(rotated.json()["secret"]) as new:
        assert [(await one.get("/api/session")).status_code for one in (old, new)] == [401, 200]


@pytest.mark.parametrize(
    ("terms", "told"),
    [
        ({"use_case": "claims"}, "only members"),
        ({"roles": ["admin"]}, "you cannot give a key the roles admin"),
        ({"expires_at": None}, "ends within a year"),
        ({"expires_at": in_days(800)}, "ends within a year"),
        ({"principal": "admin"}, "Your role does not allow this"),
        ({"principal": None}, "Your role does not allow this"),
    ],
)
async def test_a_member_gives_a_key_no_more_than_a_member_has(house: House, terms: Mapping[str, Any], told: str):
    async with house.admin as admin, house.browser_of("ann") as ann:
        await put_use_case(admin, "claims")
        wanted = {"name": "more", "principal": "ann", "expires_at": in_days(30), **terms}
        refused = await ann.post("/api/keys", json=wanted)
        assert (refused.status_code, told in refused.json()["error"]["message"]) == (403, True), refused.text
        assert (await ann.get("/api/keys/own")).json()["keys"] == []


async def test_administrators_can_forbid_keys_of_ones_own(house: House):
    async with house.admin as admin, house.browser_of("ann") as ann:
        for rule in ("own-keys", "own-keys-revoked"):
            path = f"/api/use-cases/administration/rules/{rule}"
            assert (await admin.put(path, json={"mode": "observe"})).status_code == 200
        assert (await ann.get("/api/keys/own")).json()["use_cases"] == []
        mine = {"name": "x", "principal": "ann", "expires_at": in_days(30)}
        assert (await ann.post("/api/keys", json=mine)).status_code == 403


async def test_the_last_administrator_stays(house: House):
    async with house.browser() as admin, house.admin as program:
        for answer in (
            await admin.delete("/api/people/admin"),
            await admin.delete("/api/people/admin", params={"dry_run": "true"}),
            await admin.put("/api/people/admin", json={"roles": ["auditor"]}),
            await program.put("/api/people/headgate", json={"name": "Mine"}),
        ):
            assert answer.status_code == 409, answer.text
        assert (await admin.get("/api/session")).json()["roles"] == ["admin"]


async def test_a_removal_says_what_stops_and_stops_it(house: House):
    async with house.admin as admin, house.browser_of("ann") as ann:
        await put_use_case(admin, "support", owner="ann")
        made = (await admin.post("/api/keys", json={"name": "hers", "principal": "ann"})).json()
        planned = (await admin.delete("/api/people/ann", params={"dry_run": "true"})).json()
        assert ([key["name"] for key in planned["keys"]], planned["sessions"], planned["owns"]) == (
            ["hers"],
            1,
            ["support"],
        )
        assert (await ann.get("/api/account")).status_code == 200
        assert (await admin.delete("/api/people/ann")).json()["record"]
        assert (await ann.get("/api/account")).status_code == 401
        assert (await admin.get("/api/people/ann")).status_code == 404
    async with house.client(made["secret"]) as program:
        assert (await program.get("/api/session")).status_code == 401


async def test_whoever_made_the_link_does_not_approve_as_somebody_else(house: House):
    """Requester and approver differ, also where the requester could have opened the approver's session."""
    rule = """@id("four-eyes") @reason("two people") @does("ask")
forbid (principal, action == Headgate::Action::"key.create", resource);"""
    async with house.browser() as admin, house.client(**PAGE) as friend, house.browser_of("olga", "approver") as olga:
        await redeem(friend, await invite(admin, id="friend", roles=["approver"]))
        await admin.put("/api/entries/policy/four-eyes", json={"entry": {"text": rule}})
        asked = await admin.post("/api/keys", json={"name": "x"})
        approval = asked.json()["error"]["approval"]
        refused = await friend.post(f"/api/approvals/{approval}/approve", json={"reason": "fine"})
        assert (refused.status_code, "could have opened this session" in refused.text) == (403, True), refused.text
        assert (await olga.post(f"/api/approvals/{approval}/approve", json={"reason": "fine"})).status_code == 200


async def test_people_are_found_and_paged(house: House):
    async with house.admin as admin:
        await put_use_case(admin, "support", members=["group:desk"], owner="olga")
        for name in ("ann", "bob", "olga"):
            groups = ["desk"] if name == "ann" else []
            await admin.post("/api/people", json={"id": name, "name": f"{name.title()} Kim", "groups": groups})
        await admin.post("/api/keys", json={"name": "bot"})

        async def found(**query: Any) -> list[str]:
            answer = await admin.get("/api/people", params=query)
            assert answer.status_code == 200, answer.text
            return [one["id"] for one in answer.json()["people"]]

        assert await found(search="KIM") == ["ann", "bob", "olga"]
        assert await found(use_case="support") == ["ann", "olga"]
        assert await found(kind="service") == ["bot", "headgate"]
        assert await found(role="admin") == ["admin"]
        assert await found(group="desk") == ["ann"]
        first = (await admin.get("/api/people", params={"limit": 2})).json()
        assert (first["total"], first["next"]) == (6, "ann")
        assert await found(limit=2, cursor="ann") == ["bob", "bot"]


async def test_last_seen_is_written_by_a_job_for_sessions_and_keys(house: House):
    last_seen = house.worker.service(People).last_seen
    key = await house.register("bot-owner")
    async with house.browser_of("ann") as ann, house.client(key) as program, house.admin as admin:
        await program.get("/v1/models")
        first = (await admin.get("/api/people/ann")).json()["last_seen"]
        assert first is not None
        assert (await admin.get("/api/people/bot-owner")).json()["last_seen"] is None
        with psycopg.connect(house.database.owner.conninfo, autocommit=True) as connection:
            connection.execute("UPDATE people.sessions SET seen_at = seen_at - interval '1 hour'")
        await ann.get("/api/account")
        await last_seen.write()
        assert (await admin.get("/api/people/bot-owner")).json()["last_seen"] is not None
        # Within a few minutes nothing is written again.
        assert (await admin.get("/api/people/ann")).json()["last_seen"] == first
        (session,) = (await admin.get("/api/people/ann/sessions")).json()["sessions"]
        assert session["seen_at"] > first
        await admin.delete("/api/people/ann")
        await last_seen.write()


async def test_workers_of_the_version_before_see_the_same_sessions(house: House):
    """The old names of the tables still hold, so that an upgrade signs nobody out."""
    token = await house.sign_in_token()
    async with house.browser() as browser:
        with psycopg.connect(house.database.login["headgate_app"].conninfo) as old:
            old.execute("SELECT set_config('app.tenant', 'default', false)")
            assert old.execute("SELECT count(*) FROM server.sessions").fetchone() == (1,)
            gone = old.execute("DELETE FROM server.sign_ins RETURNING principal").fetchall()
            old.execute("DELETE FROM server.sessions")
        assert gone == [("admin",)]
        assert (await browser.get("/api/session")).status_code == 401
        assert (await browser.post("/api/session", json={"token": token})).status_code == 401


async def test_one_tenants_people_are_not_anothers(house: House):
    add_tenant(house.database)
    await house.worker.refresh()
    eve = await house.register("eve", "admin", tenant=OTHER)
    async with house.client(eve) as theirs, house.browser_of("ann") as ann:
        assert [one["id"] for one in (await theirs.get("/api/people")).json()["people"]] == ["eve", "headgate"]
        (session,) = (await ann.get("/api/sessions")).json()["sessions"]
        for method, path in (
            ("GET", "people/ann"),
            ("PUT", "people/ann"),
            ("DELETE", "people/ann"),
            ("POST", "people/ann/link"),
            ("DELETE", "people/ann/sessions"),
            ("DELETE", f"sessions/{session['id']}"),
        ):
            body: dict[str, list[str]] | None = {"roles": []} if method == "PUT" else None
            assert (await theirs.request(method, f"/api/{path}", json=body)).status_code == 404, path
        assert (await ann.get("/api/account")).status_code == 200


async def test_a_registration_that_does_not_hold_is_refused_in_words(house: House):
    async with house.admin as admin:
        for body, told in (
            ({"id": "no body"}, "id"),
            ({"id": "x", "roles": ["admn"]}, "did you mean 'admin'"),
            ({"id": "admin"}, "registered already"),
            ({"id": "x", "confidentiality": "low"}, "confidentiality"),
        ):
            refused = await admin.post("/api/people", json=body)
            assert (refused.status_code in (400, 409), told in refused.text) == (True, True), refused.text
        bot = await admin.post("/api/people/headgate/link")
        assert (bot.status_code, "sign-in links are for people" in bot.text) == (400, True)


async def test_a_compliance_officer_governs_uses_rules_and_notices_and_gets_no_keys_models_or_people(house: House):
    keeps = {"owner": "lena", "purpose": "Sort claims", "members": ["anna"]}
    hook = {"channel": "webhook", "url": "https://tickets.example.com/hook"}
    mail: dict[str, Any] = {"channel": "mail", "server": "smtp.example.com:587", "security": "tls"}
    mail.update(sender="hg@example.com", to=["a@example.com"])
    with_login = {**mail, "login": "env:SMTP_LOGIN"}
    await house.register("anna")
    async with house.admin as admin, house.browser_of("lena", "officer") as lena:
        put = await admin.put("/api/entries/notification/mail", json={"entry": with_login})
        assert put.status_code == 200, put.text

        async def status(method: str, path: str, body: Any = None) -> int:
            return (await lena.request(method, f"/api/{path}", json=body)).status_code

        may = (await lena.get("/api/session")).json()["may"]
        assert {"use_case.put", "use_case.share", "rule.set_mode", "notice.list", "approval.decide"} <= {*may}
        assert not {"config.apply", "key.revoke", "session.end", "session.invite", "use_case.delete"} & {*may}
        for path in ("records", "people", "config/state", "rules", "approvals", "notifications", "usage"):
            assert await status("GET", path) == 200, path
        assert await status("PUT", "use-cases/claims", {**keeps, "review_on": "2027-06-30"}) == 200
        assert await status("PUT", "use-cases/claims/members/*") == 200
        assert await status("PUT", "use-cases/claims/status", {"status": "paused"}) == 200
        observe = {"mode": "observe"}
        assert await status("PUT", "use-cases/claims/rules/mask-personal-data", observe) == 200
        assert await status("PUT", "use-cases/administration/rules/own-keys-end", observe) == 403
        assert await status("DELETE", "use-cases/claims") == 403

        assert await status("PUT", "entries/notification/tickets", {"entry": hook}) == 200
        assert await status("PUT", "entries/notification/tickets", {"entry": {**hook, "internal": True}}) == 403
        assert await status("DELETE", "entries/notification/tickets") == 200
        to_b = {"entry": {**with_login, "to": ["b@example.com"]}}
        assert await status("PUT", "entries/notification/mail", to_b) == 200
        elsewhere = {**with_login, "server": "mine.example.com:587"}
        assert await status("PUT", "entries/notification/mail", {"entry": elsewhere}) == 403
        assert await status("PUT", "entries/notification/mine", {"entry": {**mail, "login": "env:OPENAI_KEY"}}) == 403

        assert await status("PUT", "entries/person/lena", {"entry": {"roles": ["admin"]}}) == 403
        assert await status("POST", "keys", {"name": "bot", "use_case": "claims"}) == 403
        everything = {"entry": {"text": "permit (principal, action, resource);"}}
        assert await status("PUT", "entries/policy/own", everything) == 403
        assert await status("POST", "people/anna/link") == 403
        assert await status("POST", "config/apply", {"toml": ""}) == 403


async def test_an_invitation_works_for_a_week_and_a_session_goes_on_while_it_is_used(house: House):
    def age(days: int) -> None:
        with psycopg.connect(house.database.owner.conninfo, autocommit=True) as connection:
            connection.execute("UPDATE people.sessions SET seen_at = seen_at - %s * interval '1 day'", [days])

    async with house.admin as admin, house.client(**PAGE) as tom:
        assert (await admin.post("/api/people", json={"id": "tom"})).status_code == 200
        unused = (await admin.post("/api/people/tom/link")).json()
        lasts = datetime.fromisoformat(unused["expires_at"]) - datetime.now(UTC)
        assert timedelta(days=6, hours=23) < lasts <= timedelta(days=7)
        made = (await admin.post("/api/people/tom/link")).json()
        replaced = {"token": unused["link"].partition("#token=")[2]}
        assert (await tom.post("/api/session", json=replaced)).status_code == 401
        await redeem(tom, made["link"].partition("#token=")[2])
        (session,) = (await tom.get("/api/sessions")).json()["sessions"]
        idle, most = (datetime.fromisoformat(session[name]) - datetime.now(UTC) for name in ("idle_at", "expires_at"))
        assert (idle.days, most.days) == (2, 13)
        age(2)
        assert (await tom.get("/api/session")).status_code == 200
        age(2)
        assert (await tom.get("/api/session")).status_code == 401
        assert (await admin.get("/api/people/tom")).json()["sessions"] == 0

        later = (await admin.post("/api/people/tom/link")).json()["link"].partition("#token=")[2]
        assert (await admin.put("/api/people/tom", json={"roles": ["admin"]})).status_code == 200
        assert (await tom.post("/api/session", json={"token": later})).status_code == 401


async def test_a_session_that_somebody_else_could_have_opened_ends_with_a_new_role(house: House):
    async with house.admin as admin, house.client(**PAGE) as tom, house.browser_of("ann") as ann:
        await redeem(tom, await invite(admin, id="tom", roles=["auditor"]))
        assert (await admin.put("/api/people/tom", json={"roles": []})).status_code == 200
        assert (await admin.put("/api/people/tom", json={"roles": ["auditor"]})).status_code == 200
        assert (await tom.get("/api/session")).json()["roles"] == ["auditor"]
        assert (await admin.put("/api/people/tom", json={"roles": ["admin"]})).status_code == 200
        assert (await admin.get("/api/people/tom")).json()["sessions"] == 0
        assert (await admin.get("/api/people/tom/sessions")).json()["sessions"] == []
        assert (await tom.get("/api/session")).status_code == 401
        # It has ended for good.
        assert (await admin.put("/api/people/tom", json={"roles": []})).status_code == 200
        assert (await tom.get("/api/session")).status_code == 401
        # The operator's link has no other maker.
        assert (await admin.put("/api/people/ann", json={"roles": ["admin"]})).status_code == 200
        assert (await ann.get("/api/session")).json()["roles"] == ["admin"]
