"""Google's paths at the front door: lists of models, keys in addresses, and errors in its form."""

from __future__ import annotations

from typing import Any

from headgate.testing.house import House

CONTENTS: Any = {"contents": [{"role": "user", "parts": [{"text": "Hello"}]}]}
PATH = "/v1beta/models/local-chat:generateContent"


async def test_googles_paths_answer_under_every_version_and_prefix(house: House) -> None:
    async with house.client(**{"x-goog-api-key": house.admin_key}) as client:
        for prefix in ("/v1beta/models/", "/v1/models/", "/v1beta/tunedModels/"):
            answer = await client.post(f"{prefix}local-chat:generateContent", json=CONTENTS)
            assert answer.status_code == 200, answer.text
            assert answer.json()["modelVersion"] == "local-chat"
            counted = await client.post(f"{prefix}local-chat:countTokens", json=CONTENTS)
            assert counted.json()["totalTokens"] >= 1
        streamed = await client.post("/v1beta/models/local-chat:streamGenerateContent?alt=sse", json=CONTENTS)
        assert streamed.headers["content-type"].startswith("text/event-stream")
        whole = await client.post("/v1beta/models/local-chat:streamGenerateContent", json=CONTENTS)
        assert (whole.status_code, whole.json()["error"]["status"]) == (400, "INVALID_ARGUMENT")


async def test_an_address_with_too_many_parameters_is_refused(house: House) -> None:
    async with house.client(**{"x-goog-api-key": house.admin_key}) as client:
        answer = await client.post(f"/v1beta/models/local-chat:generateContent?{'a=1&' * 200}", json=CONTENTS)
    assert answer.status_code == 400
    assert "more than 100 parameters" in answer.json()["error"]["message"]


async def test_a_key_in_an_address_is_refused_and_not_repeated(house: House) -> None:
    async with house.client() as client:
        for method, path in (("POST", PATH), ("GET", "/v1beta/models"), ("GET", "/v1beta/models/local-chat")):
            answer = await client.request(method, f"{path}?key={house.admin_key}", json=CONTENTS)
            assert answer.status_code == 400
            assert "x-goog-api-key" in answer.json()["error"]["message"]
            assert house.admin_key not in answer.text


async def test_models_are_listed_in_the_form_of_the_path_or_of_the_client(house: House) -> None:
    async with house.client(**{"x-goog-api-key": house.admin_key}) as google, house.admin as other:
        for client, path in ((google, "/v1beta/models"), (google, "/v1/models"), (other, "/v1beta/models/")):
            answer = await client.get(path)
            assert [model["name"] for model in answer.json()["models"]] == ["models/local-chat", "models/local-embed"]
        assert (await google.get("/v1beta/models/local-chat")).json()["name"] == "models/local-chat"
        missing = await google.get("/v1beta/models/nothing")
        assert (missing.status_code, missing.json()["error"]["status"]) == (404, "NOT_FOUND")
        assert (await google.post("/v1beta/models", json={})).status_code == 405
        assert "data" in (await other.get("/v1/models")).json()


async def test_errors_of_the_front_door_have_googles_form(house: House) -> None:
    async with house.client(**{"x-goog-api-key": "wrong"}) as stranger, house.admin as client:
        unknown = await stranger.post(PATH, json=CONTENTS)
        assert (unknown.status_code, unknown.json()["error"]["status"]) == (401, "UNAUTHENTICATED")
        assert (await client.get(PATH)).headers["allow"] == "POST"
        wrong = await client.post("/proxy/models/local-chat:generateContent", json=CONTENTS)
        assert (wrong.status_code, wrong.json()["error"]["status"]) == (404, "NOT_FOUND")
