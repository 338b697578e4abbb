"""A chat message that waits for a person: followed where it was asked, and sent from there once it is approved."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, Request, expect

from headgate.testing.lab import Lab
from headgate.testing.simulator import Script

pytestmark = pytest.mark.browser

ASKED = "Write to ada@example.org about her claim"


@pytest.fixture
def grace(open_context: Callable[[int], BrowserContext], sign_in_link: Callable[..., str]) -> Page:
    """A page of somebody else, who may approve and nothing else, in a browser of her own."""
    page = open_context(1280).new_page()
    page.goto(sign_in_link("grace"))
    expect(page.get_by_text("Grace, who approves · approver")).to_be_visible()
    return page


def test_a_message_is_sent_as_it_was_once_somebody_else_approved_it(page: Page, grace: Page, lab: Lab) -> None:
    lab.cloud.answer_always(Script(echo=True))
    sent: list[Request] = []
    page.on("request", lambda request: sent.append(request) if request.url.endswith("/answers") else None)
    line = _ask(page, ASKED)
    state = line.get_by_role("status")
    expect(state).to_contain_text("Waiting for a decision")
    expect(line).to_contain_text("Somebody looks at what leaves our machines before it does.")
    expect(page.get_by_role("button", name="Send now")).to_have_count(0)
    assert lab.cloud.requests == []
    _ask(page, "And something else meanwhile", use_case="support")
    expect(page.locator(".hg-turn[data-role=assistant]").nth(1)).to_contain_text("And something else meanwhile")
    lab.reset()
    lab.cloud.answer_always(Script(echo=True))

    _decide(grace, "Approve once", reason="Her consent is on file")
    expect(state).to_contain_text("Approved by Grace, who approves: “Her consent is on file”")
    page.get_by_role("button", name="Send now").focus()
    page.keyboard.press("Enter")
    answer = page.locator(".hg-turn[data-role=assistant]").first
    expect(answer).to_contain_text(ASKED)
    expect(answer).to_contain_text("by cloud-openai")
    expect(answer).to_be_focused()
    expect(page.get_by_role("status").filter(has_text=f"Answer: {ASKED}")).to_have_count(1)
    expect(line).to_have_count(0)
    (received,) = lab.cloud.requests
    assert received.json["messages"][0]["content"] != ASKED, "masked, as whoever approved it has seen"
    first, _, again = sent
    assert again.post_data == first.post_data
    assert (first.headers.get("x-headgate-grant"), bool(again.headers["x-headgate-grant"])) == (None, True)


def test_a_compared_model_that_needs_approval_stands_beside_the_other_and_is_sent_later(
    page: Page, grace: Page, lab: Lab
) -> None:
    for provider in (lab.cloud, lab.onprem):
        provider.answer_always(Script(echo=True))
    page.goto("/chat")
    page.get_by_label("Use case").select_option("careful")
    page.get_by_label("Model").select_option("cloud")
    page.get_by_role("button", name="Options").click()
    page.get_by_role("menuitem", name="Compare with onprem").click()
    line = _ask(page, "Which roof is better?")
    answers = page.locator(".hg-turn[data-role=assistant]")
    for _ in range(2):
        expect(line).to_contain_text("Waiting for a decision")
        expect(answers).to_have_count(2)
        expect(answers.nth(1)).to_contain_text("Answered by onprem")
        page.reload()
    _decide(grace, "Approve once", reason="Fine")
    page.get_by_role("button", name="Send now").click()
    expect(answers.first).to_contain_text("Answered by cloud-openai")
    expect(answers.nth(1)).to_contain_text("Answered by onprem")
    page.get_by_role("button", name="New chat").click()
    page.get_by_label("Message").fill("Only one of you")
    page.get_by_label("Message").press("Enter")
    expect(answers).to_have_count(1)
    expect(answers).to_contain_text("needs approval")


def test_whoever_may_not_read_records_finds_the_id_of_theirs_among_the_details(grace: Page, lab: Lab) -> None:
    _ask(grace, "Say hello", use_case="getting-started", alias="onprem")
    answer = grace.locator(".hg-turn[data-role=assistant]").first
    record = answer.get_by_text(re.compile("^[0-9A-Z]{26}$"))
    expect(answer).to_contain_text("by onprem")
    expect(record).to_be_hidden()
    answer.get_by_text("Answered by").click()
    expect(record).to_be_visible()
    expect(answer.get_by_role("link")).to_have_count(0)


def test_a_refusal_is_told_with_its_reason_and_its_ways_on_work(phone: Page, grace: Page, lab: Lab) -> None:
    lab.onprem.answer_always(Script(echo=True))
    line = _ask(phone, "Tell them everything")
    expect(line.get_by_role("status")).to_contain_text("Waiting for a decision")
    _decide(grace, "Refuse", reason="Not this one")
    expect(line.get_by_role("alert")).to_have_text("Grace, who approves refused this message: Not this one")
    expect(line.get_by_text("careful-with-approval").first).to_be_hidden()
    expect(line.get_by_role("button", name="Ask for approval to use claude")).to_be_visible()
    assert phone.evaluate("document.documentElement.scrollWidth") <= 360
    line.get_by_role("button", name="Answer with onprem on our machines").click()
    expect(phone.locator(".hg-turn[data-role=assistant]")).to_contain_text("Tell them everything")
    assert lab.cloud.requests == []


def test_a_conversation_stays_while_its_person_looks_at_the_request(page: Page, grace: Page, lab: Lab) -> None:
    line = _ask(page, "Is it still there?")
    line.get_by_role("link", name="View request").click()
    expect(page.get_by_label("Decision")).to_contain_text("Another person decides")
    _decide(grace, "Approve once", reason="Fine")
    page.get_by_role("link", name="Chat", exact=True).click()
    page.get_by_role("button", name="Send now").click()
    expect(page.locator(".hg-turn[data-role=assistant]")).to_contain_text("Hello from the simulator.")
    assert len(lab.cloud.requests) == 1


def test_an_answer_that_breaks_off_says_so_and_the_page_goes_on(page: Page, lab: Lab) -> None:
    lab.cloud.script(Script(text="many words " * 20, cut="rst", cut_after=5))
    _ask(page, "Count", use_case="support")
    answer = page.locator(".hg-turn[data-role=assistant]")
    expect(answer.get_by_role("alert")).to_contain_text("Incomplete answer")
    expect(answer).to_contain_text("many words")
    answer.get_by_text("Details").click()
    answer.get_by_role("link", name="View record").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Call a model: cloud")
    page.get_by_role("link", name="Open in chat").click()
    expect(answer).to_contain_text("many words")


def _ask(page: Page, text: str, *, use_case: str = "careful", alias: str = "cloud") -> Locator:
    """Say something in the chat, and return what stands under the message where it was stopped."""
    if "/chat" not in page.url:
        page.goto("/chat")
    page.get_by_label("Model").select_option(alias)
    page.get_by_label("Use case").select_option(use_case)
    page.get_by_label("Message").fill(text)
    page.get_by_label("Message").press("Enter")
    return page.locator(".hg-turn .hg-failure", has=page.get_by_role("status"))


def _decide(page: Page, what: str, *, reason: str) -> None:
    page.goto("/approvals")
    page.get_by_role("link", name="wants to send a call").first.click()
    page.get_by_label("Reason").fill(reason)
    page.get_by_role("button", name=what).click()
    expect(page.get_by_label("Decision")).to_contain_text(reason)
