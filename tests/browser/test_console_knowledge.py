"""The story of an analyst in the console: documents become a collection, and answers lead to their place in them."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from headgate.testing.lab import Lab, open_lab
from headgate.testing.simulator import Script

pytestmark = pytest.mark.browser

LEAVE = """# Leave

## Annual leave

Employees have 28 days of annual leave in their first year. See [the form](https://elsewhere.test/form).

## Moving house

Employees have one day off when they move house.

| Leave | Days |
| --- | --- |
| Annual | 28 |
| Moving | 1 |
"""
POLICY = """<title>Anti-money-laundering policy</title>
<h1>Anti-money-laundering policy</h1><p>The board approved this policy in March.</p>
<div style="page-break-before: always"></div>
<h2>Record keeping</h2><p>Records of due diligence are kept for five years after the business relationship ends.</p>
"""
RETENTION = "Records of due diligence are kept for five years after the business relationship ends."

DROP = """
([name, data]) => {
  const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
  const dropped = new DataTransfer();
  dropped.items.add(new File([bytes], name));
  const over = (kind) => new DragEvent(kind, { dataTransfer: dropped, bubbles: true, cancelable: true });
  document.body.dispatchEvent(over("dragover"));
  document.body.dispatchEvent(over("drop"));
}
"""
IS_IN_VIEW = """
(element) => {
  const { top, bottom } = element.getBoundingClientRect();
  return top >= 0 && bottom <= innerHeight && bottom > top;
}
"""


@pytest.fixture(scope="module")
def shared_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """One with the embedded models: documents are not ready before they are embedded."""
    with open_lab(tmp_path_factory.mktemp("knowledge") / "data") as lab:
        yield lab


@pytest.fixture(autouse=True)
def empty_place(lab: Lab) -> None:
    """Remove the collections of earlier tests: the file that is applied lists none."""
    lab.gate.apply(lab.toml)


@pytest.fixture(scope="module")
def policy(chromium: Browser) -> bytes:
    """A PDF of two pages."""
    page = chromium.new_page()
    page.set_content(POLICY)
    printed = page.pdf(format="A4")
    page.close()
    return printed


def test_an_analyst_makes_a_collection_and_follows_a_citation_to_its_place(
    page: Page, policy: bytes, open_context: Callable[[int], BrowserContext], sign_in_link: Callable[..., str]
) -> None:
    page.goto("/knowledge")
    expect(page.get_by_text("There are no collections for you yet")).to_be_visible()
    _make_collection(page, "Compliance policies")
    expect(page.get_by_text("No documents yet")).to_be_visible()

    _drop(page, "policy.pdf", policy)
    _drop(page, "leave.md", LEAVE.encode())
    rows = page.get_by_role("table", name="Documents").get_by_role("row")
    expect(rows.filter(has_text="Anti-money-laundering policy")).to_contain_text("Ready")
    expect(rows.filter(has_text="leave.md")).to_contain_text("Ready")

    answer = _ask(page, "How long are records of due diligence kept?")
    expect(answer).to_contain_text("Quoted from your documents")
    expect(answer).to_contain_text("not calibrated yet")
    citation = answer.get_by_role("link", name="Source 1: Anti-money-laundering policy, page 2").first
    citation.focus()
    expect(answer.locator(".hg-knowledge-source[data-active]")).to_contain_text(RETENTION)
    page.keyboard.press("Enter")

    expect(page.get_by_role("heading", level=1)).to_have_text("Anti-money-laundering policy")
    image = page.get_by_role("img", name="Page 2 of Anti-money-laundering policy")
    expect(image).to_be_visible()
    assert image.evaluate("(image) => image.naturalWidth") >= 600
    mark = page.locator(".hg-document-page-mark").first
    expect(mark).to_be_visible()
    assert mark.evaluate(IS_IN_VIEW)
    expect(page.get_by_role("group", name="Cited passage")).to_contain_text(RETENTION)
    page.keyboard.press("ArrowLeft")
    expect(page.get_by_role("img", name="Page 1 of Anti-money-laundering policy")).to_be_visible()
    expect(mark).to_have_count(0)

    page.go_back()
    expect(answer).to_contain_text(RETENTION)
    expect(page.get_by_label("Question")).to_have_value("How long are records of due diligence kept?")
    assert "diligence" not in page.url

    reader = open_context(390).new_page()
    reader.goto(sign_in_link("grace"))
    expect(reader.get_by_role("heading", level=1)).to_have_text(re.compile("^(My usage|Chat)$"))
    reader.goto("/knowledge")
    expect(reader.get_by_text("There are no collections for you yet")).to_be_visible()
    expect(reader.get_by_text("Ask an administrator or the owner of a collection")).to_be_visible()
    reader.goto("/knowledge/collections/compliance-policies")
    expect(reader.get_by_role("alert")).to_contain_text("There is no collection")
    expect(reader.get_by_text("Anti-money-laundering")).to_have_count(0)

    answer.get_by_role("link", name="Source 1").first.click()
    page.get_by_role("button", name="Delete document").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Nobody finds it from then on")
    dialog.get_by_role("button", name="Delete document").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Compliance policies")
    expect(rows.filter(has_text="leave.md")).to_be_visible()
    expect(rows.filter(has_text="Anti-money-laundering")).to_have_count(0)
    again = _ask(page, "How long are records of due diligence kept?")
    expect(again).to_contain_text("No answer")
    expect(again.get_by_text(RETENTION)).to_have_count(0)


def test_a_text_opens_at_the_cited_passage_and_shows_nothing_of_outside(page: Page) -> None:
    page.goto("/knowledge")
    _make_collection(page, "Leave of all kinds")
    _drop(page, "leave.md", LEAVE.replace("28 days", "29 days").encode())
    expect(page.get_by_role("row").filter(has_text="leave.md")).to_contain_text("Ready")
    page.get_by_role("link", name="Ask this collection").click()
    answer = _ask(page, "Do I get a day off when I move house?")
    answer.get_by_role("link", name="Source 1").first.click()
    cited = page.get_by_role("group", name="Cited passage")
    expect(cited).to_contain_text("one day off when they move house")
    expect(cited).to_be_focused()
    expect(page.get_by_role("table").get_by_role("columnheader", name="Days")).to_be_visible()
    expect(page.get_by_text("See the form.")).to_be_visible()
    expect(page.get_by_role("main").locator("a[href*='elsewhere'], main img")).to_have_count(0)
    with page.expect_download() as download:
        page.get_by_role("button", name="Download").click()
    assert "29 days" in Path(download.value.path()).read_text()


def test_files_that_cannot_be_read_say_why(page: Page, tmp_path: Path) -> None:
    page.goto("/knowledge")
    _make_collection(page, "Odd files")
    large, damaged = tmp_path / "large.pdf", tmp_path / "damaged.pdf"
    large.write_bytes(b"%PDF-1.7\n" + b"x" * 24_000_001)
    damaged.write_bytes(b"%PDF-1.7\nnothing of a PDF")
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url) if request.method == "POST" else None)
    page.get_by_label("Files to add").set_input_files([large, damaged])
    expect(page.get_by_role("row").filter(has_text="large.pdf")).to_contain_text("at most 24.0 MB can be sent")
    failed = page.get_by_role("row").filter(has_text="damaged.pdf")
    expect(failed).to_contain_text("The PDF is damaged")
    assert len(sent) == 1
    page.get_by_role("button", name="Dismiss large.pdf").click()
    failed.get_by_role("button", name="Read again: damaged.pdf").click()
    expect(failed).to_contain_text("Failed")
    page.get_by_label("Which documents to show").get_by_text("Ready").click()
    expect(page.get_by_text("No documents in this state")).to_be_visible()


def test_a_written_answer_tells_what_was_removed_from_it(phone: Page, lab: Lab) -> None:
    said = "Records of due diligence are kept for five years [1]. Dragons guard the archive [1]."
    lab.onprem.answer_always(Script(text=said))
    phone.goto("/knowledge")
    _make_collection(phone, "Records")
    _drop(phone, "records.md", f"# Records\n\n{RETENTION}\n".encode())
    expect(phone.get_by_role("row").filter(has_text="records.md")).to_contain_text("Ready")
    phone.get_by_role("link", name="Ask this collection").click()
    phone.get_by_role("combobox", name="Answer").select_option("onprem")
    phone.get_by_role("combobox", name="Use case").select_option("support")
    answer = _ask(phone, "How long are records of due diligence kept?")
    expect(answer).to_contain_text("Written by onprem. Each sentence has the words of its source")
    expect(answer).to_contain_text("1 sentence was removed, because no source supports it")
    expect(answer.get_by_text("Dragons")).to_have_count(0)
    assert phone.evaluate("document.documentElement.scrollWidth") <= 360


def test_a_collection_is_changed_and_removed(page: Page) -> None:
    page.goto("/knowledge")
    _make_collection(page, "Drafts")
    page.get_by_role("button", name="Change collection").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Shelf life, days").fill("30")
    dialog.get_by_label("Readers").fill("everyone")
    page.get_by_role("option", name="Everyone", exact=True).click()
    dialog.get_by_role("button", name="Save collection").click()
    about = page.get_by_role("region", name="About")
    expect(about).to_contain_text("30 days")
    expect(about).to_contain_text("Everyone")
    page.get_by_role("button", name="Change collection").click()
    dialog.get_by_role("button", name="Remove collection").click()
    dialog.get_by_role("button", name="Remove it").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Knowledge")
    expect(page.get_by_role("link", name="Drafts")).to_have_count(0)


def test_a_folder_is_added_in_three_steps_and_read_again_on_demand(page: Page, lab: Lab) -> None:
    folder = lab.gate.data / "documents" / "hr"
    folder.mkdir(parents=True)
    (folder / "travel.md").write_text("# Travel\n\nHotels cost at most 140 euros a night.\n")
    page.goto("/knowledge")
    _make_collection(page, "Travel")
    page.get_by_role("button", name="Add source").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Folder").fill(str(folder))
    dialog.get_by_role("button", name="Next").click()
    expect(dialog).to_contain_text("Step 2 of 3")
    dialog.get_by_role("button", name="Next").click()
    expect(dialog).to_contain_text("Headgate can read the folder")
    dialog.get_by_role("button", name="Add source").click()
    sources, documents = page.get_by_role("region", name="Sources"), page.get_by_role("table", name="Documents")
    expect(sources).to_contain_text("1 document found")
    expect(documents.get_by_role("row").filter(has_text="travel.md")).to_contain_text("Ready")
    (folder / "benefits.md").write_text("# Benefits\n\nEveryone gets a bicycle.\n")
    sources.get_by_role("button", name="Read now: travel-files").click()
    expect(sources).to_contain_text("2 documents found")
    expect(documents.get_by_role("row").filter(has_text="benefits.md")).to_contain_text("Ready")


def test_no_page_of_knowledge_breaks_a_rule_of_accessibility(
    page: Page, policy: bytes, violations: Callable[[Page], list[str]]
) -> None:
    page.goto("/knowledge")
    _make_collection(page, "Policies")
    _drop(page, "policy.pdf", policy)
    _drop(page, "leave.md", LEAVE.encode())
    _drop(page, "damaged.pdf", b"%PDF-1.7\nnothing of a PDF")
    rows = page.get_by_role("table", name="Documents").get_by_role("row")
    expect(rows.filter(has_text="Ready")).to_have_count(2)
    expect(rows.filter(has_text="Failed")).to_have_count(1)
    collection = page.url
    documents = [str(link.get_attribute("href")) for link in rows.filter(has_text="Ready").get_by_role("link").all()]
    for width in _looks(page):
        page.goto("/knowledge")
        _ask(page, "How long are records of due diligence kept?")
        assert violations(page) == [], "an answer"
        for address in [*(f"{document}?passage=0" for document in documents), collection]:
            page.goto(address)
            expect(page.get_by_role("group", name="Cited passage").or_(rows.filter(has_text="Failed"))).to_be_visible()
            expect(page.locator("[aria-busy=true]")).to_have_count(0)
            assert violations(page) == [], address
            assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.get_by_role("button", name="Add source").click()
    page.get_by_role("dialog").get_by_label("Folder").fill("/nowhere")
    for _ in range(2):
        page.get_by_role("button", name="Next").click()
    expect(page.get_by_role("dialog").get_by_role("alert")).to_be_visible()
    assert violations(page) == [], "the form of a source"


def _looks(page: Page) -> Iterator[int]:
    """Set the page to light, to dark and to a phone; yield its width."""
    looks: list[tuple[Literal["light", "dark"], int]] = [("light", 1280), ("dark", 1280), ("light", 390)]
    for scheme, width in looks:
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size({"width": width, "height": 860})
        yield width


def _make_collection(page: Page, title: str) -> None:
    page.get_by_role("button", name="New collection").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Title").fill(title)
    expect(dialog.get_by_role("textbox", name="Id")).to_have_value(re.sub("[^a-z]+", "-", title.lower()))
    dialog.get_by_role("button", name="Make collection").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(title)


def _drop(page: Page, name: str, data: bytes) -> None:
    page.evaluate(DROP, [name, base64.b64encode(data).decode()])
    expect(page.get_by_role("table", name="Documents")).to_contain_text(name)


def _ask(page: Page, question: str) -> Locator:
    """Ask on the page of knowledge, and return the answer."""
    if not re.search(r"/knowledge(\?|$)", page.url):
        page.goto("/knowledge")
    page.get_by_label("Question").fill(question)
    page.get_by_label("Question").press("Enter")
    answer = page.get_by_role("region", name="Answer", exact=True)
    expect(answer).to_contain_text("View record")
    return answer
