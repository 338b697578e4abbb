"""Keys, use cases and rules: changed by whoever may, recorded, and in force at once."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import psycopg
import pytest

from headgate.testing.house import OTHER, House, add_tenant

USE_CASE = {"owner": "ann", "purpose": "Answer customers", "risk": "limited", "confidentiality": "internal"}


async def test_a_keys_secret_is_shown_once_and_works_at_once(house: House):
    async with house.admin as client:
        made = await client.post("/api/keys", json={"name": "ci", "principal": "ci-bot", "aliases": ["local-chat"]})
        listed = await client.get("/api/keys")
    secret, key = made.json()["secret"], made.json()["key"]
    assert made.headers["cache-control"] == "no-store"
    assert secret not in listed.text
    assert key in listed.json()["keys"]
    assert key["aliases"] == ["local-chat"]
    async with house.client(secret) as client:
        models = await client.get("/v1/models")
    assert [model["id"] for model in models.json()["data"]] == ["local-chat"]


async def test_no_record_holds_a_new_keys_secret(house: House):
    async with house.admin as client:
        secret = (await client.post("/api/keys", json={"name": "ci"})).json()["secret"]
    records = await house.records(verb="key.create")
    assert records[0]["facts"]["use_case"] == "getting-started"
    assert records[0]["facts"]["key"] == secret.split("_")[1]
    journal = b"".join(path.read_bytes() for path in house.worker.base.settings.journal_folder.rglob("*.log"))
    assert secret.encode() not in journal


async def test_a_key_gets_another_end_and_a_replaced_one_no_other_limits(house: House):
    async with house.admin as client:
        made = (await client.post("/api/keys", json={"name": "ci", "principal": "ci-bot"})).json()
        path = f"/api/keys/{made['key']['id']}"
        ends = await client.post(f"{path}/limits", json={"expires_at": "2090-05-01T12:00:00Z"})
        assert (ends.status_code, ends.json()["expires_at"]) == (200, "2090-05-01T12:00:00Z")
        assert (await client.post(f"{path}/rotate", json={})).status_code == 200
        late = await client.post(f"{path}/limits", json={"requests_per_minute": 5})
    assert late.status_code == 409
    assert "was replaced by" in late.json()["error"]["message"]
    (record,) = [one for one in await house.records(verb="key.set_limits") if one["outcome"] == "done"]
    assert record["facts"]["limits_after"] == "until 2090-05-01 12:00 UTC"


async def test_new_limits_of_a_key_hold_from_the_next_call_and_its_holder_does_not_lift_them(house: House):
    call = {"model": "local-chat", "messages": [{"role": "user", "content": "hi"}]}
    async with house.admin as client:
        terms = {"name": "ci", "principal": "ci-bot", "requests_per_minute": 1}
        made = (await client.post("/api/keys", json=terms)).json()
        path = f"/api/keys/{made['key']['id']}/limits"
        async with house.client(made["secret"]) as program:
            statuses = [(await program.post("/v1/chat/completions", json=call)).status_code for _ in range(2)]
            raised = await client.post(path, json={"requests_per_minute": 2, "cost_micros_per_day": 5_000_000})
            statuses += [(await program.post("/v1/chat/completions", json=call)).status_code for _ in range(2)]
            assert (await program.post(path, json={"requests_per_minute": None})).status_code == 403
            await client.post(path, json={"requests_per_minute": None})
            statuses.append((await program.post("/v1/chat/completions", json=call)).status_code)
        other = await client.post(path, json={"cost_micros_per_day": 1, "currency": "EUR"})
        past = await client.post(path, json={"expires_at": "2020-01-01T00:00:00Z"})
        (shown,) = [one for one in (await client.get("/api/keys")).json()["keys"] if one["name"] == "ci"]
    assert statuses == [200, 429, 200, 429, 200]
    assert raised.json()["cost_micros_per_day"] == 5_000_000
    assert (shown["requests_per_minute"], shown["cost_micros_per_day"], shown["currency"]) == (None, 5_000_000, "USD")
    assert [(one.status_code, one.json()["error"]["param"]) for one in (other, past)] == [
        (400, "currency"),
        (400, "expires_at"),
    ]
    records = [one for one in await house.records(verb="key.set_limits") if one["outcome"] == "done"]
    assert (records[-1]["facts"]["limits_before"], records[-1]["facts"]["limits_after"]) == (
        "1 a minute",
        "2 a minute, $5.00 a day",
    )


async def test_a_revoked_key_is_refused_from_then_on(house: House):
    async with house.admin as client:
        made = (await client.post("/api/keys", json={"name": "ci"})).json()
        assert (await client.delete(f"/api/keys/{made['key']['id']}")).status_code == 204
        assert (await client.delete(f"/api/keys/{made['key']['id']}")).status_code == 404
    async with house.client(made["secret"]) as client:
        assert (await client.get("/api/session")).status_code == 401


async def test_whoever_is_no_administrator_changes_nothing_and_the_attempt_is_recorded(house: House):
    key = await house.register("bob")
    async with house.client(key) as client:
        refused = await client.post("/api/keys", json={"name": "mine", "roles": ["admin"]})
        assert (await client.get("/api/keys")).status_code == 403
        assert (await client.get("/api/records")).status_code == 403
        assert (await client.get("/api/models")).status_code == 200
    assert refused.status_code == 403
    records = await house.records(verb="key.create")
    assert records[0]["id"] == refused.json()["error"]["record"]
    assert records[0]["outcome"] == "refused"


async def test_an_auditor_sees_everything_and_changes_nothing(house: House):
    key = await house.register("ida", "auditor")
    async with house.client(key) as client:
        for path in ("keys", "use-cases", "rules", "records", "ledger", "overview"):
            assert (await client.get(f"/api/{path}")).status_code == 200
        assert (await client.post("/api/keys", json={"name": "x"})).status_code == 403
        assert (await client.put("/api/use-cases/x", json=USE_CASE)).status_code == 403
        assert (await client.post("/api/config/apply", json={"toml": ""})).status_code == 403
        assert (await client.post("/api/config/plan", json={"toml": ""})).status_code == 200


async def test_lists_are_not_recorded(house: House):
    async with house.admin as client:
        for path in ("keys", "use-cases", "rules", "records", "overview"):
            await client.get(f"/api/{path}")
    assert await house.records() == []


async def test_a_use_case_is_registered_changed_and_deleted_with_its_keys(house: House):
    async with house.admin as client:
        put = await client.put("/api/use-cases/support", json={**USE_CASE, "categories": ["pii"]})
        again = await client.put("/api/use-cases/support", json={**USE_CASE, "owner": "eve"})
        made = (await client.post("/api/keys", json={"name": "s", "use_case": "support"})).json()
        assert put.json()["categories"] == ["pii"]
        assert again.json()["owner"] == "eve"
        assert (await client.put("/api/use-cases/administration", json=USE_CASE)).status_code == 409
        assert (await client.delete("/api/use-cases/support")).status_code == 204
        assert "support" not in [one["id"] for one in (await client.get("/api/use-cases")).json()["use_cases"]]
    async with house.client(made["secret"]) as client:
        assert (await client.get("/api/session")).status_code == 401
    records = await house.records(verb="use_case.put")
    assert [record["facts"].get("is_new") for record in records] == [None, False, True]
    assert [record["outcome"] for record in records] == ["failed", "done", "done"]


async def test_a_rule_observes_for_one_use_case(house: House):
    async with house.admin as client:
        await client.put("/api/use-cases/support", json=USE_CASE)
        changed = await client.put("/api/use-cases/support/rules/mask-secrets", json={"mode": "observe"})
        here = await client.get("/api/rules", params={"use_case": "support"})
        elsewhere = await client.get("/api/rules", params={"use_case": "getting-started"})
        schema = (await client.get("/api/rules/schema")).json()["text"]
        always = await client.put("/api/use-cases/support/rules/key-scope", json={"mode": "observe"})
    assert changed.json() == here.json()
    assert _mode(here.json(), "mask-secrets") == "observe"
    assert _mode(elsewhere.json(), "mask-secrets") == "enforce"
    assert always.status_code == 400
    assert "entity Principal" in schema and 'action "model.dispatch" in ["use-models"]' in schema


async def test_one_tenant_neither_sees_nor_touches_what_is_anothers(house: House):
    add_tenant(house.database)
    await house.worker.refresh()
    eve = await house.register("eve", "admin", tenant=OTHER)
    async with house.admin as ours, house.client(eve) as theirs:
        await ours.put("/api/use-cases/support", json=USE_CASE)
        made = (await ours.post("/api/keys", json={"name": "ours"})).json()["key"]
        await house.log_everything()
        record = (await ours.get("/api/records")).json()["records"][0]["id"]
        assert [key["principal"] for key in (await theirs.get("/api/keys")).json()["keys"]] == ["eve"]
        assert "support" not in (await theirs.get("/api/use-cases")).text
        assert (await theirs.get("/api/records")).json()["records"] == []
        assert (await theirs.get("/api/overview")).json()["records"] == 0
        for method, path in (
            ("DELETE", f"/api/keys/{made['id']}"),
            ("DELETE", "/api/use-cases/support"),
            ("GET", f"/api/records/{record}"),
            ("GET", f"/api/records/{record}/proof"),
        ):
            assert (await theirs.request(method, path)).status_code == 404
        assert (await ours.get("/api/keys")).json()["keys"][0]["revoked_at"] is None


async def test_what_a_key_must_not_ask_for_is_refused_in_words(house: House):
    bodies: list[dict[str, Any]] = [
        {"name": "x", "use_case": "nowhere"},
        {"name": "x", "use_case": "jobs"},
        {"name": "x", "roles": ["auditor"], "principal": "headgate"},
        {"name": "x", "expires_at": "2020-01-01T00:00:00Z"},
        {"name": "x", "expires_at": "2030-01-01T00:00:00"},
        {"name": "x" * 300},
        {"name": "\0"},
        {"name": "x", "requests_per_minute": 0},
        {"nane": "x"},
    ]
    async with house.admin as client:
        for body in bodies:
            answer = await client.post("/api/keys", json=body)
            assert answer.status_code in (400, 404), (body, answer.text)
            assert answer.json()["error"]["message"]
        assert len((await client.get("/api/keys")).json()["keys"]) == 1


@pytest.mark.parametrize(
    "text", ["9999-12-31T23:59:59.999999-23:59", "3000-01-01T00:00:01Z", "0001-01-01T00:00:00+14:00"]
)
async def test_a_time_that_nobody_means_is_refused_and_nothing_is_kept(house: House, text: str):
    async with house.admin as client:
        for method, path, body in (
            ("POST", "/api/keys", {"name": "x"}),
            ("PUT", "/api/use-cases/support", USE_CASE),
        ):
            answer = await client.request(method, path, json={**body, "expires_at": text})
            assert (answer.status_code, answer.json()["error"]["param"]) == (400, "expires_at"), answer.text
        assert len((await client.get("/api/keys")).json()["keys"]) == 1
        assert "support" not in (await client.get("/api/use-cases")).text


async def test_an_expiry_is_answered_in_utc(house: House):
    at, in_utc = "2090-01-01T01:00:00+02:00", "2089-12-31T23:00:00Z"
    async with house.admin as client:
        key = (await client.post("/api/keys", json={"name": "x", "expires_at": at})).json()["key"]
        use_case = (await client.put("/api/use-cases/support", json={**USE_CASE, "expires_at": at})).json()
    assert (key["expires_at"], use_case["expires_at"]) == (in_utc, in_utc)


async def test_what_could_not_be_read_back_is_not_committed(house: House, monkeypatch: pytest.MonkeyPatch):
    def as_it_is(moment: datetime | None) -> datetime | None:
        return moment

    with psycopg.connect(house.database.owner.conninfo) as owner:
        owner.execute("ALTER TABLE policy.api_keys DROP CONSTRAINT api_keys_expires_at_check")
    monkeypatch.setattr("headgate.policy.key_routes.expiry", as_it_is)
    async with house.admin as client:
        body = {"name": "x", "expires_at": "9999-12-31T23:59:59-01:00"}
        assert (await client.post("/api/keys", json=body)).status_code == 400
        assert len((await client.get("/api/keys")).json()["keys"]) == 1
    await house.worker.refresh()


def _mode(rules: dict[str, Any], rule: str) -> str:
    return str(next(one["mode"] for one in rules["rules"] if one["id"] == rule))


async def test_keys_of_several_pages_are_all_listed(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headgate.policy.key_routes.MAX_PAGE", 2)
    async with house.admin as client:
        made = {
            (await client.post("/api/keys", json={"name": f"k{n}", "use_case": "getting-started"})).json()["key"]["id"]
            for n in range(3)
        }
        listed = [key["id"] for key in (await client.get("/api/keys")).json()["keys"]]
    assert made <= set(listed)
    assert len(listed) == len(set(listed)) > 3
