/** What the facts of records say, and the calls that records of one chain make up. */

import type { RecordView } from "../api/client";
import { OUTCOMES } from "./words";

/** A call as people think of it: its first record, and what all records of its chain say together. */
export interface Call {
  readonly first: RecordView;
  readonly deployment: string | null;
  readonly masked: ReadonlyMap<string, number>;
  readonly cost: Cost | null;
  readonly attempts: number;
}

/** Micro-units of a currency; what costs nothing needs none. */
export interface Cost {
  readonly micros: number;
  readonly currency: string | null;
}

/** A fact that is a number, or null. */
export function numberFact(record: RecordView, name: string): number | null {
  const value = record.facts[name];
  return typeof value === "number" ? value : null;
}

/** A fact that is a text, or null. */
export function textFact(record: RecordView, name: string): string | null {
  const value = record.facts[name];
  return typeof value === "string" ? value : null;
}

/** Whether the action sends content to a model, which has a price; a preview sends nothing. */
export function isModelCall(record: RecordView): boolean {
  return record.verb === "model.invoke" || record.verb === "model.dispatch";
}

/** What the record says the action cost; null is unknown. */
export function costOf(record: RecordView): Cost | null {
  const micros = numberFact(record, "cost_micros");
  const currency = textFact(record, "currency");
  return micros === null || (currency === null && micros !== 0) ? null : { micros, currency };
}

/** Whether the action was refused or waits for approval, and cost nothing. */
export function isUnsent(record: RecordView): boolean {
  return record.outcome === "refused" && costOf(record) === null;
}

/**
 * The record that tells why an action ended without success: itself, or the last of the actions that it ran which did
 * not succeed either. A plan is allowed by itself, and refused when each of its destinations is.
 */
export function decisiveOf(record: RecordView, children: readonly RecordView[]): RecordView {
  if (record.outcome === null || record.outcome === "done" || record.effect !== "allow") return record;
  const stopped = children.filter((child) => child.outcome !== null && child.outcome !== "done");
  return stopped.findLast((child) => child.effect !== "allow") ?? stopped.at(-1) ?? record;
}

/** Why an action ended without success, as a sentence; null where nothing says so. */
export function reasonOf(record: RecordView, children: readonly RecordView[]): string | null {
  const reason = textFact(record, "reason") ?? textFact(decisiveOf(record, children), "reason");
  return reason ?? OUTCOMES[record.outcome ?? ""]?.means ?? null;
}

/** How many values of each kind were masked or restored, out of facts such as `masked.email`. */
export function countsOf(record: RecordView, what: "masked" | "restored"): Map<string, number> {
  const counts = new Map<string, number>();
  for (const [name, value] of Object.entries(record.facts)) {
    if (name.startsWith(`${what}.`) && typeof value === "number") counts.set(name.slice(what.length + 1), value);
  }
  return counts;
}

/** The part of a resource after its kind, such as `local-chat` of `alias:local-chat`. */
export function resourceName(resource: string): string {
  return resource.slice(resource.indexOf(":") + 1);
}

/** The calls among records in any order, newest first; records whose first one is not here are left out. */
export function callsOf(records: readonly RecordView[]): Call[] {
  const chains = new Map<string, RecordView[]>();
  for (const record of records) {
    const root = record.root ?? record.id;
    chains.set(root, [...(chains.get(root) ?? []), record]);
  }
  const calls: Call[] = [];
  for (const [root, chain] of chains) {
    const first = chain.find((record) => record.id === root);
    if (first) calls.push(callOf(first, chain));
  }
  return calls.sort((left, right) => (left.first.id < right.first.id ? 1 : -1));
}

function callOf(first: RecordView, chain: readonly RecordView[]): Call {
  const dispatches = chain.filter((record) => record.resource.startsWith("deployment:"));
  const answered = dispatches.find((record) => record.outcome === "done") ?? dispatches.at(-1);
  const masked = new Map<string, number>();
  for (const record of chain) {
    // A retry masks the same values again: the most that one of them masked is what the call held.
    for (const [kind, count] of countsOf(record, "masked")) masked.set(kind, Math.max(count, masked.get(kind) ?? 0));
  }
  return {
    first,
    deployment: textFact(first, "deployment") ?? (answered ? resourceName(answered.resource) : null),
    masked,
    cost: costOf(first) ?? sumOf(dispatches),
    attempts: numberFact(first, "attempts") ?? dispatches.length,
  };
}

function sumOf(records: readonly RecordView[]): Cost | null {
  const costs = records.filter((record) => record.effect === "allow").map(costOf);
  const currency = costs[0]?.currency;
  if (currency === undefined || costs.some((cost) => cost?.currency !== currency)) return null;
  return { micros: costs.reduce((sum, cost) => sum + cost!.micros, 0), currency };
}

/** Whether an action was not done because a person has to approve it. */
export function needsApproval({ outcome, effect, error }: RecordView): boolean {
  return outcome === "refused" && (effect === "ask" || error === "needs_approval");
}
