"""The platform engineer's morning: what happened, what it cost, and the way to the calls behind a figure."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from headgate.testing.lab import Lab
from headgate.testing.simulator import Failure, Script

pytestmark = pytest.mark.browser


def call(lab: Lab, key: str, model: str, *scripts: Script) -> int:
    lab.cloud.script(*scripts)
    with lab.http(key) as client:
        body = {"model": model, "messages": [{"role": "user", "content": "Write to ada@example.org"}]}
        return client.post("/v1/chat/completions", json=body).status_code


def test_each_bar_leads_to_the_records_that_it_counts(lab: Lab, page: Page) -> None:
    assert call(lab, lab.clerk, "unreliable", Script(failure=Failure(500))) == 502
    assert call(lab, lab.claims, "cloud") == 400
    lab.cloud.script(Script(failure=Failure(500)))
    for deployment in ("cloud-openai", "onprem"):
        lab.gate.api.call("POST", "/api/models/test", {"deployment": deployment})
    page.goto("/?span=1h")
    bars: dict[str, tuple[str, int]] = {}
    for title in ("Reasons of refusals and failures", "Use cases by spend", "Models by spend"):
        found = page.get_by_label(title, exact=True).get_by_role("link")
        expect(found.first).to_be_visible()
        for link in found.all():
            text = link.inner_text()
            count = re.search(r"(\d+) calls?", text) or re.search(r"(\d+)$", text)
            assert count, text
            bars[text] = (str(link.get_attribute("href")), int(count[1]))
    assert any("use_case=administration" in href for href, _ in bars.values())
    assert any("deployment:onprem" in text for text in bars)
    assert any("lattice.flow" in href for href, _ in bars.values())
    assert any("error=upstream_error" in href for href, _ in bars.values())
    rows = page.get_by_role("table", name="Records, newest first").get_by_role("row")
    for href, count in bars.values():
        page.goto(href)
        expect(rows.filter(has=page.get_by_role("cell"))).to_have_count(min(count, 50))


def test_an_administrator_adds_a_budget_sees_it_used_and_removes_it(lab: Lab, page: Page) -> None:
    page.goto("/budgets")
    page.get_by_role("button", name="Add budget").click()
    page.get_by_role("textbox", name="Name").fill("support-team")
    page.get_by_role("combobox", name="For").select_option("use_case")
    page.get_by_role("combobox", name="Use case").select_option("support")
    page.get_by_role("combobox", name="Counts").select_option("requests")
    page.get_by_role("textbox", name="Limit").fill("1")
    page.get_by_role("combobox", name="Counts").select_option("money")
    page.get_by_role("button", name="Save budget").click()
    # It warns of models without a price, and a second click saves the budget nevertheless.
    expect(page.get_by_role("status").filter(has_text="refuses calls of")).to_contain_text("no price in USD is known")
    expect(page.get_by_role("button", name="Save budget anyway")).to_be_visible()
    page.get_by_role("combobox", name="Counts").select_option("requests")
    page.get_by_role("button", name="Save budget").click()
    budget = page.get_by_role("listitem", name="support-team")
    expect(budget).to_contain_text("0 of 1 request used this month")
    assert [call(lab, lab.clerk, "cloud", Script()) for _ in range(2)] == [200, 429]
    expect(budget).to_contain_text("1 of 1 request used this month")
    page.get_by_role("button", name="Change support-team").click()
    page.get_by_role("button", name="Remove budget").click()
    page.get_by_role("button", name="Remove it").click()
    expect(page.get_by_text("There are no budgets yet")).to_be_visible()


def test_an_engineer_sees_what_happened_and_gets_to_the_calls(lab: Lab, page: Page, tmp_path: Path) -> None:
    assert call(lab, lab.clerk, "cloud", Script()) == 200
    assert call(lab, lab.clerk, "unreliable", Script(failure=Failure(500))) == 502

    # There is traffic, so the first page is an overview: figures, charts, and reasons in words.
    page.goto("/?span=1h")
    expect(page.get_by_role("heading", level=1)).to_have_text("Overview")
    expect(page.get_by_label("Use cases by spend").get_by_role("link", name="support")).to_be_visible()
    expect(page.get_by_text("The provider failed")).to_be_visible()
    expect(page.get_by_role("img", name="Calls over time")).to_be_visible()
    figures = page.get_by_label("Figures")
    assert "Errors" in figures.inner_text()

    # The values behind the chart are a table, with a link from each step to its calls.
    page.get_by_role("button", name="Show as table: Calls over time").click()
    table = page.get_by_role("region", name="Calls over time").get_by_role("table")
    busy = table.get_by_role("row").filter(has=page.get_by_role("cell", name=re.compile("^[1-9]"))).first
    expect(busy).to_be_visible()
    page.get_by_role("button", name="Show as chart: Calls over time").click()

    # Dragging over the chart chooses a shorter period, and the address keeps it.
    box = page.get_by_role("img", name="Calls over time").locator(".u-over").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] - 2, box["y"] + 60, steps=5)
    page.mouse.up()
    page.wait_for_url("**since=*")
    expect(page.get_by_text("Choose a figure, a bar or a point")).to_be_visible()

    # A figure leads to the calls behind it.
    figures.get_by_role("link", name="Refused").click()
    page.wait_for_url("**/activity?*outcome=refused*")
    page.go_back()
    page.get_by_role("link", name="Usage and cost").click()
    page.get_by_label("Group by").select_option("Model")
    row = page.get_by_role("region", name="Usage by model").get_by_role("row").filter(has_text="unreliable")
    expect(row).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("button", name="as CSV").click()
    download.value.save_as(tmp_path / "usage.csv")
    lines = list(csv.DictReader((tmp_path / "usage.csv").read_text().splitlines()))
    assert {"cloud", "unreliable"} <= {line["model"] for line in lines}
    row.get_by_role("button", name="Only this: unreliable").click()
    page.wait_for_url("**model=unreliable*")
    expect(page.get_by_role("region", name="Usage by model").get_by_role("row")).to_have_count(2)

    # The quick start is still there.
    page.get_by_role("link", name="Quick start").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Start")


def test_a_clerk_sees_her_own_usage_and_nobody_elses(
    lab: Lab, stranger: Page, sign_in_link: Callable[..., str]
) -> None:
    assert call(lab, lab.clerk, "cloud", Script()) == 200
    stranger.goto(sign_in_link("clerk"))
    expect(stranger.get_by_role("heading", level=1)).to_have_text(re.compile("^(My usage|Chat)$"))
    stranger.goto("/my-usage")
    expect(stranger.get_by_label("Your models by spend").get_by_text("cloud")).to_be_visible()
    expect(stranger.get_by_role("cell", name="clerk's", exact=True)).to_be_visible()
    expect(stranger.get_by_role("list", name="Use cases").get_by_text("getting-started")).to_be_visible()
    stranger.goto("/usage")
    expect(stranger.get_by_text("Your role does not allow this.")).to_be_visible()
