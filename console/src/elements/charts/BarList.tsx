/** A ranked list: each line has a name, a bar for its share of the largest, and its value. */

import type { ReactNode } from "react";
import { Link } from "react-router";

import styles from "./charts.module.css";

export interface Bar {
  readonly key: string;
  readonly name: ReactNode;
  readonly value: number;
  /** The value in words. */
  readonly text: string;
  /** A second figure, quieter. */
  readonly note?: string;
  /** The list behind the bar. */
  readonly to?: string | null;
}

export function BarList({ bars, label }: { bars: readonly Bar[]; label: string }) {
  const most = Math.max(...bars.map((bar) => bar.value), 1);
  return (
    <ol className={styles.barList} aria-label={label}>
      {bars.map((bar) => (
        <li key={bar.key}>
          <Line bar={bar}>
            <span className={styles.barFill} style={{ width: `${(bar.value / most) * 100}%` }} aria-hidden="true" />
            <span className={styles.barText}>{bar.name}</span>
            <span className={styles.barValue}>
              {bar.text}
              {bar.note && <span className={styles.barNote}>{bar.note}</span>}
            </span>
          </Line>
        </li>
      ))}
    </ol>
  );
}

function Line({ bar, children }: { bar: Bar; children: ReactNode }) {
  if (!bar.to) return <span className={styles.barItem}>{children}</span>;
  return (
    <Link className={styles.barItem} to={bar.to}>
      {children}
    </Link>
  );
}
