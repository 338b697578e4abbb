import { expect, it } from "vitest";

import type { Schemas } from "../../api/client";
import { previewSentences } from "./words";

const NOTHING: Schemas["RulePreview"] = {
  rule: "r",
  use_case: "u",
  mode: "enforce",
  since: "2027-01-01T00:00:00Z",
  is_complete: true,
  calls: 9,
  refused: 0,
  asked: 0,
  allowed: 0,
  more_duties: 0,
  fewer_duties: 0,
  unmasked: null,
  models: ["smart"],
  examples: [],
};

it("says what a change would have done, in one sentence for each kind of call", () => {
  expect(previewSentences(NOTHING, "Refuses")).toEqual(["No call would have ended differently."]);
  expect(previewSentences({ ...NOTHING, refused: 1, more_duties: 2 }, "Masks secrets")).toEqual([
    "1 call would have been refused.",
    "In 2 calls secrets would have been masked on the way to smart.",
  ]);
  expect(previewSentences({ ...NOTHING, fewer_duties: 5, unmasked: { email: 7, iban: 1 } }, "Masks personal data")).toEqual([
    "In 5 calls 7 e-mail addresses and 1 bank account would have gone unmasked to smart.",
  ]);
});
