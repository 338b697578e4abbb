/** Rows of usage by time and a dimension, as series of a chart. */

import type { Dimension, Row } from "../../usage/words";

interface Wanted {
  readonly by: Dimension;
  readonly since: string;
  readonly until: string;
  readonly stepS: number;
  readonly value: (row: Row) => number;
  /** How many groups have a series of their own. */
  readonly most: number;
}

interface Groups {
  readonly starts: readonly number[];
  /** The largest groups first; `row` is one of the group's. */
  readonly groups: readonly { readonly row: Row; readonly values: readonly number[] }[];
  /** The sum of all other groups, null where there are none. */
  readonly others: readonly number[] | null;
}

/** Puts each row into its group and step. */
export function groupsOverTime(rows: readonly Row[], { by, since, until, stepS, value, most }: Wanted): Groups {
  const firstS = Date.parse(since) / 1000;
  const count = Math.max(1, Math.ceil((Date.parse(until) / 1000 - firstS) / stepS));
  const found = new Map<string, { row: Row; values: number[]; sum: number }>();
  for (const row of rows) {
    const name = row[by] ?? "";
    const group = found.get(name) ?? { row, values: Array.from({ length: count }, () => 0), sum: 0 };
    const at = Math.floor((Date.parse(row.at ?? since) / 1000 - firstS) / stepS);
    if (at >= 0 && at < count) group.values[at]! += value(row);
    group.sum += value(row);
    found.set(name, group);
  }
  const largest = [...found.values()].sort((left, right) => right.sum - left.sum);
  const rest = largest.slice(most);
  return {
    starts: Array.from({ length: count }, (_, at) => firstS + at * stepS),
    groups: largest.slice(0, most),
    others: rest.length === 0 ? null : rest[0]!.values.map((_, at) => rest.reduce((sum, one) => sum + one.values[at]!, 0)),
  };
}
