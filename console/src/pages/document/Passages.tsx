/** The passages of a document without pages, in order, under their headings. The cited one is marked and in view. */

import { useEffect, useRef } from "react";

import { Section } from "../../elements/page";
import { PassageText } from "../../knowledge/PassageText";
import type { DocumentView, Passage } from "../../knowledge/queries";
import { newHeadings } from "./headings";
import prose from "../../elements/prose.module.css";
import styles from "./document.module.css";

interface Props {
  readonly document: DocumentView;
  readonly passages: readonly Passage[];
  /** The number of the cited passage, or null. */
  readonly cited: number | null;
}

export function Passages({ document, passages, cited }: Props) {
  const mark = useRef<HTMLDivElement>(null);
  useEffect(() => {
    mark.current?.scrollIntoView({ block: "center" });
    mark.current?.focus({ preventScroll: true });
  }, [document.id, cited]);
  return (
    <Section title="Text">
      <div className={styles.reading}>
        {passages.map((passage, at) => {
          const before = passages[at - 1];
          const isCited = passage.number === cited;
          return (
            <div key={passage.number} className={styles.readingPart}>
              {newHeadings(before?.headings ?? [], passage.headings, document.title).map(({ text, level }) => (
                <Heading key={level} level={level}>
                  {text}
                </Heading>
              ))}
              {passage.part && passage.part !== before?.part && <p className={styles.readingPlace}>{passage.part}</p>}
              {isCited ? (
                <div ref={mark} className={styles.cited} tabIndex={-1} role="group" aria-label="Cited passage">
                  <p className={styles.flag}>Cited passage</p>
                  <PassageText text={passage.text} />
                </div>
              ) : (
                <PassageText text={passage.text} />
              )}
            </div>
          );
        })}
      </div>
      {document.state !== "ready" && <p className={prose.quiet}>The text is being read again.</p>}
    </Section>
  );
}

function Heading({ level, children }: { level: number; children: string }) {
  const Tag = level === 0 ? "h3" : level === 1 ? "h4" : "h5";
  return <Tag className={styles.textHeading}>{children}</Tag>;
}
