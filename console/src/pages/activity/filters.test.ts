import { describe, expect, it } from "vitest";

import { filtersOf, readAsked, readTyped, writeAsked } from "./filters";

describe("the filters of activity", () => {
  it("come back from the address bar as they were", () => {
    const search = "?kind=administration&outcome=refused&rule=use-case-ceiling&period=7d&content=invoice";
    const asked = readAsked(new URLSearchParams(search));
    expect(readAsked(new URLSearchParams(writeAsked(asked)))).toEqual(asked);
    expect(writeAsked(readAsked(new URLSearchParams("?period=constructor&outcome=&kind=toString&since=soon")))).toBe("");
  });

  it("ask for calls of the last day unless they say otherwise", () => {
    expect(filtersOf(readAsked(new URLSearchParams("")))).toEqual({ kind: "calls", period: "24h" });
    const span = "?kind=all&since=2026-01-02T03:04:00.000Z&until=2026-01-02T04:00:00.000Z";
    expect(filtersOf(readAsked(new URLSearchParams(span)))).toEqual({
      since: "2026-01-02T03:04:00.000Z",
      until: "2026-01-02T04:00:00.000Z",
    });
  });

  it("are typed as a field and a value, or as words", () => {
    expect(readTyped("use case: support")).toEqual(["use_case", "support"]);
    expect(readTyped(" who: Anna Kim ")).toEqual(["principal", "Anna Kim"]);
    expect(readTyped("outcome:")).toBeNull();
    expect(readTyped("upstream http://x")).toEqual(["text", "upstream http://x"]);
  });
});
