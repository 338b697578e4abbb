"""The platform engineer adds a model of her own, tests it, puts it to use, and finds out what she may remove."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from headgate.testing.lab import Lab
from headgate.testing.simulator import Script

pytestmark = pytest.mark.browser


def test_an_engineer_adds_a_model_tests_it_and_uses_it_in_chat(page: Page, lab: Lab) -> None:
    address = lab.gate.api.call("GET", "/api/entries/deployment/onprem")["entry"]["base_url"]
    page.goto("/models")
    page.get_by_role("link", name="Add model").click()
    page.get_by_role("link", name="Use a server", exact=True).click()
    page.get_by_label("Name of the deployment").fill("gpu-1")
    page.get_by_label("Address").fill("http://127.0.0.1:9/v1")
    credential = page.get_by_label("Credential")
    credential.fill("sk-a-pasted-secret")
    expect(page.get_by_text("Headgate does not store keys themselves")).to_be_visible()
    assert "sk-a-pasted-secret" not in str(page.evaluate("JSON.stringify(sessionStorage)"))
    credential.fill("")
    model = page.get_by_role("combobox", name="Model")
    model.fill("any")
    page.get_by_label("Address").fill("")
    expect(page.get_by_role("button", name="Test before saving")).to_be_disabled()
    page.get_by_label("Address").fill("http://127.0.0.1:9/v1")
    page.get_by_role("button", name="Test before saving").click()
    expect(page.get_by_role("alert")).to_contain_text("Nothing accepts connections at the address")
    page.get_by_label("Address").fill(address)
    page.get_by_label("Name for people and programs").fill("better")
    page.reload()
    expect(page.get_by_label("Address")).to_have_value(address)
    page.get_by_role("button", name="Ask the provider").click()
    expect(page.get_by_text("models: type to choose one")).to_be_visible()
    model.fill("gpt-sim")
    page.get_by_role("button", name="Test before saving").click()
    expect(page.get_by_text("gpu-1 answers after")).to_be_visible()
    page.get_by_role("button", name="Review").click()
    page.get_by_role("button", name="Add model").click()
    card = page.get_by_role("article", name="better")
    expect(card).to_contain_text("Free")
    expect(card).to_contain_text("Our own machines")
    expect(card).to_contain_text("personal data, health data and payment data too")
    expect(card).to_contain_text("passwords and keys masked in some use cases")  # one use case only observes the rule
    expect(card).to_contain_text("getting-started")
    lab.onprem.answer_always(Script(text="Better than the stand-in."))
    page.get_by_role("link", name="Use it in Chat").click()
    page.get_by_label("Model").select_option("better")
    page.get_by_label("Message").fill("Are you better, ann@example.com?")
    page.get_by_label("Message").press("Enter")
    expect(page.get_by_role("main")).to_contain_text("Better than the stand-in.")
    page.goto("/models")
    expect(page.get_by_role("article", name="better")).to_contain_text("Answered")
    page.get_by_role("link", name="gpu-1").click()
    page.get_by_role("button", name="Remove deployment").click()
    expect(page.get_by_role("dialog")).to_contain_text("still used by alias better")
    lab.gate.api.call("DELETE", "/api/entries/alias/better")
    lab.gate.api.call("DELETE", "/api/entries/deployment/gpu-1")


def test_an_alias_is_ordered_by_the_keyboard(page: Page, lab: Lab) -> None:
    page.goto("/models/alias")
    page.get_by_label("Name").fill("ordered")
    for name in ("cloud-openai", "onprem"):
        page.get_by_label("Add a deployment").select_option(name)
    page.get_by_role("button", name="Move onprem up").press("Enter")
    expect(page.get_by_text("onprem is now number 1 of 2")).to_have_count(1)
    page.get_by_role("button", name="Review").click()
    page.get_by_role("button", name="Add alias").click()
    expect(page.get_by_role("article", name="ordered")).to_be_visible()
    entry = lab.gate.api.call("GET", "/api/entries/alias/ordered")["entry"]
    assert entry["deployments"] == ["onprem", "cloud-openai"]
    page.get_by_role("link", name="Open alias ordered").click()
    page.get_by_role("button", name="Remove alias").click()
    expect(page.get_by_role("dialog")).to_contain_text("Use cases that may call it")
    page.get_by_role("dialog").get_by_role("button", name="Remove alias").click()
    expect(page.get_by_role("article", name="ordered")).to_have_count(0)


def test_a_deployment_of_the_file_shows_its_lines_until_somebody_takes_it_over(page: Page) -> None:
    page.goto("/models/deployment?id=cloud-openai")
    lines = page.get_by_role("region", name="the lines of the file")
    expect(lines).to_contain_text('id = "cloud-openai"')
    expect(page.get_by_label("Address")).to_have_count(0)
    page.get_by_role("button", name="Change it here instead").click()
    expect(page.get_by_label("Credential")).to_have_value(re.compile("^env:"))


def test_an_engineer_adds_a_price_changes_it_and_removes_it(page: Page, lab: Lab) -> None:
    page.goto("/models")
    page.get_by_role("link", name="Prices").click()
    row = page.get_by_role("row", name=re.compile("^cloud-gemini"))
    expect(row).to_contain_text("no price: the cost of its calls is unknown")
    page.get_by_role("button", name="Add price").click()
    form = page.get_by_role("dialog")
    form.get_by_label("Name").fill("contract")
    form.get_by_label("Provider").select_option("gemini")
    form.get_by_label("Models").fill("gemini-*")
    form.get_by_label(re.compile("^From")).fill("2026-01-01")
    form.get_by_label("Input", exact=True).fill("1.25")
    form.get_by_label("Output").fill("10")
    form.get_by_role("button", name="Save price").click()
    expect(row).to_contain_text("2026-01-01")
    expect(row).to_contain_text("$1.25")
    expect(row).to_contain_text("your price contract")
    expect(page.get_by_role("row", name=re.compile("^contract"))).to_contain_text("cloud-gemini")
    page.get_by_role("button", name="Change contract").click()
    form.get_by_label("Input from the cache").fill("0.125")
    form.get_by_role("button", name="Save price").click()
    expect(row).to_contain_text("$0.125")
    stored = lab.gate.api.call("GET", "/api/entries/price/contract")["entry"]
    assert stored["price"] == {"currency": "USD", "input": "1.25", "output": "10", "cache_read": "0.125"}
    page.get_by_role("button", name="Change contract").click()
    form.get_by_role("button", name="Remove price").click()
    form.get_by_role("button", name="Remove it").click()
    expect(row).to_contain_text("no price")
