/** Budgets in words. */

import type { Schemas } from "../api/client";
import { formatCount } from "../format";
import { formatMoney, formatShort } from "./words";

export type Budget = Schemas["BudgetView"];

export const LEVELS: Readonly<Record<Budget["level"], string>> = {
  organisation: "Organisation",
  group: "Group",
  person: "Person",
  use_case: "Use case",
  key: "Key",
};

export const UNITS: Readonly<Record<Budget["unit"], string>> = {
  money: "Money",
  tokens: "Tokens",
  requests: "Requests",
  concurrency: "Calls at once",
};

export const PERIODS = ["minute", "hour", "day", "week", "month", "quarter", "year"] as const;

/** Whose budget it is. */
export function scopeWords({ level, title }: Budget): string {
  return level === "organisation" ? title : `${LEVELS[level]} ${title}`;
}

/** An amount of the budget's unit, such as `$1.20` or `3.1k tokens`. */
export function amountWords({ unit, currency }: Pick<Budget, "unit" | "currency">, amount: number): string {
  if (unit === "money") return formatMoney(amount, currency ?? "USD");
  if (unit === "tokens") return `${formatShort(amount)} tokens`;
  const noun = unit === "requests" ? "request" : "call";
  return `${formatCount(amount)} ${amount === 1 ? noun : `${noun}s`}`;
}

/** What is used of the limit: `$0.06 of $0.50 used this month`. */
export function usedWords(budget: Budget): string {
  const limit = amountWords(budget, budget.limit);
  if (budget.period === null) return `${formatCount(budget.reserved)} of ${limit} running now`;
  const when = budget.period === "day" ? "today" : `this ${budget.period}`;
  const used = budget.unit === "money" ? amountWords(budget, budget.used) : formatShort(budget.used);
  return `${used} of ${limit} used ${when}`;
}

export type Standing = { readonly tone: "good" | "warn" | "bad"; readonly words: string };

/** How the budget stands, in a word or two. */
export function standingOf(budget: Budget): Standing {
  const { limit, used, reserved, forecast, hard, refused, period } = budget;
  if (period === null) {
    return reserved >= limit ? { tone: "warn", words: "Full at the moment" } : { tone: "good", words: "Has room" };
  }
  if (used >= limit) return hard ? { tone: "bad", words: "Used up" } : { tone: "warn", words: "Over its limit" };
  if (refused > 0) return { tone: "bad", words: "Refuses calls" };
  if ((forecast ?? 0) > limit) return { tone: "warn", words: "Will not last" };
  return { tone: "good", words: "On track" };
}

/** The use at the end of the period; null where nothing is left to forecast. */
export function forecastOf({ forecast, used, limit, hard }: Budget): number | null {
  return used === 0 || (hard && used >= limit) ? null : forecast;
}

/** The marks of a bar, as shares of its width from 0 to 1. The bar grows beyond the limit where use or forecast does. */
export function marksOf(budget: Budget) {
  const { limit, used, reserved } = budget;
  const forecast = forecastOf(budget);
  // A forecast far beyond the limit would make the bar unreadable, so it stands at the end.
  const whole = Math.max(limit, used + reserved, Math.min(forecast ?? 0, limit * 1.5));
  const at = (amount: number): number => Math.min(amount / whole, 1);
  return {
    used: at(used),
    held: at(used + reserved) - at(used),
    limit: at(limit),
    forecast: forecast === null ? null : at(forecast),
  };
}
