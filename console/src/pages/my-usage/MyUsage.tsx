/** The reader's own usage: calls, cost, remaining limits of the keys, and allowed models and use cases. */

import { Badge, SimpleGrid, Skeleton, Stack, Table, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link } from "react-router";

import type { Schemas } from "../../api/client";
import { TimeChart } from "../../elements/charts/TimeChart";
import { Empty, Failure, PageHead, Section } from "../../elements/page";
import { Time } from "../../elements/record";
import { formatCount } from "../../format";
import { BudgetLine } from "../../usage/BudgetLine";
import { type Figure, Figures, FiguresToCome } from "../../usage/FigureTile";
import { Top } from "../../usage/OverviewBody";
import { PeriodPicker } from "../../usage/PeriodPicker";
import { activityAddress } from "../../usage/links";
import { useMakesKeys } from "../../people/queries";
import { useUseCaseTitle } from "../../usecase/titles";
import { type Period, periodWords, usePeriod } from "../../usage/period";
import { useNames } from "../../usage/names";
import { ownUsageQuery } from "../../usage/queries";
import { formatMoney, formatShort, spendOf, spendWords } from "../../usage/words";
import prose from "../../elements/prose.module.css";
import table from "../../elements/table.module.css";

type Own = Schemas["OwnUsage"];

export default function MyUsage() {
  const [period, setPeriod] = usePeriod("30d");
  const own = useQuery(ownUsageQuery(period));
  return (
    <>
      <PageHead title="My usage" actions={<PeriodPicker period={period} onChange={setPeriod} />}>
        Your own calls in {periodWords(period)}, and what you may use.
      </PageHead>
      {own.error ? (
        <Failure error={own.error} title="Headgate could not read your usage" />
      ) : own.data ? (
        <Shown own={own.data} period={period} />
      ) : (
        <Stack gap="md">
          <FiguresToCome count={4} />
          <Skeleton height={260} animate={false} />
        </Stack>
      )}
    </>
  );
}

function Shown({ own, period }: { own: Own; period: Period }) {
  const names = useNames();
  return (
    <Stack gap="md">
      <Figures figures={figuresOf(own, period)} />
      <Section title="Your calls over time">
        {own.figures.calls === 0 ? (
          <Empty title="You made no calls in this time" action={<Link to="/chat">Open the chat</Link>}>
            Your calls from the chat and with your keys appear here.
          </Empty>
        ) : (
          <TimeChart
            title="Your calls over time"
            starts={own.steps.map((step) => Date.parse(step.at) / 1000)}
            stepS={own.step_s}
            series={[
              { name: "Done", tone: "accent", values: own.steps.map((step) => step.figures.done) },
              { name: "Refused", tone: "warn", values: own.steps.map((step) => step.figures.refused) },
              { name: "Failed", tone: "bad", values: own.steps.map((step) => step.figures.failed) },
            ]}
            form="bars"
            format={formatShort}
            isWhole
            height={180}
          />
        )}
      </Section>
      {own.budgets.length > 0 && (
        <Section title="Budgets of your calls">
          <Stack component="ul" className={prose.plainList} gap="xs" aria-label="Budgets of your calls">
            {own.budgets.map((one) => (
              <BudgetLine key={one.id} budget={one} />
            ))}
          </Stack>
        </Section>
      )}
      <Section title="Your keys">
        <Keys keys={own.keys} />
      </Section>
      <SimpleGrid cols={{ base: 1, md: 2 }} spacing="md">
        <Section title="Your models by spend">
          <Top
            title="Your models by spend"
            dimension="model"
            rows={own.models}
            behind={{}}
            period={period}
            names={names}
          />
        </Section>
        <Section title="What you may use">
          <May own={own} />
        </Section>
      </SimpleGrid>
    </Stack>
  );
}

function figuresOf({ figures, before, steps }: Own, period: Period): Figure[] {
  const currency = figures.costs[0]?.currency ?? "";
  const to = activityAddress({}, period);
  const change = (now: number, then: number) => (period.compares ? { now, before: then } : null);
  const tokens = (one: Schemas["FiguresView"]) => one.input_tokens + one.output_tokens;
  return [
    {
      name: "Calls",
      text: formatShort(figures.calls),
      change: change(figures.calls, before.calls),
      course: steps.map((step) => step.figures.calls),
      to,
    },
    {
      name: "Spend",
      text: spendWords(figures),
      change: change(spendOf(figures, currency), spendOf(before, currency)),
      course: steps.map((step) => spendOf(step.figures, currency)),
      to,
    },
    {
      name: "Tokens",
      text: formatShort(tokens(figures)),
      change: change(tokens(figures), tokens(before)),
      course: steps.map((step) => tokens(step.figures)),
      to,
    },
    {
      name: "Masked values",
      text: formatShort(figures.masked),
      change: change(figures.masked, before.masked),
      course: steps.map((step) => step.figures.masked),
      to,
    },
  ];
}

function Keys({ keys }: { keys: Own["keys"] }) {
  const titleOf = useUseCaseTitle();
  const makesKeys = useMakesKeys();
  if (keys.length === 0)
    return (
      <Empty title="You have no key" action={makesKeys && <Link to="/account">Make a key</Link>}>
        {makesKeys
          ? "Programs need a key. You can make one for yourself."
          : "Programs need a key. Ask an administrator to make one for you."}
      </Empty>
    );
  return (
    <Table className={table.cards}>
      <Table.Thead>
        <Table.Tr>
          <Table.Th>Key</Table.Th>
          <Table.Th>Use case</Table.Th>
          <Table.Th>Money left today</Table.Th>
          <Table.Th>Requests left this minute</Table.Th>
          <Table.Th>Expires</Table.Th>
        </Table.Tr>
      </Table.Thead>
      <Table.Tbody>
        {keys.map((key) => (
          <Table.Tr key={key.id}>
            <Table.Td data-label="Key">{key.name || <span className={prose.mono}>{key.prefix}…</span>}</Table.Td>
            <Table.Td data-label="Use case">{titleOf(key.use_case)}</Table.Td>
            <Table.Td data-label="Money left">
              {left(key.cost_micros_left, key.cost_micros_per_day, (micros) => formatMoney(micros, key.currency))}
            </Table.Td>
            <Table.Td data-label="Requests left">
              {left(key.requests_left, key.requests_per_minute, formatCount)}
            </Table.Td>
            <Table.Td data-label="Expires">{key.expires_at ? <Time iso={key.expires_at} /> : "never"}</Table.Td>
          </Table.Tr>
        ))}
      </Table.Tbody>
    </Table>
  );
}

function left(rest: number | null, limit: number | null, format: (amount: number) => string): string {
  return rest === null || limit === null ? "no limit" : `${format(rest)} of ${format(limit)}`;
}

function May({ own }: { own: Own }) {
  const titleOf = useUseCaseTitle();
  return (
    <Stack gap="sm">
      {own.may_use.length === 0 && <Text size="sm">You are no member of a use case. Ask an administrator to add you.</Text>}
      <ul className={`${prose.plainList} ${prose.divided}`} aria-label="Use cases">
        {own.may_use.map((one) => (
          <li key={one.id}>
            {one.is_owner ? (
              <Link to={`/usage/use-cases/${encodeURIComponent(one.id)}`}>{titleOf(one.id)}</Link>
            ) : (
              <b>{titleOf(one.id)}</b>
            )}
            {one.is_owner && <span className={prose.quiet}> (yours: see its usage)</span>}
            <br />
            <span className={prose.quiet}>{one.purpose}</span>
          </li>
        ))}
      </ul>
      <div>
        <Text size="sm" mb={4}>
          Models
        </Text>
        <span className={prose.tags}>
          {own.may_call.map((id) => (
            <Badge key={id}>{id}</Badge>
          ))}
        </span>
      </div>
    </Stack>
  );
}
