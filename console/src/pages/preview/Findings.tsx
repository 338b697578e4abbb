/** A text with its findings marked. Categories differ by underline and by words, not by colour alone. */

import { Text } from "@mantine/core";

import { type Finding, cutAtFindings } from "./marks";
import marks from "../../elements/marks.module.css";
import prose from "../../elements/prose.module.css";
import styles from "./Findings.module.css";

const CATEGORIES: Record<string, string> = {
  pii: "personal data",
  phi: "health data",
  pci: "payment data",
  secret: "secrets",
};

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
                {category}
              </mark>{" "}
              <span className={prose.quiet}>
                {CATEGORIES[category] ?? ""} ({findings.filter((finding) => finding.category === category).length})
              </span>
            </li>
          ))}
        </ul>
      ) : (
        <Text size="sm" className={prose.quiet} mt="sm">
          No detector recognised anything. Detectors miss things: what must never leave is kept by custody and use case.
        </Text>
      )}
    </>
  );
}

function titleOf(finding: Finding): string {
  return `${finding.kind}, ${finding.category}; found by ${finding.detector} with confidence ${finding.confidence.toFixed(2)}`;
}
