import { expect, it } from "vitest";

import { lineOf, mistakeOf } from "./lines";

it("finds the line that an error of the configuration names", () => {
  expect(lineOf({ message: "headgate.toml: Invalid value (at line 12, column 5)" })).toBe(12);
  expect(lineOf({ message: "headgate.toml:6: deployment[0].mode: unknown key" })).toBe(6);
  expect(lineOf({ message: "an outline 3 of things" })).toBeNull();
});

it("finds the mistake in a text, also at its end", () => {
  const named = { message: "headgate.toml:6: deployment[0].mode: unknown key" };
  expect(mistakeOf(named, "")).toEqual({ line: 6, message: "deployment[0].mode: unknown key" });
  expect(mistakeOf({ message: "headgate.toml: Expected '=' (at end of document)" }, "a\nb")?.line).toBe(2);
  expect(mistakeOf({ message: "somebody has changed it" }, "a")).toBeNull();
});
