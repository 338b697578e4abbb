import { expect, it } from "vitest";

import { lineOf } from "./lines";

it("finds the line that an error of the configuration names", () => {
  expect(lineOf({ message: "headgate.toml: Invalid value (at line 12, column 5)" })).toBe(12);
  expect(lineOf({ message: "headgate.toml:6: deployment[0].mode: unknown key" })).toBe(6);
  expect(lineOf({ message: "an outline 3 of things" })).toBeNull();
});
