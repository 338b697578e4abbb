"""Approvals: whoever may decides, somebody else than who asked, with a record; what was asked is seen before."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from headgate.testing.house import OTHER, House, add_tenant
from headgate.testing.simulator import Failure, Script

ASKS = """
[[use_case]]
id = "claims"
owner = "anna"
purpose = "Handle claims"

[[deployment]]
id = "clinic"
provider = "openai"
model = "m"
base_url = "http://127.0.0.1:{port}/v1"
clearance = {{ level = "restricted", categories = ["pii"], custody = "organisation" }}

[[alias]]
id = "clinic"
deployments = ["clinic"]

[[policy]]
id = "four-eyes"
text = '''
@id("claims-with-approval")
@reason("somebody looks at a claim before a model does")
@does("ask")
forbid (principal, action == Headgate::Action::"model.dispatch", resource)
when {{ context.use_case.id == "claims" }};

@id("keys-with-approval")
@reason("keys are made by two")
@does("ask")
forbid (principal, action == Headgate::Action::"key.create", resource);
'''
"""
REASON = {"reason": "seen and found good"}


async def test_a_call_is_done_once_after_somebody_else_approved_it(house: House) -> None:
    bot, grace = await _claims(house), await house.register("grace", "approver")
    asked = await _call(house, bot)
    error = asked.json()["error"]
    approval = error["approval_id"]
    assert (asked.status_code, error["code"], error["rules"]) == (400, "needs_approval", ["claims-with-approval"])
    assert f"x-headgate-grant: {approval}" in error["message"]
    assert asked.headers["x-headgate-approval"] == approval
    await house.log_everything()
    async with house.client(grace) as client:
        (listed,) = (await client.get("/api/approvals", params={"waiting": "true"})).json()["approvals"]
        detail = (await client.get(f"/api/approvals/{approval}")).json()
        approved = await client.post(f"/api/approvals/{approval}/approve", json=REASON)
        left = (await client.get("/api/approvals", params={"waiting": "true"})).json()["approvals"]
    assert (listed["id"], listed["state"], listed["can_decide"]) == (approval, "waiting", True)
    assert (listed["resource"], listed["principal"]) == ("deployment:clinic", "bot")
    assert listed["labels"] == "confidentiality=public; categories=pii"
    assert listed["details"]["base_url"].endswith(f":{house.simulator.port}/v1")
    assert listed["rules"] == [
        {"id": "claims-with-approval", "reason": "somebody looks at a claim before a model does"}
    ]
    assert detail["content"] == "shown"
    assert "ada@example.org" in detail["parts"][0]["text"]
    assert (approved.json()["state"], approved.json()["approver"], left) == ("approved", "grace", [])
    other = await _call(house, bot, "Something else", grant=approval)
    done = await _call(house, bot, grant=approval)
    again = await _call(house, bot, grant=approval)
    assert (other.status_code, done.status_code, again.status_code) == (400, 200, 400)
    assert "already used" in again.json()["error"]["message"]
    assert (await _state(house, approval))["state"] == "used"


@pytest.mark.parametrize("stream", [False, True])
async def test_a_call_whose_grant_was_used_by_a_failure_is_not_worth_a_retry(house: House, stream: bool) -> None:
    bot = await _claims(house)
    body = {"model": "clinic", "messages": [{"role": "user", "content": "hello"}], "stream": stream}
    house.simulator.default = Script(failure=Failure(503))
    async with house.client(bot) as client, house.client(await house.register("grace", "approver")) as grace:
        asked = await client.post("/v1/chat/completions", json=body)
        approval = asked.json()["error"]["approval_id"]
        assert (await grace.post(f"/api/approvals/{approval}/approve", json=REASON)).status_code == 200
        grant = {"x-headgate-grant": approval}
        failed = await client.post("/v1/chat/completions", json=body, headers=grant)
        again = await client.post("/v1/chat/completions", json=body, headers=grant)
    assert (failed.status_code, failed.headers["x-should-retry"]) == (503, "false")
    assert (again.status_code, again.json()["error"]["code"]) == (400, "denied")


async def test_both_the_decision_and_the_look_at_the_content_are_recorded(house: House) -> None:
    approval = await _asked(house)
    await house.log_everything()
    async with house.client(await house.register("grace", "approver")) as client:
        await client.get(f"/api/approvals/{approval}")
        await client.post(f"/api/approvals/{approval}/refuse", json=REASON)
    (decided,) = await house.records(verb="approval.decide")
    (looked,) = await house.records(verb="record.reveal")
    assert decided["resource"] == looked["resource"] == f"approval:{approval}"
    assert decided["facts"]["approved"] is False
    assert decided["facts"]["verb"] == "model.dispatch"
    assert "seen and found good" not in str(decided)


async def test_a_refused_request_is_no_grant_and_says_who_refused_it_and_why(house: House) -> None:
    bot = await _claims(house)
    approval = (await _call(house, bot)).json()["error"]["approval_id"]
    async with house.client(await house.register("grace", "approver")) as client:
        refused = await client.post(f"/api/approvals/{approval}/refuse", json={"reason": "not this one"})
        twice = await client.post(f"/api/approvals/{approval}/approve", json=REASON)
    assert (refused.json()["state"], twice.status_code) == ("refused", 409)
    assert "was refused" in (await _call(house, bot, grant=approval)).json()["error"]["message"]
    async with house.client(bot) as client:
        mine = (await client.get(f"/api/approvals/{approval}")).json()
    assert (mine["approval"]["reason"], mine["approval"]["approver"]) == ("not this one", "grace")
    assert (mine["content"], mine["parts"]) == ("withheld", [])


async def test_nobody_approves_their_own_request_whatever_their_role(house: House) -> None:
    await _apply(house)
    async with house.admin as client:
        asked = await client.post("/api/keys", json={"name": "ci"})
        approval = asked.json()["error"]["approval"]
        own = (await client.get("/api/approvals")).json()["approvals"]
        tried = await client.post(f"/api/approvals/{approval}/approve", json=REASON)
    assert own[0]["can_decide"] is False
    assert own[0]["details"]["use_case"] == "getting-started"
    assert tried.status_code == 403
    assert "other than the requester" in tried.json()["error"]["message"]
    assert (await _state(house, approval))["state"] == "waiting"


async def test_nobody_approves_with_a_key_that_they_made_for_somebody_else(house: House) -> None:
    await house.register("grace", "approver")
    async with house.admin as client:
        made = await client.post("/api/keys", json={"name": "g", "principal": "grace", "roles": ["approver"]})
        await _apply(house)
        approval = (await client.post("/api/keys", json={"name": "ci"})).json()["error"]["approval"]
    async with house.client(made.json()["secret"]) as client:
        tried = await client.post(f"/api/approvals/{approval}/approve", json=REASON)
    assert tried.status_code == 403
    assert "the requester made this key" in tried.json()["error"]["message"]
    async with house.client(await house.register("grace", "approver")) as client:
        assert (await client.post(f"/api/approvals/{approval}/approve", json=REASON)).status_code == 200


async def test_whoever_made_the_key_that_asks_does_not_decide(house: House) -> None:
    bot = await _made(house.admin_key, house, "bot", "admin")
    await _apply(house)
    approval = await _key_asked(house, bot)
    async with house.admin as client:
        listed = (await client.get("/api/approvals")).json()["approvals"][0]
        tried = await client.post(f"/api/approvals/{approval}/approve", json=REASON)
    assert (listed["principal"], listed["makers"], listed["can_decide"]) == ("bot", ["admin"], False)
    assert tried.status_code == 403
    assert "you made the requester's key" in tried.json()["error"]["message"]
    async with house.browser() as same_person:
        assert (await same_person.post(f"/api/approvals/{approval}/approve", json=REASON)).status_code == 403
    async with house.client(await house.register("grace", "approver")) as client:
        assert (await client.post(f"/api/approvals/{approval}/approve", json=REASON)).status_code == 200


async def test_two_keys_that_one_person_made_are_not_two_people(house: House) -> None:
    await house.register("grace", "approver")
    bot = await _made(house.admin_key, house, "bot", "admin")
    graces = await _made(house.admin_key, house, "grace", "approver")
    await _apply(house)
    approval = await _key_asked(house, bot)
    async with house.client(graces) as client:
        assert "the same person made" in await _why_not(client, approval)
    async with house.browser("grace") as herself:
        assert (await herself.post(f"/api/approvals/{approval}/approve", json=REASON)).status_code == 200


async def test_a_program_between_hides_nobody_also_once_its_key_is_revoked(house: House) -> None:
    ci = await _made(house.admin_key, house, "ci", "admin")
    bot = await _made(ci, house, "bot", "admin")
    async with house.admin as client:
        await client.delete(f"/api/keys/{ci.split('_')[1]}")
    await _apply(house)
    approval = await _key_asked(house, bot)
    async with house.admin as client:
        tried = await client.post(f"/api/approvals/{approval}/approve", json=REASON)
        shown = (await client.get(f"/api/approvals/{approval}")).json()["approval"]
    assert (tried.status_code, shown["makers"]) == (403, ["admin", "ci"])


async def test_a_person_between_hides_nobody_either(house: House) -> None:
    """Else whoever asks registers a person, makes that person's key, and by that key the one that approves."""
    olga = await house.register("olga", "admin")
    await house.register("grace", "approver")
    bobs = await _made_for_somebody_new(olga, house, "bob")
    graces = await _made(bobs, house, "grace", "approver")
    await _apply(house)
    approval = await _key_asked(house, olga)
    async with house.client(graces) as client:
        assert "the requester made this key" in await _why_not(client, approval)


async def test_a_key_that_somebody_made_when_signed_in_is_theirs_alone(house: House) -> None:
    await house.register("grace", "approver", "admin")
    bot = await _made(house.admin_key, house, "bot", "admin")
    async with house.browser("grace") as herself:
        terms = {"name": "g", "principal": "grace", "roles": ["approver"]}
        graces = (await herself.post("/api/keys", json=terms)).json()["secret"]
    await _apply(house)
    approval = await _key_asked(house, bot)
    async with house.client(graces) as client:
        assert (await client.post(f"/api/approvals/{approval}/approve", json=REASON)).status_code == 200


async def test_a_question_asked_by_two_keys_is_decided_by_the_maker_of_neither(house: House) -> None:
    olga = await house.register("olga", "admin")
    keys = [await _made(maker, house, "bot", "admin") for maker in (house.admin_key, olga)]
    await _apply(house)
    first, second = [await _key_asked(house, key) for key in keys]
    assert first == second
    for maker in (house.admin_key, olga):
        async with house.client(maker) as client:
            assert (await client.post(f"/api/approvals/{first}/approve", json=REASON)).status_code == 403


async def test_deciding_takes_the_role_and_an_auditor_only_looks(house: House) -> None:
    approval = await _asked(house)
    for name, roles, looks in (("ida", ("auditor",), 200), ("bob", (), 403)):
        async with house.client(await house.register(name, *roles)) as client:
            assert (await client.get("/api/approvals")).status_code == looks
            assert (await client.get(f"/api/approvals/{approval}")).status_code == looks
            for what in ("approve", "refuse"):
                answer = await client.post(f"/api/approvals/{approval}/{what}", json=REASON)
                assert answer.status_code == 403
    assert (await _state(house, approval))["state"] == "waiting"
    assert {record["outcome"] for record in await house.records(verb="approval.decide")} == {"refused"}


async def test_an_approver_can_do_nothing_but_approve(house: House) -> None:
    approval = await _asked(house)
    await house.log_everything()
    async with house.client(await house.register("grace", "approver")) as client:
        record = (await client.get(f"/api/approvals/{approval}")).json()["approval"]["record"]
        for path in ("keys", "records", f"records/{record}"):
            assert (await client.get(f"/api/{path}")).status_code == 403, path
        own = (await client.get("/api/use-cases")).json()["use_cases"]
        assert [one["id"] for one in own] == ["getting-started"]  # the one that is open to everybody


async def test_content_is_withheld_from_an_approver_who_is_not_cleared_for_it(house: House) -> None:
    approval = await _asked(house)
    await house.log_everything()
    grace = await house.register("grace", "approver")
    toml = '[[person]]\nid = "grace"\nroles = ["approver"]\ncategories = []\n'
    async with house.admin as client:
        assert (await client.post("/api/config/apply", json={"toml": toml})).status_code == 200
    async with house.client(grace) as client:
        detail = (await client.get(f"/api/approvals/{approval}")).json()
    assert (detail["content"], detail["parts"]) == ("withheld", [])
    assert await house.records(verb="record.reveal") == []


async def test_requests_are_listed_page_by_page_newest_first(house: House) -> None:
    bot = await _claims(house)
    asked = [(await _call(house, bot, f"Claim {number}")).json()["error"]["approval_id"] for number in range(5)]
    found: list[str] = []
    query: dict[str, Any] = {"limit": 2}
    async with house.admin as client:
        for is_last in (False, False, True):
            page = (await client.get("/api/approvals", params=query)).json()
            found += [one["id"] for one in page["approvals"]]
            query["cursor"] = page["next"]
            assert (page["next"] is None) == is_last
        assert (await client.get("/api/approvals", params={"limit": 201})).status_code == 400
    assert found == asked[::-1]


async def test_a_decision_needs_a_reason_and_a_request_that_is_there(house: House) -> None:
    approval = await _asked(house)
    async with house.client(await house.register("grace", "approver")) as client:
        assert (await client.post(f"/api/approvals/{approval}/approve", json={"reason": ""})).status_code == 400
        assert (await client.post("/api/approvals/default.nothing/approve", json=REASON)).status_code == 404
        assert (await client.get("/api/approvals/default.nothing")).status_code == 404


async def test_another_tenant_sees_and_decides_nothing_of_ours(house: House) -> None:
    approval = await _asked(house)
    add_tenant(house.database)
    await house.worker.refresh()
    async with house.client(await house.register("eve", "admin", tenant=OTHER)) as theirs:
        assert (await theirs.get("/api/approvals")).json()["approvals"] == []
        assert (await theirs.get(f"/api/approvals/{approval}")).status_code == 404
        assert (await theirs.post(f"/api/approvals/{approval}/approve", json=REASON)).status_code == 404


async def test_an_approval_ends_when_the_deployment_is_pointed_elsewhere(house: House) -> None:
    bot = await _claims(house)
    approval = (await _call(house, bot)).json()["error"]["approval_id"]
    async with house.client(await house.register("grace", "approver")) as client:
        await client.post(f"/api/approvals/{approval}/approve", json=REASON)
    await _apply(house, model="another")
    moved = await _call(house, bot, grant=approval)
    assert moved.status_code == 400
    assert "another request" in moved.json()["error"]["message"]
    await _apply(house)
    assert (await _call(house, bot, grant=approval)).status_code == 200


async def _made(maker: str, house: House, principal: str, role: str) -> str:
    """Have the holder of one key make another; returns its secret."""
    terms = {"name": principal, "principal": principal, "roles": [role]}
    async with house.client(maker) as client:
        return str((await client.post("/api/keys", json=terms)).json()["secret"])


async def _made_for_somebody_new(maker: str, house: House, person: str) -> str:
    """Have the holder of a key register an administrator, and make their key; returns its secret."""
    async with house.client(maker) as client:
        await client.put(f"/api/entries/person/{person}", json={"entry": {"roles": ["admin"]}})
    return await _made(maker, house, person, "admin")


async def _key_asked(house: House, key: str) -> str:
    """Ask for a key, which waits; returns the approval's id."""
    async with house.client(key) as client:
        return str((await client.post("/api/keys", json={"name": "ci"})).json()["error"]["approval"])


async def _why_not(client: httpx2.AsyncClient, approval: str) -> str:
    """Try to approve what the client may see but not decide; returns what it is told."""
    shown = (await client.get(f"/api/approvals/{approval}")).json()["approval"]
    tried = await client.post(f"/api/approvals/{approval}/approve", json=REASON)
    assert (tried.status_code, shown["can_decide"]) == (403, False)
    return str(tried.json()["error"]["message"])


async def _apply(house: House, *, model: str = "m") -> None:
    toml = ASKS.format(port=house.simulator.port).replace('model = "m"', f'model = "{model}"')
    async with house.admin as client:
        answer = await client.post("/api/config/apply", json={"toml": toml})
    assert answer.status_code == 200, answer.text


async def _claims(house: House) -> str:
    """A program's key under the use case that asks."""
    await _apply(house)
    return await house.register("bot", use_case="claims")


async def _asked(house: House) -> str:
    """The id of a request that waits."""
    return str((await _call(house, await _claims(house))).json()["error"]["approval_id"])


async def _call(
    house: House, key: str, text: str = "Write to ada@example.org", *, grant: str | None = None
) -> httpx2.Response:
    body = {"model": "clinic", "messages": [{"role": "user", "content": text}]}
    headers = {"x-headgate-grant": grant} if grant else {}
    async with house.client(key, **headers) as client:
        return await client.post("/v1/chat/completions", json=body)


async def _state(house: House, approval: str) -> dict[str, Any]:
    async with house.admin as client:
        found: dict[str, Any] = (await client.get(f"/api/approvals/{approval}")).json()["approval"]
    return found


async def test_content_is_withheld_where_policy_lets_nobody_reveal_it(house: House) -> None:
    approval, grace = await _asked(house), await house.register("grace", "approver")
    await house.log_everything()
    rule = """@id("no-looks")
        @reason("nobody looks")
        forbid (principal, action == Headgate::Action::"record.reveal", resource);"""
    async with house.admin as client:
        put = await client.put("/api/entries/policy/no-looks", json={"entry": {"text": rule}})
        assert put.status_code == 200, put.text
    async with house.client(grace) as client:
        detail = (await client.get(f"/api/approvals/{approval}")).json()
    assert (detail["content"], detail["parts"]) == ("withheld", [])
    assert detail["approval"]["id"] == approval


async def test_several_are_decided_at_once_and_the_deciders_own_request_is_left(house: House) -> None:
    bot, grace = await _claims(house), await house.register("grace", "approver")
    own = await _key_asked(house, await house.register("grace", "approver", "admin"))
    others = [(await _call(house, bot, text)).json()["error"]["approval_id"] for text in ("Claim 1", "Claim 2")]
    body = {"approvals": [*others, own, "default.nothing"], "decision": "approve", **REASON}
    async with house.client(grace) as client:
        answer = await client.post("/api/approvals", json=body)
        assert (await client.post("/api/approvals", json={**body, "approvals": []})).status_code == 400
        refused = await client.post("/api/approvals", json={**body, "approvals": others, "decision": "refuse"})
    results = {one["id"]: one for one in answer.json()["results"]}
    assert [results[one]["approval"]["state"] for one in others] == ["approved", "approved"]
    assert "a person other than the requester" in results[own]["error"]
    assert "there is no request" in results["default.nothing"]["error"]
    assert all("already decided" in one["error"] for one in refused.json()["results"])
    assert (await _state(house, own))["state"] == "waiting"
    assert (await _call(house, bot, "Claim 1", grant=others[0])).status_code == 200
    decided = await house.records(verb="approval.decide", outcome="done")
    assert len(decided) == 2  # each decision has its own record


async def test_whoever_asked_lists_their_own_requests_and_only_readers_of_people_see_names(house: House) -> None:
    bot = await _claims(house)
    (asked, _) = [(await _call(house, bot, text)).json()["error"]["approval_id"] for text in ("Claim 1", "Claim 2")]
    await _key_asked(house, await house.register("olga", "admin"))
    async with house.admin as admin:
        named = {"entry": {"name": "Claims robot", "kind": "service"}}
        assert (await admin.put("/api/entries/person/bot", json=named)).status_code == 200
    seen: dict[str, tuple[str, str]] = {}
    for person, role in (("ida", "auditor"), ("grace", "approver")):
        async with house.client(await house.register(person, role)) as client:
            one = (await client.get(f"/api/approvals/{asked}")).json()["approval"]
            seen[person] = (one["requester"], one["title"])
    wanted = "{} wants to send a call to clinic (our own machines) for claims"
    assert seen["ida"] == ("Claims robot", wanted.format("Claims robot"))
    assert seen["grace"] == ("bot", wanted.format("bot"))
    async with house.client(bot) as client:
        mine = (await client.get("/api/approvals", params={"mine": "true"})).json()["approvals"]
        assert (await client.get("/api/approvals")).status_code == 403
    assert (len(mine), {one["principal"] for one in mine}, mine[0]["is_own"]) == (2, {"bot"}, True)
    async with house.admin as admin:
        every = (await admin.get("/api/approvals")).json()["approvals"]
    assert every[0]["title"] == "olga wants to make a key"
