"""`/metrics` as a scraper and a board read it: valid, bounded, and of one tenant for a reader of one tenant."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, cast

import yaml
from prometheus_client import parser
from prometheus_client.core import Metric
from prometheus_client.openmetrics import parser as openmetrics_parser
from structlog.testing import capture_logs

from headgate.server.call_metrics import MOST_SERIES
from headgate.testing.house import OTHER, House, add_tenant
from headgate.testing.simulator import Failure, Script

GRAFANA = Path(__file__).parents[2] / "deploy" / "grafana"
CALL: dict[str, Any] = {
    "model": "local-chat",
    "messages": [{"role": "user", "content": "My key is AKIAIOSFODNN7EXAMPLE"}],
}
_PARSER = "text_string_to_metric_families"  # by name, because it has no annotations
OPENMETRICS = "application/openmetrics-text; version=1.0.0"
TOML = """
[[deployment]]
id = "broken"
provider = "openai"
model = "m"
base_url = "http://127.0.0.1:{port}/v1"
clearance = {{ custody = "organisation", level = "restricted", categories = ["pii"] }}
price = {{ input = 1.0, output = 2.0 }}

[[alias]]
id = "careful"
deployments = ["broken", "local-chat"]

[[alias]]
id = "helped"
deployments = ["broken", "local-chat"]
cache = {{ ttl = "10m", categories = ["secret"] }}
hedge = "50ms"

[[budget]]
id = "money"
scope = "organisation"
limit = 10
period = "year"

[[use_case]]
id = "work"
owner = "admin"
purpose = "p"
"""

parse_openmetrics = cast("Callable[[str], Iterable[Metric]]", getattr(openmetrics_parser, _PARSER))


async def scrape(house: House, key: str | None = None, *, accept: str = "text/plain") -> str:
    async with house.client(key) as client:
        answer = await client.get("/metrics", headers={"accept": accept})
    assert answer.status_code == 200, answer.text
    kind = answer.headers["content-type"]
    assert kind.startswith("application/openmetrics-text" if accept == OPENMETRICS else "text/plain")
    return answer.text


def families(text: str) -> dict[str, Metric]:
    return {one.name: one for one in parser.text_string_to_metric_families(text)}


def total(metric: Metric, name: str, **labels: str) -> float:
    return sum(one.value for one in metric.samples if one.name == name and labels.items() <= one.labels.items())


async def traffic(house: House) -> str:
    """Make a call that falls back, one that fails, one that is refused; return the key of the calls."""
    async with house.admin as client:
        toml = TOML.format(port=house.simulator.port)
        assert (await client.post("/api/config/apply", json={"toml": toml})).status_code == 200
        key = str((await client.post("/api/keys", json={"name": "k", "use_case": "work"})).json()["secret"])
    async with house.client(key) as client:
        house.simulator.script(Script(failure=Failure(500)))
        assert (await client.post("/v1/chat/completions", json={**CALL, "model": "careful"})).status_code == 200
        house.simulator.script(Script(failure=Failure(500)))
        assert (await client.post("/v1/chat/completions", json=CALL)).status_code == 502
        assert (await client.post("/v1/chat/completions", json=CALL)).status_code == 200
        assert (await client.post("/api/keys", json={"name": "x"})).status_code == 403
    return key


async def test_a_scrape_tells_of_calls_in_both_formats(house: House):
    await traffic(house)
    async with house.admin as client:  # reads what all workers noted about deployments
        states = {one["id"]: one["state"] for one in (await client.get("/api/status")).json()["deployments"]}
    assert (states["broken"], states["local-embed"]) == ("cooling_down", "unknown")
    for text, parse in (
        (await scrape(house), parser.text_string_to_metric_families),
        (await scrape(house, accept=OPENMETRICS), parse_openmetrics),
    ):
        found = {one.name: one for one in parse(text)}
        calls, count = found["headgate_call_duration_seconds"], "headgate_call_duration_seconds_count"
        assert total(calls, count, alias="local-chat", deployment="local-chat", use_case="work", outcome="done") == 1
        assert total(calls, count, alias="local-chat", outcome="failed") == 1
        assert total(calls, count, alias="careful", deployment="local-chat", outcome="done") == 1
        for name in ("first_token_seconds", "queue_seconds", "input_tokens", "output_tokens"):
            assert total(found[f"headgate_call_{name}"], f"headgate_call_{name}_count", outcome="done") == 2, name
        attempts = found["headgate_attempts"]
        assert total(attempts, "headgate_attempts_total", deployment="broken", outcome="failed") == 1
        assert total(found["headgate_fallbacks"], "headgate_fallbacks_total", alias="careful") == 1
        assert total(found["headgate_masked_values"], "headgate_masked_values_total", kind="aws_access_key_id") == 3
        assert total(found["headgate_refusals"], "headgate_refusals_total") == 1
        state = found["headgate_deployment_state"]
        assert total(state, "headgate_deployment_state", deployment="broken", state="cooling_down") == 1


async def helped(house: House, key: str) -> None:
    """Make a call that is hedged and kept, two that are answered from the cache, and a batch of one line."""
    house.simulator.script(Script(delay_s=30))
    asked = {**CALL, "model": "helped", "messages": [{"role": "user", "content": "hello"}]}
    line = {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": CALL}
    async with house.client(key) as client:
        for _ in range(3):
            assert (await client.post("/v1/chat/completions", json=asked)).status_code == 200
        file = {"file": ("batch.jsonl", json.dumps(line).encode())}
        kept = (await client.post("/v1/files", files=file, data={"purpose": "batch"})).json()["id"]
        terms = {"input_file_id": kept, "endpoint": "/v1/chat/completions", "completion_window": "24h"}
        assert (await client.post("/v1/batches", json=terms)).status_code == 200
    await house.uses.look()


async def test_caches_hedges_breakers_budgets_and_batches_are_told(house: House):
    await helped(house, await traffic(house))
    found = families(await scrape(house))
    cache, hedges = found["headgate_cache"], found["headgate_hedges"]
    results = ("miss", "stored", "hit", "bypass")
    assert [total(cache, "headgate_cache_total", alias="helped", result=one) for one in results] == [1, 1, 2, 0]
    assert [total(hedges, "headgate_hedges_total", alias="helped", result=one) for one in ("sent", "won")] == [1, 1]
    assert total(found["headgate_deployment_unhealthy"], "headgate_deployment_unhealthy", deployment="broken") == 0
    (budget,) = found["headgate_budget_used_ratio"].samples
    assert (budget.labels["budget"], 0 <= budget.value < 0.01) == ("money", True)
    lines = found["headgate_batch_lines"].samples
    assert {one.labels["state"] for one in lines} == {"waiting", "done", "failed"}


async def test_mistakes_of_callers_and_limits_are_refusals_with_their_reason_and_no_failures(house: House):
    async with house.admin as client:
        terms = {"name": "slow", "use_case": "getting-started", "requests_per_minute": 1}
        slow = str((await client.post("/api/keys", json=terms)).json()["secret"])
        assert (await client.post("/v1/chat/completions", json={**CALL, "model": "no-such"})).status_code == 404
        house.simulator.script(Script(failure=Failure(400)))
        assert (await client.post("/v1/chat/completions", json=CALL)).status_code == 400
        house.simulator.script(Script(failure=Failure(500)))
        assert (await client.post("/v1/chat/completions", json=CALL)).status_code == 502
    async with house.client(slow) as client:
        answers = [await client.post("/v1/chat/completions", json=CALL) for _ in range(2)]
        assert [one.status_code for one in answers] == [200, 429]
    found = families(await scrape(house))
    calls, count = found["headgate_call_duration_seconds"], "headgate_call_duration_seconds_count"
    assert [total(calls, count, outcome=one) for one in ("failed", "refused", "done")] == [1, 3, 1]
    refusals, count = found["headgate_refusals"], "headgate_refusals_total"
    rules = ("not_found", "upstream_error", "limit.requests")
    assert [total(refusals, count, rule=one) for one in rules] == [1, 1, 1]
    await house.count_usage()
    async with house.admin as client:
        overview = (await client.get("/api/usage/overview", params={"span": "1h"})).json()
        assert (overview["figures"]["failed"], overview["figures"]["refused"]) == (1, 3)
        (limited,) = (await client.get("/api/records", params={"rule": "limit.requests"})).json()["records"]
        assert limited["rules"][0]["id"] == "limit.requests"


async def test_made_up_model_names_make_no_series(house: House):
    await traffic(house)
    before = await scrape(house)
    async with house.client(house.admin_key) as client:
        for number in range(20):
            name = f'hostile-{number}"}} 1\n'
            assert (await client.post("/v1/chat/completions", json={**CALL, "model": name})).status_code in (400, 404)
        await client.post("/v1/chat/completions", json={**CALL, "model": "x" * 100_000})
    after = await scrape(house)
    assert "hostile" not in after
    assert "xxxx" not in after
    calls = families(after)["headgate_call_duration_seconds"]
    series = {tuple(sorted(one.labels.items())) for one in calls.samples if one.name.endswith("_count")}
    assert len(series) <= before.count("headgate_call_duration_seconds_count") + 1
    assert len(series) <= MOST_SERIES


async def test_a_reader_with_a_key_sees_the_names_of_the_own_tenant_only(house: House):
    await traffic(house)
    add_tenant(house.database)
    await house.worker.refresh()
    stranger = await house.register("eve", "auditor", tenant=OTHER)
    async with house.client(stranger, peer="10.0.0.9") as client:
        text = (await client.get("/metrics")).text
    assert 'tenant="default"' not in text
    assert "careful" not in text
    assert "headgate_journal_backlog_bytes" in text


async def test_a_failed_call_is_one_line_in_the_log_without_content(house: House):
    house.simulator.script(Script(failure=Failure(500, message="about AKIAIOSFODNN7EXAMPLE")))
    with capture_logs() as logs:
        async with house.client(house.admin_key) as client:
            answer = await client.post("/v1/chat/completions", json=CALL)
    (line,) = [one for one in logs if one["event"] == "call_failed"]
    assert line["record"] == answer.headers["x-headgate-record"]
    assert (line["alias"], line["deployment"], line["code"]) == ("local-chat", "local-chat", "upstream_error")
    assert (line["status"], line["log_level"]) == (500, "warning")
    assert "failed with status 500" in line["reason"]
    assert "AKIA" not in json.dumps(line)


def _expressions() -> Iterator[tuple[str, str]]:
    board = json.loads((GRAFANA / "headgate.json").read_text())
    for panel in board["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"]
    for variable in board["templating"]["list"]:
        if variable["type"] == "query":
            yield variable["name"], re.sub(r"label_values\((\w+), (\w+)\)", r"\1{\2=~'.*'}", variable["query"])
    for group in yaml.safe_load((GRAFANA / "alerts.yaml").read_text())["groups"]:
        for rule in group["rules"]:
            yield rule["alert"], rule["expr"]


async def test_the_board_and_the_alerts_use_metrics_and_labels_that_exist(house: House):
    await helped(house, await traffic(house))
    known: dict[str, set[str]] = {}
    for metric in families(await scrape(house)).values():
        for sample in metric.samples:
            known.setdefault(sample.name, set()).update(sample.labels)
    used: set[str] = set()
    for place, expression in _expressions():
        assert expression.count("(") == expression.count(")"), place
        for name, selector in re.findall(r"(headgate_\w+)(\{[^}]*\})?", expression):
            assert name in known, f"{place} uses {name}"
            labels = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)\s*[\"']", selector))
            groups = re.findall(r"by \(([^)]*)\)", expression)
            labels |= {label.strip() for group in groups for label in group.split(",")}
            assert labels <= known[name] | {"le"}, f"{place} uses labels that {name} has not: {labels - known[name]}"
            used.add(name)
    assert len(used) >= 15
