import { describe, expect, it } from "vitest";

import type { RecordView } from "../api/client";
import { offerOf } from "../models";
import { filtersOf, readAsked, writeAsked } from "./activity/filters";
import { told } from "./chat/approval";
import { afterError, afterEvent, awaited, messagesOf, said } from "./chat/conversation";
import { lineOf } from "./configuration/lines";
import { type Finding, cutAtFindings } from "./preview/marks";
import { spansOf } from "./record/spans";
import { snippetsFor } from "./start/snippets";

function finding(start: number, end: number): Finding {
  return { kind: "email", category: "pii", start, end, detector: "email", confidence: 1 };
}

describe("cutAtFindings", () => {
  it("counts code points, so that an emoji before a finding does not shift it", () => {
    const pieces = cutAtFindings("👋🏽 a@b.c!", [finding(3, 8)]);
    expect(pieces.map((piece) => [piece.text, piece.finding !== null])).toEqual([
      ["👋🏽 ", false],
      ["a@b.c", true],
      ["!", false],
    ]);
  });

  it("keeps all of the text where findings overlap or come in any order", () => {
    const pieces = cutAtFindings("abcdefgh", [finding(4, 7), finding(1, 5), finding(7, 7)]);
    expect(pieces.map((piece) => piece.text)).toEqual(["a", "bcde", "fgh"]);
  });
});

describe("a conversation", () => {
  const answer = awaited(2, "{}");
  const refusal = { code: "denied", message: "no", param: null, rules: ["r"], record: "01K", retry_after_s: null };
  const gate = { record: "01K", deployment: "local-chat" };
  const events = [
    { name: "delta", data: '{"text":"Hel"}' },
    { name: "delta", data: '{"text":"lo"}' },
    { name: "new-in-a-later-version", data: "?" },
    { name: "gate", data: JSON.stringify(gate) },
  ];

  it("grows by deltas, ends with what the gate did, and passes over what it does not know", () => {
    expect(events.reduce(afterEvent, answer)).toMatchObject({ content: "Hello", gate });
  });

  it("leaves a refused question out of what is sent next", () => {
    const refused = afterEvent(answer, { name: "error", data: JSON.stringify({ error: refusal }) });
    const turns = [
      said(1, "one"),
      { ...answer, content: "two", state: "whole" as const },
      said(3, "secret"),
      refused,
      said(5, "three"),
    ];
    expect(refused.error).toEqual(refusal);
    expect(messagesOf(turns).map((message) => message.content)).toEqual(["one", "two", "three"]);
  });
});

describe("a message that waits for an approval", () => {
  const error = { code: "x", message: "no", param: null, rules: [], record: null, retry_after_s: null, approval: null };
  const asked = {
    state: "waiting" as const,
    approver: null as string | null,
    reason: "",
    expires_at: "2026-01-02T03:04:05Z",
  };
  const tell = (more: object): string => told({ ...asked, ...more } as never, new Date("2026-01-02T00:00:00Z"));

  it("goes on waiting for the same one where it could not be sent", () => {
    const stopped = afterError(awaited(1, "{}"), { ...error, approval: "default.01" });
    expect(stopped.approval).toBe("default.01");
    expect(afterError(awaited(1, stopped.sent, stopped.approval), error)).toMatchObject({ approval: "default.01" });
  });

  it("says who decided, and why, and whether it can still be sent", () => {
    const decided = { approver: "grace", reason: "not this one" };
    expect(tell({})).toMatch(/^for somebody to decide, until .+\.$/);
    expect(tell({ ...decided, state: "approved" })).toMatch(/^by grace: “not this one”. It can be sent once, /);
    expect(tell({ ...decided, state: "refused" })).toBe("by grace: “not this one”. It was not sent.");
    expect(tell({ ...decided, state: "expired" })).toBe("before it was sent, after grace had approved it.");
    expect(tell({ state: "expired" })).toBe("before anybody decided.");
    expect(tell({ ...decided, state: "used" })).toBe("once already, as grace approved it.");
  });
});

describe("the filters of activity", () => {
  it("come back from the address bar as they were", () => {
    const asked = { texts: { outcome: "refused", rule: "use-case-ceiling" }, span: "1h" as const, roots: false };
    expect(readAsked(new URLSearchParams(writeAsked(asked)))).toEqual(asked);
    expect(writeAsked(readAsked(new URLSearchParams("?span=constructor&outcome=")))).toBe("");
  });

  it("ask for a time that stands still within a minute", () => {
    const asked = readAsked(new URLSearchParams("?span=1h"));
    const [early, late] = [new Date("2026-01-02T03:04:01Z"), new Date("2026-01-02T03:04:59Z")];
    expect(filtersOf(asked, early)).toEqual({ roots: true, since: "2026-01-02T02:04:00.000Z" });
    expect(filtersOf(asked, late)).toEqual(filtersOf(asked, early));
  });
});

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

it("finds the line that an error of the configuration names", () => {
  expect(lineOf({ message: "headgate.toml: Invalid value (at line 12, column 5)" })).toBe(12);
  expect(lineOf({ message: "headgate.toml:6: deployment[0].mode: unknown key" })).toBe(6);
  expect(lineOf({ message: "an outline 3 of things" })).toBeNull();
});

it("places attempts within their call, and the first words within their attempt", () => {
  const base = { duration_us: 1_000_000, facts: {}, outcome: "done" } as unknown as RecordView;
  const call = { ...base, id: "1", opened_at: "2026-01-02T03:04:05.000Z" };
  const attempt = {
    ...base,
    id: "2",
    opened_at: "2026-01-02T03:04:05.500Z",
    duration_us: 400_000,
    facts: { first_item_us: 100_000 },
  };
  const { spans, total_us } = spansOf(call, [attempt]);
  expect(total_us).toBe(1_000_000);
  expect(spans.map(({ start, width, firstItem }) => [start, width, firstItem])).toEqual([
    [0, 1, null],
    [0.5, 0.4, 0.6],
  ]);
});

it("fills the secret into every snippet, and reads it from the environment before there is one", () => {
  const access = { openaiUrl: "http://h:8080/v1", anthropicUrl: "http://h:8080", model: "local-chat" };
  expect(snippetsFor({ ...access, secret: "hg_1" }).every((snippet) => snippet.code.includes("hg_1"))).toBe(true);
  expect(snippetsFor({ ...access, secret: null }).every((snippet) => snippet.code.includes("HEADGATE_API_KEY"))).toBe(
    true,
  );
});
