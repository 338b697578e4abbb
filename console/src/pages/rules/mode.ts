/** Changes the mode of a rule for one use case. */

import { type UseMutationResult, useMutation, useQueryClient } from "@tanstack/react-query";

import { type Schemas, api, take } from "../../api/client";
import { rulesQuery, useCasesQuery } from "../../api/queries";

export type Mode = Schemas["RuleView"]["mode"];

/** A rule and the mode that it gets. */
export interface ModeChange {
  readonly rule: string;
  readonly mode: Mode;
}

export function useSetMode(useCase: string): UseMutationResult<Schemas["RuleList"], Error, ModeChange> {
  const client = useQueryClient();
  return useMutation({
    mutationFn: ({ rule, mode }: ModeChange) =>
      take(
        api.PUT("/api/use-cases/{use_case}/rules/{rule}", {
          params: { path: { use_case: useCase, rule } },
          body: { mode },
        }),
      ),
    onSuccess: (list) => {
      client.setQueryData(rulesQuery(useCase).queryKey, list);
      void client.invalidateQueries({ queryKey: useCasesQuery.queryKey });
      void client.invalidateQueries({ queryKey: ["rules", useCase, "changes"] });
    },
  });
}
