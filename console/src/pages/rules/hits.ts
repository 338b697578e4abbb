/** How often rules matched: exact where a feature counts usage, else counted from the records up to a limit. */

import { queryOptions, useQuery } from "@tanstack/react-query";

import { ask } from "../../api/client";
import { ruleMatchesQuery } from "../../api/queries";
import { useMay } from "../../session";

interface CountedRule {
  readonly rule: string;
  readonly mode: string;
  readonly hits: number;
}

/** The matches of one rule in words, and how many of them only observed. */
export interface Hits {
  readonly week: string;
  readonly month: string;
  readonly observedInWeek: number;
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
  const listed = useQuery({ ...ruleMatchesQuery, enabled: !isCounted && may("record.list") });
  if (week.data && month.data)
    return (rule) => ({
      week: String(sum(week.data, rule)),
      month: String(sum(month.data, rule)),
      observedInWeek: sum(week.data.filter((one) => one.mode === "observe"), rule),
    });
  if (!listed.data) return null;
  const { matches, most } = listed.data;
  const words = (count: number): string => (count >= most ? `${most}+` : String(count));
  const byRule = new Map(matches.map((one) => [one.rule, one]));
  return (rule) => {
    const found = byRule.get(rule);
    return { week: words(found?.last_7_days ?? 0), month: words(found?.last_30_days ?? 0), observedInWeek: 0 };
  };
}

function sum(rules: readonly CountedRule[], rule: string): number {
  return rules.filter((one) => one.rule === rule).reduce((total, one) => total + one.hits, 0);
}
