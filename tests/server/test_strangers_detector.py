"""A detector with a category of its own is a stranger's file: found, labelled, masked and restored by its manifest."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from typing import cast

import pytest
import pytest_asyncio

from headgate.kernel.detection import Detector
from headgate.kernel.extensions import load
from headgate.testing.extensions import check_detector
from headgate.testing.house import House
from headgate.testing.simulator import Script

TOML = """
[[network]]
id = "loopback"
allow = ["127.0.0.0/8"]

[[use_case]]
id = "staff"
owner = "anna@example.org"
purpose = "Answer questions of staff"

[[deployment]]
id = "cloud"
provider = "openai"
model = "gpt-sim"
base_url = "http://127.0.0.1:{port}/v1"
network = "loopback"
clearance = {{ level = "internal" }}

[[alias]]
id = "smart"
deployments = ["cloud"]
"""
RULE = """
[[policy]]
id = "hide-staff"
text = '''@id("hide-staff") @reason("staff numbers stay here") @duty("mask") @categories("hr,hr_site")
permit (principal, action == Headgate::Action::"model.dispatch", resource)
when { resource.custody != "organisation" && context.labels.categories.containsAny(["hr", "hr_site"]) };'''
"""
TEXT = "E-123456 forgot DOOR-4711"


@pytest_asyncio.fixture
async def house(strangers_house: House) -> AsyncGenerator[House]:
    """The application with the stranger's detector, and a model in the cloud."""
    await declare(strangers_house)
    yield strangers_house


async def declare(house: House, *more: str) -> None:
    toml = "".join((TOML.format(port=house.simulator.port), *more))
    async with house.admin as client:
        answer = await client.post("/api/config/apply", json={"toml": toml})
    assert answer.status_code == 200, answer.text
    await house.worker.refresh()


def test_what_the_stranger_wrote_keeps_the_contract(installed: None) -> None:
    check_detector(cast("Detector", load("detectors")["acme_staff"]))


@pytest.mark.parametrize("stream", [False, True])
async def test_values_of_a_new_category_are_masked_by_a_rule_and_restored_as_the_manifest_says(
    house: House, stream: bool
) -> None:
    await declare(house, RULE)
    house.simulator.default = Script(echo=True, chunk_chars=4)
    body = {"model": "smart", "stream": stream, "messages": [{"role": "user", "content": TEXT}]}
    async with house.client(await house.register("clerk@example.org", use_case="staff", by="boss")) as client:
        answer = await client.post("/v1/chat/completions", json=body)
    assert answer.status_code == 200, answer.text
    sent = house.simulator.requests[0].body.decode()
    assert re.search(r"HGX_EMPLOYEE_[A-Z]{15} forgot HGX_DOORCODE_[A-Z]{15}", sent)
    assert "E-123456" not in sent and "4711" not in sent
    said = "".join(re.findall(r'"content":"([^"]*)"', answer.text))
    assert re.fullmatch(r"E-123456 forgot HGX_DOORCODE_[A-Z]{15}", said), "the door code is masked for good"
    (call,) = [one for one in await house.records() if one["verb"] == "model.invoke"]
    assert "hr" in str(call["labels"]) and "hr_site" in str(call["labels"])
    async with house.admin as client:
        facts = (await client.get(f"/api/records/{call['id']}")).json()["record"]["facts"]
    assert {name: int(facts[name]) for name in facts if name.startswith(("masked.", "restored.", "withheld."))} == {
        "masked.employee_number": 1,
        "masked.door_code": 1,
        "restored.employee_number": 1,
        "withheld.door_code": 1,
    }


async def test_without_a_rule_a_new_category_goes_nowhere_that_is_not_cleared_for_it(house: House) -> None:
    body = {"model": "smart", "messages": [{"role": "user", "content": TEXT}]}
    async with house.client(await house.register("clerk@example.org", use_case="staff", by="boss")) as client:
        answer = await client.post("/v1/chat/completions", json=body)
    assert answer.status_code == 400
    assert "not cleared for hr, hr_site" in answer.json()["error"]["message"]
    assert not house.simulator.requests
