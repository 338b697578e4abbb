/** A block of code with its language and a button to copy it; coloured once the highlighter is loaded. */

import { Suspense, lazy } from "react";

import { CopyButton } from "../elements/code";
import styles from "./markdown.module.css";

const Highlighted = lazy(() => import("./Highlighted"));

/** Longer code stays without colours: to colour it would make the page wait. */
const MOST_COLOURED = 20_000;

export function CodeBlock({ text, language }: { text: string; language: string }) {
  const name = language.split(/\s/)[0]!.toLowerCase();
  const isColoured = name !== "" && text.length <= MOST_COLOURED;
  return (
    <div className={styles.block}>
      <div className={styles.blockHead}>
        <span>{name || "text"}</span>
        <CopyButton text={text} what="code" />
      </div>
      <pre tabIndex={0} role="region" aria-label={`Code, ${name || "text"}`}>
        <code>
          {isColoured ? (
            <Suspense fallback={text}>
              <Highlighted text={text} language={name} />
            </Suspense>
          ) : (
            text
          )}
        </code>
      </pre>
    </div>
  );
}
