/** The largest groups of a dimension over time, stacked; the others are one group. */

import { Skeleton } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useSearchParams } from "react-router";

import { TimeChart } from "../../elements/charts/TimeChart";
import type { TimeSeries } from "../../elements/charts/series";
import { Failure } from "../../elements/page";
import { useNames } from "../../usage/names";
import { stepAddress } from "../../usage/links";
import { type Period, writePeriod } from "../../usage/period";
import { type Filters, usageQuery } from "../../usage/queries";
import { type Dimension, formatMoney, formatShort, nameOf, spendOf } from "../../usage/words";
import { groupsOverTime } from "./groups";

const HEIGHT_PX = 240;
const TONES: readonly TimeSeries["tone"][] = ["accent", "blue", "violet", "warn", "good"];

interface GroupsOverTimeProps {
  readonly period: Period;
  readonly filters: Filters;
  readonly by: Dimension;
  readonly order: "calls" | "cost";
}

export function GroupsOverTime({ period, filters, by, order }: GroupsOverTimeProps) {
  const [search, setSearch] = useSearchParams();
  const names = useNames();
  const usage = useQuery(usageQuery(period, filters, ["time", by], order));
  if (usage.error) return <Failure error={usage.error} title="Headgate could not read usage over time" />;
  if (!usage.data) return <Skeleton height={HEIGHT_PX + 28} animate={false} />;
  const { rows, since, until, step_s: stepS } = usage.data;
  const currency = rows.find((row) => row.figures.costs.length > 0)?.figures.costs[0]?.currency ?? "";
  const isCost = order === "cost" && currency !== "";
  const value = (row: (typeof rows)[number]) => (isCost ? spendOf(row.figures, currency) : row.figures.calls);
  const { starts, groups, others } = groupsOverTime(rows, { by, since, until, stepS, value, most: TONES.length });
  const series = groups.map(({ row, values }, at): TimeSeries => {
    return { name: nameOf(row, by, names), tone: TONES[at]!, values };
  });
  if (others) series.push({ name: "Others", tone: "quiet", values: others });
  const iso = (atS: number) => new Date(atS * 1000).toISOString();
  return (
    <TimeChart
      title={`${isCost ? "Cost" : "Calls"} over time`}
      starts={starts}
      stepS={stepS}
      series={series}
      form="bars"
      format={isCost ? (micros) => formatMoney(Math.round(micros), currency) : formatShort}
      isWhole={!isCost}
      height={HEIGHT_PX}
      linkOf={(startS) => stepAddress(filters, startS, stepS)}
      onZoom={(sinceS, untilS) =>
        setSearch(
          writePeriod(search, { since: iso(sinceS), until: iso(untilS), compares: period.compares }, "30d"),
        )
      }
    />
  );
}
