/** The verbs that this Headgate knows, with the words for them. */

import { queryOptions, useQuery } from "@tanstack/react-query";

import { ApiError, ask } from "./client";

/** A verb, such as `key.create`. To be replaced by the generated type once the server's document holds it. */
export interface Verb {
  readonly name: string;
  /** What it does, in words: "Make a key". */
  readonly title: string;
  readonly effect: string;
  readonly feature: string;
}

const vocabularyQuery = queryOptions({
  queryKey: ["vocabulary"],
  queryFn: async (): Promise<readonly Verb[]> => {
    try {
      return (await ask<{ verbs: Verb[] }>("GET", "/api/vocabulary")).verbs;
    } catch (problem) {
      // A server without the operation: verbs are shown by their names.
      if (problem instanceof ApiError && problem.status === 404) return [];
      throw problem;
    }
  },
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
