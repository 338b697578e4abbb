"""The first hour of three people at Kestrel, an insurer, told as stories. Their pictures are in the documentation.

`HEADGATE_WRITE_IMAGES=1 pytest --timeout 0` takes the pictures anew, after four minutes of calls instead of a moment.
"""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import httpx2
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from headgate.testing.lab import Lab
from headgate.testing.running import running_headgate
from headgate.testing.simulator import Failure, Script
from headgate.testing.simulator.script import Tokens
from headgate.testing.threaded import ThreadedSimulator

pytestmark = pytest.mark.browser

PICTURES = Path(__file__).parents[2] / "docs" / "images"
WRITES = os.environ.get("HEADGATE_WRITE_IMAGES") == "1"
PROVIDER_KEY = "provider-key-of-kestrel"
TRAFFIC_S = 240.0 if WRITES else 0.0

KESTREL = """
[[network]]
id = "office"
allow = ["127.0.0.1/32"]

[[deployment]]
id = "gpt-cloud"
provider = "openai"
model = "gpt-5-mini"
base_url = "http://127.0.0.1:{cloud}/v1"
network = "office"
key = "env:KESTREL_PROVIDER_KEY"
price = {{ input = 0.25, output = 2.0 }}

[[deployment]]
id = "claude-cloud"
provider = "anthropic"
model = "claude-sonnet"
base_url = "http://127.0.0.1:{cloud}"
network = "office"
key = "env:KESTREL_PROVIDER_KEY"
price = {{ input = 3.0, output = 15.0 }}

[[deployment]]
id = "house-model"
provider = "openai"
model = "open-weights-32b"
base_url = "http://127.0.0.1:{house}/v1"
price = {{ input = 0.0, output = 0.0 }}
clearance = {{ level = "restricted", categories = ["pii", "phi", "pci", "unscanned"], custody = "organisation" }}

[[alias]]
id = "smart"
description = "The cloud where it may, our own machines where it must"
deployments = ["gpt-cloud", "house-model"]

[[alias]]
id = "writer"
description = "For long texts"
deployments = ["claude-cloud"]

[[alias]]
id = "house"
description = "On our own machines"
deployments = ["house-model"]

[[use_case]]
id = "support"
title = "Customer support"
owner = "anna"
purpose = "Draft answers to customers' questions"
status = "live"
review = 2027-06-30

[[use_case]]
id = "claims"
title = "Claims triage"
owner = "anna"
purpose = "Sort incoming claims by urgency"
status = "live"
risk = "high"
review = 2027-03-31

[[use_case]]
id = "contracts"
title = "Contract review"
owner = "tom"
purpose = "Find unusual clauses in suppliers' contracts"
status = "live"

[[policy]]
id = "claims"
text = '''
@id("claims-with-approval")
@reason("somebody looks at what leaves our machines before it does")
@does("ask")
forbid (principal, action == Headgate::Action::"model.dispatch", resource)
when {{ context.use_case.id == "claims" && resource.custody != "organisation" }};
'''

[[person]]
id = "anna"
name = "Anna Kim"
confidentiality = "restricted"

[[person]]
id = "tom"
name = "Tom Reyes"
roles = ["admin"]

[[person]]
id = "grace"
name = "Grace Lee"
roles = ["officer"]
"""

QUESTIONS = (
    "Answer Mr Weber (weber.karl@example.org): does his policy cover water damage from a burst pipe?",
    "Summarise the last three messages of this customer in two sentences.",
    "The customer paid with 4111 1111 1111 1111 and wants a receipt. Draft the reply.",
    "Which documents do we need for a claim after a break-in?",
    "Translate this answer into Polish: we have received your letter.",
    "Is clause 14.2 about liability unusual for a supplier's contract?",
)
CLAIMS = ("The roof of a garden house was blown away on Sunday. How urgent?", "Knee operation abroad. How urgent?")
ANSWER = """\
Water damage from a **burst pipe** is covered, with two limits:

| What | Up to | Own share |
|---|---|---|
| Building | €500,000 | €250 |
| Contents | €80,000 | €150 |

1. Ask the customer for photos and the plumber's bill.
2. Note the day of the damage; claims later than 30 days need a reason.
"""


@dataclass(slots=True)
class Kestrel(Lab):
    """The organisation, with a cloud provider, and a model on its own machines.

    Args:
        keys: secrets by program.
        began: the minute in which its programs began to work.
    """

    keys: dict[str, str] = field(default_factory=dict[str, str])
    began: str = ""

    def call(self, who: str, model: str, text: str) -> httpx2.Response:
        """Call a model by a program's key."""
        body = {"model": model, "messages": [{"role": "user", "content": text}]}
        with self.http(self.keys[who]) as client:
            return client.post("/v1/chat/completions", json=body)

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run the command line as the operator of the machine does."""
        port = str(httpx2.URL(self.gate.base_url).port)
        environment = {**os.environ, "HEADGATE_DATA": str(self.gate.data), "HEADGATE_PORT": port}
        command = [sys.executable, "-m", "headgate.cli.main", *words]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)

    def sign_in(self, page: Page, person: str) -> None:
        """Open the console as a person."""
        done = self.command("sign-in", "--principal", person)
        assert done.returncode == 0, done.stderr
        page.goto(done.stdout.split()[-1])
        expect(page).not_to_have_url(re.compile("/sign-in"))
        expect(page.get_by_role("heading", level=1)).to_be_visible()


@pytest.fixture(scope="module")
def kestrel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kestrel]:
    """Kestrel after its programs have called models for a while."""
    folder = tmp_path_factory.mktemp("kestrel") / "data"
    environment = {"KESTREL_PROVIDER_KEY": PROVIDER_KEY}
    with (
        ThreadedSimulator(key=PROVIDER_KEY) as cloud,
        ThreadedSimulator() as house,
        running_headgate(folder, "--no-model", environment=environment) as gate,
    ):
        gate.apply(KESTREL.format(cloud=cloud.port, house=house.port))
        programs = {"support-bot": "support", "claims-sorter": "claims", "contract-reader": "contracts"}
        keys = {name: gate.new_key(name, use_case=use_case) for name, use_case in programs.items()}
        keys["batch-letters"] = gate.new_key("batch-letters", use_case="support", requests_per_minute=2)
        organisation = Kestrel(gate, cloud, house, keys=keys, began=f"{datetime.now(UTC):%Y-%m-%dT%H:%M:00Z}")
        work(organisation, until_s=time.monotonic() + TRAFFIC_S)
        yield organisation


def work(kestrel: Kestrel, *, until_s: float) -> None:
    """Make the calls of an ordinary day: most are answered, some fail, some are refused."""
    rng = random.Random(7)
    rounds = 0
    while rounds < 1 or time.monotonic() < until_s:
        for who, model in (
            ("support-bot", "smart"),
            ("support-bot", "smart"),
            ("support-bot", "house"),
            ("contract-reader", "writer"),
            ("claims-sorter", "house"),
            ("batch-letters", "smart"),
        ):
            tokens = Tokens(input=rng.randrange(200, 2400), output=rng.randrange(60, 700))
            script = Script(text=ANSWER, tokens=tokens, delay_s=rng.uniform(0.05, 0.9) if WRITES else 0.0)
            if who == "contract-reader" and rng.random() < 0.1:
                script = Script(failure=Failure(529))
            kestrel.cloud.answer_always(script)
            kestrel.onprem.answer_always(script if script.failure is None else Script(text=ANSWER))
            kestrel.call(who, model, rng.choice(QUESTIONS))
            if WRITES:
                time.sleep(rng.uniform(0.0, 2.5))
        rounds += 1
    for simulator in (kestrel.cloud, kestrel.onprem):
        simulator.answer_always(Script(text=ANSWER, tokens=Tokens(input=1204, output=310)))


def record_of(answer: httpx2.Response) -> str:
    """The id of the record of a call."""
    return answer.headers["x-headgate-record"]


@contextmanager
def window(chromium: Browser, kestrel: Kestrel, *, width: int = 1280, height: int = 860) -> Generator[Page]:
    """A browser window. An error in its pages fails the test."""
    context: BrowserContext = chromium.new_context(
        base_url=kestrel.gate.base_url, viewport={"width": width, "height": height}, reduced_motion="reduce"
    )
    context.set_default_timeout(30_000)
    page = context.new_page()
    broken: list[str] = []
    page.on("pageerror", lambda error: broken.append(str(error)))
    yield page
    context.close()
    assert not broken


def picture(page: Page, name: str) -> None:
    """Take the picture of the documentation anew, or check that it has one."""
    file = PICTURES / f"{name}.png"
    taken = page.screenshot()
    if WRITES:
        file.write_bytes(taken)
    assert file.is_file(), f"run with HEADGATE_WRITE_IMAGES=1 to take {file.name}"


def test_tom_the_platform_engineer_sees_what_happens_and_gets_to_the_reason(
    chromium: Browser, kestrel: Kestrel
) -> None:
    status = kestrel.command("status")
    assert "1 running" in status.stdout, status.stdout + status.stderr
    kestrel.cloud.script(Script(failure=Failure(529, message="Overloaded, try again later")))
    failed = kestrel.call("contract-reader", "writer", QUESTIONS[-1])
    kestrel.record(record_of(failed), logged=True)
    with window(chromium, kestrel, height=1000) as page:
        kestrel.sign_in(page, "tom")

        # Home is what happened, by the names that people use.
        until_now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
        page.goto(f"/?since={kestrel.began}&until={until_now}" if WRITES else "/?span=1h")
        expect(page.get_by_role("heading", level=1)).to_have_text("Overview")
        for name in ("Customer support", "Contract review", "Claims triage"):
            expect(page.get_by_label("Use cases by spend").get_by_text(name)).to_be_visible()
        expect(page.get_by_label("People and programs").get_by_text("contract-reader")).to_be_visible()
        for chart in ("Calls over time", "Time to answer"):
            expect(page.get_by_role("img", name=chart).locator("canvas")).to_be_visible()
        picture(page, "overview")

        # The reason of a failure is a link to the failed calls. Such a call tells which models were tried.
        page.get_by_label("Reasons of refusals and failures").get_by_role("link").filter(has_text="provider").click()
        page.wait_for_url("**/activity?*")
        page.locator(f"a[href='/records/{record_of(failed)}']").first.click()
        beside = page.get_by_role("dialog")
        expect(beside).to_contain_text("claude-cloud")
        expect(beside).to_contain_text("529")

        # An answered call tells which values were masked.
        answered = kestrel.call("support-bot", "smart", QUESTIONS[0])
        kestrel.record(record_of(answered), logged=True)
        page.goto(f"/records/{record_of(answered)}")
        said = page.get_by_role("region", name="Conversation", exact=True)
        expect(said).to_contain_text("does his policy cover water damage")
        expect(said.locator("mark")).to_contain_text("e-mail address, masked")
        expect(page.get_by_role("main")).to_contain_text("gpt-cloud")
        picture(page, "record")
    usage = kestrel.command("usage", "--by", "use_case", "--csv")
    assert {"support", "claims", "contracts"} <= {line.split(",")[0] for line in usage.stdout.splitlines()}


def test_grace_the_compliance_officer_reads_decides_and_tightens_a_rule(chromium: Browser, kestrel: Kestrel) -> None:
    asked = [kestrel.call("claims-sorter", "writer", text) for text in CLAIMS]
    assert all("x-headgate-approval" in answer.headers for answer in asked), [answer.text for answer in asked]
    for answer in asked:
        kestrel.record(record_of(answer), logged=True)
    with window(chromium, kestrel) as page:
        kestrel.sign_in(page, "grace")

        # The list tells who called which model, what was masked, and why a call was refused.
        page.get_by_role("link", name="Activity").click()
        rows = page.get_by_role("table", name="Records, newest first").get_by_role("row")
        expect(rows.filter(has_text="Claims triage").filter(has_text="Needs approval").first).to_be_visible()
        expect(rows.filter(has_text="masked").first).to_contain_text("Customer support")
        picture(page, "activity")

        # She reads the masked text of a request before she decides it.
        page.get_by_role("link", name="Approvals").click()
        requests = page.get_by_role("list", name="Requests, newest first")
        expect(requests).to_contain_text("“The roof of")
        expect(requests).to_contain_text("“Knee operation")
        picture(page, "approvals")
        requests.get_by_role("link").filter(has_text="Claims triage").first.click()
        page.get_by_label("Reason").fill("Nobody can be recognised")
        page.get_by_role("button", name="Approve once").click()
        expect(page.get_by_label("Decision")).to_contain_text("Nobody can be recognised")

        # Before a rule changes, she sees what last week would have been; then she takes the change back.
        page.goto("/rules?use_case=support")
        page.get_by_label("Search rules").fill("mask personal")
        switch = page.get_by_role("switch").first
        switch.click(force=True)
        preview = page.get_by_role("region", name="Preview of the last 7 days")
        expect(preview).to_contain_text("would have gone unmasked")
        picture(page, "rules")
        page.get_by_role("dialog").get_by_role("button", name="Set to observe").click()
        page.get_by_role("button", name="Undo").click()
        expect(switch).to_be_checked()


def test_anna_the_team_lead_works_in_the_chat_on_the_first_day(chromium: Browser, kestrel: Kestrel) -> None:
    with window(chromium, kestrel) as page:
        kestrel.sign_in(page, "anna")
        expect(page.get_by_role("navigation", name="Pages").get_by_role("link", name="People")).to_have_count(0)
        page.goto("/chat")
        page.get_by_label("Model", exact=True).select_option("smart")
        page.get_by_label("Use case").select_option("support")
        message = page.get_by_label("Message")
        message.fill(QUESTIONS[0])
        message.press("Enter")
        answer = page.locator(".hg-turn[data-role=assistant]")
        expect(answer.get_by_role("table")).to_be_visible()
        expect(answer).to_contain_text("masked 1 e-mail address")
        picture(page, "chat")

        # A message that may not leave has ways on that work.
        page.get_by_role("button", name="New chat").first.click()
        page.get_by_label("Model", exact=True).select_option("writer")
        page.get_by_label("Use case").select_option("claims")
        message.fill(CLAIMS[0])
        message.press("Enter")
        page.get_by_role("button", name="Answer with house on our machines").click()
        expect(answer.last).to_contain_text("burst pipe")

        # Her own usage, and what is left of her limits.
        page.get_by_role("link", name="My usage").click()
        expect(page.get_by_label("Your models by spend").get_by_text("smart")).to_be_visible()
        expect(page.get_by_text("Claims triage").first).to_be_visible()
        picture(page, "my-usage")
    with window(chromium, kestrel, width=390, height=844) as phone:
        kestrel.sign_in(phone, "anna")
        phone.goto("/chat")
        expect(phone.get_by_label("Message")).to_be_visible()
        assert phone.evaluate("document.documentElement.scrollWidth") <= 390
