/** The tree of a conversation: which branch is shown, and what stands beside each turn. */

import type { Schemas } from "../../api/client";

export type TurnView = Schemas["TurnView"];

/** A turn of the page; an answer on its way streams, whether in this tab or since before a reload. */
export type Turn = Omit<TurnView, "state"> & { readonly state: Exclude<TurnView["state"], "running"> | "streaming" };

/** A shown turn with its alternatives, itself included, oldest first. */
export interface Shown {
  readonly turn: Turn;
  readonly siblings: readonly Turn[];
}

/** The turns of a conversation with the answers of this tab in place of what the server holds of them so far. */
export function withLive(kept: readonly TurnView[], live: readonly Turn[]): readonly Turn[] {
  const isHere = (one: TurnView): boolean => live.some(({ parent, model }) => parent === one.parent && model === one.model);
  const others = kept.filter((one) => one.state !== "running" || !isHere(one));
  return [...others.map((one): Turn => (one.state === "running" ? { ...one, state: "streaming" } : { ...one, state: one.state })), ...live];
}

/** The branch that contains `shown` and goes on with the newest turn after it; without it, the newest branch. */
export function branchOf(turns: readonly Turn[], shown: string | null): readonly Shown[] {
  const chosen = pathTo(turns, shown);
  const branch: Shown[] = [];
  let siblings = turns.filter((turn) => turn.parent === null);
  while (siblings.length > 0) {
    const turn = siblings.find((one) => chosen.has(one.id)) ?? siblings[siblings.length - 1]!;
    branch.push({ turn, siblings });
    siblings = turns.filter((one) => one.parent === turn.id);
  }
  return branch;
}

/** Whether the answers to a question stand side by side: two models were asked, and nothing follows yet. */
export function isPair(question: Turn | undefined, { siblings, isLast }: { siblings: readonly Turn[]; isLast: boolean }): boolean {
  return Boolean(question?.compare_with) && isLast && siblings.length > 1;
}

/** The two answers to show side by side: the last one of each compared model, or else the last two. */
export function pairOf(question: Turn | undefined, siblings: readonly Turn[]): readonly Turn[] {
  if (!question?.compare_with) return siblings.slice(-2);
  const models = [question.model, question.compare_with];
  return models.flatMap((model) => siblings.findLast((one) => (one.model ?? question.model) === model) ?? []);
}

function pathTo(turns: readonly Turn[], last: string | null): ReadonlySet<string> {
  const byId = new Map(turns.map((turn) => [turn.id, turn]));
  const path = new Set<string>();
  for (let at = last === null ? undefined : byId.get(last); at; at = at.parent ? byId.get(at.parent) : undefined)
    path.add(at.id);
  return path;
}
