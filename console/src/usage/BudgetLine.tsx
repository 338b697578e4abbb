/** One budget with its bar: what is used, what calls in flight hold, where the use will be, and the limit. */

import { Badge, Group, Paper, Text } from "@mantine/core";
import type { ReactNode } from "react";

import { State, Time } from "../elements/record";
import { plural } from "../format";
import { type Budget, amountWords, forecastOf, marksOf, scopeWords, standingOf, usedWords } from "./budgets";
import prose from "../elements/prose.module.css";
import styles from "./budgets.module.css";

export function BudgetLine({ budget, children }: { budget: Budget; children?: ReactNode }) {
  const standing = standingOf(budget);
  return (
    <Paper component="li" p="sm" aria-label={budget.id}>
      <Group justify="space-between" gap="sm" align="flex-start">
        <Group gap="xs">
          <b>{budget.id}</b>
          <Badge>{scopeWords(budget)}</Badge>
          {!budget.hard && <Badge title="It refuses no call. It only counts and tells.">soft</Badge>}
          <State tone={standing.tone} icon={standing.tone === "good" ? "good" : "warn"}>
            {standing.words}
          </State>
        </Group>
        {children}
      </Group>
      <Bar budget={budget} tone={standing.tone} />
      <Text size="sm">{usedWords(budget)}</Text>
      <Details budget={budget} />
    </Paper>
  );
}

function Bar({ budget, tone }: { budget: Budget; tone: string }) {
  const marks = marksOf(budget);
  const at = (share: number): string => `${(share * 100).toFixed(2)}%`;
  return (
    <div className={styles.budgetBar} data-tone={tone} role="img" aria-label={usedWords(budget)}>
      <div className={styles.budgetHeld} style={{ width: at(marks.used + marks.held) }} />
      <div className={styles.budgetUsed} style={{ width: at(marks.used) }} />
      {marks.limit < 1 && <div className={styles.budgetLimit} style={{ left: at(marks.limit) }} title="The limit" />}
      {marks.forecast !== null && (
        <div className={styles.budgetForecast} style={{ left: at(marks.forecast) }} title="At this rate" />
      )}
    </div>
  );
}

function Details({ budget }: { budget: Budget }) {
  const { period, reserved, refused, counted_from, ends_at, alerts } = budget;
  const forecast = forecastOf(budget);
  const passed = alerts.filter((one) => one.raised_at !== null).at(-1);
  const parts: ReactNode[] = [];
  if (counted_from)
    parts.push(
      <>
        counts calls since <Time iso={counted_from} />, when it was added
      </>,
    );
  if (forecast !== null) parts.push(`at this rate ${amountWords(budget, forecast)} by the end`);
  if (period !== null && reserved > 0) parts.push(`calls in flight hold up to ${amountWords(budget, reserved)}`);
  if (refused > 0) parts.push(`${plural(refused, "call")} refused`);
  if (ends_at)
    parts.push(
      <>
        resets <Time iso={ends_at} />
      </>,
    );
  if (passed?.raised_at)
    parts.push(
      <>
        passed {passed.threshold} % <Time iso={passed.raised_at} />
      </>,
    );
  return (
    <Text size="sm" className={prose.quiet}>
      {parts.map((part, index) => (
        <span key={index}>
          {index > 0 && " · "}
          {part}
        </span>
      ))}
    </Text>
  );
}
