/** Records in small: outcomes, decisions, labels, rules, times, counts, costs. */

import { Badge, Text } from "@mantine/core";

import type { RecordView, Schemas } from "../api/client";
import { formatCost, formatTime, formatUtc } from "../format";
import type { Cost } from "../record/facts";
import { parseLabels } from "../record/labels";
import { Icon, type IconName } from "./icons";
import { RuleName } from "./page";
import styles from "./record.module.css";
import prose from "./prose.module.css";

type Tone = "good" | "warn" | "bad" | "quiet";

const ENDED: Record<string, { tone: Tone; icon: IconName; text: string }> = {
  done: { tone: "good", icon: "good", text: "Done" },
  refused: { tone: "bad", icon: "bad", text: "Refused" },
  withheld: { tone: "bad", icon: "bad", text: "Withheld" },
  failed: { tone: "bad", icon: "warn", text: "Failed" },
  interrupted: { tone: "warn", icon: "warn", text: "Interrupted" },
  abandoned: { tone: "warn", icon: "warn", text: "Abandoned" },
  in_doubt: { tone: "warn", icon: "warn", text: "In doubt" },
};

const OPEN = { tone: "quiet", icon: "open", text: "Open" } as const;

/** How actions end, and what has not ended, each with its word. */
export const OUTCOMES = Object.entries({ ...ENDED, open: OPEN });

const EFFECTS: Record<string, { tone: Tone; icon: IconName; text: string }> = {
  allow: { tone: "good", icon: "good", text: "Allowed" },
  ask: { tone: "warn", icon: "open", text: "Needs approval" },
  deny: { tone: "bad", icon: "bad", text: "Denied" },
};

const DOES: Record<string, { tone: Tone; icon: IconName }> = {
  allow: { tone: "good", icon: "good" },
  ask: { tone: "warn", icon: "open" },
  deny: { tone: "bad", icon: "bad" },
  duty: { tone: "quiet", icon: "duty" },
};

/** A state in words, with a shape of its own. */
export function State({ tone, icon, children }: { tone: Tone; icon: IconName; children: string }) {
  return (
    <span className={styles.state} data-tone={tone}>
      <Icon name={icon} size={15} />
      {children}
    </span>
  );
}

/** How an action ended; null is not ended yet. */
export function Outcome({ outcome }: { outcome: string | null }) {
  const known = outcome === null ? OPEN : ENDED[outcome];
  return known ? (
    <State {...known}>{known.text}</State>
  ) : (
    <State tone="quiet" icon="open">
      {outcome ?? ""}
    </State>
  );
}

/** What was decided. What policy allows can still be refused, by its labels or a limit. */
export function EffectState({ effect, outcome = null }: { effect: string; outcome?: string | null }) {
  const known = effect === "allow" && outcome === "refused" ? ENDED.refused : EFFECTS[effect];
  return known ? (
    <State {...known}>{known.text}</State>
  ) : (
    <State tone="quiet" icon="open">
      {effect}
    </State>
  );
}

/** Labels as tags; those that restrict most stand out. */
export function Labels({ text }: { text: string }) {
  const labels = parseLabels(text);
  if (!labels.length) return <span className={prose.quiet}>none</span>;
  return (
    <span className={prose.tags}>
      {labels.map(({ name, values }) => (
        <Badge key={name} className={isStrict(name, values) ? styles.strict : undefined} title={name}>
          {name === "confidentiality" ? values.join(", ") : `${name}: ${values.join(", ")}`}
        </Badge>
      ))}
    </span>
  );
}

function isStrict(name: string, values: readonly string[]): boolean {
  return (
    (name === "confidentiality" && ["confidential", "restricted"].includes(values[0] ?? "")) ||
    (name === "categories" && values.includes("secret"))
  );
}

/** The rules that matched, and why. */
export function RuleHits({ rules }: { rules: readonly Schemas["RuleHitView"][] }) {
  if (!rules.length)
    return (
      <Text className={prose.quiet} size="sm">
        No rule matched.
      </Text>
    );
  return (
    <ul className={prose.plainList}>
      {rules.map((rule) => (
        <li key={rule.id} style={{ display: "flex", gap: 8, padding: "3px 0" }}>
          <span
            className={styles.state}
            data-tone={(DOES[rule.does] ?? DOES.duty!).tone}
            style={{ alignItems: "flex-start", paddingTop: 3 }}
          >
            <Icon name={(DOES[rule.does] ?? DOES.duty!).icon} size={14} />
          </span>
          <span>
            <RuleName id={rule.id} /> <span className={prose.quiet}>({rule.does})</span>
            {rule.mode === "observe" && (
              <Badge ml={6} size="sm">
                observes only
              </Badge>
            )}
            <br />
            <span className={prose.quiet}>{rule.reason}</span>
          </span>
        </li>
      ))}
    </ul>
  );
}

/** A time, local; in UTC on demand. */
export function Time({ iso }: { iso: string }) {
  return (
    <time dateTime={iso} title={formatUtc(iso)}>
      {formatTime(iso, new Date())}
    </time>
  );
}

/** Money; what is unknown says so. */
export function Money({ cost }: { cost: Cost | null }) {
  return cost ? <>{formatCost(cost.micros, cost.currency)}</> : <span className={prose.quiet}>unknown</span>;
}

/** Counts by kind, such as `2 email, 1 iban`. */
export function Counts({ counts, none = "nothing" }: { counts: ReadonlyMap<string, number>; none?: string }) {
  if (!counts.size) return <span className={prose.quiet}>{none}</span>;
  return <>{[...counts].map(([kind, count]) => `${count} ${kind.replaceAll("_", " ")}`).join(", ")}</>;
}

/** Whether a rule that only observes would have decided otherwise. */
export function Would({ record }: { record: RecordView }) {
  if (record.would === record.effect) return null;
  return (
    <Badge className={styles.strict} title="What would have been decided if every rule were enforced">
      would {record.would}
    </Badge>
  );
}
