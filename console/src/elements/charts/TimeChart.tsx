/**
 * A chart over time: stacked bars or lines, with the same values as a table on demand. Dragging chooses a span of time, and
 * a click opens the list behind a bucket; in the table each bucket is a link to it.
 */

import { Button, Skeleton, Table } from "@mantine/core";
import { Suspense, lazy, useState } from "react";
import { Link } from "react-router";

import { type Buckets, TONES, type TimeSeries, bucketWords } from "./series";
import styles from "./charts.module.css";

const Plot = lazy(() => import("./Plot"));

export interface TimeChartProps extends Buckets {
  /** Names the chart for screen readers, such as "Calls over time". */
  readonly title: string;
  readonly series: readonly TimeSeries[];
  /** Bars are stacked; lines are not. */
  readonly form: "bars" | "lines";
  /** A value in words, with its unit. */
  readonly format: (value: number) => string;
  /** Whether values are whole numbers, so that the axis has whole ones too. */
  readonly isWhole?: boolean;
  readonly height?: number;
  /** The list behind a bucket. */
  readonly linkOf?: (startS: number) => string | null;
  /** Takes the span that was chosen by dragging, in seconds. */
  readonly onZoom?: (sinceS: number, untilS: number) => void;
}

export function TimeChart(props: TimeChartProps) {
  const { title, series, starts, stepS, format, height = 220 } = props;
  const [isTable, setTable] = useState(false);
  const [hovered, setHovered] = useState<number | null>(null);
  const at = hovered === null ? undefined : starts[hovered];
  return (
    <figure className={styles.chart} aria-label={title} style={{ margin: 0 }}>
      <div className={styles.chartHead}>
        {series.map(({ name, tone, values }) => (
          <span key={name} className={styles.chartName}>
            <span className={styles.chartMark} style={{ background: `var(${TONES[tone]})` }} />
            {name}
            {hovered !== null && <b>{shown(values[hovered], format)}</b>}
          </span>
        ))}
        {at !== undefined && <span className={styles.chartMoment}>{bucketWords(at, stepS)}</span>}
        <Button
          className={styles.chartTools}
          size="compact-xs"
          variant="subtle"
          color="gray"
          aria-label={`${isTable ? "Show as chart" : "Show as table"}: ${title}`}
          onClick={() => setTable(!isTable)}
        >
          {isTable ? "Show as chart" : "Show as table"}
        </Button>
      </div>
      <div style={{ minHeight: height }}>
        {isTable ? (
          <AsTable {...props} />
        ) : (
          <Suspense fallback={<Skeleton height={height} animate={false} />}>
            <Plot {...props} height={height} onHover={setHovered} />
          </Suspense>
        )}
      </div>
    </figure>
  );
}

function AsTable({ title, series, starts, stepS, format, linkOf }: TimeChartProps) {
  return (
    <div className={styles.chartTable} tabIndex={0} role="region" aria-label={title}>
      <Table stickyHeader verticalSpacing={4}>
        <Table.Thead>
          <Table.Tr>
            <Table.Th>Time</Table.Th>
            {series.map(({ name }) => (
              <Table.Th key={name} ta="right">
                {name}
              </Table.Th>
            ))}
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {Array.from(starts.entries(), ([at, startS]) => (
            <Table.Tr key={startS}>
              <Table.Td>
                <Moment startS={startS} stepS={stepS} to={linkOf?.(startS) ?? null} />
              </Table.Td>
              {series.map(({ name, values }) => (
                <Table.Td key={name} ta="right">
                  {shown(values[at], format)}
                </Table.Td>
              ))}
            </Table.Tr>
          )).reverse()}
        </Table.Tbody>
      </Table>
    </div>
  );
}

function Moment({ startS, stepS, to }: { startS: number; stepS: number; to: string | null }) {
  const words = bucketWords(startS, stepS);
  return to === null ? words : <Link to={to}>{words}</Link>;
}

function shown(value: number | null | undefined, format: (value: number) => string): string {
  return value == null ? "–" : format(value);
}
