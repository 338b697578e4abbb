/** Spend and calls of use cases, where a feature counts them. */

import { queryOptions, useQuery } from "@tanstack/react-query";

import { ask } from "../api/client";
import { formatCost } from "../format";
import { useMay } from "../session";

interface Row {
  readonly use_case: string;
  readonly figures: { readonly calls: number; readonly costs: readonly { currency: string; micros: number }[] };
}

/** The calls of a use case, and its spend in words. */
export interface Usage {
  readonly calls: number;
  readonly spend: string;
}

const usageQuery = queryOptions({
  queryKey: ["usage", "use_case", "30d"],
  queryFn: async () => {
    return (await ask<{ rows: readonly Row[] }>("GET", "/api/usage?by=use_case&span=30d&limit=5000")).rows;
  },
  staleTime: 60_000,
});

/** The usage of the last 30 days by use case; null where nobody counts it, or the person may not see it. */
export function useUsage(): ReadonlyMap<string, Usage> | null {
  const may = useMay();
  const { data } = useQuery({ ...usageQuery, enabled: may("usage.read"), retry: false });
  return data ? new Map(data.map(({ use_case, figures }) => [use_case, usageOf(figures)])) : null;
}

/** What a use case without calls has used. */
export const UNUSED: Usage = { calls: 0, spend: "–" };

function usageOf({ calls, costs }: Row["figures"]): Usage {
  return { calls, spend: costs.map(({ micros, currency }) => formatCost(micros, currency)).join(" + ") || "–" };
}
