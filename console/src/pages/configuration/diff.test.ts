import { expect, it } from "vitest";

import { diffLines } from "./diff";

it("keeps common lines and shows what was removed before what was added", () => {
  expect(diffLines("a\nb\nc\n", "a\nx\nc\nd\n").map(({ does, text }) => `${does} ${text}`)).toEqual([
    "keep a",
    "remove b",
    "add x",
    "keep c",
    "add d",
  ]);
  expect(diffLines("", "a\n")).toEqual([{ does: "add", text: "a" }]);
});
