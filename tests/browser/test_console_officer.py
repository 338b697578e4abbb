"""The compliance officer's first hour: from a rule that observes to one that is enforced, after a look at last week."""

from __future__ import annotations

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
