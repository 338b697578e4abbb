"""People in the console: invited by an administrator, at home in their own account, and out when their session ends."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from headgate.testing.lab import Lab

pytestmark = pytest.mark.browser


def test_somebody_is_invited_makes_a_key_and_is_signed_out(
    page: Page, open_context: Callable[[int], BrowserContext], sign_in_link: Callable[..., str], lab: Lab
) -> None:
    page.goto("/people")
    page.get_by_role("button", name="Invite person").click()
    form = page.get_by_role("dialog")
    form.get_by_role("textbox", name="Id").fill("tom@example.com")
    form.get_by_role("textbox", name="Name").fill("Tom Ray")
    form.get_by_role("combobox", name="Use cases").click(force=True)
    page.get_by_role("listbox", name="Use cases").get_by_role("option", name="watched").click()
    page.keyboard.press("Tab")
    expect(form.get_by_label("May see content up to")).to_have_value("internal")
    expect(form).to_contain_text(
        "Up to internal content, with personal data, payment data and secrets only as placeholders."
    )
    form.get_by_role("button", name="Invite person").click()
    link = form.get_by_role("region", name="the sign-in link").inner_text()
    form.get_by_role("button", name="Done").click()
    expect(page.get_by_role("row").filter(has_text="tom@example.com")).to_contain_text("Tom Ray")
    stored = lab.gate.api.call("GET", "/api/people/tom@example.com")
    assert (stored["confidentiality"], "pii" in stored["categories"]) == ("internal", False)
    assert [one["id"] for one in stored["use_cases"] if one["is_member"]] == ["getting-started", "watched"]

    tom = open_context(1280).new_page()
    tom.goto(link)
    expect(tom.get_by_role("heading", level=1)).to_have_text("Chat")
    expect(tom.get_by_role("navigation", name="Pages").get_by_role("link", name="People")).to_have_count(0)
    tom.goto("/people")
    expect(tom.get_by_role("main")).to_contain_text("Your role does not allow this.")
    tom.get_by_role("link", name="Account").click()
    expect(tom.get_by_role("main")).to_contain_text("You are signed in as Tom Ray")
    tom.get_by_role("button", name="Make key").click()
    dialog = tom.get_by_role("dialog")
    dialog.get_by_role("textbox", name="Name").fill("laptop")
    dialog.get_by_role("button", name="Make key").click()
    first = dialog.get_by_role("region", name="the secret").inner_text()
    dialog.get_by_role("button", name="Done").click()
    tom.get_by_role("button", name="Rotate laptop").click()
    tom.get_by_role("dialog").get_by_role("button", name="Rotate key").click()
    second = tom.get_by_role("dialog").get_by_role("region", name="the secret").inner_text()
    tom.get_by_role("dialog").get_by_role("button", name="Done").click()
    expect(tom.get_by_role("row").filter(has_text="replaced by")).to_have_count(1)
    for secret in (first, second):
        with lab.http(secret) as client:
            assert client.get("/v1/models").status_code == 200

    page.get_by_role("link", name="Tom Ray").click()
    page.get_by_role("button", name="Change rights").click()
    page.get_by_role("combobox", name="Roles").click(force=True)
    page.get_by_role("option").filter(has_text="Auditor: reads").click()
    expect(page.get_by_role("main")).to_contain_text("Gains:")
    page.get_by_role("button", name="Save rights").click()
    expect(page.get_by_role("button", name="Change rights")).to_be_visible()
    # Whoever made his invitation could have opened that session, so that it does not get the role.
    tom.reload()
    expect(tom.get_by_role("heading", level=1)).to_have_text("Sign in")
    tom.goto(sign_in_link("tom@example.com"))
    expect(tom.get_by_role("navigation", name="Pages").get_by_role("link", name="People")).to_have_count(1)
    page.reload()

    sessions = page.get_by_role("region", name="Sessions")
    sessions.get_by_role("button", name="End all sessions").click()
    expect(sessions).to_contain_text("No open session")
    tom.reload()
    expect(tom.get_by_role("heading", level=1)).to_have_text("Sign in")
    page.get_by_role("button", name="Remove person").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("2 keys stop for good")
    dialog.get_by_role("button", name="Remove person").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("People")
    with lab.http(second) as client:
        assert client.get("/v1/models").status_code == 401
