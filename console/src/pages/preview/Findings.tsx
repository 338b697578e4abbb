/** A text with its findings marked. Categories differ by underline and by words, not by colour alone. */

import { Text } from "@mantine/core";

import { categoryWords } from "../../record/words";
import { type Finding, cutAtFindings } from "./marks";
import marks from "../../elements/marks.module.css";
import prose from "../../elements/prose.module.css";
import styles from "./Findings.module.css";

export function Findings({ text, findings }: { text: string; findings: readonly Finding[] }) {
  const categories = [...new Set(findings.map((finding) => finding.category))].sort();
  return (
    <>
      <div className={styles.marked}>
        {cutAtFindings(text, findings).map(({ text: piece, finding }, at) =>
          finding ? (
            <mark key={at} className={marks.find} data-category={finding.category} title={titleOf(finding)}>
              {piece}
              <small>{finding.kind.replaceAll("_", " ")}</small>
            </mark>
          ) : (
            <span key={at}>{piece}</span>
          ),
        )}
      </div>
      {categories.length > 0 ? (
        <ul
          className={prose.plainList}
          aria-label="Legend"
          style={{ display: "flex", flexWrap: "wrap", gap: "4px 16px", marginTop: 12 }}
        >
          {categories.map((category) => (
            <li key={category}>
              <mark className={marks.find} data-category={category}>
                {categoryWords(category)}
              </mark>{" "}
              <span className={prose.quiet}>
                ({findings.filter((finding) => finding.category === category).length})
              </span>
            </li>
          ))}
        </ul>
      ) : (
        <Text size="sm" className={prose.quiet} mt="sm">
          No findings. Detectors can miss values. To keep content on your own machines, set a higher minimum confidentiality
          for its use case.
        </Text>
      )}
    </>
  );
}

function titleOf(finding: Finding): string {
  return `${finding.kind.replaceAll("_", " ")}, ${categoryWords(finding.category)}; detector ${finding.detector}, confidence ${finding.confidence.toFixed(2)}`;
}
