/** What charts over time draw, and the arithmetic behind it. */

/** The colours of series, each a token of app.css. */
export const TONES = {
  accent: "--hg-accent",
  good: "--hg-good",
  warn: "--hg-warn",
  bad: "--hg-bad",
  blue: "--hg-blue",
  violet: "--hg-violet",
  quiet: "--hg-quiet",
} as const;

/** Values by bucket of time; null where there is none. */
export interface TimeSeries {
  readonly name: string;
  readonly tone: keyof typeof TONES;
  readonly values: readonly (number | null)[];
}

/** The buckets of a chart: the start of each in seconds since 1970, and their length. */
export interface Buckets {
  readonly starts: readonly number[];
  readonly stepS: number;
}

/** Sums of each series with those before it: the upper edges of a stack of bars. */
export function stacked(series: readonly TimeSeries[]): number[][] {
  let below: readonly number[] = [];
  return series.map(({ values }) => {
    const sums = values.map((value, at) => (value ?? 0) + (below[at] ?? 0));
    below = sums;
    return sums;
  });
}

export const DAY_S = 86_400;

const DAY: Intl.DateTimeFormatOptions = { day: "numeric", month: "short" };
const TIME: Intl.DateTimeFormatOptions = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };

/** The words for a bucket's start: local, but a whole day is one of UTC. */
export function bucketWords(startS: number, stepS: number): string {
  const shown = stepS >= DAY_S ? { ...DAY, timeZone: "UTC" } : { ...DAY, ...TIME };
  return new Intl.DateTimeFormat("en-GB", shown).format(startS * 1000);
}

/** The words for a tick of the time axis; `incrementS` is the distance between ticks, and `stepS` the length of a bucket. */
export function tickWords(atS: number, incrementS: number, stepS: number): string {
  const at = new Date(atS * 1000);
  if (stepS >= DAY_S) return bucketWords(atS, stepS);
  const isDay = incrementS >= DAY_S || (at.getHours() === 0 && at.getMinutes() === 0);
  return new Intl.DateTimeFormat("en-GB", isDay ? DAY : TIME).format(at);
}

/** The path of a sparkline in a box of 100 by 24; empty for fewer than two values. */
export function sparklinePath(values: readonly (number | null)[]): string {
  if (values.length < 2) return "";
  const most = Math.max(...values.map((value) => value ?? 0), 1e-9);
  return values
    .map((value, at) => {
      const x = (at / (values.length - 1)) * 100;
      const y = 23 - ((value ?? 0) / most) * 22;
      return `${at === 0 ? "M" : "L"}${x.toFixed(1)} ${y.toFixed(1)}`;
    })
    .join("");
}
