/** Changes of the configuration as readable differences, with their effects on others. */

import { Stack, Text } from "@mantine/core";

import type { Schemas } from "../../api/client";
import { State } from "../../elements/record";
import { diffLines } from "./diff";
import styles from "./editor.module.css";
import prose from "../../elements/prose.module.css";

type Change = Schemas["EntryChangeView"];

const WORDS = {
  create: { tone: "good", icon: "add", text: "Adds" },
  change: { tone: "warn", icon: "duty", text: "Changes" },
  remove: { tone: "bad", icon: "bad", text: "Removes" },
} as const;

const DONE = { create: "added", change: "changed", remove: "removed" } as const;

/** `2 changed, 1 removed`. */
export function summaryOf(changes: readonly Change[]): string {
  const told = (["create", "change", "remove"] as const).map(
    (does) => [changes.filter((change) => change.does === does).length, DONE[does]] as const,
  );
  return told.filter(([count]) => count > 0).map(([count, word]) => `${count} ${word}`).join(", ") || "no changes";
}

export function Changes({ changes, effects = [] }: { changes: readonly Change[]; effects?: readonly string[] }) {
  return (
    <Stack gap="sm">
      {effects.map((effect) => (
        <Text key={effect} size="sm">
          {effect.charAt(0).toUpperCase() + effect.slice(1)}.
        </Text>
      ))}
      {changes.map((change) => (
        <Entry key={`${change.section} ${change.id}`} change={change} />
      ))}
    </Stack>
  );
}

function Entry({ change }: { change: Change }) {
  const { tone, icon, text } = WORDS[change.does];
  const name = `${change.section.replaceAll("_", " ")} ${change.id}`;
  const lines = diffLines(change.before ?? "", change.after ?? "");
  return (
    <section aria-label={name}>
      <State tone={tone} icon={icon}>{`${text} ${name}`}</State>
      {lines.length === 0 ? (
        <Text size="sm" className={prose.quiet}>
          The history does not keep the content of entries about people and keys.
        </Text>
      ) : (
        <pre className={styles.diff} tabIndex={0} role="region" aria-label={`Lines of ${name}`}>
          {lines.map((line, at) => (
            <DiffLine key={at} does={line.does} text={line.text} />
          ))}
        </pre>
      )}
    </section>
  );
}

function DiffLine({ does, text }: { does: "keep" | "add" | "remove"; text: string }) {
  if (does === "add") return <ins>+ {text}</ins>;
  if (does === "remove") return <del>− {text}</del>;
  return <>{`  ${text}\n`}</>;
}
