"""Text stands out from what is behind it, in light and dark. Source: WCAG 2.2, success criterion 1.4.3."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from headgate.testing.lab import Lab

pytestmark = pytest.mark.browser

PAGES = (
    "/",
    "/start",
    "/usage",
    "/my-usage",
    "/preview",
    "/chat",
    "/activity",
    "/approvals",
    "/models",
    "/use-cases",
    "/use-cases/support",
    "/rules",
    "/notifications",
    "/keys",
    "/configuration",
)

FAINT = """
() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const painted = new Map();
  const paint = (layers) => {
    const key = layers.join();
    if (!painted.has(key)) painted.set(key, painting(layers));
    return painted.get(key);
  };
  const painting = (layers) => {
    canvas.clearRect(0, 0, 1, 1);
    for (const layer of layers) { canvas.fillStyle = layer; canvas.fillRect(0, 0, 1, 1); }
    return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const luminance = (rgb) => {
    const linear = (one) => one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4;
    const [r, g, b] = rgb.map((one) => linear(one / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    const layers = [];
    for (let at = element; at; at = at.parentElement) layers.unshift(getComputedStyle(at).backgroundColor);
    return ["white", ...layers];
  };
  const faint = [];
  for (const element of document.querySelectorAll("body *")) {
    const text = [...element.childNodes].filter((node) => node.nodeType === 3).map((node) => node.data.trim()).join("");
    const isOff = element.closest("[disabled], [data-disabled], .hg-unseen, .hg-skip, svg, noscript, script, style");
    if (!text || isOff || !element.checkVisibility()) continue;
    const style = getComputedStyle(element);
    const layers = behind(element);
    const [one, other] = [luminance(paint([...layers, style.color])), luminance(paint(layers))];
    const contrast = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    const isLarge = parseFloat(style.fontSize) >= 24;
    if (contrast < (isLarge ? 3 : 4.5)) faint.push(`${contrast.toFixed(2)} ${text.slice(0, 40)}`);
  }
  return faint;
}
"""


IS_RED = """
(button) => {
  const [red, green, blue] = getComputedStyle(button).color.match(/[0-9.]+/g).map(Number);
  return red > 1.3 * green && red > 1.3 * blue;
}
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_on_every_page(page: Page, lab: Lab, scheme: str) -> None:
    body = {"model": "cloud", "messages": [{"role": "user", "content": "Write to ada@example.org"}]}
    with lab.http() as client:
        record = client.post("/v1/chat/completions", json=body).headers["x-headgate-record"]
    found = lab.record(record, logged=True)
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    paths = [*PAGES, "/sign-in"]
    asked = {**body, "messages": [{"role": "user", "content": f"Look at this in {scheme}"}]}
    with lab.http(lab.careful) as client:
        approval = client.post("/v1/chat/completions", json=asked).headers["x-headgate-approval"]
    for path in [*paths, f"/records/{found['record']['id']}", f"/approvals/{approval}"]:
        page.goto(path)
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        expect(page.get_by_role("status", name="Loading")).to_have_count(0)
        if path == "/preview":
            page.get_by_role("button", name="Fill in an example").click()
            page.get_by_role("button", name="Preview text").click()
            expect(page.locator("mark.hg-find").first).to_be_visible()
        if path == "/chat":
            page.get_by_label("Model").select_option("cloud")
            page.get_by_label("Use case").select_option("careful")
            page.get_by_label("Message").fill(f"Look at this in {scheme} too")
            page.get_by_label("Message").press("Enter")
            expect(page.get_by_text("for a decision")).to_be_visible()
        if path == "/keys":
            revoke = page.get_by_role("button", name="Revoke").first
            revoke.hover()
            assert revoke.evaluate(IS_RED), scheme
            assert page.evaluate(FAINT) == [], "under the pointer"
            revoke.click()
            expect(page.get_by_role("dialog").get_by_role("button", name="Revoke")).to_be_visible()
        assert page.evaluate(FAINT) == [], path
