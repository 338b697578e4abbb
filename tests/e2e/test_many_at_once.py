"""Many callers at once, callers who leave, and several workers that have to agree."""

from __future__ import annotations

import asyncio
import re
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx2
import openai
import pytest

from headgate.testing.lab import Lab, open_lab, until
from headgate.testing.simulator import Script, Tokens

pytestmark = pytest.mark.e2e

CHAT: Any = {"model": "cloud", "messages": [{"role": "user", "content": "Hello"}]}


@pytest.fixture(scope="module")
def workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with open_lab(tmp_path_factory.mktemp("workers") / "data", "--no-model", "--workers", "3") as lab:
        yield lab


def test_a_hundred_streams_at_once_each_get_their_own_values_back(lab: Lab) -> None:
    lab.cloud.answer_always(Script(echo=True, chunk_chars=4))
    prompts = [f"Write to person-{number}@example.org and person-{number + 500}@example.org" for number in range(100)]

    async def ask(client: openai.AsyncOpenAI, prompt: str) -> str:
        stream = await client.chat.completions.create(
            model="cloud", messages=[{"role": "user", "content": prompt}], stream=True
        )
        return "".join([chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices])

    async def ask_all() -> list[str]:
        async with openai.AsyncOpenAI(base_url=lab.openai_url, api_key=lab.clerk, max_retries=0) as client:
            return await asyncio.gather(*(ask(client, prompt) for prompt in prompts))

    assert asyncio.run(ask_all()) == prompts
    assert not any(b"person-" in request.body for request in lab.cloud.requests)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_caller_who_leaves_stops_the_provider_and_is_recorded(lab: Lab, stream: bool) -> None:
    lab.cloud.script(Script(text="word " * 50, chunk_chars=5, stall="stream" if stream else "headers", stall_after=5))
    # Records of calls before this one may still be on their way to the database: ids tell when a call began.
    began = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    with lab.http() as client:
        if stream:
            with client.stream("POST", "/v1/chat/completions", json={**CHAT, "stream": True}) as answer:
                assert next(answer.iter_text())
        else:
            with pytest.raises(httpx2.ReadTimeout):
                client.post("/v1/chat/completions", json=CHAT, timeout=httpx2.Timeout(30, read=0.5))
    (request,) = lab.cloud.requests
    assert until(lambda: request.left.is_set() or None, what="the end of the call at the provider")
    (left,) = until(
        lambda: [one for one in _invokes(lab, since=began) if one["outcome"]] or None,
        what="the record of the caller who left",
    )
    assert left["outcome"] == "abandoned"


def _invokes(lab: Lab, *, since: str) -> list[dict[str, Any]]:
    return lab.gate.api.call("GET", f"/api/records?verb=model.invoke&since={since}")["records"]


def test_three_workers_together_keep_to_the_rate_of_a_key(workers: Lab) -> None:
    key = workers.gate.new_key("limited", use_case="support", requests_per_minute=20)
    until(lambda: _is_known(workers, key) or None, what="the key everywhere")
    first_minute = int(time.time()) // 60
    statuses = Counter(asyncio.run(_fresh_calls(workers, key, count=80)))
    minutes = int(time.time()) // 60 - first_minute + 1
    assert set(statuses) == {200, 429}
    assert 10 <= statuses[200] <= 20 * minutes


@pytest.mark.parametrize(
    ("limit_usd", "output_tokens", "admitted"),
    [(1.0, None, range(40, 41)), (1.0, 20_000, range(40, 41)), (0.01, 400, range(12, 15))],
    ids=["small calls", "calls that reserve more than there is", "a limit that is reached"],
)
def test_three_workers_together_refuse_only_what_would_pass_a_limit_of_money(
    workers: Lab, limit_usd: float, output_tokens: int | None, admitted: range
) -> None:
    """Each call costs 0.0007 USD."""
    workers.cloud.answer_always(Script(tokens=Tokens(input=100, output=300)))
    name = f"{limit_usd} and {output_tokens}"
    key = workers.gate.new_key(name, use_case="support", cost_micros_per_day=int(limit_usd * 1_000_000))
    until(lambda: _is_known(workers, key) or None, what="the key everywhere")
    body = {**CHAT, "max_tokens": output_tokens} if output_tokens else CHAT
    statuses = Counter(asyncio.run(_fresh_calls(workers, key, count=40, body=body)))
    assert set(statuses) <= {200, 429}
    assert statuses[200] in admitted
    assert statuses[200] * 700 <= limit_usd * 1_000_000


def test_64_clients_of_three_workers_never_spend_more_than_a_budget_of_one_dollar(workers: Lab) -> None:
    """Each call costs 0.02 USD and reserves a little more, so that 49 fit; two rounds ask for 2.56 USD."""
    gate = workers.gate
    workers.cloud.answer_always(Script(tokens=Tokens(input=100, output=9_950)))
    budget = '\n[[budget]]\nid = "b"\nscope = "use_case:support"\nlimit = 1\nperiod = "year"\n'
    gate.apply(workers.toml + budget)
    key, body = gate.new_key("of a budget", use_case="support"), {**CHAT, "max_tokens": 10_050}
    until(lambda: _is_known(workers, key) or None, what="the key everywhere")
    try:
        statuses = Counter[int]()
        for _ in range(2):
            statuses += Counter(asyncio.run(_fresh_calls(workers, key, count=64, body=body)))
            (shown,) = until(
                lambda: [one for one in gate.api.call("GET", "/api/budgets")["budgets"] if not one["reserved"]] or None,
                what="the end of every call",
            )
            assert shown["used"] <= shown["limit"] == 1_000_000
        assert set(statuses) == {200, 429}
        assert 46 <= statuses[200] <= 49
        until(
            lambda: gate.api.call("GET", "/api/budgets")["budgets"][0]["used"] == 20_000 * statuses[200] or None,
            what="the use of all workers",
        )
    finally:
        gate.apply("budget = []\n" + workers.toml)


def _is_known(lab: Lab, key: str) -> bool:
    """Whether every worker knows a key; asks over so many connections that each is asked."""
    headers = {"authorization": f"Bearer {key}", "connection": "close"}
    with httpx2.Client(base_url=lab.gate.base_url, headers=headers, timeout=30) as client:
        return all(client.get("/v1/models").status_code == 200 for _ in range(18))


def test_a_key_that_was_revoked_is_refused_by_every_worker(workers: Lab) -> None:
    key = workers.gate.new_key("gone", use_case="support")
    api = workers.gate.api
    until(lambda: set(asyncio.run(_fresh_calls(workers, key, count=12))) == {200} or None, what="the key everywhere")
    (found,) = [one for one in api.call("GET", "/api/keys")["keys"] if one["name"] == "gone"]
    api.call("DELETE", f"/api/keys/{found['id']}")
    until(lambda: set(asyncio.run(_fresh_calls(workers, key, count=12))) == {401} or None, what="its end everywhere")


def test_what_was_applied_holds_on_every_worker(workers: Lab) -> None:
    gate = workers.gate
    gate.apply(workers.toml + '\n[[alias]]\nid = "new-everywhere"\ndeployments = ["onprem"]\n')
    body = {**CHAT, "model": "new-everywhere"}

    def everywhere() -> bool | None:
        return set(asyncio.run(_fresh_calls(workers, workers.clerk, count=12, body=body))) == {200} or None

    assert until(everywhere, what="the alias on every worker")


async def _fresh_calls(lab: Lab, key: str, *, count: int, body: Any = CHAT) -> list[int]:
    """Call over as many connections, which the workers share among them."""
    headers = {"authorization": f"Bearer {key}", "connection": "close"}
    async with httpx2.AsyncClient(base_url=lab.gate.base_url, headers=headers, timeout=30) as client:
        answers = await asyncio.gather(*(client.post("/v1/chat/completions", json=body) for _ in range(count)))
    return [answer.status_code for answer in answers]


def test_one_scrape_tells_of_every_worker_and_misses_no_request(workers: Lab) -> None:
    """Each worker counts what it answered; whichever is asked, the sum is what all did."""

    def scraped(name: str, labels: str = "") -> dict[str, int]:
        with workers.http("") as client:
            text = client.get("/metrics").text
        found = re.findall(rf'{name}{{{labels}worker="(\d+)"}} ([\d.e+]+)', text)
        return {worker: int(float(count)) for worker, count in found}

    def refused() -> int:
        return sum(scraped("headgate_requests_total", 'plane="anthropic",status="401",').values())

    until(lambda: len(scraped("headgate_open_streams")) == 3 or None, what="every worker in a scrape")
    assert set(scraped("headgate_worker_pid").values()) == set(workers.gate.children()["worker"])
    for _ in range(24):
        with workers.http("") as client:
            assert client.post("/v1/messages", json={}).status_code == 401
    seen: list[int] = []
    until(lambda: seen.append(refused()) or seen[-1] == 24 or None, what="every request in a scrape")
    seen += [refused() for _ in range(8)]
    assert seen == sorted(seen)
    assert seen[-1] == 24
