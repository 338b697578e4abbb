/** A figure with its change against the period before and a sparkline. It links to the calls that it counts. */

import { Skeleton } from "@mantine/core";
import type { ReactNode } from "react";
import { Link } from "react-router";

import { Sparkline } from "../elements/charts/Sparkline";
import { useMayOpen } from "../page";
import { changeOf } from "./words";
import prose from "../elements/prose.module.css";
import styles from "./usage.module.css";

export interface Figure {
  readonly name: string;
  /** The value in words. */
  readonly text: string;
  /** The value and the one before as numbers, for the change; null for no comparison. */
  readonly change: { readonly now: number; readonly before: number } | null;
  readonly course: readonly (number | null)[];
  readonly to: string;
}

export function Figures({ figures }: { figures: readonly Figure[] }) {
  return (
    <section className={styles.figures} aria-label="Figures">
      {figures.map((figure) => (
        <Tile key={figure.name} figure={figure} />
      ))}
    </section>
  );
}

/** The room that figures take, while they are on their way. */
export function FiguresToCome({ count }: { count: number }) {
  return (
    <div className={styles.figures} role="status" aria-label="Loading">
      {Array.from({ length: count }, (_, at) => (
        <Skeleton key={at} height={108} animate={false} />
      ))}
    </div>
  );
}

function Tile({ figure: { name, text, change, course, to } }: { figure: Figure }) {
  return (
    <Framed to={to}>
      <span className={styles.figureName}>{name}</span>
      <span className={styles.figureValue}>{text}</span>
      <span className={styles.figureChange}>{change && <Change {...change} />}</span>
      <span className={styles.figureLine}>
        <Sparkline values={course} />
      </span>
    </Framed>
  );
}

function Framed({ to, children }: { to: string; children: ReactNode }) {
  const mayOpen = useMayOpen();
  if (!mayOpen(to)) return <div className={styles.figure}>{children}</div>;
  return (
    <Link className={styles.figure} to={to}>
      {children}
    </Link>
  );
}

function Change({ now, before }: { now: number; before: number }) {
  const change = changeOf(now, before);
  if (change === null) return <>{before === 0 ? "nothing before" : "as before"}</>;
  return (
    <>
      <span aria-hidden="true">{change.share > 0 ? "▲ " : "▼ "}</span>
      {change.words}
      <span className={prose.unseen}> {change.share > 0 ? "more" : "less"} than before</span>
    </>
  );
}
