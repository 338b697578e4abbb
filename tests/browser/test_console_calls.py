"""What people do with calls in the console: make the first one, try the gate, chat, look back, check the proof."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from headgate.testing.lab import Lab
from headgate.testing.simulator import Failure, Script

pytestmark = pytest.mark.browser

CARD = "4111 1111 1111 1111"
MAIL = "ada@example.org"


def call(lab: Lab, key: str, model: str, text: str) -> Any:
    """Make a call as a program does; returns the response."""
    body = {"model": model, "messages": [{"role": "user", "content": text}]}
    with lab.http(key) as client:
        return client.post("/v1/chat/completions", json=body)


def ask(page: Page, text: str, *, model: str, use_case: str) -> None:
    """Ask something on the chat page."""
    page.goto("/chat")
    page.get_by_label("Model").select_option(model)
    page.get_by_label("Use case").select_option(use_case)
    page.get_by_label("Message").fill(text)
    page.get_by_label("Message").press("Enter")


def test_a_newcomer_makes_a_key_and_sees_the_first_call_arrive(page: Page, lab: Lab) -> None:
    page.goto("/start")
    expect(page.get_by_text("Live", exact=True)).to_be_visible()
    page.get_by_role("button", name="Make key").click()
    secret = page.get_by_test_id("secret").inner_text()
    snippet = page.get_by_role("region", name="A call with curl")
    expect(snippet).to_contain_text(f"Bearer {secret}")
    expect(snippet).to_contain_text(f"{lab.openai_url}/chat/completions")
    page.get_by_role("tab", name="Python, anthropic").click()
    expect(page.get_by_role("region", name="A call with Python, anthropic")).to_contain_text(secret)

    assert call(lab, secret, "with-fallback", "Good day").status_code == 200
    arrived = page.get_by_role("link", name="with-fallback → onprem")
    expect(arrived).to_be_visible()
    arrived.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Call a model: with-fallback")


def test_a_security_officer_sees_what_would_leave_and_nothing_is_sent(page: Page, lab: Lab) -> None:
    page.goto("/preview")
    page.get_by_role("button", name="Fill in an example").click()
    page.get_by_label("Model").select_option("hybrid")
    page.get_by_label("Use case").select_option("support")
    page.get_by_role("button", name="Preview text").click()
    marks = page.locator("mark.hg-find", has=page.locator("small"))
    expect(marks).to_have_count(5)
    kinds = {mark.locator("small").inner_text() for mark in marks.all()}
    assert kinds > {"email", "phone", "iban", "payment card"}
    outside = page.get_by_role("region", name="Content for cloud-openai")
    expect(outside).to_contain_text("HGX_EMAIL_")
    expect(outside).not_to_contain_text(CARD)
    expect(page.get_by_role("region", name="Content for onprem")).to_contain_text(CARD)
    assert lab.cloud.requests == lab.onprem.requests == []


def test_the_text_is_cut_at_its_findings_however_many_bytes_come_before(page: Page) -> None:
    page.goto("/preview")
    page.get_by_label("Text to preview").fill(f"👩🏽‍🚀 écrit à {MAIL}, puis attend")
    page.get_by_role("button", name="Preview text").click()
    expect(page.locator("mark.hg-find").first).to_have_text(f"{MAIL}email")


def test_a_chat_streams_and_tells_what_the_gate_did(page: Page, lab: Lab) -> None:
    lab.cloud.answer_always(Script(echo=True))
    ask(page, f"Write to {MAIL} about {CARD}", model="cloud", use_case="support")
    answer = page.locator(".hg-turn[data-role=assistant]")
    expect(answer).to_contain_text(f"Write to {MAIL} about {CARD}")
    expect(answer).to_contain_text("by cloud-openai")
    expect(answer).to_contain_text(re.compile("masked 1 e-mail address, 1 payment card"))
    expect(answer).to_contain_text(re.compile("restored 1 e-mail address, 1 payment card"))
    expect(answer).to_contain_text("12 + 7 tokens")
    assert MAIL not in str(lab.cloud.requests[0].json)
    answer.get_by_role("link", name="Record").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Call a model: cloud")


def test_an_answer_is_stopped_and_the_question_after_it_is_answered(page: Page, lab: Lab) -> None:
    lab.cloud.script(Script(text=("One ", "two ", "three."), stall="stream", stall_after=3))
    ask(page, "Count", model="cloud", use_case="support")
    answers = page.locator(".hg-turn[data-role=assistant]")
    expect(answers.first).to_contain_text("One")
    page.get_by_role("button", name="Stop").click()
    expect(answers.first).to_contain_text("Stopped.")
    page.get_by_label("Message").fill("Once more")
    page.get_by_role("button", name="Send").click()
    expect(answers.nth(1)).to_contain_text("Hello from the simulator.")


def test_a_refusal_says_which_rule_refused_and_where_its_record_is(page: Page, lab: Lab) -> None:
    ask(page, "Good day", model="cloud", use_case="claims")
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("Message refused")
    expect(alert).to_contain_text("This content must stay on our own machines, and cloud runs elsewhere.")
    alert.get_by_text("Details").click()
    expect(alert.get_by_text("refused by lattice.flow")).to_be_visible()
    alert.get_by_role("link", name="View record").click()
    expect(page.get_by_label("Summary")).to_contain_text("Refused")
    assert lab.cloud.requests == []


def test_activity_is_filtered_and_the_filter_can_be_shared(page: Page, lab: Lab) -> None:
    assert call(lab, lab.claims, "cloud", "Good day").status_code == 400
    assert call(lab, lab.clerk, "cloud", "Good day").status_code == 200
    page.goto("/activity")
    rows = (
        page.get_by_role("table", name="Records, newest first").get_by_role("row").filter(has=page.get_by_role("cell"))
    )
    expect(rows.filter(has_text="Done").first).to_be_visible()
    page.keyboard.press("/")
    page.keyboard.type("outcome: refused")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"/activity\?outcome=refused$"))
    expect(rows.filter(has_text="Refused").first).to_be_visible()
    expect(rows.filter(has_text="Done")).to_have_count(0)
    page.reload()
    expect(page.get_by_text("outcome: refused", exact=True)).to_be_visible()
    expect(rows.filter(has_text="Refused").first).to_be_visible()
    expect(rows.filter(has_text="Done")).to_have_count(0)


def test_records_are_followed_live_and_show_what_an_observing_rule_let_pass(page: Page, lab: Lab) -> None:
    page.goto("/activity?verb=model.invoke&roots=false&use_case=watched")
    expect(page.get_by_text("Live", exact=True)).to_be_visible()
    assert call(lab, lab.watched, "claude", f"Write to {MAIL}").status_code == 200
    row = page.get_by_role("row").filter(has_text="claude").first
    expect(row).to_contain_text("Done")
    row.get_by_role("link").click()
    decided = page.get_by_label("Decision")
    expect(decided).to_contain_text("mask-personal-data")
    expect(decided).to_contain_text("observes only")
    expect(page.get_by_role("region", name="Conversation", exact=True)).to_contain_text(MAIL)
    page.get_by_text("Technical details").click()
    expect(page.get_by_role("region", name="sent content", exact=True)).to_contain_text(MAIL)


def test_counting_tokens_costs_nothing_and_a_call_without_a_price_something_unknown(page: Page, lab: Lab) -> None:
    body = {"model": "claude", "messages": [{"role": "user", "content": "Good day"}]}
    with lab.http(lab.watched) as client:
        counted = client.post("/v1/messages/count_tokens", json=body).headers["x-headgate-record"]
    called = call(lab, lab.watched, "claude", "Good day").headers["x-headgate-record"]
    assert lab.record(counted)["record"]["facts"]["cost_micros"] == 0
    assert "cost_micros" not in lab.record(called)["record"]["facts"]
    page.goto("/activity?use_case=watched&verb=model.invoke")
    for record, cost in ((counted, "nothing"), (called, "unknown")):
        row = page.get_by_role("row").filter(has=page.locator(f'a[href="/records/{record}"]'))
        expect(row.get_by_role("cell", name=cost, exact=True)).to_be_visible()
    page.goto(f"/records/{counted}")
    expect(page.get_by_label("Summary")).to_contain_text(re.compile("Cost ?nothing"))


def test_older_records_come_by_scrolling_and_newer_ones_stay_above(page: Page, lab: Lab) -> None:
    last = ""
    for _ in range(52):
        last = call(lab, lab.claims, "onprem", "Good day").headers["x-headgate-record"]
    lab.record(last)
    page.goto("/activity?use_case=claims&verb=model.invoke")
    rows = page.get_by_role("row").locator('a[href^="/records/"]')
    expect(rows.first).to_have_attribute("href", f"/records/{last}")
    page.get_by_role("button", name="Load older records").scroll_into_view_if_needed()
    expect(rows.nth(51)).to_be_attached()
    expect(rows.first).to_have_attribute("href", f"/records/{last}")


def test_a_record_is_proved_in_the_browser_and_a_changed_copy_fails_at_its_path(page: Page, lab: Lab) -> None:
    answered = call(lab, lab.clerk, "cloud", f"Write to {MAIL}")
    found = lab.record(answered.headers["x-headgate-record"], logged=True)
    page.goto(f"/records/{found['record']['id']}")
    page.get_by_text(re.compile("^Entry [0-9,]+ of the log: verify$")).click()
    proof = page.get_by_label("Proof", exact=True)
    expect(proof.get_by_role("status", name="Result")).to_contain_text("This record is in the log, unchanged since")
    with page.expect_download() as file:
        proof.get_by_role("button", name="Download proof").click()
    assert file.value.suggested_filename == f"headgate-proof-{found['record']['id']}.json"
    page.get_by_text("Check it independently of this server").click()
    page.get_by_label("The log's verifier key").fill(lab.gate.api.call("GET", "/api/ledger")["vkey"])
    checked = proof.get_by_role("status").last
    expect(checked).to_contain_text("Verified")
    expect(proof.locator("[data-step][data-state=good]")).to_have_count(6)

    page.get_by_role("button", name="Tamper with a copy").click()
    expect(checked).to_contain_text("Does not verify")
    expect(proof.locator("[data-state=bad]")).to_have_attribute("data-step", "path")
    expect(proof.get_by_text("changed", exact=True)).to_be_visible()
    page.get_by_role("button", name="Restore").click()
    expect(checked).to_contain_text("Verified")


def test_each_attempt_of_a_call_is_drawn_with_how_it_ended(page: Page, lab: Lab) -> None:
    lab.cloud.script(Script(failure=Failure(500)))
    answered = call(lab, lab.clerk, "with-fallback", "Good day")
    record = answered.headers["x-headgate-record"]
    assert len(lab.record(record)["children"]) == 2
    page.goto(f"/records/{record}")
    timeline = page.get_by_label("Timing and attempts")
    expect(timeline.get_by_role("listitem")).to_have_count(3)
    expect(timeline.get_by_role("link", name="Send a call to a deployment: onprem")).to_be_visible()
    expect(page.get_by_label("Summary")).to_contain_text("with-fallback → onprem")
    stops = page.get_by_role("list", name="Route of with-fallback").get_by_role("listitem")
    expect(stops.nth(1)).to_contain_text("Failed")
    expect(stops.nth(2)).to_contain_text("onpremAnswered")


def test_content_that_a_reader_is_not_cleared_for_is_said_to_be_withheld(
    stranger: Page, lab: Lab, sign_in_link: Callable[..., str]
) -> None:
    answered = call(lab, lab.clerk, "onprem", f"Write to {MAIL} about her claim")
    found = lab.record(answered.headers["x-headgate-record"], logged=True)
    ida = {"roles": ["auditor"], "confidentiality": "internal", "categories": ["pii_pseudonymous"]}
    lab.gate.api.call("PUT", "/api/entries/person/ida", {"entry": ida})
    stranger.goto(sign_in_link("ida"))
    expect(stranger.get_by_text("ida · auditor")).to_be_visible()
    stranger.goto(f"/records/{found['record']['id']}")
    said = stranger.get_by_role("region", name="Conversation", exact=True)
    expect(said).to_contain_text("Sent content is withheld from you: not cleared for pii")
    stranger.get_by_text("Technical details").click()
    expect(stranger.get_by_role("group").filter(has_text="Input labels")).to_contain_text("personal data")
    stranger.get_by_text(re.compile("^Entry [0-9,]+ of the log: verify$")).click()
    proof = stranger.get_by_role("region", name="Proof")
    expect(proof.get_by_role("status", name="Result")).to_contain_text("This record is in the log")
    assert MAIL not in stranger.content()
