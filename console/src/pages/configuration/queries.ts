/** What the page of the configuration asks. */

import { queryOptions } from "@tanstack/react-query";

import { api, take } from "../../api/client";

export const stateQuery = queryOptions({
  queryKey: ["config", "state"],
  queryFn: () => take(api.GET("/api/config/state")),
});

export const keysOfSectionsQuery = queryOptions({
  queryKey: ["config", "keys"],
  queryFn: async () => (await take(api.GET("/api/config/keys"))).sections,
  staleTime: Infinity,
});

export const historyQuery = queryOptions({
  queryKey: ["config", "changes"],
  queryFn: async () => (await take(api.GET("/api/config/changes"))).changes,
});
