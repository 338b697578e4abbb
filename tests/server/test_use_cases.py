"""The register of use cases: its owner runs it, a pause stops calls with the owner's name, effects are told before."""

from __future__ import annotations

from typing import Any

from headgate.testing.house import House

CLAIMS = {"owner": "grace", "purpose": "Sort claims", "title": "Claims triage", "review_on": "2027-06-30"}
CALL = {"model": "local-chat", "messages": [{"role": "user", "content": "hi"}]}


async def registered(house: House, **fields: Any) -> None:
    async with house.admin as admin:
        answer = await admin.put("/api/use-cases/claims", json={**CLAIMS, **fields})
    assert answer.status_code == 200, answer.text


async def test_its_owner_adds_a_member_pauses_it_and_resumes_it_and_callers_learn_whom_to_ask(house: House):
    for person in ("grace", "anna", "bob"):
        await house.register(person)
    await registered(house)
    key = await house.register("anna", use_case="claims", by="anna")
    async with house.client(key) as program:
        assert (await program.post("/v1/chat/completions", json=CALL)).status_code == 400
        async with house.browser("grace") as grace:
            added = await grace.put("/api/use-cases/claims/members/anna")
            assert added.json()["members"] == ["anna"], added.text
            assert (added.json()["can_share"], added.json()["can_change"]) == (True, False)
            opened = await grace.put("/api/use-cases/claims/members/*")
            assert opened.status_code == 403
            assert (await program.post("/v1/chat/completions", json=CALL)).status_code == 200

            shown = (await grace.get("/api/use-cases/claims")).json()
            assert [one["principal"] for one in shown["keys"]] == ["anna"]
            becomes = {**CLAIMS, "members": ["anna"], "status": "paused"}
            told = await grace.post("/api/use-cases/claims/effects", json={"becomes": becomes})
            assert told.json()["effects"][0].startswith("1 key stops working"), told.text
            assert "It pauses" in told.json()["effects"][-1]

            assert (await grace.put("/api/use-cases/claims/status", json={"status": "retired"})).status_code == 403
            paused = await grace.put("/api/use-cases/claims/status", json={"status": "paused"})
            assert paused.json()["status"] == "paused"
            refused = await program.post("/v1/chat/completions", json=CALL)
            assert refused.status_code == 400
            assert "Claims triage (claims) is paused: ask its owner, grace" in refused.json()["error"]["message"]
            assert (await grace.put("/api/use-cases/claims/status", json={"status": "live"})).status_code == 200
            assert (await program.post("/v1/chat/completions", json=CALL)).status_code == 200
            assert (await grace.delete("/api/use-cases/claims/members/anna")).json()["members"] == []
            assert (await program.post("/v1/chat/completions", json=CALL)).status_code == 400
    changes = await house.records(verb="use_case.set_status", outcome="done")
    assert [one["facts"]["status"] for one in changes] == ["live", "paused"]


async def test_people_see_the_use_cases_that_they_own_or_belong_to_and_no_others(house: House):
    for person in ("grace", "anna", "bob"):
        await house.register(person)
    await registered(house, members=["anna"])
    seen: dict[str, Any] = {}
    for person in ("grace", "anna", "bob"):
        async with house.browser(person) as browser:
            listed = (await browser.get("/api/use-cases")).json()["use_cases"]
            one = await browser.get("/api/use-cases/claims")
            keys = one.json().get("keys")
            seen[person] = ([use_case["id"] for use_case in listed], one.status_code, keys)
            assert (await browser.put("/api/use-cases/claims/members/bob")).status_code == (
                200 if person == "grace" else 403
            )
            if person == "grace":
                await browser.delete("/api/use-cases/claims/members/bob")
    assert seen == {
        "grace": (["claims", "getting-started"], 200, []),
        "anna": (["claims", "getting-started"], 200, None),
        "bob": (["getting-started"], 404, None),
    }
    async with house.client(await house.register("eve", "auditor")) as auditor:
        everything = (await auditor.get("/api/use-cases")).json()["use_cases"]
    assert {"administration", "claims", "jobs"} <= {one["id"] for one in everything}


async def test_the_effects_of_a_change_are_told_in_sentences(house: House):
    for person in ("grace", "anna", "bob"):
        await house.register(person)
    both = ["local-chat", "local-embed"]
    await registered(house, members=["anna", "bob"], deployments=both)
    for number in range(6):
        await house.register(f"robot-{number}", use_case="claims")
    await house.register("gone", use_case="claims")
    async with house.admin as admin:
        assert (await admin.delete("/api/entries/person/gone")).status_code == 200

        async def effects(**fields: Any) -> list[str]:
            becomes = {**CLAIMS, "members": ["anna", "bob"], "deployments": both, **fields}
            answer = await admin.post("/api/use-cases/claims/effects", json={"becomes": becomes})
            assert answer.status_code == 200, answer.text
            found: list[str] = answer.json()["effects"]
            return found

        assert await effects() == []
        assert await effects(members=["anna"], owner="anna", risk="high") == [
            "2 people lose access: bob, grace.",
            "anna becomes its owner in place of grace.",
            "Its risk changes from limited to high.",
        ]
        assert await effects(members=["*"]) == [
            "6 people get access: robot-0, robot-1, robot-2, robot-3, robot-4 and 1 more."
        ]
        assert await effects(deployments=["local-chat"]) == ["It may no longer use local-embed."]
        assert await effects(deployments=None) == ["It may use every model that is cleared for its content."]
        assert await effects(expires_at="2030-01-01T00:00:00Z") == ["It expires on 2030-01-01."]
        stopped = await effects(expires_at="2020-01-01T00:00:00Z", confidentiality="confidential")
        assert stopped[0].startswith("6 keys stop working: "), stopped
        assert "It expires on 2020-01-01." in stopped
        assert "Its content counts with other minimum labels, so that other models may see it." in stopped
        retired = await effects(status="retired")
        assert retired[-1] == "It retires: Headgate refuses every call."
        await admin.put("/api/use-cases/claims/status", json={"status": "retired"})
        started = await effects(status="live", deployments=["local-chat"])
        assert started[0].startswith("6 keys start working: ")
        await registered(house, deployments=None, expires_at="2030-01-01T00:00:00Z")
        assert {"It may only use local-chat.", "It no longer expires."} <= {*await effects(deployments=["local-chat"])}
        await registered(house, deployments=["local-chat"])
        assert "It may also use local-embed." in await effects()
        removal = await admin.post("/api/use-cases/claims/effects", json={"becomes": None})
        assert any("lose" in one for one in removal.json()["effects"])
        new = await admin.post("/api/use-cases/fresh/effects", json={"becomes": CLAIMS})
        assert new.json()["effects"] == []
        absent = await admin.post("/api/use-cases/fresh/effects", json={"becomes": None})
        assert absent.status_code == 404


async def test_a_draft_serves_its_owner_a_retired_one_nobody_and_a_file_without_status_keeps_it(house: House):
    await registered(house, status="draft", members=["anna"])
    keys = {who: await house.register(who, use_case="claims") for who in ("grace", "anna")}

    async def call(who: str) -> tuple[int, str]:
        async with house.client(keys[who]) as program:
            answer = await program.post("/v1/chat/completions", json=CALL)
        return answer.status_code, str(answer.json().get("error", {}).get("message"))

    assert (await call("grace"))[0] == 200
    status, message = await call("anna")
    assert (status, "still a draft: ask its owner, grace" in message) == (400, True)
    toml = """[[use_case]]
id = "claims"
owner = "headgate"
purpose = "Sort claims"
review = 2027-01-31
"""
    async with house.admin as admin:
        await admin.put("/api/use-cases/claims/status", json={"status": "retired"})
        applied = await admin.post("/api/config/apply", json={"toml": toml})
        assert applied.status_code == 200, applied.text
        kept = (await admin.get("/api/use-cases/claims")).json()["use_case"]
        assert (kept["status"], kept["review_on"], kept["members"]) == ("retired", "2027-01-31", ["anna"])
        status, message = await call("anna")
        assert (status, "claims is retired: ask an administrator" in message) == (400, True)
        for field, value in (("title", "x" * 201), ("review", 4000)):
            written = f'"{value}"' if field == "title" else f"{value}-01-01"
            bad = await admin.post(
                "/api/config/apply", json={"toml": toml.replace("review = 2027-01-31", f"{field} = {written}")}
            )
            assert (bad.status_code, bad.json()["error"]["param"]) == (400, f"use_case[0].{field}")
        for path in ("/status", "/members/anna"):
            body = {"status": "paused"} if path == "/status" else None
            assert (await admin.put(f"/api/use-cases/getting-started{path}", json=body)).status_code == 409
            assert (await admin.put(f"/api/use-cases/nowhere{path}", json=body)).status_code == 404
        assert (await admin.put("/api/use-cases/claims/members/group:")).status_code == 400
