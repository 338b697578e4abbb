import { expect, it } from "vitest";

import { NEW, entryOf, fieldsOf, isReference } from "./deployment";

const STORED = {
  id: "gpt",
  provider: "openai",
  model: "gpt-mini",
  key: "env:OPENAI_API_KEY",
  quirks: ["text_parts"],
  clearance: { level: "confidential", custody: "any", categories: ["pii"], purposes: ["support"] },
  price: { currency: "EUR", input: "0.25", output: "2", tiers: [{ above_input_tokens: 200000, input: "1" }] },
  tools: false,
  options: { region: "eu-central-1" },
};

it("keeps what a form does not show", () => {
  expect(entryOf(fieldsOf(STORED), STORED)).toEqual(STORED);
});

it("leaves out what is not said, and tells a free price from an unknown one", () => {
  const entry = entryOf({ ...NEW, id: " a ", model: "m", price: "free" });
  expect(entry).toEqual({
    id: "a",
    provider: "openai",
    model: "m",
    clearance: { level: "internal", custody: "any" },
    price: { currency: "USD", input: "0", output: "0" },
  });
  expect(fieldsOf(entry).price).toBe("free");
  expect(entryOf({ ...NEW, id: "a", model: "m" }).price).toBeUndefined();
});

it("leaves out options without a value", () => {
  const options = { region: " eu-central-1 ", location: " " };
  expect(entryOf({ ...NEW, id: "a", model: "m", options }).options).toEqual({ region: "eu-central-1" });
  expect(entryOf({ ...NEW, id: "a", model: "m" }).options).toBeUndefined();
});

it("knows a reference from a pasted secret", () => {
  expect(isReference("env:OPENAI_API_KEY")).toBe(true);
  expect(isReference("file:/run/secrets/key")).toBe(true);
  expect(isReference("sk-1234567890")).toBe(false);
});
