"""Budgets: declared in the file or by the API, shown with their use, told when a threshold is passed."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest

from headgate.admin.budgets import Budget
from headgate.finops.budget_book import BudgetAlerts
from headgate.finops.budget_views import forecast
from headgate.finops.parts import FinOps
from headgate.notices.routes import Notices
from headgate.policy.entities import DEFAULT_TENANT
from headgate.testing.house import House
from headgate.testing.receivers import web_receiver
from headgate.testing.simulator import Script, Tokens

FILE = """
[[deployment]]
id = "first"
provider = "openai"
model = "gpt-sim"
base_url = "http://127.0.0.1:{port}/v1"
clearance = {{ custody = "organisation", level = "restricted" }}
price = {{ input = 1000.0, output = 2000.0 }}

[[alias]]
id = "smart"
deployments = ["first"]

[[use_case]]
id = "support"
title = "Customer support"
owner = "olga"
purpose = "Answer customers"
members = ["*"]

[[person]]
id = "admin"
roles = ["admin"]

[[person]]
id = "anna"
name = "Anna Kim"
groups = ["sales"]

[[person]]
id = "olga"
{more}
"""
CALL = {"model": "smart", "max_tokens": 10, "messages": [{"role": "user", "content": "hello"}]}
BUDGETS = """
[[budget]]
id = "everything"
scope = "organisation"
limit = 0.5
period = "month"

[[budget]]
id = "sales"
scope = "group:sales"
unit = "requests"
limit = 2
period = "day"

[[budget]]
id = "watched"
scope = "use_case:support"
limit = 0.001
period = "year"
hard = false
alerts = [0.5, 2.0]
"""


async def apply(house: House, more: str = "") -> httpx2.Response:
    async with house.admin as admin:
        toml = FILE.format(port=house.simulator.port, more=more)
        return await admin.post("/api/config/apply", json={"toml": toml})


async def call(house: House, key: str) -> httpx2.Response:
    """Make a call that costs 0.02 USD."""
    house.simulator.script(Script(tokens=Tokens(input=10, output=5)))
    async with house.client(key) as client:
        return await client.post("/v1/chat/completions", json=CALL)


async def read(house: House, key: str, path: str = "/api/budgets") -> Any:
    async with house.client(key) as client:
        answer = await client.get(path)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_budget_refuses_on_the_wire_and_is_shown_with_its_use(house: House):
    await apply(house)
    keys = {who: await house.register(who, use_case="support") for who in ("anna", "olga")}
    applied = await apply(house, BUDGETS)
    assert applied.status_code == 200, applied.text
    assert [await _status(house, keys["anna"]) for _ in range(3)] == [200, 200, 429]
    refused = await call(house, keys["anna"])
    error = refused.json()["error"]
    assert error["code"] == "rate_limit_exceeded"
    assert error["message"].startswith(
        "the budget sales of the group sales (2 requests a day) is used up; it resets at"
    )
    assert int(refused.headers["retry-after"]) > 0
    assert await _status(house, keys["olga"]) == 200
    await house.report_limits()
    shown = await read(house, house.admin_key)
    assert shown["can_change"] is True
    found = {one["id"]: one for one in shown["budgets"]}
    assert {name: (one["title"], one["used"], one["limit"], one["refused"]) for name, one in found.items()} == {
        "everything": ("The organisation", 60_000, 500_000, 0),
        "sales": ("sales", 2, 2, 2),
        "watched": ("Customer support", 60_000, 1_000, 0),
    }
    assert found["everything"]["forecast"] >= 60_000
    assert found["everything"]["starts_at"] < found["everything"]["counted_from"]
    own = await read(house, keys["olga"], "/api/usage/mine")
    assert [one["id"] for one in own["budgets"]] == ["everything", "watched"]
    async with house.client(keys["olga"]) as client:
        assert (await client.get("/api/budgets")).status_code == 403


async def _status(house: House, key: str) -> int:
    return (await call(house, key)).status_code


async def test_a_passed_threshold_is_told_once_a_period_and_shown(house: House):
    async with web_receiver() as receiver:
        hook = f'[[notification]]\nid = "hook"\nchannel = "webhook"\ninternal = true\nurl = "http://127.0.0.1:{receiver.port}/"\n'
        await apply(house)
        key = await house.register("anna", use_case="support")
        assert (await apply(house, hook + BUDGETS)).status_code == 200
        for _ in range(3):
            await call(house, key)
        await house.report_limits()
        finops, queue = house.worker.service(FinOps), house.worker.service(Notices).queue
        alerts = BudgetAlerts(
            finops.database,
            book=finops.book,
            used=finops.budgets_used,
            notify=lambda: queue.notify,
            clock=house.worker.base.clock,
        )
        await alerts.look(DEFAULT_TENANT)  # the worker's own job may have been first
        assert await alerts.look(DEFAULT_TENANT) == []
        await queue.send_due(house.worker.pipeline, tenant=DEFAULT_TENANT, now=datetime.now(UTC))
        await receiver.until(2)
    told = {one["title"]: one for one in (json.loads(request.body) for request in receiver.requests)}
    watched = "The budget watched of the use case support passed 200 %: $0.04 of $0.001 this year"
    assert sorted(told) == [
        "The budget sales of the group sales refuses calls: 2 requests of 2 requests this day",
        watched,
    ]
    assert told[watched]["event"] == "budget.passed"
    assert told[watched]["use_case"] == "support"
    assert told[watched]["link"].endswith("/budgets")
    shown = {one["id"]: one["alerts"] for one in (await read(house, house.admin_key))["budgets"]}
    assert [one["threshold"] for one in shown["watched"] if one["raised_at"]] == [50, 200]
    assert [one["threshold"] for one in shown["everything"] if one["raised_at"]] == []


async def test_a_budget_is_added_changed_and_removed_by_the_api_and_exported(house: House):
    await apply(house)
    async with house.admin as admin:
        path, entry = "/api/entries/budget/anna", {"scope": "person:anna", "limit": 20.5, "period": "month"}
        assert (await admin.put(path, json={"entry": entry})).status_code == 200
        assert (await admin.put(path, json={"entry": {**entry, "hard": False}})).status_code == 200
        (shown,) = (await admin.get("/api/budgets")).json()["budgets"]
        assert (shown["title"], shown["limit"], shown["hard"]) == ("Anna Kim", 20_500_000, False)
        exported = (await admin.get("/api/config", params={"section": "budget"})).json()["toml"]
        assert 'scope = "person:anna"' in exported
        assert (await apply(house, exported)).json()["changes"][0]["does"] == "change"  # now managed by the file
        assert (await admin.delete(path)).status_code == 200
        assert (await admin.get("/api/budgets")).json()["budgets"] == []
        assert (await admin.delete(path)).status_code == 404


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ('scope = "team:x"\nlimit = 1.0\nperiod = "day"', "scope"),
        ('scope = "group:"\nlimit = 1.0\nperiod = "day"', "scope"),
        ('scope = "organisation:x"\nlimit = 1.0\nperiod = "day"', "scope"),
        ('scope = "organisation"\nlimit = 1.0', "period"),
        ('scope = "organisation"\nlimit = 3\nunit = "concurrency"\nperiod = "day"', "period"),
        ('scope = "organisation"\nlimit = 3\nunit = "concurrency"\nalerts = [0.5]', "alerts"),
        ('scope = "organisation"\nlimit = 0.0\nperiod = "day"', "limit"),
        ('scope = "organisation"\nlimit = 0.0000001\nperiod = "day"', "limit"),
        ('scope = "organisation"\nlimit = 2.5\nunit = "tokens"\nperiod = "day"', "limit"),
        ('scope = "organisation"\nlimit = 1.0\nperiod = "day"\nalerts = [80.0]', "alerts"),
        ('scope = "organisation"\nlimit = 1.0\nperiod = "day"\n[[budget]]\nid = "b"\nscope = "key:x"\nlimit = 1', "id"),
    ],
)
async def test_a_faulty_budget_is_refused_with_its_place(house: House, fields: str, param: str):
    answer = await apply(house, f'[[budget]]\nid = "b"\n{fields}\n')
    place = "budget[1].id" if param == "id" else f"budget[0].{param}"
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, place), answer.text


async def test_a_budget_of_somebody_who_does_not_exist_is_refused(house: House):
    answer = await apply(house, '[[budget]]\nid = "b"\nscope = "person:nobody"\nlimit = 1.0\nperiod = "day"\n')
    assert answer.status_code == 400
    assert "there is no person 'nobody'" in answer.text


def test_a_forecast_goes_on_at_the_rate_so_far() -> None:
    budget = Budget("b", "organisation", "", "money", 100, "day")
    start = datetime(2026, 11, 29, tzinfo=UTC)
    noon = start + timedelta(hours=12)
    assert forecast(budget, 30, since=start - timedelta(days=9), now=noon) == 60
    assert forecast(budget, 30, since=start + timedelta(hours=6), now=noon) == 90, "it was declared at six"
    assert forecast(budget, 1, since=noon, now=noon) == 26, "one early call is not taken for a rate"
