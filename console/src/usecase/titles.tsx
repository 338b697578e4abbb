/** Use cases by title, for whatever holds their ids. */

import { useQuery } from "@tanstack/react-query";

import { useCasesQuery } from "../api/queries";
import { accountQuery } from "../people/queries";
import { useMay } from "../session";
import { nameOf } from "./bodies";

/** The words for use cases by id: the title of one that the reader may know, else the id. */
export function useUseCaseTitle(): (useCase: string) => string {
  const may = useMay();
  const reads = may("use_case.list") || may("use_case.read");
  const register = useQuery({ ...useCasesQuery, enabled: reads, staleTime: 60_000 });
  const own = useQuery({ ...accountQuery, enabled: !reads, staleTime: 60_000 });
  const known: readonly { id: string; title: string }[] = register.data ?? own.data?.use_cases ?? [];
  const titles = new Map(known.map((one) => [one.id, nameOf(one)]));
  return (useCase) => titles.get(useCase) ?? useCase;
}

/** The title of a use case; its id where the reader may not know it. */
export function UseCaseTitle({ id }: { id: string }) {
  return <span title={id}>{useUseCaseTitle()(id)}</span>;
}
