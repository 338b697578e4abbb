/** Figures of usage in words. */

import type { Schemas } from "../api/client";
import { formatCost, formatCount, shortId } from "../format";

export type Figures = Schemas["FiguresView"];
export type Row = Schemas["UsageRow"];

/** What usage can be grouped by, with the words of each. */
export const DIMENSIONS = {
  use_case: "Use case",
  person: "Person",
  key: "Key",
  model: "Model",
  deployment: "Deployment",
  outcome: "Outcome",
} as const;

export type Dimension = keyof typeof DIMENSIONS;

/** Money in every currency; "≥" where some calls have an unknown cost. */
export function spendWords({ costs, unpriced }: Figures): string {
  const known = costs.map(({ currency, micros }) => formatMoney(unpriced > 0 ? floorOf(micros) : micros, currency)).join(" + ");
  if (known === "") return unpriced > 0 ? "unknown" : "nothing";
  return unpriced > 0 ? `≥ ${known}` : known;
}

/** A least amount, rounded down where a figure shows cents only. */
function floorOf(micros: number): number {
  return micros < 100_000 ? micros : Math.floor(micros / 10_000) * 10_000;
}

/** The sums of several rows. */
export function totalOf(rows: readonly Row[]): Figures {
  const figures = rows.map((row) => row.figures);
  const sum = (name: Exclude<keyof Figures, "costs">): number => figures.reduce((all, one) => all + one[name], 0);
  const costs = new Map<string, number>();
  for (const { currency, micros } of figures.flatMap((one) => one.costs))
    costs.set(currency, (costs.get(currency) ?? 0) + micros);
  return {
    calls: sum("calls"),
    done: sum("done"),
    refused: sum("refused"),
    failed: sum("failed"),
    input_tokens: sum("input_tokens"),
    output_tokens: sum("output_tokens"),
    cached_tokens: sum("cached_tokens"),
    masked: sum("masked"),
    unpriced: sum("unpriced"),
    costs: [...costs].map(([currency, micros]) => ({ currency, micros })),
  };
}

/** An amount as a person reads it in a figure: to the cent, and finer only where it would show nothing. */
export function formatMoney(micros: number, currency: string): string {
  if (Math.abs(micros) < 100_000) return formatCost(micros, currency);
  return new Intl.NumberFormat("en", { style: "currency", currency, maximumFractionDigits: 2 }).format(micros / 1e6);
}

/** The amount in the currency that most was spent in; 0 without any. */
export function spendOf(figures: Figures, currency: string): number {
  return figures.costs.find((one) => one.currency === currency)?.micros ?? 0;
}

/** A large count, shortened: 12,408 and 3.1k tokens. */
export function formatShort(count: number): string {
  if (count < 10_000) return formatCount(count);
  if (count < 9_950_000) return `${formatCount(Number((count / 1000).toPrecision(3)))}k`;
  return `${formatCount(Number((count / 1_000_000).toPrecision(3)))}M`;
}

/** A share in percent, with one decimal where it is small. */
export function formatShare(part: number, whole: number): string {
  if (whole === 0) return "0 %";
  const share = (part / whole) * 100;
  return `${share > 0 && share < 10 ? share.toFixed(1) : share.toFixed(0)} %`;
}

/** A change against before: null where there is nothing to compare with. */
export function changeOf(now: number, before: number): { readonly share: number; readonly words: string } | null {
  if (before === 0 || now === before) return null;
  const share = (now - before) / before;
  const percent = Math.abs(share) * 100;
  const shown = percent >= 1000 ? ">1,000" : percent < 10 ? percent.toFixed(1) : percent.toFixed(0);
  return { share, words: `${shown} %` };
}

/** The titles of use cases, the names of keys where the reader may know them, and what is behind deployments. */
export interface Names {
  readonly useCase: (id: string) => string;
  readonly key: (id: string) => string | undefined;
  readonly deployment?: (id: string) => string;
}

/** The name of a row under a dimension. */
export function nameOf(row: Row, dimension: Dimension, names: Names): string {
  const value = row[dimension] ?? "";
  if (dimension === "person") return row.person_name ?? (value ? shortId(value) : "unknown");
  if (dimension === "key") return value === "" ? "Console" : (names.key(value) ?? shortId(value));
  if (dimension === "use_case") return names.useCase(value);
  if (dimension === "deployment") return value === "" ? "none" : (names.deployment?.(value) ?? value);
  return value;
}
