/** Records in small: outcomes, decisions, labels, rules, times, counts, costs. */

import { Badge, Text } from "@mantine/core";

import type { RecordView, Schemas } from "../api/client";
import { formatCost, formatTime, formatUtc } from "../format";
import { type Cost, costOf, isModelCall, isUnsent } from "../record/facts";
import { parseLabels } from "../record/labels";
import { ASKED, DECISIONS, OUTCOMES, RUNNING, type Tone, categoryWords, countOf, ruleEffect } from "../record/words";
import { Icon, type IconName } from "./icons";
import { RuleName } from "./page";
import styles from "./record.module.css";
import prose from "./prose.module.css";

/** A state in words, with a shape of its own. */
export function State({ tone, icon, children }: { tone: Tone; icon: IconName; children: string }) {
  return (
    <span className={styles.state} data-tone={tone}>
      <Icon name={icon} size={15} />
      {children}
    </span>
  );
}

/** How an action ended, with an explanation on hover; null has not ended yet. */
export function Outcome({ outcome, needsApproval = false }: { outcome: string | null; needsApproval?: boolean }) {
  const known = needsApproval ? ASKED : outcome === null ? RUNNING : OUTCOMES[outcome];
  if (!known) return <Unknown text={outcome ?? ""} />;
  return (
    <span title={known.means}>
      <State {...known}>{known.text}</State>
    </span>
  );
}

/** What was decided. What the rules allow can still be refused, by its labels or a limit. */
export function EffectState({ effect, outcome = null }: { effect: string; outcome?: string | null }) {
  const known = effect === "allow" && outcome === "refused" ? OUTCOMES.refused : DECISIONS[effect];
  return known ? <State {...known}>{known.text}</State> : <Unknown text={effect} />;
}

function Unknown({ text }: { text: string }) {
  return (
    <State tone="quiet" icon="open">
      {text}
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
        <Badge
          key={name}
          className={isStrict(name, values) ? styles.strict : undefined}
          title={`${name}: ${values.join(", ")}`}
        >
          {textOf(name, values)}
        </Badge>
      ))}
    </span>
  );
}

function textOf(name: string, values: readonly string[]): string {
  if (name === "confidentiality") return values.join(", ");
  if (name === "categories") return values.map(categoryWords).join(", ");
  return `${name}: ${values.join(", ")}`;
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
        <RuleHit key={rule.id} rule={rule} />
      ))}
    </ul>
  );
}

function RuleHit({ rule }: { rule: Schemas["RuleHitView"] }) {
  const { tone, icon, text } = ruleEffect(rule.does);
  return (
    <li style={{ display: "flex", gap: 8, padding: "3px 0" }}>
      <span className={styles.state} data-tone={tone} style={{ display: "block", paddingTop: 3 }}>
        <Icon name={icon} size={14} />
      </span>
      <span>
        <RuleName id={rule.id} /> <span className={prose.quiet}>({text.toLowerCase()})</span>
        {rule.mode === "observe" && (
          <Badge ml={6} size="sm">
            observes only
          </Badge>
        )}
        <br />
        <span className={prose.quiet}>{rule.reason}</span>
      </span>
    </li>
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

/** The cost of a record: none where nothing was sent, or where the action has no cost. */
export function RecordCost({ record }: { record: RecordView }) {
  const cost = costOf(record);
  if (cost === null && (!isModelCall(record) || isUnsent(record))) return <>–</>;
  return <Money cost={cost} />;
}

/** Counts by kind, such as `2 e-mail addresses, 1 IBAN`. */
export function Counts({ counts, none = "nothing" }: { counts: ReadonlyMap<string, number>; none?: string }) {
  if (!counts.size) return <span className={prose.quiet}>{none}</span>;
  return <>{[...counts].map(([kind, count]) => countOf(kind, count)).join(", ")}</>;
}

/** Whether a rule that only observes would have decided otherwise. */
export function Would({ record }: { record: RecordView }) {
  if (record.would === record.effect) return null;
  return (
    <Badge className={styles.strict} title="The decision if every rule were enforced">
      If enforced: {(DECISIONS[record.would]?.text ?? record.would).toLowerCase()}
    </Badge>
  );
}
