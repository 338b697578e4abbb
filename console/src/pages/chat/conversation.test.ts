import { describe, expect, it } from "vitest";

import { told } from "./approval";
import { afterError, afterEvent, awaited, messagesOf, said } from "./conversation";

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
    expect(tell({})).toMatch(/^for a decision until .+\.$/);
    expect(tell({ ...decided, state: "approved" })).toMatch(/^by grace: “not this one”. You can send it once, /);
    expect(tell({ ...decided, state: "refused" })).toBe("by grace: “not this one”. It was not sent.");
    expect(tell({ ...decided, state: "expired" })).toBe("after grace approved it, before it was sent. Ask again.");
    expect(tell({ state: "expired" })).toBe("before a decision. Ask again.");
    expect(tell({ ...decided, state: "used" })).toBe("under the approval of grace. An approval works once.");
  });
});
