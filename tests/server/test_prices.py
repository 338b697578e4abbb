"""The organisation's prices: declared with dates, charged and named in records, shown with where they come from."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from headgate.testing.house import House
from headgate.testing.simulator import Script, Tokens

FILE = """
[[deployment]]
id = "first"
provider = "openai"
model = "gpt-sim"
base_url = "http://127.0.0.1:{port}/v1"
clearance = {{ custody = "organisation", level = "restricted" }}

[[deployment]]
id = "own"
provider = "openai"
model = "gpt-sim"
base_url = "http://127.0.0.1:{port}/v1"
clearance = {{ custody = "organisation", level = "restricted" }}
price = {{ input = 7.0, output = 7.0 }}

[[deployment]]
id = "listed"
provider = "anthropic"
model = "claude-sonnet-4-5"
key = "env:NO_KEY"

[[deployment]]
id = "unpriced"
provider = "openai"
model = "something-of-our-own"
key = "env:NO_KEY"

[[alias]]
id = "smart"
deployments = ["first"]

[[alias]]
id = "dear"
deployments = ["own"]

[[person]]
id = "admin"
roles = ["admin"]
{more}
"""
ROWS = """
[[price]]
id = "sim"
provider = "openai"
model = "gpt-*"
from = 2026-01-01
price = { input = 1.0, output = 2.0, cache_read = 0.1 }

[[price]]
id = "sim-later"
provider = "openai"
model = "gpt-*"
from = 2999-01-01
price = { input = 3.0, output = 4.0, tiers = [{ above_input_tokens = 1000, input = 5.0 }] }
"""


async def apply(house: House, more: str) -> httpx2.Response:
    async with house.admin as admin:
        toml = FILE.format(port=house.simulator.port, more=more)
        return await admin.post("/api/config/apply", json={"toml": toml})


async def test_a_call_costs_the_price_in_force_and_its_record_names_it(house: House):
    assert (await apply(house, ROWS)).status_code == 200
    async with house.admin as admin:
        for model in ("smart", "dear"):
            house.simulator.script(Script(tokens=Tokens(input=10, output=5, cache_read=90)))
            body = {"model": model, "messages": [{"role": "user", "content": "hello"}]}
            assert (await admin.post("/v1/chat/completions", json=body)).status_code == 200
    found = {one["resource"]: one["facts"] for one in await house.records(verb="model.invoke")}
    assert found["alias:smart"]["cost_micros"] == 10 + 9 + 10
    assert found["alias:smart"]["price"].startswith("row sim@")
    assert found["alias:dear"]["cost_micros"] == 7 * 105
    assert found["alias:dear"]["price"].startswith("deployment own@")


async def test_prices_in_force_and_to_come_are_listed_with_their_source(house: House):
    await apply(house, ROWS)
    async with house.admin as admin:
        listed = (await admin.get("/api/prices")).json()
    lines: dict[str, list[Any]] = {}
    for one in listed["prices"]:
        version = one["version"].split("@")[0]
        lines.setdefault(one["deployment"], []).append((version, one["since"], one["is_in_force"], one["input_micros"]))
    assert lines["first"] == [
        ("row sim", "2026-01-01", True, 1_000_000),
        ("row sim-later", "2999-01-01", False, 3_000_000),
    ]
    assert lines["own"] == [("deployment own", None, True, 7_000_000)]
    assert lines["listed"] == [(f"list {listed['list_version']}", None, True, 3_000_000)]
    assert lines["unpriced"] == [("", None, True, None)]


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        (
            ROWS + '[[price]]\nid = "twin"\nprovider = "openai"\nmodel = "gpt-*"\nfrom = 2026-01-01\nprice = {}\n',
            "the prices sim and twin are both of gpt-* at openai from 2026-01-01",
        ),
        ('[[price]]\nid = "x"\nprovider = "opneai"\nmodel = "g"\nfrom = 2026-01-01\nprice = {}\n', "'openai'"),
        ('[[price]]\nid = "x"\nprovider = "openai"\nmodel = "*g*"\nfrom = 2026-01-01\nprice = {}\n', "one *"),
        ('[[price]]\nid = "x"\nprovider = "openai"\nmodel = "g"\nprice = {}\n', "[[price]] needs from"),
    ],
)
async def test_a_faulty_price_is_refused(house: House, rows: str, told: str):
    answer = await apply(house, rows)
    assert answer.status_code == 400
    assert told in answer.json()["error"]["message"]


async def test_a_price_is_exported_as_it_was_declared(house: House):
    await apply(house, ROWS)
    async with house.admin as admin:
        exported = (await admin.get("/api/config", params={"section": "price"})).json()["toml"]
        assert "from = 2026-01-01" in exported
        planned = await admin.post(
            "/api/config/plan", json={"toml": FILE.format(port=house.simulator.port, more=exported)}
        )
        assert [one for one in planned.json()["changes"] if one["section"] == "price"] == []
        entry = {"provider": "openai", "model": "gpt-*", "from": "2026-01-01", "price": {"input": 9.0}}
        twin = await admin.put("/api/entries/price/twin", json={"entry": entry})
        assert twin.status_code == 400
