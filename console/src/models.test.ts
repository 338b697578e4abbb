import { expect, it } from "vitest";

import { offerOf } from "./models";

it("offers first a model that answers on our own machines, because newcomers reach no other", () => {
  const model = (id: string, operation: string, ...custody: string[]) =>
    ({
      id,
      operation,
      description: "",
      deployments: custody.map((one) => ({ custody: one, is_built_in: false })),
    }) as never;
  const models = [
    model("embed", "embed", "organisation"),
    model("claude-*", "chat", "organisation"),
    model("cloud", "chat", "any"),
    model("mixed", "chat", "any", "organisation"),
  ];
  expect(offerOf(models)).toEqual({ ids: ["cloud", "mixed"], first: "mixed" });
  expect(offerOf(undefined)).toEqual({ ids: ["local-chat"], first: "local-chat" });
});
