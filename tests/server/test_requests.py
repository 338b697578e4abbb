"""What a request may be made of: compressed bodies, keys under any client's header; and the id that answers carry."""

from __future__ import annotations

import gzip
import json
import zlib

import anthropic
import openai
import pytest

from headgate.server.asgi import MAX_BODY_BYTES
from headgate.testing.house import House
from headgate.testing.simulator import Script

BODY = json.dumps({"model": "local-chat", "messages": [{"role": "user", "content": "x" * 300}]}).encode()
_RAW = zlib.compressobj(wbits=-15)
RAW_DEFLATE = _RAW.compress(BODY) + _RAW.flush()


PACKED = (
    ("gzip", gzip.compress(BODY)),
    ("X-GZip", gzip.compress(BODY)),
    ("identity, gzip", gzip.compress(BODY)),
    ("gzip", gzip.compress(BODY[:40]) + gzip.compress(BODY[40:])),
    ("deflate", zlib.compress(BODY)),
    ("deflate", RAW_DEFLATE),
    ("identity", BODY),
    ("", BODY),
)
BOMB = gzip.compress(b" " * (MAX_BODY_BYTES + 1), 9)


REFUSED = (
    ("gzip", BOMB, 413),
    ("deflate", zlib.compress(b" " * (MAX_BODY_BYTES + 1), 9), 413),
    ("gzip", gzip.compress(b"") * 100_000, 400),
    ("gzip", gzip.compress(BODY)[:-9], 400),
    ("gzip", gzip.compress(BODY) + b"and more", 400),
    ("gzip", BODY, 400),
    ("deflate", BODY, 400),
    ("deflate", zlib.compress(BODY) + zlib.compress(BODY), 400),
    ("gzip", b"", 400),
    ("br", BODY, 415),
    ("zstd", BODY, 415),
    ("gzip, gzip", gzip.compress(gzip.compress(BODY)), 415),
)
KEYS: tuple[tuple[list[tuple[str, str]], int], ...] = (
    ([("authorization", "Bearer KEY"), ("api-key", "KEY")], 200),
    ([("x-api-key", "KEY"), ("x-goog-api-key", "KEY"), ("api-key", "")], 200),
    ([("authorization", "Bearer"), ("x-api-key", "KEY")], 200),
    ([("authorization", "Bearer KEY"), ("api-key", "another")], 400),
    ([("x-api-key", "KEY"), ("x-goog-api-key", "another")], 400),
    ([("api-key", "KEY"), ("api-key", "another")], 400),
    ([("authorization", "Basic KEY"), ("api-key", "KEY")], 400),
    ([("api-key", "another")], 401),
    ([("api-key", " ")], 401),
)


async def test_a_compressed_body_is_read_as_the_plain_one(house: House):
    async with house.admin as client:
        for coding, body in PACKED:
            headers = {"content-type": "application/json", "content-encoding": coding}
            answer = await client.post("/v1/chat/completions", content=body, headers=headers)
            assert answer.status_code == 200, (coding, answer.text)
            sent = house.simulator.requests[-1]
            assert "content-encoding" not in sent.headers
            assert json.loads(sent.body)["messages"] == json.loads(BODY)["messages"]


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages", "/api/preview"])
async def test_a_body_that_cannot_be_unpacked_within_its_limit_is_refused(house: House, path: str):
    """Trap 48."""
    async with house.admin as client:
        for coding, body, status in REFUSED:
            headers = {"content-type": "application/json", "content-encoding": coding}
            answer = await client.post(path, content=body, headers=headers)
            assert answer.status_code == status, (coding, body[:40])
            assert (answer.json().get("type") == "error") == (path == "/v1/messages")
            assert answer.headers.get("accept-encoding") == ("gzip, deflate" if status == 415 else None)
    assert not house.simulator.requests


async def test_a_key_is_read_from_any_clients_header_and_never_sent_on(house: House):
    async with house.client() as client:
        for name in ("authorization", "x-api-key", "api-key", "x-goog-api-key"):
            key = {name: f"Bearer {house.admin_key}" if name == "authorization" else house.admin_key}
            headers = {**key, "content-type": "application/json"}
            assert (await client.post("/v1/chat/completions", content=BODY, headers=headers)).status_code == 200
            assert (await client.get("/api/session", headers=key)).status_code == 200
            assert (await client.get("/models", headers={**key, "accept": "text/html"})).status_code == 404
            assert house.admin_key not in str(house.simulator.requests[-1].headers)


async def test_two_keys_that_differ_are_refused_and_the_same_one_twice_is_not(house: House):
    async with house.client() as client:
        for headers, status in KEYS:
            given = [(name, value.replace("KEY", house.admin_key)) for name, value in headers]
            answer = await client.get("/v1/models", headers=given)
            assert answer.status_code == status, headers
            assert house.admin_key not in answer.text


@pytest.mark.parametrize("told", [{}, {"x-request-id": "req_1"}])
async def test_the_sdks_find_a_request_id_on_every_answer(house: House, told: dict[str, str]):
    """The provider's, under the name that the caller's SDK reads; the record's where the provider gave none."""
    house.simulator.default = Script(headers=tuple(told.items()))
    found: list[tuple[str | None, str]] = []
    async with house.client() as http:
        ours = openai.AsyncOpenAI(base_url="http://127.0.0.1:8080/v1", api_key=house.admin_key, http_client=http)
        theirs = anthropic.AsyncAnthropic(base_url="http://127.0.0.1:8080", api_key=house.admin_key, http_client=http)
        chat = await ours.chat.completions.with_raw_response.create(
            model="local-chat", messages=[{"role": "user", "content": "x"}]
        )
        found.append((chat.parse()._request_id, chat.headers["x-headgate-record"]))
        message = await theirs.messages.with_raw_response.create(
            model="local-chat", max_tokens=9, messages=[{"role": "user", "content": "x"}]
        )
        found.append(((await message.parse())._request_id, message.headers["x-headgate-record"]))
        vectors = await ours.embeddings.with_raw_response.create(model="local-embed", input="x")
        found.append((vectors.headers["x-request-id"], vectors.headers["x-headgate-record"]))
        async with theirs.messages.stream(
            model="local-chat", max_tokens=9, messages=[{"role": "user", "content": "x"}]
        ) as stream:
            found.append((stream.request_id, stream.response.headers["x-headgate-record"]))
        assert (await ours.models.list())._request_id
        assert (await ours.models.retrieve("local-chat"))._request_id
    for request_id, record in found:
        assert request_id == ("req_1" if told else record)
