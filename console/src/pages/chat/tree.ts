/** The tree of a conversation: which branch is shown, and what stands beside each turn. */

import type { Schemas } from "../../api/client";

export type TurnView = Schemas["TurnView"];

/** A turn of the page; an answer that is on its way has no place on the server yet. */
export type Turn = Omit<TurnView, "state"> & { readonly state: TurnView["state"] | "streaming" };

/** A shown turn with its alternatives, itself included, oldest first. */
export interface Shown {
  readonly turn: Turn;
  readonly siblings: readonly Turn[];
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

function pathTo(turns: readonly Turn[], last: string | null): ReadonlySet<string> {
  const byId = new Map(turns.map((turn) => [turn.id, turn]));
  const path = new Set<string>();
  for (let at = last === null ? undefined : byId.get(last); at; at = at.parent ? byId.get(at.parent) : undefined)
    path.add(at.id);
  return path;
}
