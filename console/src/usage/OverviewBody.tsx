/** The overview of a period: figures, calls and durations over time, the largest groups, and reasons. */

import { SimpleGrid, Skeleton, Stack, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useSearchParams } from "react-router";

import type { Schemas } from "../api/client";
import { type Bar, BarList } from "../elements/charts/BarList";
import { TimeChart } from "../elements/charts/TimeChart";
import type { TimeSeries } from "../elements/charts/series";
import { Empty, Failure, Section } from "../elements/page";
import { formatCount, formatDuration } from "../format";
import { useMayOpen } from "../page";
import { type Figure, Figures, FiguresToCome } from "./FigureTile";
import { useNames } from "./names";
import { type Behind, TOGETHER, activityAddress, stepAddress } from "./links";
import { type Period, writePeriod } from "./period";
import { type Filters, usageOverviewQuery } from "./queries";
import { type Dimension, type Names, type Row, formatShare, formatShort, nameOf, spendOf, spendWords } from "./words";
import prose from "../elements/prose.module.css";

type Overview = Schemas["UsageOverview"];
type Step = Schemas["Step"];

const CHART_PX = 240;

export function OverviewBody({ period, filters }: { period: Period; filters: Filters }) {
  const overview = useQuery(usageOverviewQuery(period, filters));
  if (overview.error) return <Failure error={overview.error} title="Headgate could not read the figures" />;
  if (!overview.data) return <ToCome />;
  return <Shown overview={overview.data} period={period} filters={filters} />;
}

/** The room that the page takes, while its figures are on their way. */
function ToCome() {
  return (
    <Stack gap="md">
      <FiguresToCome count={6} />
      <Skeleton height={CHART_PX + 80} animate={false} />
      <Skeleton height={CHART_PX + 80} animate={false} />
    </Stack>
  );
}

function Shown({ overview, period, filters }: { overview: Overview; period: Period; filters: Filters }) {
  const names = useNames();
  const lists: readonly (readonly [string, Dimension, readonly Row[]])[] = [
    ["Use cases by spend", "use_case", overview.use_cases],
    ["Models by spend", "model", overview.models],
    ["People and programs", "person", overview.people],
    ["Keys", "key", overview.keys],
  ];
  return (
    <Stack gap="md">
      {overview.is_rebuilding && (
        <Text size="sm" role="status">
          Headgate is counting usage again. These figures are from before, and the new ones replace them when complete.
        </Text>
      )}
      <Figures figures={figuresOf(overview, period, filters)} />
      <Section title="Calls over time">
        <Calls overview={overview} filters={filters} />
      </Section>
      {overview.times && (
        <Section title="Time to answer">
          <Durations overview={overview} filters={filters} />
        </Section>
      )}
      <SimpleGrid cols={{ base: 1, md: 2 }} spacing="md">
        {lists
          .filter(([, dimension]) => filters[dimension] === undefined)
          .map(([title, dimension, rows]) => (
            <Section key={dimension} title={title}>
              <Top title={title} dimension={dimension} rows={rows} behind={filters} period={period} names={names} />
            </Section>
          ))}
        <Section title="Reasons of refusals and failures">
          <Reasons overview={overview} behind={filters} period={period} />
        </Section>
      </SimpleGrid>
    </Stack>
  );
}

function figuresOf(overview: Overview, period: Period, filters: Filters): Figure[] {
  const { figures, before, times, times_before: timesBefore, steps } = overview;
  const currency = figures.costs[0]?.currency ?? "";
  const change = (now: number, then: number) => (period.compares ? { now, before: then } : null);
  const course = (value: (step: Step) => number | null) => steps.map(value);
  const to = (behind: Behind) => activityAddress({ ...filters, ...behind }, period);
  const share = (part: number, whole: number) => (whole === 0 ? 0 : part / whole);
  return [
    {
      name: "Calls",
      text: formatShort(figures.calls),
      change: change(figures.calls, before.calls),
      course: course((step) => step.figures.calls),
      to: to({}),
    },
    {
      name: "Spend",
      text: spendWords(figures),
      change: change(spendOf(figures, currency), spendOf(before, currency)),
      course: course((step) => spendOf(step.figures, currency)),
      to: to({}),
    },
    {
      name: "Refused",
      text: formatShort(figures.refused),
      change: change(figures.refused, before.refused),
      course: course((step) => step.figures.refused),
      to: to({ outcome: TOGETHER.refused }),
    },
    {
      name: "Masked values",
      text: formatShort(figures.masked),
      change: change(figures.masked, before.masked),
      course: course((step) => step.figures.masked),
      to: to({ masked: "any" }),
    },
    {
      name: "95 % within",
      text: times?.p95_us == null ? "–" : formatDuration(times.p95_us),
      change: change(times?.p95_us ?? 0, timesBefore?.p95_us ?? 0),
      course: course((step) => step.times?.p95_us ?? null),
      to: to({ outcome: "done" }),
    },
    {
      name: "Errors",
      text: formatShare(figures.failed, figures.calls),
      change: change(share(figures.failed, figures.calls), share(before.failed, before.calls)),
      course: course((step) => step.figures.failed),
      to: to({ outcome: TOGETHER.failed }),
    },
  ];
}

/** What charts of a period share: their steps, the links of these, and zooming. */
function useOverTime(overview: Overview, filters: Filters) {
  const [search, setSearch] = useSearchParams();
  const mayOpen = useMayOpen();
  const iso = (atS: number) => new Date(atS * 1000).toISOString();
  return {
    starts: overview.steps.map((step) => Date.parse(step.at) / 1000),
    stepS: overview.step_s,
    linkOf: mayOpen("/activity")
      ? (startS: number) => stepAddress(filters, startS, overview.step_s)
      : undefined,
    onZoom: (sinceS: number, untilS: number) =>
      setSearch(
        writePeriod(search, { since: iso(sinceS), until: iso(untilS), compares: search.get("compare") !== "no" }),
      ),
  };
}

function Calls({ overview, filters }: { overview: Overview; filters: Filters }) {
  const overTime = useOverTime(overview, filters);
  const values = (value: (figures: Schemas["FiguresView"]) => number) =>
    overview.steps.map((step) => value(step.figures));
  const others = values((figures) => figures.calls - figures.done - figures.refused - figures.failed);
  const series: TimeSeries[] = [
    { name: "Done", tone: "accent", values: values((figures) => figures.done) },
    { name: "Refused", tone: "warn", values: values((figures) => figures.refused) },
    { name: "Failed", tone: "bad", values: values((figures) => figures.failed) },
  ];
  if (others.some((count) => count > 0)) series.push({ name: "Abandoned", tone: "quiet", values: others });
  return (
    <TimeChart
      {...overTime}
      title="Calls over time"
      series={series}
      form="bars"
      format={formatShort}
      isWhole
      height={CHART_PX}
    />
  );
}

function Durations({ overview, filters }: { overview: Overview; filters: Filters }) {
  const overTime = useOverTime(overview, filters);
  const values = (name: keyof Schemas["PercentilesView"]) => overview.steps.map((step) => step.times?.[name] ?? null);
  const series: readonly TimeSeries[] = [
    { name: "Half within", tone: "accent", values: values("p50_us") },
    { name: "95 % within", tone: "violet", values: values("p95_us") },
    { name: "First token, half within", tone: "blue", values: values("first_p50_us") },
    { name: "First token, 95 % within", tone: "warn", values: values("first_p95_us") },
  ];
  return (
    <TimeChart
      {...overTime}
      title="Time to answer"
      series={series}
      form="lines"
      format={(us) => (us === 0 ? "0" : formatDuration(us))}
      height={CHART_PX - 60}
    />
  );
}

interface TopProps {
  readonly title: string;
  readonly dimension: Dimension;
  readonly rows: readonly Row[];
  readonly behind: Behind;
  readonly period: Period;
  readonly names: Names;
}

/** The largest groups of a dimension: by spend where anything has a price, else by calls. */
export function Top({ title, dimension, rows, behind, period, names }: TopProps) {
  const mayOpen = useMayOpen();
  if (rows.length === 0) return <Empty title="No calls in this time" />;
  const currency = rows.find((row) => row.figures.costs.length > 0)?.figures.costs[0]?.currency ?? "";
  const bars = rows.map((row): Bar => {
    const value = row[dimension] ?? "";
    const p95 = row.times?.p95_us;
    const calls = `${formatCount(row.figures.calls)} ${row.figures.calls === 1 ? "call" : "calls"}`;
    return {
      key: value,
      name: nameOf(row, dimension, names),
      value: currency ? spendOf(row.figures, currency) : row.figures.calls,
      text: currency ? spendWords(row.figures) : calls,
      note: [currency ? calls : "", p95 == null ? "" : `95 % in ${formatDuration(p95)}`].filter(Boolean).join(" · "),
      to: value && mayOpen("/activity") ? activityAddress({ ...behind, [dimension]: value }, period) : null,
    };
  });
  return <BarList bars={bars} label={title} />;
}

function Reasons({ overview, behind, period }: { overview: Overview; behind: Behind; period: Period }) {
  const mayOpen = useMayOpen();
  if (overview.reasons.length === 0)
    return (
      <Text size="sm" className={prose.quiet} py="sm">
        Every call in this time was answered.
      </Text>
    );
  const bars = overview.reasons.map(({ text, outcome, error, rule, calls }) => ({
    key: `${outcome} ${error} ${rule}`,
    name: <span title={text}>{text}</span>,
    value: calls,
    text: formatCount(calls),
    to: mayOpen("/activity") ? activityAddress({ ...behind, outcome, rule, error: rule ? null : error }, period) : null,
  }));
  return <BarList bars={bars} label="Reasons of refusals and failures" />;
}
