/** The bars of the histogram. */

import type { Schemas } from "../../api/client";

/** Groups of outcomes, in the order in which their bars stand on each other, and the outcomes in them. */
export const GROUPS = {
  done: { text: "Done", outcomes: ["done"] },
  refused: { text: "Refused", outcomes: ["refused", "withheld"] },
  failed: { text: "Failed", outcomes: ["failed", "interrupted", "in_doubt"] },
  left: { text: "Left by the caller", outcomes: ["abandoned"] },
} as const;
export type GroupName = keyof typeof GROUPS;

export interface Bucket {
  readonly start: string;
  readonly stop: string;
  readonly counts: Readonly<Record<GroupName, number>>;
  readonly total: number;
}

export function bucketsOf(counts: Schemas["CountsView"]): Bucket[] {
  return counts.starts.map((start, at) => {
    const of = Object.fromEntries(
      Object.entries(GROUPS).map(([name, { outcomes }]) => [
        name,
        outcomes.reduce((sum, outcome) => sum + (counts.outcomes[outcome]?.[at] ?? 0), 0),
      ]),
    ) as Record<GroupName, number>;
    const total = Object.values(of).reduce((sum, count) => sum + count, 0);
    return { start, stop: counts.starts[at + 1] ?? counts.until, counts: of, total };
  });
}
