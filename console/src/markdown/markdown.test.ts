import { MantineProvider } from "@mantine/core";
import { createElement } from "react";
import { renderToStaticMarkup } from "react-dom/server";
import { describe, expect, it } from "vitest";

import { Markdown } from "./Markdown";
import { blocksOf, safeAddress } from "./lexing";

const shown = (text: string): string => 
  renderToStaticMarkup(createElement(MantineProvider, null, createElement(Markdown, { text })));

describe("markdown", () => {
  it("shows lists, tables, emphasis and quotes as elements", () => {
    const text = "1. one\n2. **two**\n\n| a | b |\n|---|--:|\n| `x` | 1 |\n\n> said\n\n- [x] done";
    const html = shown(text);
    expect(html).toContain("<strong>two</strong>");
    expect(html).toMatch(/<td style="text-align:right">1<\/td>/);
    expect(html).toMatch(/<blockquote><p>said<\/p><\/blockquote>/);
    expect(html).toContain('type="checkbox"');
  });

  it("shows HTML as text, so that nothing in an answer runs", () => {
    for (const attack of [
      "<script>alert(1)</script>",
      'text <img src="https://evil.example/x" onerror="alert(1)"> text',
      "<svg onload=alert(1)>",
      "<a href='javascript:alert(1)'>x</a>",
      "<iframe srcdoc='x'></iframe>",
    ])
      expect(shown(attack)).not.toMatch(/<(script|img|svg|iframe|a)\b/);
  });

  it("links only to the web and to mail, in a window without a way back, and loads no images", () => {
    expect(shown("[a](https://example.org/x?y=1)")).toContain(
      '<a href="https://example.org/x?y=1" target="_blank" rel="noopener noreferrer nofollow"',
    );
    for (const address of ["javascript:alert(1)", "JaVaScRiPt:alert(1)", "data:text/html,x", "//evil.example", "/keys"])
      expect(shown(`[a](${address})`)).not.toContain("href");
    const image = shown("![a cat](https://evil.example/cat.png)");
    expect(image).not.toContain("<img");
    expect(image).toContain("Image: a cat");
    expect(safeAddress("mailto:ann@example.org")).toBe("mailto:ann@example.org");
  });

  it("shows code with its language, as it is", () => {
    const html = shown('```python\nprint("<b>")\n```');
    expect(html).toContain("python");
    expect(html).toContain("print(&quot;&lt;b&gt;&quot;)");
    expect(shown("```\nopen")).toContain("open");
  });

  it("finds formulas, and no formulas in prices", () => {
    const types = (text: string) => JSON.stringify(blocksOf(text));
    expect(types("so $x^2$ grows")).toContain('"type":"formula"');
    expect(types("$$\na+b\n$$")).toContain('"isBlock":true');
    expect(types("\\(a\\) and \\[b\\]")).toContain('"text":"a"');
    expect(types("from $5 to $10 each")).not.toContain('"type":"formula"');
    expect(types("`$x$`")).not.toContain('"type":"formula"');
  });

  it("keeps entities and characters as they were written", () => {
    expect(shown("a & b < c &amp; d")).toContain("a &amp; b &lt; c &amp; d");
  });
});
