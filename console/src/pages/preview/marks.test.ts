import { describe, expect, it } from "vitest";

import { type Finding, cutAtFindings } from "./marks";

function finding(start: number, end: number): Finding {
  return { kind: "email", category: "pii", start, end, detector: "email", confidence: 1 };
}

describe("cutAtFindings", () => {
  it("counts code points, so that an emoji before a finding does not shift it", () => {
    const pieces = cutAtFindings("👋🏽 a@b.c!", [finding(3, 8)]);
    expect(pieces.map((piece) => [piece.text, piece.finding !== null])).toEqual([
      ["👋🏽 ", false],
      ["a@b.c", true],
      ["!", false],
    ]);
  });

  it("keeps all of the text where findings overlap or come in any order", () => {
    const pieces = cutAtFindings("abcdefgh", [finding(4, 7), finding(1, 5), finding(7, 7)]);
    expect(pieces.map((piece) => piece.text)).toEqual(["a", "bcde", "fgh"]);
  });
});
