"""The compliance officer's first hour: from a rule that observes to one that is enforced, after a look at last week."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from headgate.testing.lab import Lab

pytestmark = pytest.mark.browser


def test_the_officer_writes_a_rule_that_observes_looks_at_what_it_would_have_done_and_enforces_it(
    page: Page, lab: Lab
) -> None:
    # She writes a rule in plain words. It observes first.
    page.goto("/rules")
    page.get_by_role("button", name="Write a rule").click()
    form = page.get_by_role("dialog")
    form.get_by_label("Begin with").select_option("A use case may not use a model")
    form.get_by_label("Use case").fill("support")
    form.get_by_label("Model").fill("cloud-openai")
    form.get_by_role("button", name="Write the rule from these words").click()
    rule = "support-without-cloud-openai"
    expect(form.get_by_label("Rule text")).to_contain_text(f'@id("{rule}")')
    expect(form).to_contain_text("The rule is sound")
    form.get_by_label("Rule text").fill("permit (nonsense);")
    expect(form).to_contain_text("Give the rule a name")
    expect(form.get_by_role("button", name="Save rule")).to_be_disabled()
    form.get_by_role("button", name="Write the rule from these words").click()
    form.get_by_role("button", name="Save rule").click()
    expect(form).to_have_count(0)

    # People go on working. The records note what the rule would have done.
    body = {"model": "cloud", "messages": [{"role": "user", "content": "Good day"}]}
    with lab.http(lab.clerk) as client:
        answers = [client.post("/v1/chat/completions", json=body) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [200, 200]
        lab.record(answers[-1].headers["x-headgate-record"], logged=True)

    # Before she enforces it, she sees these calls, and each leads to its record.
    page.goto("/rules?use_case=support")
    switch = page.get_by_role("switch", name=f"Enforce {rule} for support")
    expect(switch).not_to_be_checked()
    switch.click(force=True)
    preview = page.get_by_role("region", name="Preview of the last 7 days")
    expect(preview).to_contain_text("2 calls would have been refused.")
    expect(preview.get_by_role("list", name="Examples").get_by_role("link")).to_have_count(2)
    page.get_by_role("button", name="Enforce rule").click()
    expect(switch).to_be_checked()
    with lab.http(lab.clerk) as client:
        refused = client.post("/v1/chat/completions", json=body)
    assert "may not use cloud-openai" in refused.json()["error"]["message"]

    # It was too early: she takes it back, now and later from the list of changes.
    page.get_by_role("button", name="Undo").click()
    expect(switch).not_to_be_checked()
    with lab.http(lab.clerk) as client:
        assert client.post("/v1/chat/completions", json=body).status_code == 200
    page.goto("/rules?use_case=support")
    changes = page.get_by_role("list", name="Changes of modes")
    changes.get_by_role("button", name=f"Set {rule} back to enforce").first.click()
    expect(switch).to_be_checked()
    changes.get_by_role("button", name=f"Set {rule} back to observe").first.click()
    expect(switch).not_to_be_checked()

    # In the end she removes it: the rule belongs to her, so its text has a way to change it.
    item = page.get_by_role("listitem").filter(has=page.get_by_role("switch", name=f"Enforce {rule} for support"))
    item.get_by_text("Rule text", exact=True).click()
    item.get_by_role("button", name="Change rule").click()
    page.get_by_role("dialog").get_by_role("button", name="Remove rule").click()
    expect(switch).to_have_count(0)


def test_the_officer_registers_a_use_case_and_chooses_its_people_by_name(
    stranger: Page, sign_in_link: Callable[..., str], lab: Lab
) -> None:
    entry = {"name": "Lena Berg", "roles": ["officer"]}
    lab.gate.api.call("PUT", "/api/entries/person/lena", {"entry": entry})
    stranger.goto(sign_in_link("lena"))
    stranger.get_by_role("navigation", name="Pages").get_by_role("link", name="Use cases").click()
    stranger.get_by_role("button", name="Register use case").click()
    form = stranger.get_by_role("dialog")
    form.get_by_role("textbox", name="Id").fill("letters")
    form.get_by_label("Purpose").fill("Write letters")
    owner = form.get_by_role("textbox", name="Owner")
    owner.fill("Lens")
    owner.press("Enter")
    expect(form).to_contain_text("Nobody has the id Lens yet.")
    owner.fill("berg")
    stranger.get_by_role("option").filter(has_text="Lena Berg").click()
    expect(form).not_to_contain_text("Nobody has the id Lens yet.")
    members = form.get_by_role("textbox", name="Members")
    members.fill("intern")
    stranger.get_by_role("option").filter(has_text="An intern").click()
    form.get_by_role("button", name="Register use case").click()
    expect(stranger.get_by_role("region", name="How it stands")).to_contain_text("Lena Berg lena")
    expect(stranger.get_by_role("list", name="Members")).to_contain_text("An intern who may see no personal data")
    stored = lab.gate.api.call("GET", "/api/use-cases/letters")["use_case"]
    assert (stored["owner"], stored["members"]) == ("lena", ["intern"])
    lab.gate.api.call("DELETE", "/api/use-cases/letters")


def test_a_preview_says_what_would_have_gone_unmasked_and_rules_are_found_by_their_words(page: Page, lab: Lab) -> None:
    body = {"owner": "olga", "title": "Letters of thanks", "purpose": "Thank people", "members": ["clerk"]}
    lab.gate.api.call("PUT", "/api/use-cases/thanks", body)
    key = lab.gate.new_key("clerk's for thanks", principal="clerk", use_case="thanks")
    text = "Thank ada@example.org and bob@example.org"
    with lab.http(key) as client:
        call = {"model": "cloud", "messages": [{"role": "user", "content": text}]}
        answer = client.post("/v1/chat/completions", json=call)
        assert answer.status_code == 200, answer.text
        lab.record(answer.headers["x-headgate-record"], logged=True)

    page.goto("/rules?use_case=thanks")
    expect(page.get_by_role("region", name="Masking").get_by_role("listitem")).to_have_count(3)
    page.get_by_role("searchbox", name="Search rules").fill("health pseudonyms")
    expect(page.get_by_role("region", name="Who may do what")).to_have_count(0)
    page.get_by_role("switch", name="Enforce mask-personal-data for Letters of thanks").click(force=True)
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("In 1 call 2 e-mail addresses would have gone unmasked to cloud.")
    expect(dialog.get_by_role("list", name="Examples")).to_contain_text("A clerk who may see everything to cloud")
    dialog.get_by_role("button", name="Set to observe").click()
    expect(
        page.get_by_text("“Personal and health data leaves our machines only as pseudonyms” observes")
    ).to_be_visible()
    lab.gate.api.call("DELETE", "/api/use-cases/thanks")


def test_activity_tells_what_waits_from_what_was_refused_and_offers_a_search_in_content(page: Page, lab: Lab) -> None:
    body = {"model": "cloud", "messages": [{"role": "user", "content": "A letter about turquoise roofs"}]}
    with lab.http(lab.careful) as client:
        asked = client.post("/v1/chat/completions", json=body)
        lab.record(asked.headers["x-headgate-record"], logged=True)
        unknown = client.post("/v1/chat/completions", json={**body, "model": "no-such-model"})
        lab.record(unknown.headers["x-headgate-record"], logged=True)
    page.goto("/activity")
    row = page.get_by_role("row").filter(has_text="somebody looks at what leaves").first
    expect(row).to_contain_text("Needs approval")
    expect(row).not_to_contain_text("Refused")
    expect(page.get_by_role("row").filter(has_text="there is no model no-such-model").first).to_be_visible()
    page.get_by_role("radiogroup", name="Period").get_by_text("Custom").click()
    page.get_by_label("From").fill("2026-01-01T08:00")
    page.get_by_role("button", name="Show period").click()
    expect(page.get_by_role("row").filter(has_text="Needs approval").first).to_be_visible()
    page.get_by_role("combobox", name="Add a filter").fill("turquoise")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Search in content").click()
    found = page.get_by_role("region", name="Search in content")
    expect(found).to_contain_text("Counts over time and exports do not follow it.")
    expect(page.get_by_role("figure", name="Counts over time")).to_have_count(0)
    found.get_by_role("button", name="Search content").click()
    expect(found).to_contain_text("A letter about turquoise roofs")


def test_the_officer_adds_tests_changes_and_removes_a_destination_of_notices(
    stranger: Page, sign_in_link: Callable[..., str], lab: Lab
) -> None:
    entry = {"name": "Lena Berg", "roles": ["officer"]}
    lab.gate.api.call("PUT", "/api/entries/person/lena", {"entry": entry})
    stranger.goto(sign_in_link("lena"))
    stranger.get_by_role("navigation", name="Pages").get_by_role("link", name="Notifications").click()
    stranger.get_by_role("button", name="Add destination").click()
    form = stranger.get_by_role("dialog")
    form.get_by_label("Name").fill("tickets")
    form.get_by_label("Channel").select_option("webhook")
    form.get_by_role("textbox", name="Address").fill("https://tickets.invalid/hook")
    expect(form.get_by_label("It is inside our network")).to_be_disabled()
    form.get_by_role("button", name="Save destination").click()
    listed = stranger.get_by_role("list", name="Notifications")
    expect(listed).to_contain_text("To tickets.invalid:443, when a request waits or a request was decided")
    listed.get_by_role("button", name="Send a test to tickets").click()
    expect(listed).to_contain_text("The test did not arrive")
    listed.get_by_role("button", name="Change tickets").click()
    form.get_by_label("a request was decided").uncheck()
    form.get_by_role("button", name="Save destination").click()
    expect(listed).not_to_contain_text("a request was decided")
    listed.get_by_role("button", name="Change tickets").click()
    form.get_by_role("button", name="Remove destination").click()
    form.get_by_role("button", name="Remove it").click()
    expect(stranger.get_by_text("Nobody is told yet")).to_be_visible()
