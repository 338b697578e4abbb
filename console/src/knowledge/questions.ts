/** What pages read of questions to experts, of the quality of collections, and of what people find. */

import { type QueryClient, infiniteQueryOptions, queryOptions } from "@tanstack/react-query";

import { type Schemas, api, take } from "../api/client";
import type { Words } from "../record/words";
import type { Collection } from "./queries";

export type Question = Schemas["QuestionView"];
export type Quality = Schemas["QualityView"];
export type Access = Schemas["AccessView"];
export type Reach = Schemas["ReachView"];

/** As what the person sees questions: as one who may answer them, or as the one who asked them. */
export type Part = "expert" | "asker";

export type QuestionState = Question["state"];

const QUESTIONS = ["knowledge", "questions"];
const LOOK_MS = 10_000;
const BADGE_LOOK_MS = 60_000;
const MOST_COUNTED = 100;

/** Questions of the person page by page, newest first. */
export const questionsQuery = (part: Part, state: QuestionState | null) =>
  infiniteQueryOptions({
    queryKey: [...QUESTIONS, part, state],
    queryFn: ({ pageParam }) => {
      const query = { as: part, ...(state && { state }), ...(pageParam && { cursor: pageParam }) };
      return take(api.GET("/api/knowledge/questions", { params: { query } }));
    },
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next,
    refetchInterval: LOOK_MS,
  });

/** The open questions that the person may answer, counted as far as one page goes. */
export const waitingQuery = queryOptions({
  queryKey: [...QUESTIONS, "waiting"],
  queryFn: async () => {
    const query = { as: "expert", state: "open", limit: MOST_COUNTED };
    const { questions, next } = await take(api.GET("/api/knowledge/questions", { params: { query } }));
    return { count: questions.length, isMore: next !== null };
  },
  refetchInterval: BADGE_LOOK_MS,
});

/** The quality of a collection, for its owner, administrators and auditors. */
export const qualityQuery = (collection: string) =>
  queryOptions({
    queryKey: ["knowledge", "quality", collection],
    queryFn: () =>
      take(api.GET("/api/knowledge/collections/{collection}/quality", { params: { path: { collection } } })),
  });

/** What somebody finds. Each look leaves a record, so it is not read again by the clock. */
export const accessQuery = (person: string) =>
  queryOptions({
    queryKey: ["knowledge", "access", person],
    queryFn: () => take(api.GET("/api/knowledge/access/{person}", { params: { path: { person } } })),
    staleTime: Infinity,
    gcTime: 0,
    refetchOnWindowFocus: false,
    refetchOnReconnect: false,
    retry: false,
  });

/** Reads questions and the numbers about them again. */
export function lookAtQuestions(client: QueryClient): Promise<unknown> {
  return Promise.all([
    client.invalidateQueries({ queryKey: QUESTIONS }),
    client.invalidateQueries({ queryKey: ["knowledge", "quality"] }),
  ]);
}

const STATES: Readonly<Record<QuestionState, Words>> = {
  open: { tone: "warn", icon: "open", text: "Open" },
  answered: { tone: "good", icon: "good", text: "Answered" },
  closed: { tone: "quiet", icon: "stop", text: "Closed" },
};

/** How a question stands, in words. */
export function stateOf({ state }: Pick<Question, "state">): Words {
  return STATES[state];
}

/** Who gets the questions to a collection, by name: its experts, and its owner last. */
export function expertsOf({
  experts,
  expert_names: names,
  owner,
  owner_name: ownerName,
}: Pick<Collection, "experts" | "expert_names" | "owner" | "owner_name">): string[] {
  const others = names.filter((_, at) => experts[at] !== owner);
  return [...others, ...(experts.includes(owner) ? [ownerName] : [`${ownerName} (owner)`])];
}

/** `Ann`, `Ann and Bob`, `Ann, Bob and Cid`. */
export function listOf(names: readonly string[]): string {
  return names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} and ${names.at(-1)!}`;
}
