/** State that outlives a page but not the tab's load, such as an answer that one comes back to. It is gone with the session. */

import { type QueryKey, useQuery, useQueryClient } from "@tanstack/react-query";
import { useCallback } from "react";

type Change<T> = (change: (value: T) => T) => void;

/** A value in memory under a key, and a function to change it from wherever it is shown. */
export function useKept<T>(key: QueryKey, initial: T): readonly [T, Change<T>] {
  const client = useQueryClient();
  const { data } = useQuery<T>({
    queryKey: key,
    queryFn: () => initial,
    initialData: initial,
    enabled: false,
    staleTime: Infinity,
    gcTime: Infinity,
    structuralSharing: false,
  });
  const name = JSON.stringify(key);
  const change = useCallback<Change<T>>(
    (changed) => client.setQueryData<T>(JSON.parse(name) as QueryKey, (value) => changed(value ?? initial)),
    // `initial` is written anew by every caller and stays the same.
    [client, name],
  );
  return [data ?? initial, change];
}
