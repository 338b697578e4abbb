/** The period of figures, as the address bar has it. */

import { useSearchParams } from "react-router";

/** The spans to choose from, with their words. */
export const SPANS = { "1h": "1 h", "24h": "24 h", "7d": "7 d", "30d": "30 d" } as const;

export type Span = keyof typeof SPANS;

const DEFAULT: Span = "24h";

/** A span up to now, or a time with a beginning and an end; and whether it is compared with the time before. */
export type Period = { readonly compares: boolean } & (
  | { readonly span: Span; readonly since?: undefined; readonly until?: undefined }
  | { readonly span?: undefined; readonly since: string; readonly until: string }
);

/** Reads a period. Unknown or malformed parts become the default. */
export function readPeriod(search: URLSearchParams, otherwise: Span = DEFAULT): Period {
  const compares = search.get("compare") !== "no";
  const span = search.get("span");
  const since = moment(search.get("since"));
  const until = moment(search.get("until"));
  if (since !== null && until !== null && since < until) return { compares, since, until };
  return { compares, span: span !== null && Object.hasOwn(SPANS, span) ? (span as Span) : otherwise };
}

/** Writes a period into a query string, beside what else it holds. */
export function writePeriod(search: URLSearchParams, period: Period, otherwise: Span = DEFAULT): URLSearchParams {
  const written = new URLSearchParams(search);
  for (const name of ["span", "since", "until", "compare"]) written.delete(name);
  if (period.span === undefined) {
    written.set("since", period.since);
    written.set("until", period.until);
  } else if (period.span !== otherwise) written.set("span", period.span);
  if (!period.compares) written.set("compare", "no");
  return written;
}

/** The period as the API takes it. */
export function asked(period: Period): { span: string } | { since: string; until: string } {
  return period.span === undefined ? { since: period.since, until: period.until } : { span: period.span };
}

/** The period in the address bar, and how to change it. */
export function usePeriod(otherwise: Span = DEFAULT): readonly [Period, (period: Period) => void] {
  const [search, setSearch] = useSearchParams();
  return [readPeriod(search, otherwise), (period) => setSearch(writePeriod(search, period, otherwise))];
}

/** The words for a period. */
export function periodWords(period: Period): string {
  if (period.span !== undefined) return `the last ${SPANS[period.span]}`;
  const words = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short" });
  return `${words.format(new Date(period.since))} to ${words.format(new Date(period.until))}`;
}

function moment(text: string | null): string | null {
  const at = text === null ? Number.NaN : Date.parse(text);
  return Number.isNaN(at) ? null : new Date(at).toISOString();
}
