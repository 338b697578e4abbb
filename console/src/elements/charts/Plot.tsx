/** Draws a chart over time on a canvas. Loaded when the first chart is shown. */

import { useComputedColorScheme } from "@mantine/core";
import { useElementSize, useMergedRef } from "@mantine/hooks";
import { useEffect, useRef } from "react";
import { useNavigate } from "react-router";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";

import type { TimeChartProps } from "./TimeChart";
import { type Buckets, DAY_S, TONES, stacked, tickWords } from "./series";
import styles from "./charts.module.css";

const WHOLE = [1, 2, 5].flatMap((first) => Array.from({ length: 12 }, (_, power) => first * 10 ** power)).sort((a, b) => a - b);
const CLICK_PX = 4;

interface PlotProps extends TimeChartProps {
  readonly height: number;
  /** Takes the bucket under the pointer, null for none. */
  readonly onHover: (at: number | null) => void;
}

export default function Plot(props: PlotProps) {
  const { title, height, linkOf } = props;
  const { ref: sized, width } = useElementSize();
  const held = useRef<HTMLDivElement>(null);
  const ref = useMergedRef(sized, held);
  const scheme = useComputedColorScheme("light");
  const navigate = useNavigate();
  const latest = useRef(props);
  latest.current = props;
  const drawn = JSON.stringify([props.starts, props.series, props.form]);
  useEffect(() => {
    const box = held.current;
    if (!box || !width) return;
    const options = { ...optionsOf(latest, box, navigate), width, height };
    const plot = new uPlot(options, dataOf(latest.current), box);
    return () => plot.destroy();
  }, [drawn, width, height, scheme, navigate]);
  return (
    <div
      ref={ref}
      className={styles.chartPlot}
      role="img"
      aria-label={title}
      data-open={linkOf !== undefined || undefined}
      style={{ height }}
    />
  );
}

/** Bars are drawn from the top of the stack down, so that each covers the lower part of the one before. */
function dataOf({ starts, series, form }: TimeChartProps): uPlot.AlignedData {
  if (form === "lines") return [[...starts], ...series.map(({ values }) => [...values])];
  return [[...starts], ...stacked(series).reverse()];
}

function optionsOf(
  latest: { readonly current: PlotProps },
  box: HTMLElement,
  navigate: (address: string) => unknown,
): Omit<uPlot.Options, "width" | "height"> {
  const { series, starts, stepS, form, format, isWhole } = latest.current;
  const css = getComputedStyle(box);
  const ink = css.getPropertyValue("--hg-quiet");
  const grid = { stroke: css.getPropertyValue("--hg-line"), width: 1 };
  const font = `11px ${css.fontFamily}`;
  const isBars = form === "bars";
  const paths = isBars ? uPlot.paths.bars!({ align: 1, size: [0.86, 64] }) : uPlot.paths.linear!();
  const first = starts[0] ?? 0;
  const shown = isBars ? [...series].reverse() : series;
  return {
    // Days are those of UTC, as the server counts them.
    ...(stepS >= DAY_S ? { tzDate: (atS: number) => uPlot.tzDate(new Date(atS * 1000), "Etc/UTC") } : {}),
    legend: { show: false },
    cursor: { y: false, points: { show: !isBars }, drag: { x: true, y: false, setScale: false } },
    scales: {
      x: { time: true, range: [first, (starts.at(-1) ?? first) + stepS] },
      y: { range: (_, __, most) => [0, Math.max(most * 1.06, isWhole ? 1 : 1e-6)] },
    },
    axes: [
      {
        stroke: ink,
        font,
        grid: { show: false },
        ticks: { ...grid, size: 5 },
        size: 30,
        space: 64,
        values: (_, splits, __, ___, incrementS) => splits.map((at) => (at % Math.min(stepS, 3600) === 0 ? tickWords(at, incrementS, stepS) : "")),
      },
      {
        stroke: ink,
        font,
        grid,
        ticks: { show: false },
        size: 58,
        space: 34,
        values: (_, splits) => splits.map((value) => format(value)),
        ...(isWhole ? { incrs: WHOLE } : {}),
      },
    ],
    series: [
      {},
      ...shown.map(({ name, tone }) => {
        const colour = css.getPropertyValue(TONES[tone]);
        const line = { label: name, stroke: colour, paths, points: { show: !isBars, filter: alone } };
        return isBars ? { ...line, width: 0, fill: colour } : { ...line, width: 1.75, spanGaps: false };
      }),
    ],
    hooks: {
      setCursor: [(plot) => latest.current.onHover(bucketAt(plot, plot.cursor.left ?? -1, latest.current))],
      setSelect: [(plot) => choose(plot, latest.current)],
      init: [(plot) => openOnClick(plot, latest, navigate)],
    },
  };
}

/** The points of a line without a neighbour: they have no line to be seen by. */
function alone(plot: uPlot, at: number): number[] {
  const values = plot.data[at]!;
  const isThere = (index: number): boolean => values[index] !== null && values[index] !== undefined;
  return [...values.keys()].filter((index) => isThere(index) && !isThere(index - 1) && !isThere(index + 1));
}

/** The bucket at a distance from the left edge of the plot; null outside of all buckets. */
function bucketAt(plot: uPlot, leftPx: number, { starts, stepS }: Buckets): number | null {
  if (leftPx < 0) return null;
  const at = plot.posToVal(leftPx, "x");
  const found = starts.findIndex((start) => start <= at && at < start + stepS);
  return found === -1 ? null : found;
}

/** Hands on the chosen span, widened to whole buckets. */
function choose(plot: uPlot, props: TimeChartProps): void {
  const { starts, stepS, onZoom } = props;
  const { left, width } = plot.select;
  if (width < CLICK_PX || !onZoom) return;
  const since = starts[bucketAt(plot, left, props) ?? 0];
  const last = starts[bucketAt(plot, left + width, props) ?? starts.length - 1];
  plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
  if (since !== undefined && last !== undefined) onZoom(since, last + stepS);
}

function openOnClick(
  plot: uPlot,
  latest: { readonly current: PlotProps },
  navigate: (address: string) => unknown,
): void {
  let pressedAt = 0;
  plot.over.addEventListener("mousedown", (event) => (pressedAt = event.clientX));
  plot.over.addEventListener("click", (event) => {
    if (Math.abs(event.clientX - pressedAt) >= CLICK_PX) return;
    const { starts, linkOf } = latest.current;
    const at = bucketAt(plot, event.clientX - plot.over.getBoundingClientRect().left, latest.current);
    const address = at === null ? null : (linkOf?.(starts[at]!) ?? null);
    if (address !== null) void navigate(address);
  });
}
