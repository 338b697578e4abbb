import { expect, it } from "vitest";

import { excerptOf } from "./excerpt";

it("shows the last words of the person, and nothing of what is no model call", () => {
  const call = (content: unknown) =>
    JSON.stringify({ messages: [{ role: "user", content: "first" }, { role: "user", content }, { role: "assistant", content: "no" }] });
  expect(excerptOf(call("Pay Ada"))).toBe("Pay Ada");
  expect(excerptOf(call([{ type: "text", text: "Pay" }, { type: "image" }]))).toBe("Pay");
  expect(excerptOf(call("x".repeat(900)))).toHaveLength(401);
  for (const other of [null, "no JSON", "{}", "null", '{"messages": [{"role": "user"}]}']) expect(excerptOf(other)).toBeNull();
});
