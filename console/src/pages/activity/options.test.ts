import { expect, it } from "vitest";

import { type Verb, titleOf } from "../../api/vocabulary";
import { verbsOf } from "./options";

const VERBS: readonly Verb[] = [
  { name: "key.revoke", title: "Revoke a key", effect: "write", feature: "policy" },
  { name: "model.invoke", title: "Call a model", effect: "write", feature: "gateway" },
  { name: "key.create", title: "Make a key", effect: "write", feature: "policy" },
];

it("offers verbs in the server's words by feature, and the chosen one where the server does not know it", () => {
  expect(verbsOf(VERBS, "key.create")).toEqual([
    { value: "", label: "Any" },
    {
      group: "Keys, use cases and rules",
      items: [
        { value: "key.create", label: "Make a key" },
        { value: "key.revoke", label: "Revoke a key" },
      ],
    },
    { group: "Models", items: [{ value: "model.invoke", label: "Call a model" }] },
  ]);
  expect(verbsOf([], "hello.say")).toEqual([
    { value: "", label: "Any" },
    { value: "hello.say", label: "hello.say" },
  ]);
  expect(titleOf(VERBS, "hello.say")).toBe("hello.say");
});
