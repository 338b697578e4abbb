/** The filters of the activity page, as the address bar has them. */

import type { RecordFilters } from "../../api/queries";

export const TEXT_FILTERS = ["verb", "outcome", "use_case", "resource", "principal", "rule"] as const;
export const SPANS = { "15m": 15 * 60, "1h": 3600, "24h": 86_400, "7d": 7 * 86_400 } as const;
export type Span = keyof typeof SPANS;

/** What a query string asks for: text filters, a span of time up to now, and whether only first records are shown. */
export interface Asked {
  readonly texts: Readonly<Partial<Record<(typeof TEXT_FILTERS)[number], string>>>;
  readonly span: Span | null;
  readonly roots: boolean;
}

/** Reads a query string; what is unknown in it is left out. */
export function readAsked(search: URLSearchParams): Asked {
  const texts = Object.fromEntries(TEXT_FILTERS.map((name) => [name, search.get(name)]).filter((pair) => pair[1]));
  const span = search.get("span");
  return {
    texts,
    span: span !== null && Object.hasOwn(SPANS, span) ? (span as Span) : null,
    roots: search.get("roots") !== "false",
  };
}

/** Writes a query string, with nothing in it that is the default. */
export function writeAsked(asked: Asked): string {
  const search = new URLSearchParams();
  for (const name of TEXT_FILTERS) if (asked.texts[name]) search.set(name, asked.texts[name]);
  if (asked.span) search.set("span", asked.span);
  if (!asked.roots) search.set("roots", "false");
  const text = search.toString();
  return text ? `?${text}` : "";
}

/** What to ask the API for. The span begins at a whole minute, so that the same question stays the same for a while. */
export function filtersOf(asked: Asked, now: Date): RecordFilters {
  const filters: RecordFilters = { ...asked.texts };
  if (asked.roots) filters.roots = true;
  if (asked.span) {
    const minute = Math.floor(now.getTime() / 60_000) * 60_000;
    filters.since = new Date(minute - SPANS[asked.span] * 1000).toISOString();
  }
  return filters;
}
