"""No page breaks a rule of axe, which checks WCAG 2.2: in light, in dark and on a phone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import pytest
from playwright.sync_api import Page, expect

from headgate.testing.lab import Lab

pytestmark = pytest.mark.browser

PAGES = (
    "/",
    "/start",
    "/usage",
    "/my-usage",
    "/preview",
    "/chat",
    "/knowledge",
    "/knowledge/questions",
    "/knowledge/access?person=clerk",
    "/activity",
    "/approvals",
    "/models",
    "/models/prices",
    "/models/alias?id=cloud",
    "/models/deployment?id=cloud-openai",
    "/better-model",
    "/use-cases",
    "/use-cases/support",
    "/rules",
    "/notifications",
    "/keys",
    "/people",
    "/people/clerk",
    "/account",
    "/configuration",
)

IS_RED = """
(button) => {
  const [red, green, blue] = getComputedStyle(button).color.match(/[0-9.]+/g).map(Number);
  return red > 1.3 * green && red > 1.3 * blue;
}
"""


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 1280), ("light", 390)])
def test_no_page_breaks_a_rule_of_accessibility(
    page: Page,
    lab: Lab,
    violations: Callable[[Page], list[str]],
    scheme: Literal["light", "dark"],
    width: int,
) -> None:
    body = {"model": "cloud", "messages": [{"role": "user", "content": "Write to ada@example.org"}]}
    with lab.http() as client:
        record = client.post("/v1/chat/completions", json=body).headers["x-headgate-record"]
    found = lab.record(record, logged=True)
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 860})
    asked = {**body, "messages": [{"role": "user", "content": f"Look at this in {scheme} at {width}"}]}
    with lab.http(lab.careful) as client:
        approval = client.post("/v1/chat/completions", json=asked).headers["x-headgate-approval"]
    for path in [*PAGES, "/sign-in", f"/records/{found['record']['id']}", f"/approvals/{approval}"]:
        page.goto(path)
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        expect(page.get_by_role("status", name="Loading")).to_have_count(0)
        if path == "/preview":
            page.get_by_role("button", name="Fill in an example").click()
            page.get_by_role("button", name="Preview text").click()
            expect(page.locator("mark.hg-find").first).to_be_visible()
        if path == "/chat":
            page.get_by_label("Model").select_option("cloud")
            page.get_by_label("Use case").select_option("careful")
            page.get_by_label("Message").fill(f"Look at this in {scheme} at {width} too")
            page.get_by_label("Message").press("Enter")
            expect(page.get_by_text("for a decision")).to_be_visible()
        if path == "/keys":
            revoke = page.get_by_role("button", name="Revoke").first
            revoke.hover()
            assert revoke.evaluate(IS_RED), scheme
            assert violations(page) == [], "under the pointer"
            revoke.click()
            expect(page.get_by_role("dialog").get_by_role("button", name="Revoke")).to_be_visible()
        assert violations(page) == [], path
    page.goto("/")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    page.keyboard.press("Control+k")
    page.get_by_role("combobox", name="Search").fill("support")
    expect(page.get_by_role("option", name="support", exact=False).first).to_be_visible()
    assert violations(page) == [], "the command palette"
