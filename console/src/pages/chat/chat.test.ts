import { describe, expect, it } from "vitest";

import { told } from "./approval";
import { grouped } from "./days";
import { withFiles } from "./files";
import { afterError, afterEvent, awaited } from "./live";
import { type Turn, branchOf } from "./tree";

const asked = { conversation: "c", question: "q", model: null, approval: null };
const error = { code: "x", message: "no", param: null, rules: [], record: null, retry_after_s: null, approval: null };

describe("an answer on its way", () => {
  it("grows by deltas, ends with what the gate did, and passes over what it does not know", () => {
    const gate = { record: "01K", deployment: "local-chat" };
    const events = [
      { name: "delta", data: '{"text":"Hel"}' },
      { name: "delta", data: '{"text":"lo"}' },
      { name: "new-in-a-later-version", data: "?" },
      { name: "gate", data: JSON.stringify(gate) },
    ];
    expect(events.reduce(afterEvent, awaited("live-1", asked))).toMatchObject({ text: "Hello", gate, state: "whole" });
    const refused = afterEvent(awaited("live-1", asked), { name: "error", data: JSON.stringify({ error }) });
    expect(refused).toMatchObject({ state: "failed", error });
  });

  it("goes on waiting for the same approval where it could not be sent", () => {
    const stopped = afterError(awaited("live-1", asked), { ...error, approval: "default.01" });
    expect(stopped.approval).toBe("default.01");
    const again = awaited("live-2", { ...asked, approval: stopped.approval });
    expect(afterError(again, error)).toMatchObject({ approval: "default.01" });
  });
});

describe("a branch", () => {
  const turn = (id: string, parent: string | null): Turn => ({ id, parent }) as Turn;
  const turns = [
    turn("q1", null),
    turn("a1", "q1"),
    turn("q2", "a1"),
    turn("a2", "q2"),
    turn("b1", "q1"),
    turn("e1", null),
    turn("f1", "e1"),
  ];
  const ids = (shown: string | null): string[] => branchOf(turns, shown).map((one) => one.turn.id);

  it("is the newest one, or the one that was looked at, to its end", () => {
    expect(ids(null)).toEqual(["e1", "f1"]);
    expect(ids("a1")).toEqual(["q1", "a1", "q2", "a2"]);
    expect(ids("q1")).toEqual(["q1", "b1"]);
    expect(ids("gone")).toEqual(["e1", "f1"]);
    expect(branchOf([], null)).toEqual([]);
  });

  it("knows the alternatives of each turn", () => {
    expect(branchOf(turns, "a2").map((one) => one.siblings.length)).toEqual([2, 2, 1, 1]);
  });
});

describe("the list", () => {
  it("groups conversations by day, in the reader's time zone", () => {
    const now = new Date(2026, 10, 29, 12);
    const at = (day: number, hour: number) => ({ changed_at: new Date(2026, 10, day, hour).toISOString() });
    const groups = grouped([at(29, 0), at(28, 23), at(28, 0), at(3, 5)], now);
    expect(groups.map(({ words, members }) => [words, members.length])).toEqual([
      ["Today", 1],
      ["Yesterday", 2],
      ["Earlier", 1],
    ]);
  });
});

describe("attached files", () => {
  const file = (name: string, content: BlobPart, type = ""): File => new File([content], name, { type });

  it("are texts, or images as base64", async () => {
    const files = await withFiles([], [file("a.md", "# A"), file("b.png", new Uint8Array([1, 2]), "image/png")]);
    expect(files[0]).toEqual({ name: "a.md", media_type: "text/plain", text: "# A", data: null });
    expect(files[1]).toEqual({ name: "b.png", media_type: "image/png", text: null, data: "AQI=" });
  });

  it("are refused with a reason where they are too large, too many or of another kind", async () => {
    await expect(withFiles([], [file("a.bin", new Uint8Array([0, 255]))])).rejects.toThrow("a.bin is not a text");
    await expect(withFiles([], [file("a.txt", "x".repeat(200_001))])).rejects.toThrow("Attach at most 200,000");
    await expect(withFiles([], [file("a.png", new Uint8Array(3_000_001), "image/png")])).rejects.toThrow("at most 3 MB");
    await expect(withFiles([], Array.from({ length: 9 }, () => file("a", "a")))).rejects.toThrow("at most 8 files");
  });
});

describe("a message that waits for an approval", () => {
  const waiting = {
    state: "waiting" as const,
    approver: null as string | null,
    reason: "",
    expires_at: "2026-01-02T03:04:05Z",
  };
  const tell = (more: object): string => told({ ...waiting, ...more } as never, new Date("2026-01-02T00:00:00Z"), "Grace Lee");

  it("says who decided, and why, and whether it can still be sent", () => {
    const decided = { approver: "grace", reason: "not this one" };
    expect(tell({})).toMatch(/^for a decision until .+\.$/);
    expect(tell({ ...decided, state: "approved" })).toMatch(/^by Grace Lee: “not this one”. You can send it once, /);
    expect(tell({ ...decided, state: "refused" })).toBe("and not sent.");
    expect(tell({ ...decided, state: "expired" })).toBe("after Grace Lee approved it, before it was sent. Ask again.");
    expect(tell({ state: "expired" })).toBe("before a decision. Ask again.");
    expect(tell({ ...decided, state: "used" })).toBe("under the approval of Grace Lee. An approval works once.");
  });
});
