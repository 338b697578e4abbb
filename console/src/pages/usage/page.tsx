/** Usage and cost by use case, person, key, model, deployment or outcome: a chart, and a table to export. */

import { Badge, Button, CloseButton, Group, NativeSelect, SegmentedControl, Skeleton, Stack, Table, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { Link, useSearchParams } from "react-router";

import { Empty, Failure, PageHead, Section } from "../../elements/page";
import { formatCost, formatCount, plural } from "../../format";
import type { Page } from "../../page";
import { useMayOpen } from "../../page";
import { WhatIf } from "../../usage/WhatIf";
import { PeriodPicker } from "../../usage/PeriodPicker";
import { csvOf, download } from "../../usage/csv";
import { useNames } from "../../usage/names";
import { activityAddress } from "../../usage/links";
import { type Period, periodWords, usePeriod } from "../../usage/period";
import { type Filters, usageQuery } from "../../usage/queries";
import {
  DIMENSIONS,
  type Dimension,
  type Figures,
  type Row,
  changeOf,
  formatShort,
  nameOf,
  spendOf,
  spendWords,
  totalOf,
} from "../../usage/words";
import { GroupsOverTime } from "./GroupsOverTime";
import table from "../../elements/table.module.css";
import prose from "../../elements/prose.module.css";
import styles from "../../usage/usage.module.css";

export const page: Page = {
  path: "/usage",
  title: "Usage and cost",
  group: "observe",
  order: 20,
  may: ["usage.read"],
  icon: "M2.500 2.500v11h11M5.500 10.500v-3M8.500 10.500V5M11.500 10.500V8",
};

export type Order = "calls" | "cost";

const NAMES = Object.keys(DIMENSIONS) as Dimension[];

export default function UsagePage() {
  const [search, setSearch] = useSearchParams();
  const [period, setPeriod] = usePeriod("30d");
  const by = NAMES.find((name) => name === search.get("by")) ?? "use_case";
  const order: Order = search.get("order") === "calls" ? "calls" : "cost";
  const filters = useMemo(() => filtersIn(search), [search]);
  const change = (name: string, value: string | null) => {
    const next = new URLSearchParams(search);
    if (value === null) next.delete(name);
    else next.set(name, value);
    setSearch(next);
  };
  return (
    <>
      <PageHead title="Usage and cost" actions={<PeriodPicker period={period} onChange={setPeriod} />}>
        Calls, tokens and cost of {periodWords(period)}.
      </PageHead>
      <Stack gap="md">
        <Group gap="sm" align="flex-end">
          <NativeSelect
            label="Group by"
            value={by}
            data={NAMES.map((value) => ({ value, label: DIMENSIONS[value] }))}
            onChange={(event) => change("by", event.currentTarget.value)}
          />
          <SegmentedControl
            aria-label="Show"
            value={order}
            data={[
              { value: "cost", label: "Cost" },
              { value: "calls", label: "Calls" },
            ]}
            onChange={(value) => change("order", value === "cost" ? null : value)}
          />
          {Object.entries(filters).map(([name, value]) => (
            <Badge
              key={name}
              size="lg"
              rightSection={
                <CloseButton size="xs" aria-label={`Remove ${value}`} onClick={() => change(name, null)} />
              }
            >
              {DIMENSIONS[name as Dimension].toLowerCase()}: {value}
            </Badge>
          ))}
        </Group>
        <Section title={`${order === "cost" ? "Cost" : "Calls"} over time by ${DIMENSIONS[by].toLowerCase()}`}>
          <GroupsOverTime period={period} filters={filters} by={by} order={order} />
        </Section>
        <Groups period={period} filters={filters} by={by} order={order} onFilter={(value) => change(by, value)} />
        <WhatIf />
      </Stack>
    </>
  );
}

function filtersIn(search: URLSearchParams): Filters {
  return Object.fromEntries(NAMES.flatMap((name) => (search.get(name) ? [[name, search.get(name)]] : [])));
}

interface GroupsProps {
  readonly period: Period;
  readonly filters: Filters;
  readonly by: Dimension;
  readonly order: Order;
  readonly onFilter: (value: string) => void;
}

function Groups({ period, filters, by, order, onFilter }: GroupsProps) {
  const names = useNames();
  const mayOpen = useMayOpen();
  const usage = useQuery(usageQuery(period, filters, [by], order));
  if (usage.error) return <Failure error={usage.error} title="Headgate could not read usage" />;
  if (!usage.data) return <Skeleton height={220} animate={false} />;
  const { rows } = usage.data;
  const total = totalOf(rows);
  if (rows.length === 0)
    return <Empty title="No calls in this time">Choose a longer period, or remove a filter.</Empty>;
  const name = DIMENSIONS[by].toLowerCase();
  return (
    <Section
      title={`By ${name}`}
      aside={
        <Button size="xs" variant="default" onClick={() => download(csvOf(rows, by, names), `usage-by-${by}.csv`)}>
          Export {formatCount(rows.length)} {rows.length === 1 ? "row" : "rows"} as CSV
        </Button>
      }
    >
      <div className={table.scroll} tabIndex={0} role="region" aria-label={`Usage by ${name}`}>
        <Table className={table.cards} highlightOnHover>
          <Table.Thead>
            <Table.Tr>
              <Table.Th>{DIMENSIONS[by]}</Table.Th>
              {["Calls", "Refused", "Failed", "Tokens in", "Tokens out", "Masked", "Cost", "Change"].map((head) => (
                <Table.Th key={head} className={styles.number}>
                  {head}
                </Table.Th>
              ))}
              <Table.Th>
                <span className={prose.unseen}>Filter</span>
              </Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {rows.map((row, at) => (
              <Line
                key={`${at} ${row[by] ?? ""}`}
                row={row}
                by={by}
                name={nameOf(row, by, names)}
                to={row[by] ? activityAddress({ ...filters, [by]: row[by] }, period) : null}
                onFilter={onFilter}
              />
            ))}
          </Table.Tbody>
          {rows.length > 1 && (
            <Table.Tfoot>
              <Table.Tr>
                <Table.Td data-label={DIMENSIONS[by]}>
                  <b>Total</b>
                </Table.Td>
                {cellsOf(total).map(([label, text]) => (
                  <Table.Td key={label} data-label={label} className={styles.number}>
                    <b>{text}</b>
                  </Table.Td>
                ))}
                <Table.Td />
                <Table.Td />
              </Table.Tr>
            </Table.Tfoot>
          )}
        </Table>
      </div>
      {total.unpriced > 0 && (
        <Text size="sm" className={prose.quiet} mt="xs">
          The cost of {plural(total.unpriced, "call")} is unknown and not counted (≥), because no price of the model was known.{" "}
          {mayOpen("/models/prices") && <Link to="/models/prices">See prices</Link>}
        </Text>
      )}
      {usage.data.saved.length > 0 && (
        <ul className={styles.saved} aria-label="Saved by the cache">
          {usage.data.saved.map(({ model, hits, saved }) => (
            <li key={`${model} ${saved?.currency ?? ""}`}>
              The cache of <b>{model}</b> answered {formatCount(hits)} {hits === 1 ? "call" : "calls"}
              {saved && <>, which saved {formatCost(saved.micros, saved.currency)}</>}.
            </li>
          ))}
        </ul>
      )}
    </Section>
  );
}

interface LineProps {
  readonly row: Row;
  readonly by: Dimension;
  readonly name: string;
  /** Null for the calls without a value, which no filter finds. */
  readonly to: string | null;
  readonly onFilter: (value: string) => void;
}

function Line({ row, by, name, to, onFilter }: LineProps) {
  const mayOpen = useMayOpen();
  const { figures } = row;
  const cells = [...cellsOf(figures), ["Change", changeWords(row)] as const];
  return (
    <Table.Tr>
      <Table.Td data-label={DIMENSIONS[by]}>{to && mayOpen(to) ? <Link to={to}>{name}</Link> : name}</Table.Td>
      {cells.map(([label, text]) => (
        <Table.Td key={label} data-label={label} className={styles.number}>
          {text}
        </Table.Td>
      ))}
      <Table.Td className={styles.number}>
        {row[by] && (
          <Button
            size="compact-xs"
            variant="subtle"
            color="gray"
            aria-label={`Only this: ${name}`}
            onClick={() => onFilter(row[by]!)}
          >
            Only this
          </Button>
        )}
      </Table.Td>
    </Table.Tr>
  );
}

function cellsOf(figures: Figures) {
  return [
    ["Calls", formatCount(figures.calls)],
    ["Refused", formatCount(figures.refused)],
    ["Failed", formatCount(figures.failed)],
    ["Tokens in", formatShort(figures.input_tokens)],
    ["Tokens out", formatShort(figures.output_tokens)],
    ["Masked", formatCount(figures.masked)],
    ["Cost", spendWords(figures)],
  ] as const;
}

/** The change of cost against the period before, or of calls where nothing has a cost. */
function changeWords({ figures, before }: Row): string {
  if (!before) return "–";
  const currency = figures.costs[0]?.currency;
  const change = currency
    ? changeOf(spendOf(figures, currency), spendOf(before, currency))
    : changeOf(figures.calls, before.calls);
  if (change === null) return before.calls === 0 ? "new" : "–";
  return `${change.share > 0 ? "+" : "−"}${change.words}`;
}
