"""The built console of a whole Headgate in Chromium. Pages may ask nobody else, and may not break."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from headgate.testing.lab import Lab, open_lab

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
QUIET = ("--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync")
COOKIE = "headgate_session"
WAIT_MS = 30_000

AXE = Path(__file__).parents[2] / "console" / "node_modules" / "axe-core" / "axe.min.js"
RUN_AXE = """
axe.run(document, {
  resultTypes: ["violations"],
  ...(matchMedia("(prefers-color-scheme: dark)").matches && { runOnly: ["color-contrast"] }),
  // Dialogs of the component library have a header, which axe takes for a second one of the page.
  rules: { "landmark-no-duplicate-banner": { enabled: false }, "landmark-unique": { enabled: false } },
})
"""

expect.set_options(timeout=WAIT_MS)


@pytest.fixture(scope="module")
def shared_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """One for the tests of a file, without the embedded models: the simulated providers answer faster."""
    built = files("headgate.server") / "static" / "index.html"
    assert built.is_file(), "the console is not built: run `make console`"
    with open_lab(tmp_path_factory.mktemp("browser") / "data", "--no-model") as lab:
        yield lab


@pytest.fixture
def lab(shared_lab: Lab) -> Iterator[Lab]:
    """The shared one; its providers have seen nothing yet."""
    shared_lab.reset()
    yield shared_lab
    shared_lab.reset()


@pytest.fixture(scope="module")
def sign_in_link(shared_lab: Lab) -> Callable[..., str]:
    """Makes a fresh link for an administrator or for somebody else, as an operator does on the machine."""

    def make(*principal: str) -> str:
        port = str(urlsplit(shared_lab.gate.base_url).port)
        environment = {**os.environ, "HEADGATE_DATA": str(shared_lab.gate.data), "HEADGATE_PORT": port}
        command = [sys.executable, "-m", "headgate.cli.main", "sign-in"]
        if principal:
            command += ["--principal", *principal]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout.split()[-1]

    return make


@pytest.fixture(scope="module")
def session_cookie(shared_lab: Lab) -> str:
    """The cookie of an administrator's session, from the link that was printed at start."""
    base_url = shared_lab.gate.base_url
    token = shared_lab.gate.sign_in_link.partition("#token=")[2]
    headers = {"origin": base_url, "x-headgate-csrf": "1"}
    answer = httpx2.post(f"{base_url}/api/session", json={"token": token}, headers=headers)
    assert answer.status_code == 200, answer.text
    return str(answer.cookies[COOKIE])


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """The system's Chromium. For one module: while it runs, its thread has an event loop, which others' tests need."""
    path = next((found for name in CHROMIUM if (found := shutil.which(name))), None)
    assert path is not None, "the browser tests need Chromium; on Debian: apt-get install chromium"
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=[*QUIET, *sandbox])
        yield browser
        browser.close()


@pytest.fixture
def open_context(chromium: Browser, lab: Lab) -> Iterator[Callable[[int], BrowserContext]]:
    """Opens a browser window of a width in pixels, signed in to nothing; what breaks in its pages fails the test."""
    contexts: list[BrowserContext] = []
    broken: list[str] = []

    def watch(page: Page) -> None:
        page.on("pageerror", lambda error: broken.append(f"error: {error}"))
        page.on("request", lambda request: _note_foreign(request.url, lab.gate.base_url, broken))
        # A refused request is a line in the console too, but nothing broken: tests look at how the page tells it.
        page.on(
            "console",
            lambda line: (
                broken.append(line.text) if line.type == "error" and "Failed to load" not in line.text else None
            ),
        )

    def make(width: int) -> BrowserContext:
        context = chromium.new_context(
            base_url=lab.gate.base_url, viewport={"width": width, "height": 860}, reduced_motion="reduce"
        )
        context.set_default_timeout(WAIT_MS)
        context.on("page", watch)
        contexts.append(context)
        return context

    yield make
    for context in contexts:
        context.close()
    assert not broken


@pytest.fixture
def stranger(open_context: Callable[[int], BrowserContext]) -> Page:
    """A page of somebody who is not signed in."""
    return open_context(1280).new_page()


@pytest.fixture
def page(open_context: Callable[[int], BrowserContext], session_cookie: str, lab: Lab) -> Page:
    """A page of a signed-in administrator."""
    return _signed_in(open_context(1280), session_cookie, lab)


@pytest.fixture
def phone(open_context: Callable[[int], BrowserContext], session_cookie: str, lab: Lab) -> Page:
    """The same on a small phone."""
    return _signed_in(open_context(360), session_cookie, lab)


@pytest.fixture(scope="session")
def violations() -> Callable[[Page], list[str]]:
    """Finds what axe objects to on a page, with the first place of each."""
    axe = AXE.read_text()

    def find(page: Page) -> list[str]:
        found = page.evaluate(f"{axe}; {RUN_AXE}")["violations"]
        return [f"{one['id']}: {one['nodes'][0]['html'][:200]}" for one in found]

    return find


def _signed_in(context: BrowserContext, cookie: str, lab: Lab) -> Page:
    context.add_cookies([{"name": COOKIE, "value": cookie, "url": lab.gate.base_url}])
    return context.new_page()


def _note_foreign(url: str, base_url: str, broken: list[str]) -> None:
    if not url.startswith((f"{base_url}/", "data:", "blob:")):
        broken.append(f"asked for {url}")
