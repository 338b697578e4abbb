"""The console's sources, served by `make console-dev` in front of a Headgate with simulated providers."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from headgate.testing.running import free_port

pytestmark = pytest.mark.browser

ROOT = Path(__file__).parents[2]
STOP_S = 60


@pytest.fixture
def sign_in_link() -> Iterator[str]:
    """The link that the command prints, once pages are served."""
    command = ["scripts/console.sh", "dev", "--port", str(free_port())]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as server:
        assert server.stdout is not None
        link = ""
        said: list[str] = []
        for line in server.stdout:
            said.append(line)
            link = next((word for word in line.split() if "#token=" in word), link)
            if "ready in" in line:
                break
        else:
            pytest.fail("".join(said))
        yield link
        server.send_signal(signal.SIGTERM)
        server.communicate(timeout=STOP_S)


def test_the_sources_are_served_in_front_of_a_headgate_that_has_calls_to_show(
    chromium: Browser, sign_in_link: str
) -> None:
    page = chromium.new_page()
    page.goto(sign_in_link)
    expect(page.get_by_role("heading", level=1)).to_have_text("Overview")
    page.get_by_role("link", name="Quick start").click()
    expect(page.get_by_role("link", name="cloud → cloud-openai").first).to_be_visible()
    page.get_by_role("link", name="Activity", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Activity")
    expect(page.get_by_role("row").filter(has_text="Refused").first).to_be_visible()
    page.context.close()
