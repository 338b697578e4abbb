"""The compliance officer's first hour: who was refused and why, what was said, and a file for the auditors."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from headgate.testing.lab import Lab
from headgate.testing.simulator import Script

pytestmark = pytest.mark.browser


def test_an_officer_finds_a_refusal_reads_a_call_searches_saves_a_view_and_exports(
    stranger: Page, lab: Lab, sign_in_link: Callable[..., str]
) -> None:
    lab.gate.api.call("PUT", "/api/entries/person/ines", {"entry": {"name": "Ines", "roles": ["auditor"]}})
    lab.cloud.answer_always(Script(echo=True))
    body = {"model": "cloud", "messages": [{"role": "user", "content": "Ask ada@example.org for the aubergine"}]}
    with lab.http(lab.careful) as client:
        assert client.post("/v1/chat/completions", json=body).status_code >= 400
    with lab.http(lab.clerk) as client:
        record = client.post("/v1/chat/completions", json={**body, "stream": True}).headers["x-headgate-record"]
    lab.record(record, logged=True)
    stranger.goto(sign_in_link("ines"))
    expect(stranger.get_by_text("Ines · auditor")).to_be_visible()

    # Who was refused, and why, in words.
    stranger.goto("/activity")
    rows = stranger.get_by_role("table", name="Records, newest first").get_by_role("row")
    called = rows.filter(has=stranger.locator(f'a[href="/records/{record}"]'))
    expect(called).to_contain_text("A clerk who may see everything")
    expect(called).to_contain_text("cloud → cloud-openai")
    expect(called).to_contain_text("masked 1")
    refused = rows.filter(has_text="Needs approval")
    refused = refused.filter(has_text="somebody looks at what leaves our machines before it does").first
    expect(refused).to_be_visible()
    refused.get_by_role("button", name="careful").click()
    expect(stranger).to_have_url(re.compile(r"/activity\?use_case=careful$"))
    expect(called).to_have_count(0)
    stranger.get_by_role("button", name="Remove the filter use case").click()

    # What was said, beside the list and under the record's own address.
    called.get_by_role("link").click()
    said = stranger.get_by_role("region", name="Conversation", exact=True)
    expect(said).to_contain_text("for the aubergine")
    expect(said.locator("mark").first).to_contain_text("(e-mail address, masked)")
    expect(stranger).to_have_url(re.compile(f"/records/{record}$"))
    stranger.get_by_role("button", name="Close").click()
    expect(said).to_have_count(0)
    expect(stranger).to_have_url(re.compile("/activity$"))

    # Administration is apart.
    stranger.get_by_role("tab", name="Administration").click()
    expect(rows.first).to_be_visible()
    expect(called).to_have_count(0)
    stranger.get_by_role("tab", name="Calls").click()

    # Words in the content.
    stranger.keyboard.press("/")
    stranger.keyboard.type("aubergine")
    stranger.get_by_role("option", name="in content: aubergine").click()
    stranger.get_by_role("button", name="Search content").click()
    found = stranger.get_by_role("region", name="Search in content")
    expect(found).to_contain_text("That is every record that the filters show.")
    expect(found.locator("mark").first).to_have_text("aubergine")
    stranger.get_by_role("button", name="Leave the search in content").click()

    # The search is a record of administration, and not among the calls.
    searched = rows.filter(has_text="Search the content of records").filter(has_text="Ines")
    expect(called).to_be_visible()
    expect(searched).to_have_count(0)
    stranger.get_by_role("tab", name="Administration").click()
    expect(searched.first).to_be_visible()
    stranger.get_by_role("tab", name="Calls").click()

    # A view to come back to, and a file.
    stranger.get_by_role("button", name="Views").click()
    stranger.get_by_role("menuitem", name="Refused today").click()
    expect(stranger.get_by_text("outcome: refused", exact=True)).to_be_visible()
    with stranger.expect_download() as download:
        stranger.get_by_role("button", name=re.compile("^Export [0-9,]+ records?$")).click()
        stranger.get_by_role("menuitem", name="As CSV, for spreadsheets").click()
    lines = list(csv.DictReader(io.StringIO(Path(download.value.path()).read_text())))
    assert {line["outcome"] for line in lines} == {"refused"}
    assert any(line["reason"].startswith("needs approval: ") for line in lines)
