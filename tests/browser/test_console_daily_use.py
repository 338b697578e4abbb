"""What people rely on every day: nothing typed is lost, nobody is shown what they cannot use, refusals say why."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from headgate.testing.lab import Lab
from headgate.testing.simulator import Script

pytestmark = pytest.mark.browser


def is_at_end(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollHeight - window.innerHeight - window.scrollY < 80"))


def test_a_long_answer_is_followed_until_its_reader_scrolls_up(page: Page, lab: Lab) -> None:
    lines = tuple(f"line {number}\n\n" for number in range(120))
    lab.cloud.answer_always(Script(text=lines))
    page.goto("/chat")
    page.get_by_label("Model").select_option("cloud")
    page.get_by_label("Use case").select_option("support")
    page.get_by_label("Message").fill("Count")
    page.get_by_label("Message").press("Enter")
    expect(page.locator(".hg-turn").last).to_contain_text("line 119")
    expect(page.get_by_role("link", name="Record")).to_be_in_viewport()
    assert is_at_end(page)
    page.mouse.wheel(0, -600)
    back = page.get_by_role("button", name="Go to the end")
    expect(back).to_be_visible()
    assert not is_at_end(page)
    back.click()
    expect(page.get_by_role("link", name="Record")).to_be_in_viewport()
    expect(back).to_have_count(0)


def test_a_secret_that_is_shown_once_is_closed_by_its_button_only(page: Page) -> None:
    page.goto("/keys")
    page.get_by_role("button", name="Make key").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").fill("kept in view")
    dialog.get_by_role("button", name="Make key").click()
    secret = dialog.get_by_role("region", name="the secret")
    expect(secret).to_be_visible()
    page.keyboard.press("Escape")
    page.mouse.click(5, 5)
    expect(secret).to_be_visible()
    dialog.get_by_role("button", name="Done").click()
    expect(dialog).to_have_count(0)


def test_what_is_typed_survives_an_outside_click_escape_and_a_reload(page: Page) -> None:
    page.goto("/use-cases")
    page.get_by_role("button", name="Register use case").click()
    form = page.get_by_role("dialog")
    form.get_by_label("Purpose").fill("Typed with care")
    page.mouse.click(5, 5)
    expect(form.get_by_label("Purpose")).to_have_value("Typed with care")
    page.keyboard.press("Escape")
    expect(form).to_have_count(0)
    page.reload()
    page.get_by_role("button", name="Register use case").click()
    expect(form.get_by_label("Purpose")).to_have_value("Typed with care")
    form.get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="Register use case").click()
    expect(form.get_by_label("Purpose")).to_have_value("")


def test_the_last_day_of_a_use_case_is_the_day_that_was_chosen(page: Page, lab: Lab) -> None:
    entry = {"owner": "Ada", "purpose": "Ends with the year", "expires": "2031-12-31"}
    lab.gate.api.call("PUT", "/api/entries/use_case/ends-with-the-year", {"entry": entry})
    page.goto("/use-cases")
    row = page.get_by_role("row").filter(has_text="Ends with the year")
    expect(row).to_contain_text("until 2031-12-31")
    row.get_by_role("link").click()
    for _ in range(2):  # reading it into a form and saving it moves nothing
        page.get_by_role("button", name="Change use case").click()
        expect(page.get_by_role("dialog").get_by_label("Expires after")).to_have_value("2031-12-31")
        page.get_by_role("dialog").get_by_role("button", name="Save").click()
        expect(page.get_by_role("dialog")).to_have_count(0)
    kept = lab.gate.api.call("GET", "/api/entries/use_case/ends-with-the-year")["entry"]
    assert kept["expires"] == "2031-12-31"


_USE = ["Home", "Chat", "Knowledge", "Questions", "Preview", "My usage", "Quick start"]
_PLACES = [*_USE, "Use cases", "Approvals", "Models"]


@pytest.mark.parametrize(
    ("person", "pages"),
    [
        ("clerk", _PLACES),
        ("grace", _PLACES),
    ],
)
def test_a_person_sees_only_the_places_that_their_role_opens(
    stranger: Page, sign_in_link: Callable[..., str], person: str, pages: list[str]
) -> None:
    stranger.goto(sign_in_link(person))
    expect(stranger.get_by_role("heading", level=1)).to_have_text(re.compile("^(My usage|Chat)$"))
    places = stranger.get_by_role("navigation", name="Pages").get_by_role("link")
    assert [text.partition("\n")[0] for text in places.all_inner_texts()] == pages
    expect(stranger.get_by_role("list", name="Administer").get_by_role("link")).to_have_text(["Models"])
    expect(stranger.get_by_role("button", name="Make key")).to_have_count(0)
    stranger.goto("/keys")
    refusal = "Your role does not allow this.Ask an administrator for a role that opens Keys."
    expect(stranger.get_by_role("main")).to_contain_text(refusal)


def test_the_command_palette_finds_pages_and_things_that_the_person_may_open(
    page: Page, stranger: Page, sign_in_link: Callable[..., str]
) -> None:
    page.goto("/activity")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    page.keyboard.press("Control+k")
    search = page.get_by_role("combobox", name="Search")
    for typed, group, title in (
        ("conf", "Pages", "Configuration"),
        ("clai", "Use cases", "claims"),
        ("clerk's for cl", "Keys", "clerk's for claims"),
        ("olga", "People", "Olga, who administers too"),
        ("with-fall", "Models", "with-fallback"),
    ):
        search.fill(typed)
        expect(page.get_by_role("group", name=group).get_by_role("option", name=title)).to_be_visible()
    search.fill("claims")
    expect(page.get_by_role("group", name="Use cases").get_by_role("option")).to_have_count(1)
    while "Use cases" not in (page.locator("[role=group]:has([aria-selected=true])").get_attribute("aria-label") or ""):
        search.press("ArrowDown")
    search.press("Enter")
    page.wait_for_url("**/use-cases/claims")
    expect(search).to_have_count(0)

    stranger.goto(sign_in_link("clerk"))
    expect(stranger.get_by_role("heading", level=1)).to_have_text("Chat")
    stranger.get_by_role("button", name="Search").click()
    stranger.get_by_role("combobox", name="Search").fill("cl")
    expect(stranger.get_by_role("group", name="Models").get_by_role("option", name="hybrid")).to_be_visible()
    for hidden in ("Keys", "People"):
        expect(stranger.get_by_role("group", name=hidden)).to_have_count(0)


def test_an_auditor_reads_rules_and_keys_and_is_offered_no_change(
    stranger: Page, sign_in_link: Callable[..., str], lab: Lab
) -> None:
    lab.gate.api.call("PUT", "/api/entries/person/iris", {"entry": {"name": "Iris", "roles": ["auditor"]}})
    stranger.goto(sign_in_link("iris"))
    expect(stranger.get_by_role("heading", level=1)).to_have_text(re.compile("Start|Overview"))
    stranger.goto("/rules")
    expect(stranger.get_by_text("mask-personal-data", exact=True)).to_be_visible()
    expect(stranger.get_by_role("switch")).to_have_count(0)
    expect(stranger.get_by_role("button", name=re.compile("Write|Take back"))).to_have_count(0)
    stranger.goto("/use-cases")
    expect(stranger.get_by_role("row").nth(1)).to_be_visible()
    expect(stranger.get_by_role("button", name=re.compile("Register|Change|Remove"))).to_have_count(0)
    stranger.goto("/keys")
    expect(stranger.get_by_role("row").nth(1)).to_be_visible()
    expect(stranger.get_by_role("button", name=re.compile("Make|Revoke"))).to_have_count(0)


def test_the_record_of_a_refused_call_says_why_in_a_sentence(page: Page, lab: Lab) -> None:
    body = {"model": "cloud", "messages": [{"role": "user", "content": "Good day"}]}
    with lab.http(lab.claims) as client:
        record = client.post("/v1/chat/completions", json=body).headers["x-headgate-record"]
    lab.record(record, logged=True)
    page.goto(f"/records/{record}")
    happened = page.get_by_label("Summary")
    expect(happened).to_contain_text(
        "No deployment of cloud may answer this: cloud-openai: the content may not go there"
    )
    expect(happened).not_to_contain_text("No reason")
    decided = page.get_by_label("Decision")
    expect(decided).to_contain_text("Refused")
    expect(decided).not_to_contain_text("Allowed")
