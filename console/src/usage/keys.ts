/** Names of keys, for those who may list them. */

import { useQuery } from "@tanstack/react-query";

import { keysQuery } from "../api/queries";
import { useMay } from "../session";

const NONE: ReadonlyMap<string, string> = new Map();

/** The names of keys by their id; empty for who may not list keys. */
export function useKeyNames(): ReadonlyMap<string, string> {
  const may = useMay();
  const keys = useQuery({ ...keysQuery, enabled: may("key.list") });
  if (!keys.data) return NONE;
  return new Map(keys.data.map((key) => [key.id, key.name || key.prefix]));
}
