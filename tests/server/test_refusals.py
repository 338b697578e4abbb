"""What is refused at the door leaves a bounded record, which holds nothing of what was sent."""

from __future__ import annotations

from typing import Any

import pytest
from structlog.testing import capture_logs

from headgate.server.refusals import ALL_AT_ONCE, AT_ONCE, EVERY_S, RefusalLimit, source_of
from headgate.testing.clock import FakeClock
from headgate.testing.house import House

SECRET = "hg_12345678_this-is-a-secret-that-nobody-may-find-in-a-log"
WORDS = "confidential-words-of-a-body"
JSON = {"content-type": "application/json"}


def door(method: str, path: str, status: int, place: str, **request: Any) -> Any:
    return pytest.param(method, path, status, place, request, id=f"{method} {path} {status}")


@pytest.mark.parametrize(
    ("method", "path", "status", "place", "request_"),
    [
        door("POST", "/v1/chat/completions", 401, "/v1/chat/completions", json={"x": WORDS}),
        door("POST", "/v1/messages", 401, "/v1/messages", json={"x": WORDS}, headers={"x-api-key": SECRET}),
        door(
            "POST",
            "/v1/embeddings",
            400,
            "/v1/embeddings",
            content=b'{"' + WORDS.encode() + b'":',
            key=True,
            headers=JSON,
        ),
        door("POST", "/v1/chat/completions", 400, "/v1/chat/completions", content=WORDS.encode(), key=True),
        door("POST", "/v1/messages", 413, "/v1/messages", key=True, headers={**JSON, "content-length": "999999999"}),
        door("GET", f"/v1/{WORDS}", 404, "/v1/models"),
        door("GET", "/v1/messages", 405, "/v1/messages"),
        door("GET", "/v1/models", 421, "openai", headers={"host": f"{WORDS}.example"}),
        door("GET", "/v1/models", 403, "openai", headers={"origin": f"http://{WORDS}.example"}),
        door("GET", "/api/records", 401, "api", headers={"authorization": f"Bearer {SECRET}"}),
        door("POST", "/api/keys", 400, "api", key=True, headers=JSON, content=b'{"' + WORDS.encode() + b'": 1}'),
        door("GET", f"/api/{WORDS}", 404, "api"),
        door("POST", "/api/session", 401, "sign-in", json={"token": WORDS}),
    ],
)
async def test_a_refusal_at_the_door_leaves_a_record_without_what_was_sent(
    house: House, method: str, path: str, status: int, place: str, request_: dict[str, Any]
):
    with_key = {"authorization": f"Bearer {house.admin_key}"} if request_.pop("key", False) else {}
    headers = {**with_key, **request_.pop("headers", {})}
    async with house.client() as client:
        answer = await client.request(method, path, headers=headers, **request_)
    assert answer.status_code == status, answer.text
    (record,) = await house.records(verb="request.refuse")
    assert record["id"] == answer.headers["x-headgate-record"]
    assert (record["outcome"], record["effect"], record["resource"]) == ("refused", "deny", f"door:{place}")
    assert record["facts"] == {"status": status}
    journal = b"".join(one.read_bytes() for one in house.worker.base.settings.journal_folder.rglob("*.log"))
    for sent in (SECRET, WORDS, house.admin_key):
        assert sent.encode() not in journal and sent not in str(record)


async def test_a_browser_that_asks_whether_somebody_is_signed_in_leaves_no_record(house: House):
    async with house.client() as client:
        assert (await client.get("/api/session")).status_code == 401
        assert (await client.get("/api/session", headers={"cookie": "headgate_session=made-up"})).status_code == 401
    assert len(await house.records(verb="request.refuse")) == 1


async def test_whoever_tries_keys_at_random_does_not_fill_the_ledger(house: House):
    async with house.client() as client:
        for number in range(4 * AT_ONCE):
            answer = await client.get("/v1/models", headers={"authorization": f"Bearer {SECRET}{number}"})
            assert answer.status_code == 401
            assert ("x-headgate-record" in answer.headers) == (number < AT_ONCE)
        # Another kind has room of its own.
        await client.get("/v1/nothing")
    assert len(await house.records(verb="request.refuse")) == AT_ONCE + 1


def test_each_kind_and_source_has_room_that_comes_back_and_tells_what_was_left_out() -> None:
    clock = FakeClock()
    limit = RefusalLimit(clock)
    assert [limit.admit("a", "x") for _ in range(AT_ONCE + 15)] == [0] * AT_ONCE + [None] * 15
    assert limit.admit("a", "y") == limit.admit("b", "x") == 0
    clock.advance(EVERY_S)
    with capture_logs() as logs:
        assert [limit.admit("a", "x") for _ in range(2)] == [15, None]
    assert [(line["event"], line["count"]) for line in logs] == [("refusals_unrecorded", 15)]


def test_many_sources_together_have_a_limit_too_and_are_forgotten_in_turn() -> None:
    limit = RefusalLimit(FakeClock())
    assert [limit.admit("a", str(source)) for source in range(5_000)].count(0) == ALL_AT_ONCE


@pytest.mark.parametrize(
    ("client", "source"),
    [
        (None, "unknown"),
        (("no address", 1), "unknown"),
        (("10.1.2.3", 1), "10.1.2.3"),
        (("::ffff:10.1.2.3", 1), "10.1.2.3"),
        (("2001:db8:1:2:3:4:5:6", 1), "2001:db8:1:2::/64"),
    ],
)
def test_a_source_is_an_address_or_the_network_of_one_customer(client: Any, source: str) -> None:
    assert source_of({"client": client}) == source
