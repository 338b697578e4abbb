"""Usage: calls of two people through the data plane, counted once each, and read by everybody who may."""

from __future__ import annotations

import csv
import io
import re
from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest

from headgate.finops.commands import csv_of
from headgate.finops.focus import BY, bill_of, days_of, month_of
from headgate.finops.sources import Source
from headgate.testing.house import House
from headgate.testing.simulator import Failure, Script, Tokens

FILE = """
[[deployment]]
id = "first"
provider = "openai"
model = "gpt-sim"
base_url = "http://127.0.0.1:{port}/v1"
clearance = {{ custody = "organisation", level = "restricted" }}
price = {{ input = 1.0, output = 2.0, cache_read = 0.1 }}

[[deployment]]
id = "second"
provider = "openai"
model = "gpt-sim"
base_url = "http://127.0.0.1:{port}/v1"
clearance = {{ custody = "organisation", level = "restricted" }}
price = {{ input = 10.0, output = 20.0 }}

[[alias]]
id = "smart"
deployments = ["first", "second"]

[[use_case]]
id = "support"
owner = "olga"
purpose = "Answer customers"
members = ["*"]

[[use_case]]
id = "claims"
owner = "admin"
purpose = "Handle claims"
members = ["anna"]

[[person]]
id = "admin"
roles = ["admin"]

[[person]]
id = "olga"
name = "Olga Owner"

[[person]]
id = "anna"
name = "Anna Kim"

[[person]]
id = "bob"
"""
HELLO = [{"role": "user", "content": "hello"}]
SECRET = [{"role": "user", "content": "my key is AKIAIOSFODNN7EXAMPLE"}]


async def call(house: House, key: str, messages: list[dict[str, str]] = HELLO, model: str = "smart") -> httpx2.Response:
    async with house.client(key) as client:
        return await client.post("/v1/chat/completions", json={"model": model, "messages": messages})


async def read(house: House, path: str, key: str | None = None, **query: Any) -> dict[str, Any]:
    async with house.client(key or house.admin_key) as client:
        answer = await client.get(path, params=query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def apply(house: House) -> None:
    async with house.admin as client:
        applied = await client.post("/api/config/apply", json={"toml": FILE.format(port=house.simulator.port)})
        assert applied.status_code == 200, applied.text


async def a_week_of_work(house: House) -> dict[str, str]:
    """Anna calls for claims and Bob for support: done, masked, from a cache, retried, failed and refused."""
    await apply(house)
    keys = {
        "anna": await house.register("anna", use_case="claims"),
        "bob": await house.register("bob", use_case="support"),
    }
    await apply(house)  # with their names
    down = Script(failure=Failure(500))
    steps: tuple[tuple[str, Any, tuple[Script, ...], int], ...] = (
        ("anna", HELLO, (Script(),), 200),
        ("anna", SECRET, (Script(),), 200),
        ("anna", HELLO, (Script(tokens=Tokens(input=10, output=10, cache_read=90)),), 200),
        ("anna", HELLO, (down, Script(tokens=Tokens(input=100, output=10))), 200),
        ("bob", HELLO, (down, down), 502),
        ("bob", HELLO, (Script(),), 200),
    )
    for who, messages, scripts, status in steps:
        house.simulator.script(*scripts)
        answer = await call(house, keys[who], messages)
        assert answer.status_code == status, answer.text
    async with house.admin as client:
        stop = """@id("no-secrets") @reason("secrets stay here") @mode("enforce")
forbid (principal, action == Headgate::Action::"model.invoke", resource)
when { context.labels.categories.contains("secret") };"""
        put = await client.put("/api/entries/policy/stop", json={"entry": {"text": stop}})
        assert put.status_code == 200, put.text
    assert (await call(house, keys["bob"], SECRET)).status_code in (400, 403)
    await house.count_usage()
    return keys


async def test_every_call_counts_once_with_the_cost_of_all_its_attempts(house: House):
    await a_week_of_work(house)
    answer = await read(house, "/api/usage", by="use_case,outcome")
    found = {(row["use_case"], row["outcome"]): row["figures"] for row in answer["rows"]}
    assert {key: one["calls"] for key, one in found.items()} == {
        ("claims", "done"): 4,
        ("support", "done"): 1,
        ("support", "failed"): 1,
        ("support", "refused"): 1,
    }
    claims = found["claims", "done"]
    # Twice 12 and 7 tokens, then 10 + 90 cached and 10, then 100 and 10 at the dear deployment.
    assert (claims["input_tokens"], claims["output_tokens"], claims["cached_tokens"]) == (224, 34, 90)
    assert claims["costs"] == [{"currency": "USD", "micros": 2 * (12 + 14) + (10 + 9 + 20) + (1000 + 200)}]
    assert (claims["masked"], claims["unpriced"]) == (1, 0)
    assert found["support", "failed"]["costs"] == []
    assert found["support", "refused"]["masked"] == 0

    overview = await read(house, "/api/usage/overview", span="1h")
    assert {name: overview["figures"][name] for name in ("calls", "done", "refused", "failed")} == {
        "calls": 7,
        "done": 5,
        "refused": 1,
        "failed": 1,
    }
    assert sum(step["figures"]["calls"] for step in overview["steps"]) == 7
    assert overview["before"]["calls"] == 0
    assert overview["times"]["p95_us"] >= overview["times"]["p50_us"] > 0
    assert [row["use_case"] for row in overview["use_cases"]] == ["claims", "support"]
    assert [row["person_name"] for row in overview["people"]] == ["Anna Kim", "bob"]
    assert overview["models"][0]["times"]["p95_us"] > 0
    reasons = {(one["outcome"], one["rule"]): one["text"] for one in overview["reasons"]}
    assert reasons["refused", "no-secrets"] == "Secrets stay here"
    assert reasons["failed", ""] == "The provider failed"


async def test_a_cached_answer_counts_as_a_request_and_its_saving_is_told(house: House):
    await apply(house)
    key = await house.register("anna", use_case="claims")
    async with house.admin as client:
        entry = {"deployments": ["first"], "cache": {"ttl": "10m"}}
        assert (await client.put("/api/entries/alias/smart", json={"entry": entry})).status_code == 200
    first, again = await call(house, key), await call(house, key)
    assert (first.headers["x-headgate-cache"], first.json()) == ("miss", again.json())
    assert (again.headers["x-headgate-cache"], again.headers["age"]) == ("hit", "0")
    assert [one.headers["x-headgate-cost"] for one in (first, again)] == ["0.000026 USD", "0.000000 USD"]
    assert again.headers["x-headgate-record"] != first.headers["x-headgate-record"]
    async with house.client(key) as client:
        asked = {"model": "smart", "messages": HELLO, "stream": True}
        stream = await client.post("/v1/chat/completions", json=asked)
        renewed = await client.post("/v1/chat/completions", json=asked, headers={"cache-control": "no-cache"})
    assert "x-headgate-cost" not in stream.headers
    assert (stream.headers["x-headgate-cache"], stream.text.count("[DONE]")) == ("hit", 1)
    assert renewed.headers["x-headgate-cache"] == "bypass"
    await house.count_usage()
    answer = await read(house, "/api/usage", by="use_case")
    (figures,) = [row["figures"] for row in answer["rows"]]
    assert (figures["calls"], figures["costs"], figures["unpriced"]) == (4, [{"currency": "USD", "micros": 52}], 0)
    saved = [{"model": "smart", "hits": 2, "saved": {"currency": "USD", "micros": 52}}]
    assert answer["saved"] == saved
    assert (await read(house, "/api/usage/overview", span="1h"))["saved"] == saved


async def test_a_month_is_priced_at_another_model(house: House):
    await a_week_of_work(house)
    month = f"{datetime.now(UTC):%Y-%m}"
    found = await read(house, "/api/usage/what-if", price_of="second", month=month)
    would = {(row["model"], row["deployment"]): row["would"]["micros"] for row in found["rows"]}
    assert would == {
        # Twice for Anna, once for Bob, and once with 90 cached tokens, for which the price has no lower rate.
        ("smart", "first"): 3 * (120 + 140) + (1000 + 200),
        ("smart", "second"): 1000 + 200,
    }
    assert found["would"] == {"currency": "USD", "micros": sum(would.values())}
    assert found["costs"] == [{"currency": "USD", "micros": 1291 + 26}]
    assert (await read(house, "/api/usage/what-if", price_of="openai/gpt-4o", month=month))["would"]["micros"] > 0
    assert (await read(house, "/api/usage/what-if", price_of="first"))["rows"] == [], "last month had no calls"
    async with house.admin as client:
        for query, status in (
            ({"price_of": "nothing/known"}, 404),
            ({"price_of": "first", "month": "2100-01"}, 400),
            ({"price_of": "first", "month": "soon"}, 400),
            ({}, 400),
        ):
            assert (await client.get("/api/usage/what-if", params=query)).status_code == status, query


async def test_figures_are_grouped_filtered_and_ordered(house: House):
    await a_week_of_work(house)
    for query, expected in (
        ({"by": "deployment"}, {"first": 4, "second": 1, "": 2}),
        ({"by": "model", "person": "anna"}, {"smart": 4}),
        ({"by": "key", "use_case": "support", "outcome": "done"}, 1),
        ({"by": "outcome", "deployment": "second"}, {"done": 1}),
        ({"by": "time", "grain": "day", "use_case": "claims"}, 4),
        ({"by": "verb"}, {"model.invoke": 7}),
    ):
        rows = (await read(house, "/api/usage", **query))["rows"]
        name = query["by"]
        if isinstance(expected, int):
            assert sum(row["figures"]["calls"] for row in rows) == expected, query
        else:
            assert {row[name]: row["figures"]["calls"] for row in rows} == expected, query
    dearest = await read(house, "/api/usage", by="person", order="cost", limit=1, compare="true")
    assert [(row["person_name"], row["before"]["calls"]) for row in dearest["rows"]] == [("Anna Kim", 0)]
    rules = await read(house, "/api/usage/rules", rule="no-secrets", by_use_case="true")
    assert [(one["use_case"], one["mode"], one["hits"]) for one in rules["rules"]] == [("support", "enforce", 1)]
    lines = list(
        csv.reader(io.StringIO(csv_of((await read(house, "/api/usage", by="use_case"))["rows"], ["use_case"])))
    )
    assert [line[:2] for line in lines] == [["use_case", "calls"], ["claims", "4"], ["support", "3"]]
    assert lines[1][-2:] == ["USD", "0.001291"]


FOCUS_NOT_NULL = (
    *("BilledCost", "BillingAccountId", "BillingCurrency", "BillingPeriodEnd", "BillingPeriodStart", "ChargeCategory"),
    *("ChargePeriodEnd", "ChargePeriodStart", "ContractedCost", "EffectiveCost", "InvoiceIssuerName", "ListCost"),
    *("PricingQuantity", "PricingUnit", "ProviderName", "PublisherName", "ServiceCategory", "ServiceName"),
    *("ConsumedQuantity", "ConsumedUnit", "ResourceId", "ResourceType", "SubAccountId", "SubAccountType"),
)
"""Columns that FOCUS 1.2 wants and that are not null, for charges of the category Usage."""

FOCUS_NULLABLE = ("BillingAccountName", "ChargeClass", "ChargeDescription", "ChargeFrequency", "ServiceSubcategory")


def check_focus(line: dict[str, str]) -> None:
    """Check a line against FOCUS 1.2: its columns, its allowed values, and the forms of numbers and times."""
    assert not [name for name in FOCUS_NOT_NULL if not line[name]]
    assert set(FOCUS_NULLABLE) <= line.keys()
    assert all(name.isalnum() or name.startswith("x_") for name in line)
    assert (line["ChargeCategory"], line["ChargeClass"], line["ChargeFrequency"]) == ("Usage", "", "Usage-Based")
    assert (line["ServiceCategory"], line["ServiceSubcategory"]) == ("AI and Machine Learning", "Generative AI")
    assert re.fullmatch("[A-Z]{3}", line["BillingCurrency"])
    for name, value in line.items():
        if name.endswith(("Cost", "Quantity")):
            assert re.fullmatch(r"[0-9]+([.][0-9]+)?", value), name
        if name.endswith(("Start", "End")):
            assert re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T00:00:00Z", value), name
    assert int(line["ConsumedQuantity"]) > 0
    assert line["BillingPeriodStart"] <= line["ChargePeriodStart"] < line["ChargePeriodEnd"] <= line["BillingPeriodEnd"]


async def test_a_month_is_exported_as_a_bill_without_calls_of_unknown_cost(house: House):
    await a_week_of_work(house)
    month = month_of(f"{datetime.now(UTC):%Y-%m}")
    answer = await read(
        house,
        "/api/usage",
        since=month.start.isoformat(),
        until=month.end.isoformat(),
        grain="day",
        by=",".join(("time", *BY)),
    )
    hit = {**answer["rows"][0], "deployment": "cache:smart"}
    sources = {"first": Source("OpenAI", "gpt-sim"), "second": Source("=host", "*")}
    bill = bill_of(answer["rows"], month, sources=sources)
    lines = list(csv.DictReader(io.StringIO(bill.text)))
    told = sorted((one["SubAccountId"], one["ResourceId"], one["x_Person"], one["BilledCost"]) for one in lines)
    assert [one[:3] for one in told] == [
        ("claims", "first", "Anna Kim"),
        ("claims", "second", "Anna Kim"),
        ("support", "first", "bob"),
    ]
    assert round(sum(float(one["BilledCost"]) for one in lines if one["SubAccountId"] == "claims"), 6) == 0.001291
    assert {(one["ResourceId"], one["ProviderName"], one["ServiceName"], one["x_Alias"]) for one in lines} == {
        ("first", "OpenAI", "gpt-sim", "smart"),
        ("second", "'=host", "smart", "smart"),
    }
    (cached,) = csv.DictReader(io.StringIO(bill_of([hit], month, sources=sources).text))
    assert (cached["ProviderName"], cached["InvoiceIssuerName"], cached["ServiceName"]) == (
        "Headgate",
        "Headgate",
        "cached answers",
    )
    for one in [*lines, cached]:
        check_focus(one)
    assert {(one["ChargeCategory"], one["BillingCurrency"], one["ConsumedUnit"]) for one in lines} == {
        ("Usage", "USD", "Tokens")
    }
    assert lines[0]["BillingPeriodStart"] == f"{month.start:%Y-%m}-01T00:00:00Z"
    assert bill.unpriced == sum(row["figures"]["unpriced"] for row in answer["rows"])
    february = month_of("2028-02")
    assert (len(days_of(february)), february.end.month) == (29, 3)


async def test_everybody_reads_their_own_figures_owners_their_use_cases_and_auditors_all(house: House):
    keys = await a_week_of_work(house)
    auditor = await house.register("audrey", "auditor")
    olga = await house.register("olga")
    mine = await read(house, "/api/usage/mine", keys["anna"], span="1h")
    assert (mine["figures"]["calls"], [one["id"] for one in mine["may_use"]]) == (4, ["claims"])
    assert ("smart" in mine["may_call"], mine["keys"][0]["use_case"]) == (True, "claims")
    assert (await read(house, "/api/usage/mine", olga))["figures"]["calls"] == 0
    support = await read(house, "/api/usage", olga, use_case="support", by="person")
    assert support["rows"][0]["figures"]["calls"] == 3
    assert (support["rows"][0]["person"][:2], support["rows"][0]["person_name"]) == ("p_", None)
    assert (await read(house, "/api/usage", auditor, by="person"))["rows"][0]["person_name"] == "Anna Kim"
    refused: tuple[tuple[str, str, dict[str, str]], ...] = (
        (keys["anna"], "/api/usage", {}),
        (keys["anna"], "/api/usage/overview", {"use_case": "support"}),
        (keys["anna"], "/api/usage/rules", {}),
        (olga, "/api/usage", {"use_case": "claims"}),
        (olga, "/api/usage", {"use_case": "support", "person": "anna"}),
    )
    for key, path, query in refused:
        async with house.client(key) as client:
            assert (await client.get(path, params=query)).status_code == 403, (path, query)
            assert (await client.post("/api/usage/rebuild")).status_code == 403


async def test_what_is_left_of_a_keys_limits_is_told_to_its_holder(house: House):
    await a_week_of_work(house)
    limits = {"requests_per_minute": 5, "cost_micros_per_day": 5_000_000, "currency": "USD"}
    async with house.admin as client:
        body = {"name": "Anna's", "principal": "anna", "use_case": "claims", **limits}
        made = (await client.post("/api/keys", json=body)).json()
    assert (await call(house, made["secret"])).status_code == 200
    await house.report_limits()
    mine = await read(house, "/api/usage/mine", made["secret"])
    (key,) = [one for one in mine["keys"] if one["id"] == made["key"]["id"]]
    assert (key["requests_left"], key["cost_micros_left"]) == (4, 5_000_000 - 26)


async def test_figures_name_keys_to_an_administrator(house: House):
    await apply(house)
    async with house.admin as client:
        body = {"name": "Anna's", "principal": "anna", "use_case": "claims"}
        made = (await client.post("/api/keys", json=body)).json()
    assert (await call(house, made["secret"])).status_code == 200
    await house.count_usage()
    rows = (await read(house, "/api/usage", by="key"))["rows"]
    assert csv_of(rows, ["key"]).splitlines()[1].startswith("Anna's,1,")


async def test_a_new_count_gives_the_same_figures_and_the_old_ones_stay_readable(house: House):
    await a_week_of_work(house)
    before = await read(house, "/api/usage", by="use_case,person,deployment,outcome")
    async with house.admin as client:
        assert (await client.post("/api/usage/rebuild")).json() == {"has_begun": True}
        assert (await client.get("/api/usage", params={"by": "use_case"})).json()["rows"][0]["figures"]["calls"] == 4
    await house.count_usage()
    after = await read(house, "/api/usage", by="use_case,person,deployment,outcome")
    assert after["rows"] == before["rows"]
    assert (await read(house, "/api/usage/overview"))["is_rebuilding"] is False


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ({"by": "colour"}, "by"),
        ({"order": "size"}, "order"),
        ({"limit": 0}, "limit"),
        ({"span": "soon"}, "span"),
        ({"span": "7d", "since": "2027-01-01T00:00:00Z"}, "span"),
        ({"since": "2100-01-01T00:00:00Z"}, "since"),
        ({"since": "1971-01-01T00:00:00Z"}, "since"),
        ({"since": "yesterday"}, "since"),
        ({"grain": "week"}, "grain"),
        ({"span": "30d", "grain": "minute"}, "grain"),
    ],
)
async def test_questions_that_make_no_sense_are_refused(house: House, query: dict[str, Any], param: str):
    async with house.admin as client:
        answer = await client.get("/api/usage", params=query)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)
