"""What documents do not answer: a question goes to an expert, the reply becomes a document, and access is explained."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from headgate.admin.client import Client
from headgate.testing.lab import Lab, open_lab, until

pytestmark = pytest.mark.browser

PEOPLE = """
[[person]]
id = "ben@example.com"
name = "Ben Ode"
groups = ["finance"]
confidentiality = "internal"

[[person]]
id = "maria@example.com"
name = "Maria Kim"

[[collection]]
id = "handbook"
title = "Employee handbook"
owner = "maria@example.com"
readers = ["*"]
experts = ["maria@example.com"]

[[collection]]
id = "board"
title = "Board papers"
owner = "maria@example.com"
readers = ["group:finance"]
confidentiality = "restricted"

[[collection]]
id = "legal"
title = "Legal"
owner = "maria@example.com"
readers = ["group:legal"]
"""

DOCUMENTS = (
    ("handbook", "leave.md", "# Leave\n\nEmployees have 28 days of annual leave in their first year.\n"),
    ("board", "minutes.md", "# Minutes\n\nThe board approved the plan in May.\n"),
    ("legal", "nda.md", "# Agreements\n\nSuppliers sign before the first meeting.\n"),
)

DOG = "May I bring my dog to the office?"


@pytest.fixture(scope="module")
def shared_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """One with the embedded models, and with documents in three collections."""
    with open_lab(tmp_path_factory.mktemp("browser") / "data") as lab:
        lab.gate.apply(lab.toml + PEOPLE)
        key = lab.gate.new_key("maria's", principal="maria@example.com", use_case="support")
        maria = Client(lab.gate.base_url, key)
        for collection, name, text in DOCUMENTS:
            body = {"name": name, "data": base64.b64encode(text.encode()).decode()}
            path = f"/api/knowledge/collections/{collection}/documents"
            made = maria.call("POST", path, body)["id"]
            until(lambda made=made: _is_ready(maria, made) or None, what=f"{name} is read")
        yield lab


@pytest.fixture
def ben(open_context: Callable[[int], BrowserContext], sign_in_link: Callable[..., str]) -> Page:
    return _signed_in(open_context(1280), sign_in_link("ben@example.com"))


@pytest.fixture
def maria(open_context: Callable[[int], BrowserContext], sign_in_link: Callable[..., str]) -> Page:
    """Maria on a phone."""
    return _signed_in(open_context(390), sign_in_link("maria@example.com"))


def test_what_the_documents_do_not_answer_an_expert_does_and_others_find_it(ben: Page, maria: Page, lab: Lab) -> None:
    ask(ben, DOG)
    expect(ben.get_by_text("No answer", exact=True)).to_be_visible()
    ben.get_by_role("button", name="Ask an expert").click()
    form = ben.get_by_role("form", name="Ask an expert")
    form.get_by_label("Collection").select_option("Employee handbook")
    expect(form.get_by_label("Question")).to_have_value(DOG)
    expect(form).to_contain_text("Maria Kim will see your question and your name")
    form.get_by_role("button", name="Send question").click()
    expect(ben.get_by_text("Maria Kim was asked.")).to_be_visible()

    maria.goto("/knowledge/questions")
    expect(maria.get_by_role("navigation", name="Groups").get_by_role("button", name="Use")).to_contain_text("1")
    asked = maria.get_by_role("listitem", name=DOG)
    expect(asked).to_contain_text("Ben Ode")
    asked.get_by_role("button", name="Answer question").click()
    expect(maria.get_by_label("Your reply")).to_be_focused()
    maria.keyboard.type("Dogs are welcome in the office on Fridays.")
    maria.reload()
    asked.get_by_role("button", name="Answer question").click()
    expect(maria.get_by_label("Your reply")).to_have_value("Dogs are welcome in the office on Fridays.")
    maria.get_by_role("button", name="Send reply").click()
    expect(maria.get_by_text("No question waits for you")).to_be_visible()
    assert maria.evaluate("document.documentElement.scrollWidth") <= 390

    ben.get_by_role("link", name="Questions").last.click()
    told = ben.get_by_role("listitem", name=DOG)
    expect(told).to_contain_text("Maria Kim answered")
    expect(told).to_contain_text("Dogs are welcome in the office on Fridays.")
    told.get_by_role("link", name="View document").click()
    expect(ben.get_by_role("heading", level=1)).to_have_text(DOG)
    expect(ben.get_by_role("region", name="Text")).to_contain_text("Dogs are welcome")
    ask(ben, DOG)
    expect(ben.get_by_role("region", name="Answer")).to_contain_text("Dogs are welcome in the office on Fridays.")


def test_a_word_on_an_answer_is_kept_and_counts(ben: Page, maria: Page, lab: Lab) -> None:
    ask(ben, "How many days of annual leave are there in the first year?")
    ben.get_by_role("button", name="Wrong").click()
    expect(ben.get_by_text("Kept: wrong.")).to_be_visible()
    ben.get_by_role("button", name="Right").click()
    expect(ben.get_by_text("Kept: right.")).to_be_visible()
    expect(ben.get_by_role("button", name="Wrong")).to_have_attribute("aria-pressed", "false")
    maria.goto("/knowledge/collections/handbook")
    expect(maria.get_by_role("region", name="Quality")).to_contain_text("1 right, 0 wrong in 30 days")
    ben.goto("/knowledge/collections/handbook")
    expect(ben.get_by_role("region", name="Documents")).to_be_visible()
    expect(ben.get_by_role("region", name="Quality")).to_have_count(0)


def test_an_asker_takes_a_question_back(ben: Page, maria: Page, lab: Lab) -> None:
    with lab.console("ben@example.com") as client:
        text = "Who waters the plants?"
        client.post("/api/knowledge/collections/handbook/questions", json={"text": text}).raise_for_status()
    ben.goto("/knowledge/questions")
    asked = ben.get_by_role("listitem", name=text)
    asked.get_by_role("button", name="Withdraw question").click()
    expect(ben.get_by_role("button", name="Keep it open")).to_be_focused()
    asked.get_by_role("button", name="Withdraw it").click()
    expect(asked).to_contain_text("withdrawn")
    maria.goto("/knowledge/questions?state=closed")
    expect(maria.get_by_role("listitem", name=text)).to_contain_text("Closed")


def test_an_administrator_sees_what_somebody_can_find_and_why(page: Page, lab: Lab) -> None:
    page.goto("/knowledge/access")
    page.get_by_role("textbox", name="Person").fill("Ben")
    page.get_by_role("option", name="Ben Ode").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("What can Ben Ode find, and why?")
    rows = page.get_by_role("table", name="What Ben Ode finds in each collection").get_by_role("row")
    expect(rows.filter(has_text="Employee handbook")).to_contain_text("Everybody reads it")
    expect(rows.filter(has_text="Board papers")).to_contain_text("A member of finance")
    expect(rows.filter(has_text="Board papers")).to_contain_text("1 by labels: it is restricted")
    expect(rows.filter(has_text="Legal")).to_contain_text("Does not read it")
    entries = page.get_by_role("list", name="What opens documents to Ben Ode")
    expect(entries).to_contain_text("Group finance")
    looks = until(lambda: _looks(lab) or None, what="the record of the look")
    assert [one["resource"] for one in looks] == ["person:ben@example.com"]
    page.goto("/people/ben@example.com")
    expect(page.get_by_role("link", name="See what they can find")).to_have_attribute(
        "href", "/knowledge/access?person=ben%40example.com"
    )


def ask(page: Page, question: str) -> None:
    page.goto("/knowledge")
    page.get_by_role("textbox", name="Question").fill(question)
    page.get_by_role("button", name="Ask documents").click()


def _signed_in(context: BrowserContext, link: str) -> Page:
    page = context.new_page()
    page.goto(link)
    expect(page).not_to_have_url(re.compile("sign-in"))
    return page


def _looks(lab: Lab) -> list[dict[str, Any]]:
    return lab.gate.api.call("GET", "/api/records?verb=knowledge.access")["records"]


def _is_ready(client: Client, document: str) -> bool:
    return client.call("GET", f"/api/knowledge/documents/{document}")["document"]["state"] == "ready"
