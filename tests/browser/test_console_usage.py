"""The platform engineer's morning: what happened, what it cost, and the way to the calls behind a figure."""

from __future__ import annotations

import csv
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
    busy = table.get_by_role("row").filter(has=page.get_by_role("cell", name="1", exact=True)).first
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
    row.get_by_role("button", name="Only unreliable").click()
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
    expect(stranger.get_by_role("heading", level=1)).to_have_text("My usage")
    expect(stranger.get_by_label("Your models by spend").get_by_text("cloud")).to_be_visible()
    expect(stranger.get_by_role("cell", name="clerk's", exact=True)).to_be_visible()
    expect(stranger.get_by_role("list", name="Use cases").get_by_text("getting-started")).to_be_visible()
    stranger.goto("/usage")
    expect(stranger.get_by_text("Your role does not allow this.")).to_be_visible()
