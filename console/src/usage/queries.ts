/** What pages about usage read from the API. */

import { keepPreviousData, queryOptions } from "@tanstack/react-query";

import { api, take } from "../api/client";
import { type Period, asked } from "./period";
import type { Dimension } from "./words";

/** Values by name of the dimension. */
export type Filters = Readonly<Partial<Record<Dimension, string>>>;

const REFRESH_MS = 15_000;

/** Figures of a span up to now are read again from time to time. */
const followed = (period: Period) => ({
  placeholderData: keepPreviousData,
  refetchInterval: period.span === undefined ? (false as const) : REFRESH_MS,
});

export const usageOverviewQuery = (period: Period, filters: Filters) =>
  queryOptions({
    queryKey: ["usage-overview", asked(period), filters],
    queryFn: () => take(api.GET("/api/usage/overview", { params: { query: { ...asked(period), ...filters } } })),
    ...followed(period),
  });

export const ownUsageQuery = (period: Period) =>
  queryOptions({
    queryKey: ["own-usage", asked(period)],
    queryFn: () => take(api.GET("/api/usage/mine", { params: { query: asked(period) } })),
    ...followed(period),
  });

/** The budgets; what is used of them changes with every call. */
export const budgetsQuery = queryOptions({
  queryKey: ["budgets"],
  queryFn: () => take(api.GET("/api/budgets")),
  refetchInterval: 10_000,
});

/** Figures by dimensions, `time` among them; the largest first by calls or cost. */
export const usageQuery = (period: Period, filters: Filters, by: readonly string[], order: "calls" | "cost") =>
  queryOptions({
    queryKey: ["usage", asked(period), filters, by, order],
    queryFn: () => {
      const query = { ...asked(period), ...filters, by: by.join(","), order, limit: 5000, compare: true };
      return take(api.GET("/api/usage", { params: { query } }));
    },
    ...followed(period),
  });
