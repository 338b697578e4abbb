/** Names of colleagues, as far as the person may find them. */

import { queryOptions, useQuery } from "@tanstack/react-query";

import { api, take } from "../api/client";

/** Up to ten people whose name or id contains a text. */
export const colleaguesQuery = (text: string) =>
  queryOptions({
    queryKey: ["colleagues", text],
    queryFn: async () => (await take(api.GET("/api/colleagues", { params: { query: { q: text } } }))).people,
    staleTime: 60_000,
    retry: false,
  });

/** The name of a colleague; the id until it is known, and "somebody" for nobody. */
export function useName(person: string | null): string {
  const { data } = useQuery({ ...colleaguesQuery(person ?? ""), enabled: person !== null });
  return data?.find((one) => one.id === person)?.name ?? person ?? "somebody";
}
