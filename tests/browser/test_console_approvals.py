"""Approvals in the console: what waits is seen, with what would be sent, and approved or refused with a reason."""

from __future__ import annotations

import re

import httpx2
import pytest
from playwright.sync_api import Page, expect

from headgate.testing.lab import Lab

pytestmark = pytest.mark.browser


def test_a_request_is_approved_after_what_would_be_sent_was_seen(page: Page, lab: Lab) -> None:
    page.goto("/approvals")
    expect(page.get_by_text("No requests wait for a decision")).to_be_visible()
    approval = _asked(lab, "Write to ada@example.org about her claim")
    page.reload()
    expect(page.get_by_role("list", name="Govern").get_by_role("link", name="Approvals")).to_have_text(
        "Approvals1 waiting"
    )
    what = "a call with personal data as pseudonyms to cloud-openai (cloud) for careful"
    title = f"A clerk who may see everything wants to send {what}"
    page.get_by_role("link", name=title).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(title)
    excerpt = page.get_by_label("Excerpt")
    expect(excerpt).to_contain_text("about her claim")
    expect(excerpt).not_to_contain_text("ada@example.org")
    expect(page.get_by_role("region", name="Request", exact=True)).to_contain_text("careful-with-approval")
    expect(page.get_by_role("button", name="Approve once")).to_be_in_viewport()
    technical = page.locator("details", has_text="Technical details")
    technical.get_by_text("Technical details").click()
    expect(technical).to_contain_text(f"http://127.0.0.1:{lab.cloud.port}/v1")
    page.get_by_text("Everything that would be sent").click()
    sent = page.get_by_role("region", name="sent content", exact=True)
    expect(sent).to_contain_text("about her claim")
    expect(sent).not_to_contain_text("ada@example.org")
    page.get_by_label("Reason").fill("Her consent is on file")
    page.get_by_role("button", name="Approve once").click()
    decision = page.get_by_label("Decision")
    expect(decision).to_contain_text("Her consent is on file")
    expect(decision).to_contain_text(f"x-headgate-grant: {approval}")
    expect(page.get_by_role("button", name="Approve once")).to_have_count(0)
    assert _call(lab, "Write to ada@example.org about her claim", grant=approval).status_code == 200
    page.get_by_role("link", name="Approvals").first.click()
    expect(page.get_by_text("No requests wait for a decision")).to_be_visible()
    page.get_by_text("All", exact=True).click()
    expect(page.get_by_role("listitem").filter(has_text="cloud-openai").first).to_contain_text("Done")


def test_a_request_is_refused_by_keyboard_on_a_phone_and_only_with_a_reason(phone: Page, lab: Lab) -> None:
    approval = _asked(lab, "Write about another claim")
    phone.goto(f"/approvals/{approval}")
    expect(phone.get_by_label("Excerpt")).to_contain_text("another claim")
    assert phone.evaluate("document.documentElement.scrollWidth") <= 360
    phone.get_by_label("Reason").focus()
    phone.keyboard.press("Tab")
    expect(phone.get_by_role("button", name="Refuse")).to_be_focused()
    phone.keyboard.press("Enter")
    expect(phone.get_by_label("Reason")).to_be_focused()
    phone.keyboard.type("Not this one")
    phone.keyboard.press("Tab")
    phone.keyboard.press("Enter")
    expect(phone.get_by_label("Decision")).to_contain_text("Not this one")
    expect(phone.get_by_label("Decision")).to_contain_text("Refused")
    answer = _call(lab, "Write about another claim", grant=approval)
    assert (answer.status_code, lab.cloud.requests) == (400, [])


def test_several_requests_are_decided_at_once_with_one_reason_and_the_count_is_seen_on_a_phone(
    page: Page, phone: Page, lab: Lab
) -> None:
    for text in ("Write about a roof", "Write about a car"):
        _asked(lab, text)
    phone.goto("/approvals")
    expect(phone.get_by_role("navigation", name="Groups").get_by_role("button", name="Govern")).to_contain_text("2")
    page.goto("/approvals")
    rows = page.get_by_role("list", name="Requests, newest first")
    for text in ("“Write about a roof”", "“Write about a car”"):
        expect(rows).to_contain_text(text)
    page.get_by_label("Select all 2 that you can decide").check()
    several = page.get_by_role("region", name="Decide several requests")
    several.get_by_label("Reason for 2 requests").fill("Seen together")
    several.get_by_role("button", name="Approve 2 requests").click()
    expect(page.get_by_text("No requests wait for a decision")).to_be_visible()
    decided = lab.gate.api.call("GET", "/api/approvals")["approvals"]
    assert [one["reason"] for one in decided[:2]] == ["Seen together"] * 2


def test_whoever_asked_sees_the_request_but_cannot_decide_it(page: Page, lab: Lab) -> None:
    page.goto("/chat")
    page.get_by_label("Use case").select_option("careful")
    page.get_by_label("Model").select_option("cloud")
    page.get_by_label("Message").fill("Is this fine?")
    page.get_by_role("button", name="Send").click()
    page.get_by_role("link", name="View request").click()
    expect(page.get_by_label("Decision")).to_contain_text("Another person decides")
    expect(page.get_by_role("button", name=re.compile("Approve|Refuse"))).to_have_count(0)


def _call(lab: Lab, text: str, *, grant: str = "") -> httpx2.Response:
    body = {"model": "cloud", "messages": [{"role": "user", "content": text}]}
    with lab.http(lab.careful) as client:
        return client.post("/v1/chat/completions", json=body, headers={"x-headgate-grant": grant} if grant else {})


def _asked(lab: Lab, text: str) -> str:
    """Ask for something that waits; returns the approval's id once what would be sent can be looked at."""
    answer = _call(lab, text)
    lab.record(answer.headers["x-headgate-record"])
    return answer.headers["x-headgate-approval"]
