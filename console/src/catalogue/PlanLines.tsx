/** What a change does, line by line, before it is made or after. */

import { Stack, Text } from "@mantine/core";

import type { Schemas } from "../api/client";
import { RecordLink } from "../elements/RecordLink";
import { State } from "../elements/record";
import { plural } from "../format";
import prose from "../elements/prose.module.css";

const DOES = {
  create: { tone: "good", icon: "add", text: "Adds" },
  change: { tone: "warn", icon: "duty", text: "Changes" },
  remove: { tone: "bad", icon: "bad", text: "Removes" },
} as const;

/** `2 changed, 1 removed`. */
export function planSummary(plan: Schemas["ConfigPlan"]): string {
  const count = (does: string): number => plan.changes.filter((change) => change.does === does).length;
  const told = [
    [count("create"), "added"],
    [count("change"), "changed"],
    [count("remove"), "removed"],
  ] as const;
  return told.filter(([times]) => times > 0).map(([times, word]) => `${times} ${word}`).join(", ") || "no changes";
}

/** What a valid change will not do as meant. */
export function Warnings({ of }: { of: readonly string[] | undefined }) {
  return of?.map((warning) => (
    <Text key={warning} size="sm" mt={4} component="div" role="status">
      <State tone="warn" icon="warn">{warning}</State>
    </Text>
  ));
}

export function PlanLines({ plan, title }: { plan: Schemas["ConfigPlan"]; title: string }) {
  return (
    <section aria-label={title}>
      <Text size="sm" fw={600} role="status">
        {plan.changes.length === 0 ? "Nothing changes." : `${title}: ${plural(plan.changes.length, "entry", "entries")}`}
      </Text>
      <Stack gap={4} mt={4}>
        {plan.changes.map((change) => {
          const words = DOES[change.does as keyof typeof DOES] ?? DOES.change;
          return (
            <Text key={`${change.section} ${change.id}`} size="sm" component="div">
              <State tone={words.tone} icon={words.icon}>{`${words.text} ${change.section.replaceAll("_", " ")} ${change.id}`}</State>
              {change.detail && <span className={prose.quiet}> ({change.detail})</span>}
            </Text>
          );
        })}
      </Stack>
      <Warnings of={plan.warnings} />
      {plan.record && <RecordLink id={plan.record} text="View record" />}
    </section>
  );
}
