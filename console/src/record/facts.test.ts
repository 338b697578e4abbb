import { describe, expect, it } from "vitest";

import type { RecordView } from "../api/client";
import { callsOf, costOf, countsOf, isModelCall, isUnsent } from "./facts";
import { parseLabels } from "./labels";

function record(id: string, more: Partial<RecordView>): RecordView {
  return {
    id,
    parent: null,
    root: null,
    verb: "model.invoke",
    principal: "p",
    use_case: "getting-started",
    resource: "alias:chat",
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

function attempt(id: string, root: string, more: Partial<RecordView>): RecordView {
  return record(id, { root, parent: root, verb: "model.dispatch", resource: "deployment:cloud", ...more });
}

describe("callsOf", () => {
  it("takes the records of a chain for one call, newest call first", () => {
    const records = [attempt("2", "1", {}), record("3", {}), record("1", {})];
    expect(callsOf(records).map((call) => call.first.id)).toEqual(["3", "1"]);
  });

  it("names the deployment that answered, not the one that failed before it", () => {
    const failed = attempt("2", "1", { outcome: "failed", resource: "deployment:far" });
    const [call] = callsOf([record("1", {}), failed, attempt("3", "1", {})]);
    expect(call).toMatchObject({ deployment: "cloud", attempts: 2 });
  });

  it("counts a value that two attempts masked once", () => {
    const masked = { facts: { "masked.email": 2 } };
    const [call] = callsOf([record("1", {}), attempt("2", "1", masked), attempt("3", "1", masked)]);
    expect([...call!.masked]).toEqual([["email", 2]]);
  });

  it("does not call a cost known while that of one attempt is not", () => {
    const known = { facts: { cost_micros: 5, currency: "USD" } };
    expect(callsOf([record("1", {}), attempt("2", "1", known), attempt("3", "1", {})])[0]!.cost).toBeNull();
    expect(callsOf([record("1", {}), attempt("2", "1", known)])[0]!.cost).toEqual({ micros: 5, currency: "USD" });
  });
});

it("reads costs and counts out of facts, and nothing out of facts of other types", () => {
  const facts = { cost_micros: 0, currency: "USD", "masked.email": 1, "masked.odd": "x", "restored.email": 1 };
  expect(costOf(record("1", { facts }))).toEqual({ micros: 0, currency: "USD" });
  expect(costOf(record("1", { facts: { cost_micros: "0", currency: "USD" } }))).toBeNull();
  expect(costOf(record("1", { facts: { cost_micros: 0 } }))).toEqual({ micros: 0, currency: null });
  expect(costOf(record("1", { facts: { cost_micros: 7 } }))).toBeNull();
  expect([...countsOf(record("1", { facts }), "masked")]).toEqual([["email", 1]]);
});

it("takes a call that was refused or waits for approval for unsent, whatever was tried, and a preview for no call", () => {
  const tried = { attempts: 1 };
  expect(isUnsent(record("1", { outcome: "refused", facts: tried }))).toBe(true);
  expect(isUnsent(record("1", { outcome: "refused", facts: { ...tried, cost_micros: 5, currency: "USD" } }))).toBe(false);
  expect(isUnsent(record("1", { outcome: "failed" }))).toBe(false);
  expect(isModelCall(record("1", { verb: "model.preview" }))).toBe(false);
});

it("reads labels as the header writes them", () => {
  expect(parseLabels("confidentiality=internal; categories=pii,secret; nonsense")).toEqual([
    { name: "confidentiality", values: ["internal"] },
    { name: "categories", values: ["pii", "secret"] },
  ]);
});
