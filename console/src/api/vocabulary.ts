/** The verbs that this Headgate knows, with the words for them. */

import { queryOptions, useQuery } from "@tanstack/react-query";

import { type Schemas, api, take } from "./client";

/** A verb, such as `key.create`, with its title: "Make a key". */
export type Verb = Schemas["VerbView"];

const vocabularyQuery = queryOptions({
  queryKey: ["vocabulary"],
  queryFn: async (): Promise<readonly Verb[]> => (await take(api.GET("/api/vocabulary"))).verbs,
  staleTime: Infinity,
});

const NONE: readonly Verb[] = [];

/** Every verb; empty until they are read, and where they cannot be. */
export function useVerbs(): readonly Verb[] {
  return useQuery(vocabularyQuery).data ?? NONE;
}

/** The words for a verb; its name where nobody has words for it. */
export function titleOf(verbs: readonly Verb[], name: string): string {
  return verbs.find((verb) => verb.name === name)?.title ?? name;
}
