/** The route of a model call: its candidates in the order of attempts, and what became of each. */

import type { RecordView } from "../api/client";
import { type Cost, costOf, isModelCall, numberFact, resourceName, textFact } from "./facts";
import { type Span, spansOf } from "./spans";

export type StopState = "answered" | "failed" | "refused" | "cancelled" | "running" | "skipped" | "spare";

/** One candidate. `span` is the time of its attempt, and null without one. */
export interface Stop {
  readonly name: string;
  readonly state: StopState;
  /** Why it was left out, or why its attempt failed. */
  readonly why: string | null;
  /** What the preference of the alias says of it. */
  readonly score: string | null;
  readonly record: string | null;
  readonly span: Span | null;
  readonly took_us: number | null;
  readonly cost: Cost | null;
}

/** The whole route. `notes` are sentences about the choice, in the order in which they mattered. */
export interface Route {
  readonly alias: string;
  readonly notes: readonly string[];
  readonly stops: readonly Stop[];
}

/** An entry of a list in a fact: a name without spaces, and words about it. Words may have semicolons too. */
const ENTRY = /^([^\s;:]+)(?:: (.*))?$/s;

/** The entries of a fact such as `gpt: it cannot stream; claude: unhealthy since …`. */
export function entriesOf(fact: string | null): { name: string; words: string | null }[] {
  const entries: { name: string; words: string | null }[] = [];
  for (const part of fact?.split("; ") ?? []) {
    const found = ENTRY.exec(part);
    const last = entries[entries.length - 1];
    if (found) entries.push({ name: found[1]!, words: found[2] ?? null });
    else if (last) last.words = last.words === null ? part : `${last.words}; ${part}`;
  }
  return entries;
}

/** The route that a record tells; null for a record of another kind, or without any candidate. */
export function routeOf(record: RecordView, children: readonly RecordView[]): Route | null {
  if (record.verb !== "model.invoke") return null;
  const scores = new Map(entriesOf(textFact(record, "preferred") ?? textFact(record, "candidates")).map((one) => [one.name, one.words]));
  const attempts = attemptsOf(record, children);
  const skipped = entriesOf(textFact(record, "skipped")).filter(({ name }) => !attempts.some((one) => one.name === name));
  const isSkipped = new Set(skipped.map(({ name }) => name));
  const isTried = new Set(attempts.map(({ name }) => name));
  const stops: Stop[] = [
    ...skipped.map(({ name, words }) => without(name, "skipped", words, scores.get(name) ?? null)),
    ...attempts.map((one) => ({ ...one, score: scores.get(one.name) ?? null })),
    ...[...scores.keys()]
      .filter((name) => !isTried.has(name) && !isSkipped.has(name))
      .map((name) => without(name, "spare", null, scores.get(name) ?? null)),
  ];
  return stops.length ? { alias: resourceName(record.resource), notes: notesOf(record), stops } : null;
}

function without(name: string, state: StopState, why: string | null, score: string | null): Stop {
  return { name, state, why, score, record: null, span: null, took_us: null, cost: null };
}

/** The attempts in the order of time. A call that was tried once has one record, which is its attempt's too. */
function attemptsOf(record: RecordView, children: readonly RecordView[]): Stop[] {
  const nested = children.filter((one) => isModelCall(one) || one.verb === "model.recall");
  const { spans } = spansOf(record, nested);
  if (nested.length) return spans.slice(1).map((span) => stopOf(span.record, resourceName(span.record.resource), span, record));
  const destination = textFact(record, "destination");
  return destination === null ? [] : [stopOf(record, resourceName(destination), spans[0]!, record)];
}

function stopOf(attempt: RecordView, name: string, span: Span, call: RecordView): Stop {
  return {
    name: textFact(attempt, "cache") === "hit" ? "the cache" : name,
    state: stateOf(attempt, call),
    why: attempt.outcome === "done" ? null : (textFact(attempt, "reason") ?? attempt.error),
    score: null,
    record: attempt.id === call.id ? null : attempt.id,
    span,
    took_us: attempt.duration_us,
    cost: costOf(attempt),
  };
}

function stateOf(attempt: RecordView, call: RecordView): StopState {
  switch (attempt.outcome) {
    case null:
      return "running";
    case "done":
      return "answered";
    case "refused":
      return "refused";
    case "abandoned":
      return textFact(call, "hedge") === null ? "failed" : "cancelled";
    default:
      return "failed";
  }
}

function notesOf(record: RecordView): string[] {
  const notes: string[] = [];
  const score = numberFact(record, "difficulty");
  const parts = textFact(record, "difficulty_parts");
  if (score !== null) {
    notes.push(`Difficulty ${score} of 100 (${parts ?? ""}); dearer deployments begin at ${numberFact(record, "threshold")}.`);
  }
  const hedge = textFact(record, "hedge");
  if (hedge !== null) notes.push(`A second attempt ran beside the first: ${hedge}.`);
  const cache = textFact(record, "cache");
  const age = numberFact(record, "cache_age_s");
  if (cache === "hit") notes.push(`Answered from the cache, with an answer that was ${age ?? 0} seconds old.`);
  if (cache === "miss") notes.push("The cache had no answer to an equal call.");
  const why = textFact(record, "cache_why");
  if (cache === "bypass" && why !== null) notes.push(`Not from the cache: ${why}.`);
  return notes;
}
