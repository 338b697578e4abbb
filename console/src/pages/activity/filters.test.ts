import { describe, expect, it } from "vitest";

import { filtersOf, readAsked, writeAsked } from "./filters";

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
