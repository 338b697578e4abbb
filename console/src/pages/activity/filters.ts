/** The filters of the activity page, as the address bar has them. */

import type { RecordFilters } from "../../api/queries";

/** The fields to filter by, and the words for them. */
export const FIELDS = {
  use_case: "use case",
  principal: "who",
  key: "key",
  model: "model",
  deployment: "deployment",
  outcome: "outcome",
  rule: "rule",
  category: "category",
  masked: "masked",
  error: "error",
  text: "text",
  verb: "action",
  resource: "resource",
} as const;
export type Field = keyof typeof FIELDS;
export type Texts = Readonly<Partial<Record<Field, string>>>;

export const PERIODS = { "1h": "1 h", "24h": "24 h", "7d": "7 d", "30d": "30 d" } as const;
export type Period = keyof typeof PERIODS;
const USUAL: Period = "24h";

export const KINDS = { calls: "Calls", administration: "Administration", all: "Everything" } as const;
export type Kind = keyof typeof KINDS;

/** What a query string asks for. `since` and `until` are times of their own, in place of a period. */
export interface Asked {
  readonly kind: Kind;
  readonly texts: Texts;
  readonly period: Period;
  readonly since: string | null;
  readonly until: string | null;
  /** A text to look for in the content. */
  readonly content: string | null;
}

/** Reads a query string; unknown values in it are left out. */
export function readAsked(search: URLSearchParams): Asked {
  const names = Object.keys(FIELDS) as Field[];
  const texts = Object.fromEntries(names.map((name) => [name, search.get(name)]).filter((pair) => pair[1]));
  const [kind, period] = [search.get("kind"), search.get("period")];
  return {
    kind: isOne(KINDS, kind) ? kind : search.get("roots") === "false" ? "all" : "calls",
    texts,
    period: isOne(PERIODS, period) ? period : USUAL,
    since: timeOf(search.get("since")),
    until: timeOf(search.get("until")),
    content: search.get("content") || null,
  };
}

/** Writes a query string, with nothing in it that is the default. */
export function writeAsked(asked: Asked): string {
  const search = new URLSearchParams();
  if (asked.kind !== "calls") search.set("kind", asked.kind);
  for (const name of Object.keys(FIELDS) as Field[]) if (asked.texts[name]) search.set(name, asked.texts[name]);
  if (asked.since) search.set("since", asked.since);
  if (asked.until) search.set("until", asked.until);
  if (!asked.since && asked.period !== USUAL) search.set("period", asked.period);
  if (asked.content) search.set("content", asked.content);
  const text = search.toString();
  return text ? `?${text}` : "";
}

/** What to ask the API for. */
export function filtersOf(asked: Asked): RecordFilters {
  const filters: RecordFilters = { ...asked.texts };
  if (asked.kind !== "all") filters.kind = asked.kind;
  if (!asked.since) return { ...filters, period: asked.period };
  filters.since = asked.since;
  if (asked.until) filters.until = asked.until;
  return filters;
}

/** The filters of the API as a query string. */
export function queryOf(asked: Asked): string {
  const pairs = Object.entries(filtersOf(asked)).map(([name, value]) => [name, String(value)]);
  return new URLSearchParams(pairs).toString();
}

/** A filter as it is typed: `outcome: refused`. Words without a field are a text. */
export function readTyped(typed: string): readonly [Field, string] | null {
  const [, before = "", after = ""] = /^([^:]*):\s*(.*)$/.exec(typed.trim()) ?? [];
  const wanted = before.trim().toLowerCase();
  const field = (Object.keys(FIELDS) as Field[]).find((name) => FIELDS[name] === wanted || name === wanted);
  if (field) return after ? [field, after] : null;
  return typed.trim() ? ["text", typed.trim()] : null;
}

function isOne<T extends object>(known: T, value: string | null): value is Extract<keyof T, string> {
  return value !== null && Object.hasOwn(known, value);
}

function timeOf(text: string | null): string | null {
  return text !== null && !Number.isNaN(Date.parse(text)) ? new Date(text).toISOString() : null;
}
