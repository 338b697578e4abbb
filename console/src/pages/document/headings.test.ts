import { expect, test } from "vitest";

import { newHeadings } from "./headings";

test("a heading is shown once, below the title of the document, and no level is left out", () => {
  expect(newHeadings([], ["Leave", "Annual", "First year"], "Leave")).toEqual([
    { text: "Annual", level: 0 },
    { text: "First year", level: 1 },
  ]);
  expect(newHeadings(["Leave", "Annual", "First year"], ["Leave", "Annual", "Later"], "Leave")).toEqual([
    { text: "Later", level: 1 },
  ]);
  expect(newHeadings(["Leave", "Annual"], ["Leave", "Annual"], "Leave")).toEqual([]);
});
