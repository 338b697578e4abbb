/** Keeps what a person types in this tab until it is sent, so that Escape, a reload or an outside click loses nothing. */

import { useQuery } from "@tanstack/react-query";
import { useCallback, useState } from "react";

import { sessionQuery } from "./api/queries";

const PREFIX = "headgate:draft:";

/** The typed value, a function to change it, and one to forget it once it is sent or given up. */
type Draft<T> = readonly [value: T, change: (value: T) => void, forget: () => void];

/**
 * A state that survives the page. Each person has their own.
 *
 * @param name of the form and of the thing that it is about.
 */
export function useDraft<T>(name: string, initial: T): Draft<T> {
  const { data: session } = useQuery({ ...sessionQuery, enabled: false });
  const key = `${PREFIX}${session?.principal ?? ""}:${name}`;
  const [value, setValue] = useState<T>(() => stored(key) ?? initial);
  const change = useCallback(
    (typed: T) => {
      setValue(typed);
      keep(key, typed);
    },
    [key],
  );
  const forget = useCallback(() => sessionStorage.removeItem(key), [key]);
  return [value, change, forget];
}

/** Forgets every draft in this tab but those of one person. */
export function forgetDrafts(of: string | null): void {
  for (const key of Object.keys(sessionStorage))
    if (key.startsWith(PREFIX) && (of === null || !key.startsWith(`${PREFIX}${of}:`))) sessionStorage.removeItem(key);
}

function stored<T>(key: string): T | null {
  const text = sessionStorage.getItem(key);
  return text === null ? null : (JSON.parse(text) as T);
}

function keep(key: string, value: unknown): void {
  try {
    sessionStorage.setItem(key, JSON.stringify(value));
  } catch {
    // The tab's storage is full: the text stays on the page, and only a reload would lose it.
    sessionStorage.removeItem(key);
  }
}
