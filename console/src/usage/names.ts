/** Names of what rows of usage hold ids of. */

import { useQuery } from "@tanstack/react-query";

import { keysQuery, modelsQuery } from "../api/queries";
import { useMay } from "../session";
import { useUseCaseTitle } from "../usecase/titles";
import type { Names } from "./words";

/** The names that the reader may know; ids for the others. */
export function useNames(): Names {
  const may = useMay();
  const useCase = useUseCaseTitle();
  const keys = useQuery({ ...keysQuery, enabled: may("key.list") });
  const models = useQuery(modelsQuery);
  const deployments = models.data?.flatMap((one) => one.deployments) ?? [];
  const behind = new Map(deployments.map((one) => [one.id, `${one.model} at ${one.vendor || "our own machines"}`]));
  const named = new Map(keys.data?.map((key) => [key.id, key.name || key.prefix]));
  return {
    useCase,
    key: (id) => named.get(id),
    deployment: (id) => {
      if (id.startsWith("cache:")) return `cache of ${id.slice("cache:".length)}`;
      const model = behind.get(id);
      return model ? `${id}: ${model}` : id;
    },
  };
}
