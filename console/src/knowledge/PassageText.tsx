/** The text of a passage, with tables and code readable. Plain text: what looks like a link or an image in it stays text. */

import { Lines } from "../elements/code";
import { partsOf } from "./texts";
import styles from "./passage.module.css";

export function PassageText({ text }: { text: string }) {
  return partsOf(text).map((part, at) => {
    switch (part.kind) {
      case "text":
        return (
          <p key={at} className={styles.paragraph}>
            {part.text}
          </p>
        );
      case "code":
        return (
          <Lines key={at} what="Code">
            {part.text}
          </Lines>
        );
      case "table":
        return <Table key={at} rows={part.rows} />;
    }
  });
}

function Table({ rows: [head, ...rows] }: { rows: readonly (readonly string[])[] }) {
  return (
    <div className={styles.tableScroll} tabIndex={0} role="region" aria-label="Table">
      <table className={styles.textTable}>
        <thead>
          <tr>
            {head?.map((cell, at) => (
              <th key={at} scope="col">
                {cell}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row, at) => (
            <tr key={at}>
              {row.map((cell, column) => (
                <td key={column}>{cell}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
