/** What the API tells administrators of providers and of single entries of the configuration. */

import { queryOptions } from "@tanstack/react-query";

import { api, take } from "../api/client";

export const catalogueQuery = queryOptions({
  queryKey: ["models", "all"],
  queryFn: () => take(api.GET("/api/models")),
});

export const providersQuery = queryOptions({
  queryKey: ["providers"],
  queryFn: async () => (await take(api.GET("/api/providers"))).providers,
  staleTime: Infinity,
});

/** The entries of a section, as tables of the file. */
export function entriesQuery(section: string) {
  return queryOptions({
    queryKey: ["entries", section],
    queryFn: async () => (await take(api.GET("/api/entries/{section}", { params: { path: { section } } }))).entries,
  });
}

/** One entry, as a table of the file. */
export function entryQuery(section: string, entry: string) {
  return queryOptions({
    queryKey: ["entries", section, entry],
    queryFn: () => take(api.GET("/api/entries/{section}/{entry}", { params: { path: { section, entry } } })),
    retry: false,
    // What stands in a form must not change under the hands of a person.
    staleTime: Infinity,
    gcTime: 0,
  });
}
