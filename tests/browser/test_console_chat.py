"""A week of a person's chats, told as a story: kept, found again, branched, compared, shared and deleted."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, FilePayload, Page, expect

from headgate.testing.lab import Lab
from headgate.testing.simulator import Script

pytestmark = pytest.mark.browser

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
)
MARKDOWN = """\
Use **two** loops for $n^2$:

```python
for a in range(2):
    print(a)
```

| a | b |
|---|---|
| 1 | 2 |

<img src=x onerror=alert(1)> and [a link](https://example.org)
"""


@pytest.fixture
def grace(open_context: Callable[[int], BrowserContext], sign_in_link: Callable[..., str]) -> Page:
    """A page of somebody with whom things are shared."""
    page = open_context(1280).new_page()
    page.goto(sign_in_link("grace"))
    expect(page.get_by_text("Grace, who approves · approver")).to_be_visible()
    return page


def test_a_conversation_is_kept_found_branched_shared_and_deleted(page: Page, grace: Page, lab: Lab) -> None:
    answers = page.locator(".hg-turn[data-role=assistant]")
    lab.cloud.answer_always(Script(text=MARKDOWN))
    ask(page, "How do I loop over a quagmire?")
    expect(answers.locator("strong")).to_have_text("two")
    expect(answers.locator("td")).to_have_text(["1", "2"])
    expect(answers.locator("math")).to_have_count(1)
    expect(answers.locator("img")).to_have_count(0)
    expect(answers.get_by_role("link", name="a link")).to_have_attribute("rel", re.compile("noopener"))
    expect(answers.locator(".hljs-keyword").first).to_have_text("for")

    # It is still there after a reload, and continues where it was.
    page.reload()
    expect(page.get_by_role("main").get_by_text("How do I loop over a quagmire?").last).to_be_visible()
    expect(page.get_by_label("Use case")).to_have_value("support")
    lab.reset()
    lab.cloud.answer_always(Script(echo=True))
    page.get_by_label("Message").fill("Thank you")
    page.get_by_label("Message").press("Enter")
    expect(answers.nth(1)).to_contain_text("Thank you")
    assert len(lab.cloud.requests[-1].json["messages"]) == 3

    # Editing the first question makes a branch; the arrows lead back.
    page.get_by_role("button", name="Edit question").first.click()
    page.get_by_label("Edited question").fill("How do I sort it?")
    page.get_by_role("button", name="Ask this instead").click()
    expect(answers).to_have_count(1)
    expect(answers.first).to_contain_text("How do I sort it?")
    expect(page.get_by_role("group", name="Alternatives of the question")).to_have_text("2 of 2")
    page.get_by_role("button", name="Earlier question").click()
    expect(answers).to_have_count(2)

    # Another answer to the same question, beside the first one.
    page.get_by_role("button", name="Answer again").last.click()
    expect(page.get_by_role("group", name="Alternatives of the answer")).to_have_text("2 of 2")
    page.get_by_role("button", name="Side by side").click()
    expect(page.get_by_role("button", name="Continue with this")).to_have_count(2)
    page.get_by_role("button", name="Continue with this").first.click()
    expect(page.get_by_role("group", name="Alternatives of the answer")).to_have_text("1 of 2")

    # A new chat by keyboard; then the old one is found by the beginning of a word.
    page.keyboard.press("Control+Shift+O")
    expect(answers).to_have_count(0)
    expect(page.get_by_label("Message")).to_be_focused()
    page.get_by_label("Search conversations").fill("quag")
    found = page.get_by_role("list", name="Found").get_by_role("link")
    expect(found).to_contain_text("How do I loop over a quagmire?")
    found.click()
    expect(answers).to_have_count(2)
    page.get_by_label("Search conversations").fill("")

    # Grace reads it once it is shared with her, and no longer when it is not.
    page.get_by_role("button", name="Options").click()
    page.get_by_role("menuitem", name="Share").click()
    page.get_by_label("Find a colleague").fill("nobody of that name")
    expect(page.get_by_text("Nobody else has “nobody of that name” in their name.")).to_be_visible()
    page.get_by_label("Find a colleague").fill("who approves")
    page.get_by_role("button", name="Share with Grace, who approves").click()
    expect(page.get_by_role("list", name="Readers")).to_contain_text("Grace, who approves (grace)")
    grace.goto("/chat")
    shared = grace.get_by_role("region", name="Shared with me").get_by_role("link")
    expect(shared).to_contain_text("from Administrator")
    shared.click()
    expect(grace.locator(".hg-turn").first).to_contain_text("How do I loop over a quagmire?")
    expect(grace.get_by_label("Message")).to_have_count(0)
    page.get_by_role("button", name="Stop sharing with Grace, who approves").click()
    expect(page.get_by_text("Nobody else can read it.")).to_be_visible()
    grace.reload()
    expect(grace.get_by_role("alert")).to_contain_text("This conversation could not be opened")
    page.keyboard.press("Escape")

    # It can be brought back for a moment, and is gone for good once the page is left.
    entry = page.get_by_role("region", name="Today").get_by_role("listitem").filter(has_text="quagmire")
    for _ in range(2):
        entry.get_by_role("button").click()
        page.get_by_role("menuitem", name="Delete").click()
        expect(page.get_by_text("No messages yet")).to_be_visible()
        expect(entry).to_have_count(0)
        page.get_by_role("button", name="Undo").click()
        expect(entry).to_be_visible()
    entry.get_by_role("button").click()
    page.get_by_role("menuitem", name="Delete").click()
    expect(entry).to_have_count(0)
    page.reload()
    page.get_by_label("Search conversations").fill("quag")
    expect(page.get_by_text("Nothing found.")).to_be_visible()


def test_what_is_typed_survives_escape_and_the_head_stays_in_sight(page: Page, lab: Lab) -> None:
    lab.cloud.answer_always(Script(text="line\n\n" * 80))
    page.goto("/chat")
    expect(page.get_by_label("Message")).to_be_focused()
    ask(page, "Write to ada@example.org")
    answers = page.locator(".hg-turn[data-role=assistant]")
    expect(answers).to_contain_text("masked 1 e-mail address")
    page.get_by_label("Message").fill("And to bob@example.org")
    page.get_by_label("Message").press("Enter")
    expect(answers.nth(1)).to_contain_text("masked 1 e-mail address")
    answers.nth(1).get_by_text("Answered by").click()
    expect(answers.nth(1)).to_contain_text("also 1 e-mail address from before")
    page.mouse.wheel(0, -600)
    expect(page.get_by_label("Model", exact=True)).to_be_in_viewport()
    page.get_by_role("button", name="Options").click()
    page.get_by_role("menuitem", name="System prompt").click()
    page.get_by_label("Instructions for every answer").fill("Be brief")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Options").click()
    page.get_by_role("menuitem", name="System prompt").click()
    expect(page.get_by_label("Instructions for every answer")).to_have_value("Be brief")
    page.get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="Edit question").last.click()
    page.get_by_label("Edited question").fill("And to nobody")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Edit question").last.click()
    expect(page.get_by_label("Edited question")).to_have_value("And to nobody")
    page.keyboard.press("Enter")
    expect(page.locator(".hg-turn[data-role=user]").last).to_contain_text("And to nobody")


def test_an_answer_goes_on_over_a_reload_until_it_is_stopped(page: Page, lab: Lab) -> None:
    lab.cloud.script(Script(text="many words " * 50, stall="stream", stall_after=6))
    ask(page, "Count for ada@example.org")
    answer = page.locator(".hg-turn[data-role=assistant]")
    expect(answer).to_contain_text("many words")
    page.reload()
    expect(answer).to_contain_text("many words")
    page.get_by_role("button", name="Stop answer").click()
    expect(answer).to_contain_text("Stopped. This is the answer so far.")
    expect(answer).to_contain_text("Answered by cloud-openai, masked 1 e-mail address")


def test_somebody_new_begins_in_the_chat_and_finds_their_keys(
    open_context: Callable[[int], BrowserContext], sign_in_link: Callable[..., str], lab: Lab
) -> None:
    titled = {"owner": "anna@lab.test", "purpose": "Try it", "title": "First steps", "members": ["newcomer"]}
    lab.gate.api.call("PUT", "/api/use-cases/first-steps", titled)
    lab.gate.api.call("POST", "/api/people", {"id": "newcomer", "name": "Nell New"})
    page = open_context(390).new_page()
    page.goto(sign_in_link("newcomer"))
    expect(page.get_by_text("No messages yet")).to_be_visible()
    expect(page.get_by_label("Use case")).to_contain_text("First steps")
    page.goto("/my-usage")
    page.get_by_role("link", name="Make a key").click()
    expect(page.get_by_role("button", name="Make key")).to_be_visible()
    expect(page.get_by_text("First steps").first).to_be_visible()
    page.get_by_role("navigation", name="Groups").get_by_role("link", name="Chat").click()
    expect(page.get_by_label("Message")).to_be_visible()


def test_files_go_with_the_message_and_images_only_to_models_that_take_them(page: Page, lab: Lab) -> None:
    lab.cloud.answer_always(Script(text="A summary"))
    blind = {"provider": "openai", "model": "m", "base_url": "http://127.0.0.1:9/v1", "images": False}
    lab.gate.api.call("PUT", "/api/entries/deployment/blind", {"entry": blind})
    lab.gate.api.call("PUT", "/api/entries/alias/blind", {"entry": {"deployments": ["blind"]}})
    choose(page)
    page.get_by_label("Files to attach").set_input_files(
        {"name": "notes.md", "mimeType": "text/markdown", "buffer": b"Ask ada@example.org"}
    )
    page.get_by_label("Message").fill("Summarise this")
    page.get_by_label("Message").press("Enter")
    expect(page.locator(".hg-turn[data-role=assistant]")).to_contain_text("masked 1 e-mail address")
    expect(page.get_by_role("list", name="Attached files")).to_contain_text("notes.md")
    sent = lab.cloud.requests[-1].json["messages"][0]["content"]
    assert sent.startswith("File notes.md:")
    assert "ada@example.org" not in sent
    image: FilePayload = {"name": "cat.png", "mimeType": "image/png", "buffer": PIXEL}
    page.get_by_label("Model").select_option("blind")
    page.get_by_label("Files to attach").set_input_files(image)
    expect(page.get_by_role("alert")).to_contain_text("blind takes no images. Choose another model")
    page.get_by_label("Message").fill("What is this?")
    expect(page.get_by_role("button", name="Send message")).to_be_disabled()
    page.get_by_label("Model").select_option("seeing")
    page.get_by_label("Message").press("Enter")
    expect(page.get_by_role("img", name="cat.png")).to_be_visible()
    expect(page.locator(".hg-turn[data-role=assistant]").nth(1)).to_contain_text("Answered by")
    content = lab.cloud.requests[-1].json["messages"][-1]["content"]
    assert [part["type"] for part in content] == ["text", "image_url"]
    for kind in ("alias", "deployment"):
        lab.gate.api.call("DELETE", f"/api/entries/{kind}/blind")


def test_a_refused_image_is_told_in_plain_words_and_its_ways_on_work(page: Page, lab: Lab) -> None:
    lab.cloud.answer_always(Script(text="A cat"))
    choose(page)
    page.get_by_label("Files to attach").set_input_files({"name": "cat.png", "mimeType": "image/png", "buffer": PIXEL})
    page.get_by_label("Message").fill("What is this?")
    page.get_by_label("Message").press("Enter")
    refusal = page.locator(".hg-turn .hg-failure")
    expect(refusal).to_contain_text("Images may not go to cloud, because Headgate cannot check what they show.")
    expect(refusal.get_by_text("lattice.flow")).to_be_hidden()
    expect(refusal.get_by_role("button")).to_have_text(
        [
            "Send without the image",
            "Answer with hybrid on our machines",
            "Answer with onprem on our machines",
            "Answer with seeing",
            "Answer with seeing-claude",
        ]
    )
    refusal.get_by_role("button", name="Answer with seeing", exact=True).click()
    answers = page.locator(".hg-turn[data-role=assistant]")
    expect(answers).to_contain_text("Answered by seeing-openai")
    page.get_by_role("button", name="Earlier answer").click()
    refusal.get_by_role("button", name="Send without the image").click()
    expect(answers).to_contain_text("Answered by cloud-openai")
    expect(page.get_by_role("list", name="Attached files")).to_have_count(0)


def test_a_refusal_offers_a_model_on_our_own_machines(phone: Page, lab: Lab) -> None:
    lab.onprem.answer_always(Script(echo=True))
    choose(phone, use_case="getting-started")
    phone.get_by_label("Message").fill("Good day")
    phone.get_by_label("Message").press("Enter")
    expect(phone.get_by_role("alert")).to_contain_text("Message refused")
    phone.get_by_role("button", name="Answer with onprem on our machines").click()
    expect(phone.locator(".hg-turn[data-role=assistant]")).to_contain_text("Good day")
    expect(phone.get_by_role("alert")).to_have_count(0)
    assert phone.evaluate("document.documentElement.scrollWidth") <= 360
    phone.get_by_role("button", name="Conversations").click()
    expect(phone.get_by_role("dialog").get_by_role("link", name="Good day").first).to_be_visible()


def choose(page: Page, *, use_case: str = "support") -> None:
    page.goto("/chat")
    page.get_by_label("Model").select_option("cloud")
    page.get_by_label("Use case").select_option(use_case)


def ask(page: Page, text: str) -> None:
    choose(page)
    page.get_by_label("Message").fill(text)
    page.get_by_label("Message").press("Enter")
