/** What pages read from the API, each with the key under which it is cached. */

import { MutationCache, QueryCache, QueryClient, infiniteQueryOptions, queryOptions } from "@tanstack/react-query";

import { ApiError, type RecordDetail, type RecordView, type Schemas, api, take } from "./client";
import type { operations } from "./schema";

/** The filters of the list of records, as the address bar has them; times as the API wants them. */
export type RecordFilters = NonNullable<operations["countRecords"]["parameters"]["query"]>;

export interface RecordPage {
  readonly records: RecordView[];
  readonly next: string | null;
}

export const sessionQuery = queryOptions({
  queryKey: ["session"],
  queryFn: async (): Promise<Schemas["Session"] | null> => {
    try {
      return await take(api.GET("/api/session"));
    } catch (problem) {
      if (problem instanceof ApiError && problem.status === 401) return null;
      throw problem;
    }
  },
  staleTime: Infinity,
});

export const overviewQuery = queryOptions({
  queryKey: ["overview"],
  queryFn: () => take(api.GET("/api/overview")),
});

export const modelsQuery = queryOptions({
  queryKey: ["models"],
  queryFn: async () => (await take(api.GET("/api/models"))).models,
});

export const keysQuery = queryOptions({
  queryKey: ["keys"],
  queryFn: async () => (await take(api.GET("/api/keys"))).keys,
});

export const useCasesQuery = queryOptions({
  queryKey: ["use-cases"],
  queryFn: async () => (await take(api.GET("/api/use-cases"))).use_cases,
});

/** One use case with its rules and keys. */
export const useCaseQuery = (useCase: string) =>
  queryOptions({
    queryKey: ["use-cases", useCase],
    queryFn: () => take(api.GET("/api/use-cases/{use_case}", { params: { path: { use_case: useCase } } })),
  });

/** What others would notice of a change; null for a removal. */
export const effectsQuery = (useCase: string, becomes: Schemas["UseCaseBody"] | null) =>
  queryOptions({
    queryKey: ["use-cases", useCase, "effects", becomes],
    queryFn: async () => {
      const given = { params: { path: { use_case: useCase } }, body: { becomes } };
      return (await take(api.POST("/api/use-cases/{use_case}/effects", given))).effects;
    },
    staleTime: 0,
  });

/** How many calls each rule matched. */
export const ruleMatchesQuery = queryOptions({
  queryKey: ["rule-matches"],
  queryFn: () => take(api.GET("/api/rules/matches")),
});

/** What another mode of a rule would have changed in the last week's calls of a use case. */
export const rulePreviewQuery = (rule: string, useCase: string, mode: Schemas["RuleView"]["mode"]) =>
  queryOptions({
    queryKey: ["rule-preview", rule, useCase, mode],
    queryFn: () =>
      take(
        api.GET("/api/rules/{rule}/preview", {
          params: { path: { rule }, query: { use_case: useCase, mode, days: 7 } },
        }),
      ),
    staleTime: 0,
  });

/** The last changes of modes in one use case, from the records. */
export const modeChangesQuery = (useCase: string) =>
  queryOptions({
    queryKey: ["rules", useCase, "changes"],
    queryFn: async () => {
      const query = { verb: "rule.set_mode", resource: `use_case:${useCase}`, outcome: "done", limit: 20 };
      return ((await take(api.GET("/api/records", { params: { query } }))) as RecordPage).records;
    },
  });

/** The tenant's own policies, as the file has them. */
export const policiesQuery = queryOptions({
  queryKey: ["policies"],
  queryFn: async () =>
    (await take(api.GET("/api/entries/{section}", { params: { path: { section: "policy" } } }))).entries,
});

/** The destinations of notices. */
export const notificationsQuery = queryOptions({
  queryKey: ["notifications"],
  queryFn: () => take(api.GET("/api/notifications")),
});

/** The rules with the modes that they have for one use case. */
export const rulesQuery = (useCase: string | null) =>
  queryOptions({
    queryKey: ["rules", useCase],
    queryFn: () => take(api.GET("/api/rules", { params: { query: useCase ? { use_case: useCase } : {} } })),
  });

/** A page of records, newest first. */
export const recordsQuery = (filters: RecordFilters, cursor: string | null) =>
  queryOptions({
    queryKey: ["records", filters, cursor],
    queryFn: async () => {
      const query = { ...filters, limit: 50, ...(cursor ? { cursor } : {}) };
      return (await take(api.GET("/api/records", { params: { query } }))) as RecordPage;
    },
  });

/** Pages of records as a list that grows, newest first. */
export const recordPagesQuery = (filters: RecordFilters) =>
  infiniteQueryOptions({
    queryKey: ["records", "pages", filters],
    queryFn: async ({ pageParam }) => {
      const query = { ...filters, limit: 50, ...(pageParam ? { cursor: pageParam } : {}) };
      return (await take(api.GET("/api/records", { params: { query } }))) as RecordPage;
    },
    initialPageParam: "",
    getNextPageParam: (page) => page.next,
    // Whoever comes back to a list expects what happened meanwhile.
    staleTime: 0,
  });

/** Counts of records over time, by outcome. */
export const countsQuery = (filters: RecordFilters) =>
  queryOptions({
    queryKey: ["records", "counts", filters],
    queryFn: () => take(api.GET("/api/records/counts", { params: { query: filters } })),
  });

/** The saved views that the reader may use. */
export const viewsQuery = queryOptions({
  queryKey: ["views"],
  queryFn: async () => (await take(api.GET("/api/views"))).views,
});

export const recordQuery = (record: string) =>
  queryOptions({
    queryKey: ["record", record],
    queryFn: async () =>
      (await take(api.GET("/api/records/{record}", { params: { path: { record } } }))) as RecordDetail,
  });

/** Which requests for approval to list: those that wait, all, or the person's own. */
export type ApprovalsShown = "waiting" | "all" | "mine";

/** A page of requests for approval, newest first. */
export const approvalsQuery = (shown: ApprovalsShown, cursor: string | null) =>
  queryOptions({
    queryKey: ["approvals", shown, cursor],
    queryFn: () => {
      const query = { ...(shown === "all" ? {} : { [shown]: true }), ...(cursor ? { cursor } : {}) };
      return take(api.GET("/api/approvals", { params: { query } }));
    },
  });

export const approvalQuery = (approval: string) =>
  queryOptions({
    queryKey: ["approval", approval],
    queryFn: () => take(api.GET("/api/approvals/{approval}", { params: { path: { approval } } })),
  });

/** The same for a page that shows it: a look at the content is recorded, so it is not taken again by the clock. */
export const shownApprovalQuery = (approval: string) =>
  queryOptions({ ...approvalQuery(approval), staleTime: Infinity, refetchOnWindowFocus: false });

/** What became of a request for whoever asked, which is no look at content. */
export const ownApprovalQuery = (approval: string) =>
  queryOptions({
    queryKey: ["own-approval", approval],
    queryFn: async () =>
      (await take(api.GET("/api/approvals/{approval}", { params: { path: { approval } } }))).approval,
  });

/** The proof of a record; an error of status 404 while the log has not taken it up. */
export const proofQuery = (record: string) =>
  queryOptions({
    queryKey: ["proof", record],
    queryFn: async () =>
      (await take(api.GET("/api/records/{record}/proof", { params: { path: { record } } }))).bundle as unknown,
    staleTime: Infinity,
  });

/** A conversation with its turns. */
export const conversationQuery = (conversation: string) =>
  queryOptions({
    queryKey: ["conversation", conversation],
    queryFn: () => take(api.GET("/api/conversations/{conversation}", { params: { path: { conversation } } })),
    staleTime: 30_000,
    // To open what somebody else shares leaves a record: looking at the window again is not opening it.
    refetchOnWindowFocus: false,
  });

/** The conversations that others share with the person. */
export const sharedQuery = queryOptions({
  queryKey: ["conversations", "shared"],
  queryFn: async () => (await take(api.GET("/api/conversations/shared"))).conversations,
});

/** Puts somebody else's session in place, null for nobody's, and forgets what was read under the one before. */
export function changeSession(client: QueryClient, session: Schemas["Session"] | null): void {
  client.setQueryData(sessionQuery.queryKey, session);
  client.removeQueries({ predicate: (query) => query.queryKey[0] !== sessionQuery.queryKey[0] });
}

/** A client that asks again only where that may help, and forgets the session once the server has. */
export function makeQueryClient(): QueryClient {
  const forget = (problem: Error): void => {
    if (problem instanceof ApiError && problem.status === 401) changeSession(client, null);
  };
  const client = new QueryClient({
    queryCache: new QueryCache({ onError: forget }),
    mutationCache: new MutationCache({ onError: forget }),
    defaultOptions: {
      queries: {
        staleTime: 5_000,
        retry: (count, problem) => count < 2 && problem instanceof ApiError && problem.status >= 502,
      },
    },
  });
  return client;
}
