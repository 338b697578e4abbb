"""What administrators do in the console: sign in and out, rules, use cases, keys, configuration; on any device."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, Request, expect

from headgate.testing.lab import Lab

pytestmark = pytest.mark.browser

PAGES = {
    "/start": "Start",
    "/usage": "Usage and cost",
    "/my-usage": "My usage",
    "/preview": "Preview",
    "/chat": "Chat",
    "/activity": "Activity",
    "/approvals": "Approvals",
    "/models": "Models",
    "/models/add": "Add a model",
    "/models/prices": "Prices",
    "/models/add?way=provider": "A provider with a key",
    "/models/alias": "New alias",
    "/use-cases": "Use cases",
    "/rules": "Rules",
    "/keys": "Keys",
    "/configuration": "Configuration",
}

HOME = re.compile("Start|Overview")
"""The first page is the quick start until there is traffic."""

UNLABELLED = """
[...document.querySelectorAll("input, select, textarea")]
  .filter((field) => field.type !== "hidden" && !field.labels?.length && !field.ariaLabel)
  .map((field) => field.outerHTML)
"""


def test_a_sign_in_link_opens_the_console_once_and_leaves_no_token_behind(
    stranger: Page, sign_in_link: Callable[[], str]
) -> None:
    link = sign_in_link()
    token = link.partition("#token=")[2]
    asked: list[Request] = []
    stranger.on("request", lambda request: asked.append(request))
    stranger.goto("/keys")
    expect(stranger.get_by_role("heading", level=1)).to_have_text("Sign in")
    stranger.goto(link)
    expect(stranger.get_by_role("heading", level=1)).to_have_text(HOME)
    assert token not in stranger.url
    assert not [request.url for request in asked if token in request.url]
    stranger.context.clear_cookies()
    stranger.goto("about:blank")
    stranger.goto(link)
    expect(stranger.get_by_role("alert")).to_contain_text("The link did not work")


def test_after_a_link_that_failed_the_next_one_works_in_the_same_tab(
    stranger: Page, lab: Lab, sign_in_link: Callable[[], str]
) -> None:
    old = f"{lab.gate.base_url}/sign-in#token=default.{'x' * 43}"
    for _ in range(2):
        with stranger.expect_response("**/api/session") as answer:
            stranger.goto(old)
        assert answer.value.status == 401
        expect(stranger.get_by_role("alert")).to_contain_text("The link did not work")
        assert "token" not in stranger.url
    stranger.get_by_label("Sign-in link or token").fill(old)
    stranger.get_by_role("button", name="Sign in").click()
    expect(stranger.get_by_role("alert")).to_contain_text("The link did not work")
    stranger.goto(sign_in_link())
    expect(stranger.get_by_role("heading", level=1)).to_have_text(HOME)
    assert stranger.url == f"{lab.gate.base_url}/"


def test_signing_out_closes_every_page(stranger: Page, sign_in_link: Callable[[], str]) -> None:
    stranger.goto(sign_in_link())
    stranger.get_by_role("button", name="Sign out").click()
    expect(stranger.get_by_role("heading", level=1)).to_have_text("Sign in")
    stranger.goto("/activity")
    expect(stranger.get_by_role("heading", level=1)).to_have_text("Sign in")


def test_a_rule_is_set_to_enforce_for_one_use_case_and_back(page: Page, lab: Lab) -> None:
    page.goto("/rules")
    page.get_by_label("Show modes for the use case").select_option("watched")
    switch = page.get_by_role("switch", name="Enforce mask-personal-data for watched")
    expect(switch).not_to_be_checked()
    switch.click(force=True)
    page.get_by_role("dialog").get_by_role("button", name="Enforce rule").click()
    expect(switch).to_be_checked()
    modes = {rule["id"]: rule["mode"] for rule in lab.gate.api.call("GET", "/api/rules?use_case=watched")["rules"]}
    assert modes["mask-personal-data"] == "enforce"
    switch.click(force=True)
    page.get_by_role("dialog").get_by_role("button", name="Set to observe").click()
    expect(switch).not_to_be_checked()
    expect(page.get_by_role("switch", name="Enforce use-case-expired for watched")).to_have_count(0)


def test_a_use_case_is_registered_changed_and_removed(page: Page) -> None:
    page.goto("/use-cases")
    page.get_by_role("button", name="Register use case").click()
    form = page.get_by_role("dialog")
    form.get_by_role("textbox", name="Id").fill("made-in-browser")
    form.get_by_label("Title").fill("A first try")
    form.get_by_role("textbox", name="Owner").fill("Ada")
    form.get_by_label("Purpose").fill("See whether the form works")
    form.get_by_role("button", name="Register").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("A first try")
    page.get_by_role("link", name="Use cases").first.click()
    row = page.get_by_role("row").filter(has_text="A first try")
    expect(row).to_contain_text("See whether the form works")
    row.get_by_role("link").click()
    page.get_by_role("button", name="Change use case").click()
    page.get_by_role("dialog").get_by_role("textbox", name="Owner").fill("grace")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_contain_text("grace becomes its owner in place of Ada.")
    page.get_by_role("dialog").get_by_role("button", name="Save").click()
    stands = page.get_by_role("region", name="How it stands")
    expect(stands).to_contain_text("Grace, who approves")
    page.get_by_role("button", name="Pause use case").click()
    page.get_by_role("dialog").get_by_role("button", name="Pause use case").click()
    expect(stands).to_contain_text("Paused")
    page.get_by_role("button", name="Undo").click()
    expect(stands).to_contain_text("Live")
    page.get_by_role("textbox", name="New members").fill("clerk")
    page.get_by_role("button", name="Add members").click()
    expect(page.get_by_role("list", name="Members")).to_contain_text("clerk")
    page.get_by_role("button", name="Remove use case").click()
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Use cases")
    expect(row).to_have_count(0)


def test_a_key_is_shown_once_gets_other_limits_and_opens_nothing_after_it_was_revoked(page: Page, lab: Lab) -> None:
    page.goto("/keys")
    page.get_by_role("button", name="Make key").click()
    form = page.get_by_role("dialog")
    form.get_by_label("Name").fill("from the browser")
    form.get_by_label("Use case").select_option("support")
    form.get_by_label("Requests a minute").fill("30")
    form.get_by_role("button", name="Make key").click()
    secret = form.get_by_role("region", name="the secret").inner_text()
    form.get_by_role("button", name="Done").click()
    row = page.get_by_role("row").filter(has_text="from the browser")
    expect(row).to_contain_text("30 a minute")
    assert secret not in page.content()
    with lab.http(secret) as client:
        assert client.get("/v1/models").status_code == 200
        row.get_by_role("button", name="Change limits").click()
        form.get_by_label("Requests a minute").fill("60")
        form.get_by_label("Cost a day, USD").fill("2.5")
        form.get_by_role("button", name="Change limits").click()
        expect(row).to_contain_text("60 a minute, $2.50 a day")
        row.get_by_role("button", name="Revoke").click()
        page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
        expect(row).to_contain_text("Revoked")
        assert client.get("/v1/models").status_code == 401


def test_a_fault_in_the_configuration_leads_to_its_line(page: Page) -> None:
    page.goto("/configuration")
    page.get_by_label("Show").select_option("network")
    editor = page.get_by_label("headgate.toml")
    editor.fill('[[network]]\nid = "x"\nalow = []\n')
    page.get_by_role("button", name="Review changes").click()
    expect(page.get_by_role("alert")).to_contain_text("did you mean 'allow'")
    expect(editor).to_have_attribute("aria-invalid", "true")
    assert page.evaluate("getSelection().toString()") == "alow = []"
    expect(page.locator(".cm-lintRange-error")).to_have_text("alow = []")


def test_a_configuration_is_reviewed_applied_and_undone(page: Page, lab: Lab) -> None:
    page.goto("/configuration")
    page.get_by_label("Show").select_option("alias")
    editor = page.get_by_label("headgate.toml")
    expect(editor).to_contain_text("hybrid")
    editor.press("Control+End")
    page.keyboard.type('\n[[alias]]\nid = "added-in-browser"\ndeploy')
    page.get_by_role("option", name="deployments").click()
    page.keyboard.type(' = ["onp')
    page.get_by_role("option", name="onprem").click()
    page.keyboard.type('"]')
    page.reload()
    expect(editor).to_contain_text("[[alias]]")
    editor.press("Control+End")  # the editor draws only the lines in sight
    expect(editor).to_contain_text('id = "added-in-browser"')
    apply = page.get_by_role("button", name="Apply")
    expect(apply).to_be_disabled()
    page.get_by_role("button", name="Review changes").click()
    plan = page.get_by_label(re.compile("^Plan: 1 added"))
    expect(plan).to_contain_text('+ id = "added-in-browser"')
    assert "added-in-browser" not in str(lab.gate.api.call("GET", "/api/models"))
    apply.click()
    expect(page.get_by_label(re.compile("^Applied: 1 added"))).to_be_visible()
    page.get_by_role("link", name="Models").click()
    expect(page.get_by_role("article", name="added-in-browser")).to_be_visible()
    page.goto("/configuration")
    change = page.get_by_role("listitem").filter(has_text="alias added-in-browser").first
    expect(change).to_contain_text("1 added")
    change.get_by_role("button", name="Undo").click()
    page.get_by_role("dialog").get_by_role("button", name="Undo change").click()
    expect(page.get_by_role("listitem").filter(has_text="by undoing a change").first).to_contain_text("1 removed")
    assert "added-in-browser" not in str(lab.gate.api.call("GET", "/api/models"))


def test_a_change_in_between_is_told_and_nothing_is_overwritten(page: Page, lab: Lab) -> None:
    page.goto("/configuration")
    page.get_by_label("Show").select_option("alias")
    editor = page.get_by_label("headgate.toml")
    expect(editor).to_contain_text("hybrid")
    editor.press("Control+End")
    page.keyboard.type('\n[[alias]]\nid = "mine"\ndeployments = ["onprem"]')
    page.keyboard.press("Escape")
    lab.gate.api.call("PUT", "/api/entries/alias/theirs", {"entry": {"deployments": ["onprem"]}})
    page.get_by_role("button", name="Review changes").click()
    expect(page.get_by_role("alert")).to_contain_text("changed alias theirs")
    expect(editor).to_contain_text('id = "mine"')
    lab.gate.api.call("DELETE", "/api/entries/alias/theirs")


def test_every_page_fits_a_small_phone_and_names_itself(phone: Page) -> None:
    for path, name in PAGES.items():
        phone.goto(path)
        expect(phone.get_by_role("heading", level=1)).to_have_text(name)
        expect(phone).to_have_title(f"{name} · Headgate")
        expect(phone.get_by_role("status", name="Loading")).to_have_count(0)
        assert phone.evaluate("document.documentElement.scrollWidth") <= 360, path
    phone.get_by_role("button", name="Menu").click()
    phone.get_by_role("link", name="Activity").click()
    expect(phone.get_by_role("heading", level=1)).to_have_text("Activity")
    expect(phone.get_by_role("link", name="Keys")).to_be_hidden()


def test_a_phone_has_the_groups_in_a_bar_at_the_bottom(phone: Page) -> None:
    phone.goto("/chat")
    bar = phone.get_by_role("navigation", name="Groups")
    expect(bar.get_by_role("button")).to_have_text(["Use", "Observe", "Govern", "Administer"])
    bar.get_by_role("button", name="Administer").click()
    bar.get_by_role("link", name="Keys").click()
    expect(phone.get_by_role("heading", level=1)).to_have_text("Keys")
    expect(bar.get_by_role("link")).to_have_text(["Chat"])
    bar.get_by_role("link", name="Chat").click()
    composer = phone.get_by_role("button", name="Send message").bounding_box()
    top = bar.bounding_box()
    assert composer is not None and top is not None
    assert composer["y"] + composer["height"] <= top["y"]


def test_every_control_has_a_name_and_every_page_one_heading_and_one_main(page: Page) -> None:
    for path, name in PAGES.items():
        page.goto(path)
        expect(page.get_by_role("heading", level=1)).to_have_text(name)
        expect(page.get_by_role("main")).to_have_count(1)
        nameless = page.get_by_role("button", name=re.compile("^$")).or_(
            page.get_by_role("link", name=re.compile("^$"))
        )
        expect(nameless).to_have_count(0)
        assert page.evaluate(UNLABELLED) == [], path


def test_the_keyboard_skips_to_the_page_and_walks_the_menu(page: Page) -> None:
    page.goto("/models")
    expect(page.get_by_role("heading", level=1)).to_have_text("Models")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the page")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("main")).to_be_focused()
    page.get_by_role("link", name="Keys").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Keys")
    expect(page.get_by_role("main")).to_be_focused()


def test_the_back_button_and_clicks_with_a_modifier_work_as_on_any_site(page: Page) -> None:
    page.goto("/activity?outcome=done")
    page.get_by_role("link", name="Keys").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Keys")
    page.go_back()
    expect(page.get_by_role("heading", level=1)).to_have_text("Activity")
    expect(page.get_by_text("outcome: done", exact=True)).to_be_visible()
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="Keys").click(modifiers=["ControlOrMeta"])
    expect(opened.value.get_by_role("heading", level=1)).to_have_text("Keys")
    expect(page.get_by_role("heading", level=1)).to_have_text("Activity")


def test_the_chosen_colours_stay_and_are_there_before_the_first_paint(page: Page) -> None:
    page.goto("/")
    page.get_by_text("Dark", exact=True).click()
    page.reload(wait_until="commit")
    expect(page.locator("html")).to_have_attribute("data-mantine-color-scheme", "dark")
    page.get_by_text("Light", exact=True).click()
    expect(page.locator("html")).to_have_attribute("data-mantine-color-scheme", "light")


def test_an_address_that_is_no_page_says_so(page: Page) -> None:
    page.goto("/nowhere")
    expect(page.get_by_role("heading", level=1)).to_have_text("Page not found")
    page.get_by_role("link", name="Go to the start").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(HOME)
