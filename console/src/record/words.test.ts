import { expect, it } from "vitest";

import { categoryWords, factWords, featureWords } from "./words";

it("names categories, features and facts in words, and unknown ones by their own name", () => {
  expect(["pii", "pii_pseudonymous", "secret_masked", "trade_secret"].map(categoryWords)).toEqual([
    "personal data",
    "personal data as pseudonyms",
    "masked secrets",
    "trade secret",
  ]);
  expect(["policy", "hello_world"].map(featureWords)).toEqual(["Keys, use cases and rules", "Hello world"]);
  expect(["skipped", "words"].map(factWords)).toEqual(["Deployments skipped", "Words"]);
});
