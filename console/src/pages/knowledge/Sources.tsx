/** The sources of an answer: each passage with its document, place, age and collection. */

import { Button } from "@mantine/core";
import { useId, useState } from "react";
import { Link } from "react-router";

import { Folded } from "../../elements/page";
import { plural } from "../../format";
import { Age } from "../../knowledge/Age";
import { type Source, fromQuotation, piecesOf } from "../../knowledge/citing";
import { collectionPath, documentPath } from "../../knowledge/links";
import type { FoundPassage } from "../../knowledge/queries";
import { placeWords } from "../../knowledge/words";
import prose from "../../elements/prose.module.css";
import styles from "./knowledge.module.css";

interface Props {
  readonly sources: readonly Source[];
  readonly active: number | null;
  readonly onActive: (source: number | null) => void;
}

export function Sources({ sources, active, onActive }: Props) {
  return (
    <ol className={`${prose.plainList} ${styles.sources}`}>
      {sources.map(({ number, found, quotations }) => (
        <li
          key={number}
          className={styles.source}
          data-active={active === number || undefined}
          onMouseEnter={() => onActive(number)}
          onMouseLeave={() => onActive(null)}
          onFocus={() => onActive(number)}
          onBlur={() => onActive(null)}
        >
          <FoundCard number={number} found={found} quotations={quotations} />
        </li>
      ))}
    </ol>
  );
}

const FIRST = 3;

/** Passages that were found and are not cited: the first ones at once where there is no answer, the rest on demand. */
export function Others({ found, isOpen = false }: { found: readonly FoundPassage[]; isOpen?: boolean }) {
  const shown = isOpen ? found.slice(0, FIRST) : [];
  const folded = found.slice(shown.length);
  return (
    <>
      {shown.length > 0 && (
        <>
          <h3 className={styles.foundTitle}>Passages that come closest</h3>
          <FoundList found={shown} name="Passages that come closest" />
        </>
      )}
      {folded.length > 0 && (
        <Folded title={`${plural(folded.length, "more passage")} found`}>
          <FoundList found={folded} name="More passages" />
        </Folded>
      )}
    </>
  );
}

function FoundList({ found, name }: { found: readonly FoundPassage[]; name: string }) {
  return (
    <ul className={`${prose.plainList} ${styles.sources}`} aria-label={name}>
      {found.map((one) => (
        <li key={`${one.document} ${one.passage.number}`} className={styles.source}>
          <FoundCard number={null} found={one} quotations={[]} />
        </li>
      ))}
    </ul>
  );
}

interface CardProps {
  readonly number: number | null;
  readonly found: FoundPassage;
  readonly quotations: readonly string[];
}

function FoundCard({ number, found, quotations }: CardProps) {
  const { document, title, passage, collection, collection_title: collectionTitle } = found;
  const place = placeWords(passage);
  const headings = passage.headings.filter((one) => one !== title).join(" › ");
  return (
    <>
      <div className={styles.sourceHead}>
        {number !== null && <span className={styles.sourceNumber}>[{number}]</span>}
        <Link to={documentPath(document, passage.number)}>{title}</Link>
      </div>
      {headings && <div>{headings}</div>}
      <div className={styles.meta}>
        {found.name !== title && <span>{found.name}</span>}
        {place && <span>{place}</span>}
        <Age iso={found.as_of} isStale={found.is_stale} />
        <Link to={collectionPath(collection)}>{collectionTitle}</Link>
      </div>
      <PassageText text={passage.text} quotations={quotations} />
    </>
  );
}

const SHORT_CHARS = 360;

/** The text of a passage, cut where it is long until somebody wants all of it. Plain text, whatever is in it. */
function PassageText({ text, quotations }: { text: string; quotations: readonly string[] }) {
  const id = useId();
  const isLong = text.length > SHORT_CHARS;
  const [isWhole, setWhole] = useState(false);
  return (
    <>
      <p className={styles.passage} id={id} data-cut={(isLong && !isWhole) || undefined}>
        {piecesOf(isWhole ? text : fromQuotation(text, quotations), quotations).map((piece, at) =>
          piece.isQuoted ? <mark key={at}>{piece.text}</mark> : piece.text,
        )}
      </p>
      {isLong && (
        <Button
          size="compact-xs"
          variant="subtle"
          aria-expanded={isWhole}
          aria-controls={id}
          onClick={() => setWhole(!isWhole)}
        >
          {isWhole ? "Show less" : "Show whole passage"}
        </Button>
      )}
    </>
  );
}
