import { expect, it } from "vitest";

import { sparklinePath, stacked } from "./series";

it("stacks series from the first up, and takes a gap for nothing", () => {
  const done = { name: "Done", tone: "accent", values: [2, null, 5] } as const;
  const failed = { name: "Failed", tone: "bad", values: [1, 3, null] } as const;
  expect(stacked([done, failed])).toEqual([
    [2, 0, 5],
    [3, 3, 5],
  ]);
});

it("draws a sparkline that fills its box, and none of one value", () => {
  expect(sparklinePath([0, 4, 2])).toBe("M0.0 23.0L50.0 1.0L100.0 12.0");
  expect(sparklinePath([0, 0])).toBe("M0.0 23.0L100.0 23.0");
  expect(sparklinePath([7])).toBe("");
});
