"""The picture in the README is taken from the real console; `HEADGATE_WRITE_IMAGES=1` puts a fresh one in its place."""

from __future__ import annotations

import os
import re
import struct
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from headgate.testing.lab import Lab

pytestmark = pytest.mark.browser

PICTURE = Path(__file__).parents[2] / "docs" / "images" / "start.png"
TEXT = "Please answer ada@example.org, who paid with 4111 1111 1111 1111."


def size_of(png: bytes) -> tuple[int, int]:
    """The width and height of a PNG; it begins as every PNG does."""
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", png[16:24])
    return width, height


def _let_news_become_old(lab: Lab, key: str) -> None:
    """Wait until the calls of other tests are in the log: what gets there later is shown as arriving."""
    with lab.http(key) as client:
        body = {"model": "cloud", "messages": [{"role": "user", "content": "Hello"}]}
        lab.record(client.post("/v1/chat/completions", json=body).headers["x-headgate-record"], logged=True)


def test_the_picture_in_the_readme_shows_a_call_arriving_on_the_first_page(
    page: Page, lab: Lab, tmp_path: Path
) -> None:
    key = lab.gate.new_key("readme", use_case="support")
    _let_news_become_old(lab, key)
    page.goto("/start")
    expect(page.get_by_text("Live", exact=True)).to_be_visible()
    for model in ("cloud", "hybrid", "cloud"):
        with lab.http(key) as client:
            body = {"model": model, "messages": [{"role": "user", "content": TEXT}]}
            answer = client.post("/v1/chat/completions", json=body)
        assert answer.status_code == 200
        link = page.locator(f"a[href='/records/{answer.headers['x-headgate-record']}']")
        expect(page.get_by_role("listitem").filter(has=link)).to_contain_text(re.compile(r"masked \d"))
    taken = page.screenshot(path=tmp_path / "start.png")
    if os.environ.get("HEADGATE_WRITE_IMAGES") == "1":
        PICTURE.parent.mkdir(parents=True, exist_ok=True)
        PICTURE.write_bytes(taken)
    assert size_of(PICTURE.read_bytes()) == size_of(taken), "the README shows another page than the console has"
