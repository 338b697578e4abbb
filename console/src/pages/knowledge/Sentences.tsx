/** The sentences of an answer, each with links to its sources. */

import { Link } from "react-router";

import type { Cited, CitedSentence, Source } from "../../knowledge/citing";
import { documentPath } from "../../knowledge/links";
import { placeWords } from "../../knowledge/words";
import styles from "./knowledge.module.css";

interface Props {
  readonly cited: Cited;
  readonly isQuoted: boolean;
  /** The source under the pointer or the focus. */
  readonly active: number | null;
  readonly onActive: (source: number | null) => void;
}

export function Sentences({ cited, isQuoted, active, onActive }: Props) {
  const sentences = cited.sentences.map((sentence, at) => (
    <Sentence key={at} {...{ sentence, active, onActive }} sources={cited.sources} />
  ));
  if (!isQuoted) return <p className={styles.written}>{sentences}</p>;
  return (
    <div className={styles.written}>
      {sentences.map((sentence) => (
        <blockquote key={sentence.key}>{sentence}</blockquote>
      ))}
    </div>
  );
}

interface SentenceProps extends Omit<Props, "cited" | "isQuoted"> {
  readonly sentence: CitedSentence;
  readonly sources: readonly Source[];
}

function Sentence({ sentence, sources, active, onActive }: SentenceProps) {
  const isMarked = active !== null && sentence.sources.includes(active);
  return (
    <>
      <span className={styles.sentence} data-active={isMarked || undefined}>
        {sentence.text}
      </span>
      {sentence.sources.map((number) => (
        <Citation key={number} source={sources[number - 1]!} {...{ active, onActive }} />
      ))}{" "}
    </>
  );
}

function Citation({ source, active, onActive }: { source: Source } & Pick<Props, "active" | "onActive">) {
  const { document, title, passage } = source.found;
  const where = [title, placeWords(passage)].filter(Boolean).join(", ");
  return (
    <Link
      className={styles.citation}
      to={documentPath(document, passage.number)}
      aria-label={`Source ${source.number}: ${where}`}
      title={where}
      data-active={active === source.number || undefined}
      onMouseEnter={() => onActive(source.number)}
      onMouseLeave={() => onActive(null)}
      onFocus={() => onActive(source.number)}
      onBlur={() => onActive(null)}
    >
      [{source.number}]
    </Link>
  );
}
