/** The figures of a collection. Those of documents that wait or failed lead to them. */

import { Link } from "react-router";

import { formatCount, formatSize } from "../../format";
import type { Collection } from "../../knowledge/queries";
import { ageWords } from "../../knowledge/words";
import usage from "../../usage/usage.module.css";
import styles from "./collection.module.css";

export function Figures({ collection }: { collection: Collection }) {
  const { documents, passages, size_bytes: size, oldest, waiting, failed } = collection;
  return (
    <section className={usage.figures} aria-label="Figures">
      <Figure name="Documents" text={formatCount(documents)} to="?" />
      <Figure name="Being read" text={formatCount(waiting)} to="?state=waiting" />
      <Figure name="Failed" text={formatCount(failed)} to="?state=failed" />
      <Figure name="Passages" text={formatCount(passages)} />
      <Figure name="Size" text={formatSize(size)} />
      <Figure name="Oldest text" text={oldest === null ? "–" : ageWords(oldest, new Date())} />
    </section>
  );
}

function Figure({ name, text, to }: { name: string; text: string; to?: string }) {
  const inside = (
    <>
      <span className={usage.figureName}>{name}</span>
      <span className={usage.figureValue}>{text}</span>
    </>
  );
  const look = `${usage.figure} ${styles.plainFigure}`;
  if (to === undefined) return <div className={look}>{inside}</div>;
  return (
    <Link className={look} to={to} replace>
      {inside}
    </Link>
  );
}
