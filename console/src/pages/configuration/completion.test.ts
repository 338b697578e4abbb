import { expect, it } from "vitest";

import { type Vocabulary, choicesAfter } from "./completion";

const key = (name: string, kind: "text" | "table" | "list" | "switch", more = {}) => ({
  name,
  kind,
  choices: [],
  refers_to: null,
  is_required: false,
  ...more,
});

const VOCABULARY: Vocabulary = {
  sections: [
    {
      name: "deployment",
      keys: [
        key("id", "text", { is_required: true }),
        key("clearance", "table"),
        key("clearance.level", "text", { choices: ["internal", "public"] }),
        key("tools", "switch", { choices: ["true", "false"] }),
      ],
    },
    { name: "alias", keys: [key("deployments", "list", { refers_to: "deployment" })] },
  ],
  names: { deployment: ["gpt", "local-chat"] },
};

const labels = (text: string) => choicesAfter(text, VOCABULARY).choices.map((one) => one.label);

it("offers sections, keys of the table, and values", () => {
  expect(labels("[[")).toEqual(["deployment", "alias"]);
  expect(labels("[dep")).toEqual(["deployment.clearance"]);
  expect(["[[al", "[dep", "[[alias]]\nde"].map((text) => choicesAfter(text, VOCABULARY).closing)).toEqual(["]]", "]", undefined]);
  expect(labels('[[deployment]]\nid = "x"\nto')).toEqual(["id", "clearance", "clearance.level", "tools"]);
  expect(labels("[[deployment]]\n[deployment.clearance]\nle")).toEqual(["level"]);
  expect(labels("[[deployment]]\n[deployment.clearance]\nlevel = ")).toEqual(['"internal"', '"public"']);
  expect(labels("[[deployment]]\ntools = t")).toEqual(["true", "false"]);
});

it("offers names that an entry may refer to, within quotes too", () => {
  expect(labels('[[alias]]\ndeployments = ["gpt", "lo')).toEqual(["gpt", "local-chat"]);
  expect(labels("[[nothing]]\nid = ")).toEqual([]);
});
