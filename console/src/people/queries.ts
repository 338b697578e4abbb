/** What pages read of people, each with the key under which it is cached. */

import { type QueryClient, infiniteQueryOptions, queryOptions, useQuery } from "@tanstack/react-query";

import { type Schemas, api, take } from "../api/client";
import { keysQuery } from "../api/queries";

export type Person = Schemas["PersonView"];
export type Session = Schemas["SessionView"];

/** The filters of the list of people, as the address has them. */
export type PeopleFilters = Partial<Record<(typeof PEOPLE_FILTERS)[number], string>>;

export const PEOPLE_FILTERS = ["search", "kind", "role", "group", "use_case"] as const;

/** People that match, page by page. */
export const peopleQuery = (filters: PeopleFilters) =>
  infiniteQueryOptions({
    queryKey: ["people", filters],
    queryFn: ({ pageParam }) => {
      const query = { ...filters, ...(pageParam ? { cursor: pageParam } : {}) };
      return take(api.GET("/api/people", { params: { query } }));
    },
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next,
  });

const MOST_FOUND = 20;

/** The first people whose name or id has these words, and the groups. */
export const foundPeopleQuery = (search: string) =>
  queryOptions({
    queryKey: ["people", "found", search],
    queryFn: () => take(api.GET("/api/people", { params: { query: { limit: MOST_FOUND, ...(search && { search }) } } })),
  });

export const personQuery = (person: string) =>
  queryOptions({
    queryKey: ["people", "one", person],
    queryFn: () => take(api.GET("/api/people/{person}", { params: { path: { person } } })),
  });

/** The open sessions of a person; null for one's own. */
export const sessionsQuery = (person: string | null) =>
  queryOptions({
    queryKey: ["people", "sessions", person],
    queryFn: async () => {
      const answer =
        person === null
          ? api.GET("/api/sessions")
          : api.GET("/api/people/{person}/sessions", { params: { path: { person } } });
      return (await take<Schemas["SessionList"]>(answer)).sessions;
    },
  });

export const accountQuery = queryOptions({
  queryKey: ["people", "account"],
  queryFn: () => take(api.GET("/api/account")),
});

export const ownKeysQuery = queryOptions({
  queryKey: ["people", "own-keys"],
  queryFn: () => take(api.GET("/api/keys/own")),
});

/** Whether the reader may make keys of their own. */
export function useMakesKeys(): boolean {
  const { data } = useQuery({ ...ownKeysQuery, staleTime: 60_000 });
  return (data?.use_cases.length ?? 0) > 0;
}

/** Reads everything about people and keys again. */
export function forgetPeople(client: QueryClient): void {
  void client.invalidateQueries({ queryKey: ["people"] });
  void client.invalidateQueries({ queryKey: keysQuery.queryKey });
}
