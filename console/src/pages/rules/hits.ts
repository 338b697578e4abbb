/** How often rules matched: exact where a feature counts usage, else counted from the records up to a limit. */

import { queryOptions, useQuery } from "@tanstack/react-query";

import { ask } from "../../api/client";
import { ruleMatchesQuery } from "../../api/queries";
import { formatCount } from "../../format";
import { useMay } from "../../session";

interface CountedRule {
  readonly rule: string;
  readonly mode: string;
  readonly hits: number;
}

/** The matches of one rule. */
export interface Hits {
  readonly week: string;
  readonly month: string;
  /** The calls of each of the last 30 days, oldest first. */
  readonly days: readonly number[];
  /** How many of the last week only observed; null where nobody counts it. */
  readonly observedInWeek: number | null;
}

const countedQuery = (span: "7d" | "30d") =>
  queryOptions({
    queryKey: ["usage", "rules", span],
    queryFn: async () => (await ask<{ rules: readonly CountedRule[] }>("GET", `/api/usage/rules?span=${span}`)).rules,
    staleTime: 60_000,
  });

/** The hits of every rule by id; null for who may not see them. */
export function useHits(): ((rule: string) => Hits) | null {
  const may = useMay();
  const isCounted = may("usage.read");
  const week = useQuery({ ...countedQuery("7d"), enabled: isCounted, retry: false });
  const month = useQuery({ ...countedQuery("30d"), enabled: isCounted, retry: false });
  const listed = useQuery({ ...ruleMatchesQuery, enabled: may("record.list") });
  if (!listed.data) return null;
  const { matches, most_a_day: most } = listed.data;
  const byRule = new Map(matches.map((one) => [one.rule, one.days]));
  return (rule) => {
    const days = byRule.get(rule) ?? [];
    const counted = week.data && month.data ? { week: week.data, month: month.data } : null;
    return {
      week: counted ? formatCount(sum(counted.week, rule)) : bounded(days.slice(-7), most),
      month: counted ? formatCount(sum(counted.month, rule)) : bounded(days, most),
      days,
      observedInWeek: counted && sum(counted.week.filter((one) => one.mode === "observe"), rule),
    };
  };
}

/** A sum of days, with a plus where a day was not counted to its end. */
export function bounded(days: readonly number[], most: number): string {
  const total = days.reduce((before, day) => before + day, 0);
  return `${formatCount(total)}${days.some((day) => day >= most) ? "+" : ""}`;
}

function sum(rules: readonly CountedRule[], rule: string): number {
  return rules.filter((one) => one.rule === rule).reduce((total, one) => total + one.hits, 0);
}
