/** A text area with line numbers, which takes the reader to the line at fault. */

import { useEffect, useRef } from "react";
import styles from "./Editor.module.css";

interface Props {
  readonly label: string;
  readonly value: string;
  readonly onChange: (value: string) => void;
  /** From 1; null where no line is at fault. */
  readonly faultyLine: number | null;
}

export function Editor({ label, value, onChange, faultyLine }: Props) {
  const area = useRef<HTMLTextAreaElement>(null);
  const gutter = useRef<HTMLPreElement>(null);
  const count = value.split("\n").length;
  useEffect(() => {
    const editor = area.current;
    if (!editor || faultyLine === null) return;
    const lines = editor.value.split("\n");
    const start = lines.slice(0, faultyLine - 1).join("\n").length + (faultyLine > 1 ? 1 : 0);
    editor.focus();
    editor.setSelectionRange(start, start + (lines[faultyLine - 1]?.length ?? 0));
  }, [faultyLine]);
  return (
    <div className={styles.editor}>
      <pre ref={gutter} aria-hidden="true">
        {Array.from({ length: count }, (_, at) => (at + 1 === faultyLine ? <b key={at}>{at + 1}</b> : `${at + 1}\n`))}
      </pre>
      <textarea
        ref={area}
        aria-label={label}
        aria-invalid={faultyLine !== null}
        spellCheck={false}
        autoCapitalize="off"
        autoComplete="off"
        wrap="off"
        value={value}
        onChange={(event) => onChange(event.currentTarget.value)}
        onScroll={(event) => gutter.current && (gutter.current.scrollTop = event.currentTarget.scrollTop)}
      />
    </div>
  );
}
