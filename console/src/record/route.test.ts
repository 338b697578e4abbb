import { describe, expect, it } from "vitest";

import type { RecordView } from "../api/client";
import { entriesOf, routeOf } from "./route";

function record(id: string, more: Partial<RecordView> = {}): RecordView {
  return {
    id,
    parent: null,
    root: null,
    verb: "model.invoke",
    principal: "p",
    use_case: "support",
    resource: "alias:smart",
    effect: "allow",
    would: "allow",
    outcome: "done",
    error: null,
    opened_at: "2026-01-02T03:04:05Z",
    closed_at: null,
    duration_us: 1000,
    labels: "",
    policy_version: "",
    who: null,
    key: null,
    told: "",
    rules: [],
    facts: {},
    leaf_index: null,
    ...more,
  };
}

function attempt(id: string, deployment: string, more: Partial<RecordView>): RecordView {
  return record(id, { parent: "1", root: "1", verb: "model.dispatch", resource: `deployment:${deployment}`, ...more });
}

describe("entriesOf", () => {
  it("keeps semicolons inside of a reason", () => {
    expect(entriesOf("gpt: it may not go there: it is restricted; not cleared for pii; llama: it cannot stream")).toEqual([
      { name: "gpt", words: "it may not go there: it is restricted; not cleared for pii" },
      { name: "llama", words: "it cannot stream" },
    ]);
    expect(entriesOf(null)).toEqual([]);
  });
});

describe("routeOf", () => {
  it("puts the candidates in the order of time: left out, asked, not needed", () => {
    const facts = { skipped: "images: it cannot stream", preferred: "a: 1 s; b: 2 s; c: 3 s", deployment: "b" };
    const route = routeOf(record("1", { facts }), [
      attempt("3", "b", { duration_us: 400 }),
      attempt("2", "a", { outcome: "failed", error: "upstream_error", facts: { reason: "it is down" } }),
    ]);
    expect(route?.stops.map(({ name, state, why, score }) => [name, state, why, score])).toEqual([
      ["images", "skipped", "it cannot stream", null],
      ["a", "failed", "it is down", "1 s"],
      ["b", "answered", null, "2 s"],
      ["c", "spare", null, "3 s"],
    ]);
  });

  it("reads a call with one attempt from its only record, and a cached answer", () => {
    const one = routeOf(record("1", { facts: { destination: "deployment:gpt", candidates: "gpt; llama" } }), []);
    expect(one?.stops.map(({ name, state }) => [name, state])).toEqual([
      ["gpt", "answered"],
      ["llama", "spare"],
    ]);
    const hit = routeOf(record("1", { facts: { destination: "cache:smart", cache: "hit", cache_age_s: 9 } }), []);
    expect(hit?.stops[0]?.name).toBe("the cache");
    expect(hit?.notes).toEqual(["Answered from the cache, with an answer that was 9 seconds old."]);
    expect(routeOf(record("1", { verb: "key.create" }), [])).toBeNull();
  });

  it("tells a hedged attempt that lost from one whose client left", () => {
    const lost = attempt("2", "a", { outcome: "abandoned" });
    const hedged = record("1", { facts: { hedge: "b answered first; cancelled a" } });
    expect(routeOf(hedged, [lost, attempt("3", "b", {})])?.stops.map(({ state }) => state)).toEqual(["cancelled", "answered"]);
    expect(routeOf(record("1"), [lost])?.stops[0]?.state).toBe("failed");
  });
});
