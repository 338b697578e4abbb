/** The status of a use case in words, and when its owner reviews it. */

import type { Schemas } from "../api/client";
import { State } from "../elements/record";
import type { Words } from "../record/words";

type Status = NonNullable<Schemas["UseCaseView"]["status"]>;

/** The words for each status. */
export const STATUSES: Readonly<Record<Status, Words>> = {
  draft: { tone: "quiet", icon: "open", text: "Draft" },
  live: { tone: "good", icon: "good", text: "Live" },
  paused: { tone: "warn", icon: "stop", text: "Paused" },
  retired: { tone: "quiet", icon: "bad", text: "Retired" },
};

export function StatusState({ status }: { status: Schemas["UseCaseView"]["status"] }) {
  const { text, ...shape } = STATUSES[status ?? "live"];
  return <State {...shape}>{text}</State>;
}

const DAY_MS = 86_400_000;

/** When the next review is, in days from today. */
export function Review({ day }: { day: string | null | undefined }) {
  if (!day) return <>None planned</>;
  const days = daysUntil(day, new Date());
  if (days < 0)
    return (
      <span title={day}>
        <State tone="bad" icon="warn">
          {`Overdue since ${day}`}
        </State>
      </span>
    );
  return <span title={day}>{days === 0 ? "Today" : days <= 60 ? `In ${days} ${days === 1 ? "day" : "days"}` : day}</span>;
}

/** Whole days from today to a day, in UTC; below zero for a day that has passed. */
export function daysUntil(day: string, now: Date): number {
  const today = Date.UTC(now.getUTCFullYear(), now.getUTCMonth(), now.getUTCDate());
  return Math.round((Date.parse(`${day}T00:00:00Z`) - today) / DAY_MS);
}
