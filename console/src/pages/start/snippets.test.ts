import { expect, it } from "vitest";

import { snippetsFor } from "./snippets";

it("fills the secret into every snippet, and reads it from the environment before there is one", () => {
  const access = { openaiUrl: "http://h:8080/v1", anthropicUrl: "http://h:8080", model: "local-chat" };
  expect(snippetsFor({ ...access, secret: "hg_1" }).every((snippet) => snippet.code.includes("hg_1"))).toBe(true);
  expect(snippetsFor({ ...access, secret: null }).every((snippet) => snippet.code.includes("HEADGATE_API_KEY"))).toBe(
    true,
  );
});
