/** A formula as MathML, which browsers draw themselves: no fonts and no styles are loaded. A chunk of its own. */

import katex from "katex";
import { useLayoutEffect, useRef } from "react";

import styles from "./markdown.module.css";

export default function Maths({ text, isBlock }: { text: string; isBlock: boolean }) {
  const place = useRef<HTMLSpanElement>(null);
  useLayoutEffect(() => {
    if (!place.current) return;
    katex.render(text, place.current, {
      output: "mathml",
      displayMode: isBlock,
      throwOnError: false,
      trust: false,
      maxSize: 20,
      maxExpand: 500,
    });
  }, [text, isBlock]);
  return <span ref={place} className={isBlock ? styles.formula : undefined} />;
}
