"""Models as people see and administer them: what they cost, can and may see; tests of deployments."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from headgate.gateway import trial_routes
from headgate.gateway.local_servers import local_servers
from headgate.gateway.model_words import health_words
from headgate.gateway.providers.ollama import provider as ollama
from headgate.testing.house import House
from headgate.testing.simulator import Failure, Script, Simulator

SECRET = "sk-of-the-simulator"


def draft(simulator: Simulator, **changes: Any) -> dict[str, Any]:
    """Return a deployment of the simulator, as a form sends it."""
    entry = {
        "id": "sim",
        "provider": "openai",
        "model": "gpt-sim",
        "base_url": f"http://127.0.0.1:{simulator.port}/v1",
        "key": "env:SIM_API_KEY",
        "clearance": {"level": "confidential", "custody": "organisation"},
        "price": {"input": "1", "output": "2"},
        **changes,
    }
    return {name: value for name, value in entry.items() if value is not None}


async def test_an_administrator_adds_a_model_tests_it_edits_it_and_removes_it(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIM_API_KEY", SECRET)
    async with Simulator(key=SECRET) as simulator, house.admin as client:
        (before,) = (await client.post("/api/models/test", json={"entry": draft(simulator)})).json()["trials"]
        assert (before["worked"], before["why"]) == (True, ""), before
        assert before["answer"] and before["cost_micros"] > 0 and before["record"]
        entry = draft(simulator)
        assert (await client.put("/api/entries/deployment/sim", json={"entry": entry})).status_code == 200
        (new,) = (await client.get("/api/models")).json()["loose"]
        assert new["health"]["state"] == "ok", "it answered the test before it was saved"
        alias = {"deployments": ["sim", "local-chat"], "description": "A better model"}
        assert (await client.put("/api/entries/alias/better", json={"entry": alias})).status_code == 200
        (after,) = (await client.post("/api/models/test", json={"deployment": "sim"})).json()["trials"]
        assert after["worked"]
        both = (await client.post("/api/models/test", json={"alias": "better"})).json()["trials"]
        assert [one["deployment"] for one in both] == ["sim", "local-chat"]
        refused = await client.delete("/api/entries/deployment/sim")
        assert (refused.status_code, "alias better" in refused.text) == (409, True)
        dear = draft(simulator, price={"input": "5"})
        assert (await client.put("/api/entries/deployment/sim", json={"entry": dear})).json()["changes"]
        (model,) = [one for one in (await client.get("/api/models")).json()["models"] if one["id"] == "better"]
        shown = model["deployments"][0]
        assert shown["costs"] == "$5.00 in, unknown out, per million tokens"
        assert shown["sees"] == (
            "Up to confidential; passwords and keys only masked; personal data, health data and payment data refused"
        )
        assert (shown["runs"], shown["health"]["state"]) == ("Our own machines", "ok")
        assert "getting-started" in model["use_cases"]
        assert (await client.delete("/api/entries/alias/better")).status_code == 200
        loose = (await client.get("/api/models")).json()["loose"]
        assert [one["id"] for one in loose] == ["sim"]
        assert (await client.delete("/api/entries/deployment/sim")).status_code == 200
        everything = [await client.get(path) for path in ("/api/models", "/api/providers", "/api/entries/deployment")]
        assert not [one.url for one in everything if SECRET in one.text]
    tests = [one for one in await house.records() if one["verb"] == "model.test"]
    assert [one["outcome"] for one in tests] == ["done"] * 4
    assert SECRET not in str(tests)


async def test_a_test_that_fails_says_why_in_words_and_never_repeats_a_secret(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIM_API_KEY", SECRET)
    monkeypatch.setenv("WRONG_API_KEY", "sk-wrong")
    async with Simulator(key=SECRET) as simulator, house.admin as client:

        async def why(**changes: Any) -> tuple[str, str]:
            answer = await client.post("/api/models/test", json={"entry": draft(simulator, **changes)})
            assert SECRET not in answer.text
            assert "sk-wrong" not in answer.text
            (trial,) = answer.json()["trials"]
            assert (trial["worked"], bool(trial["advice"]), bool(trial["record"])) == (False, True, True)
            return trial["reason"], trial["why"]

        assert await why(key="env:WRONG_API_KEY") == ("key_refused", "The provider refused the key (status 401).")
        assert (await why(key=None))[1] == "The provider wants a key, and this deployment has none (status 401)."
        assert (await why(key="env:ABSENT_API_KEY"))[0] == "key_missing"
        simulator.script(Script(failure=Failure(404)))
        assert await why(model="gpt-none") == (
            "model_unknown",
            "The provider does not know the model gpt-none (status 404).",
        )
        assert (await why(base_url="http://127.0.0.1:9/v1"))[0] == "cannot_connect"
        assert (await why(base_url=f"https://127.0.0.1:{simulator.port}/v1"))[0] == "closed"
        assert (await why(base_url="http://no-such-host.invalid/v1"))[0] == "host_unknown"
        assert (await why(clearance={"level": "internal"}))[0] == "address_not_allowed"
        simulator.script(Script(failure=Failure(429)), Script(failure=Failure(503)))
        assert [(await why())[0] for _ in range(2)] == ["limit", "provider_failed"]
        malformed = await client.post(
            "/api/models/test", json={"entry": {"id": "x", "provider": "openia", "model": "m"}}
        )
        assert (malformed.status_code, "openai" in malformed.text) == (400, True)
    outcomes = {one["outcome"] for one in await house.records() if one["verb"] == "model.test"}
    assert outcomes == {"failed"}


async def test_a_provider_tells_the_names_of_its_models(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIM_API_KEY", SECRET)
    async with Simulator(key=SECRET) as simulator, house.admin as client:
        entry = {name: value for name, value in draft(simulator).items() if name not in ("id", "model")}
        told = (await client.post("/api/models/names", json={"entry": entry})).json()
        assert "gpt-sim" in told["names"], told
        google = {**entry, "provider": "gemini", "base_url": simulator.base_url}
        assert "gemini-sim" in (await client.post("/api/models/names", json={"entry": google})).json()["names"]
        gone = {**entry, "base_url": "http://127.0.0.1:9/v1"}
        silent = (await client.post("/api/models/names", json={"entry": gone})).json()
        assert (silent["names"], silent["why"]) == ([], "Nothing accepts connections at the address.")


async def test_a_provider_tells_its_options_and_a_server_on_this_machine_is_found(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Simulator() as simulator, house.admin as client:
        told = {one["name"]: one for one in (await client.get("/api/providers")).json()["providers"]}
        (region,) = told["bedrock"]["options"]
        assert (region["name"], region["is_required"], region["example"]) == ("region", True, "eu-central-1")
        assert {one["name"]: one["is_required"] for one in told["azure"]["options"]}["resource"]
        servers = {"ollama": replace(ollama, base_url=simulator.openai_url)}

        async def at_the_simulator(_: Any, **how: Any) -> Any:
            return await local_servers(servers, **how)

        monkeypatch.setattr(trial_routes, "local_servers", at_the_simulator)
        found = (await client.post("/api/models/find")).json()["servers"]
        assert [(one["provider"], "gpt-sim" in one["models"]) for one in found] == [("ollama", True)]
    assert (await house.records())[0]["verb"] == "model.names"


async def test_people_see_the_models_that_they_may_use_and_for_what(house: House) -> None:
    async with house.admin as client:
        cloud = {"provider": "openai", "model": "gpt", "clearance": {"level": "internal"}}
        for section, name, entry in (
            ("deployment", "gpt", cloud),
            ("alias", "cloud", {"deployments": ["gpt"]}),
            ("use_case", "drafts", {"owner": "ann", "purpose": "Drafts", "members": ["bob"]}),
        ):
            put = await client.put(f"/api/entries/{section}/{name}", json={"entry": entry})
            assert put.status_code == 200, put.text
        shown = {one["id"]: one["use_cases"] for one in (await client.get("/api/models")).json()["models"]}
        assert shown["cloud"] == ["drafts"]
        assert shown["local-chat"] == ["drafts", "getting-started"]
    for person in ("ann", "bob", "eve"):
        await house.register(person)
    async with house.browser("bob") as client:
        shown = {one["id"]: one["use_cases"] for one in (await client.get("/api/models")).json()["models"]}
        assert (shown["cloud"], shown["local-chat"]) == (["drafts"], ["drafts", "getting-started"])
    async with house.browser("eve") as client:
        answer = (await client.get("/api/models")).json()
        assert {one["id"]: one["use_cases"] for one in answer["models"]} == {
            "local-chat": ["getting-started"],
            "local-embed": ["getting-started"],
        }
        assert (await client.post("/api/models/test", json={"alias": "local-chat"})).status_code == 403
        assert (await client.get("/api/providers")).status_code == 403


async def test_the_last_failure_of_a_deployment_is_told_to_administrators(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIM_API_KEY", "sk-wrong")
    async with Simulator(key=SECRET) as simulator, house.admin as client:
        await client.put("/api/entries/deployment/sim", json={"entry": draft(simulator)})
        await client.put("/api/entries/alias/better", json={"entry": {"deployments": ["sim"]}})

        async def health() -> dict[str, Any]:
            models = (await client.get("/api/models")).json()["models"]
            return next(one for one in models if one["id"] == "better")["deployments"][0]["health"]

        async def status() -> dict[str, Any]:
            told = (await client.get("/api/status")).json()
            (one,) = [one for one in told["deployments"] if one["id"] == "sim"]
            return {**one, "is_degraded": "deployment sim" in told["degraded"]}

        assert (await health())["state"] == (await status())["state"] == "unknown"
        assert not (await status())["is_degraded"]
        unhealthy = {**await health(), "state": "cooling_down", "unhealthy_since": "2026-11-30T08:15:09Z"}
        assert health_words(unhealthy) == "unhealthy since 2026-11-30 08:15 UTC"
        assert health_words({**unhealthy, "unhealthy_since": None}) == "failing"
        body = {"model": "better", "messages": [{"role": "user", "content": "Hello"}]}
        headers = {"x-headgate-use-case": "getting-started"}
        assert (await client.post("/v1/chat/completions", json=body, headers=headers)).status_code == 502
        failed = await health()
        assert (failed["state"], failed["why"]) == ("cooling_down", "The provider refused the key (status 401).")
        told = await status()
        assert (told["state"], told["reason"], told["is_degraded"]) == ("cooling_down", failed["why"], True)
        for _ in range(4):
            assert (await client.post("/v1/chat/completions", json=body, headers=headers)).status_code == 502
        assert (await health())["unhealthy_since"] and (await status())["unhealthy_since"]
        # Another worker has its calls answered: this one knows it from the board.
        monkeypatch.setenv("SIM_API_KEY", SECRET)
        assert (await client.post("/api/models/test", json={"deployment": "sim"})).json()["trials"][0]["worked"]
        assert (await health())["state"] == (await status())["state"] == "ok"
        assert not (await status())["is_degraded"]
