/** A timeline of the action and of each attempt inside it. */

import { Text } from "@mantine/core";
import { Link } from "react-router";

import type { RecordView } from "../api/client";
import { useActionWords } from "../elements/VerbWords";
import { Outcome } from "../elements/record";
import { formatDuration } from "../format";
import { needsApproval, numberFact } from "./facts";
import { type Span, spansOf } from "./spans";
import prose from "../elements/prose.module.css";
import styles from "./Timeline.module.css";

const BAD = new Set(["refused", "failed"]);

export function Timeline({ record, attempts }: { record: RecordView; attempts: readonly RecordView[] }) {
  const { spans, total_us } = spansOf(record, attempts);
  const hasFirst = spans.some((span) => span.firstItem !== null);
  return (
    <>
      <ol className={prose.plainList} style={{ display: "grid", gap: 10 }}>
        {spans.map((span, at) => (
          <Bar key={span.record.id} span={span} isItself={at === 0} />
        ))}
      </ol>
      <Text
        size="xs"
        className={prose.quiet}
        mt={6}
        style={{ display: "flex", justifyContent: "space-between", gap: 12 }}
      >
        <span>0</span>
        {hasFirst && <span>The vertical line marks the first token.</span>}
        <span>{formatDuration(total_us)}</span>
      </Text>
    </>
  );
}

function Bar({ span, isItself }: { span: Span; isItself: boolean }) {
  const { record, start, width, firstItem } = span;
  const first = firstItem === null ? null : numberFact(record, "first_item_us");
  const name = useActionWords()(record);
  return (
    <li>
      <div style={{ display: "flex", flexWrap: "wrap", gap: "0 14px", marginBottom: 3 }}>
        {isItself ? (
          <b title={record.verb}>{name}</b>
        ) : (
          <Link to={`/records/${record.id}`} title={record.verb}>
            {name}
          </Link>
        )}
        <Outcome outcome={record.outcome} needsApproval={needsApproval(record)} />
        <span className={prose.quiet}>
          {record.outcome === null ? "running" : formatDuration(record.duration_us)}
          {first !== null && `, first token after ${formatDuration(first)}`}
          {record.error && `, ${record.error}`}
        </span>
      </div>
      <div className={styles.barTrack} aria-hidden="true">
        <div
          className={styles.span}
          data-tone={record.outcome !== null && BAD.has(record.outcome) ? "bad" : undefined}
          style={{ left: percent(start), width: percent(width) }}
        />
        {firstItem !== null && <div className={styles.firstItem} style={{ left: percent(firstItem) }} />}
      </div>
    </li>
  );
}

function percent(share: number): string {
  return `${(share * 100).toFixed(3)}%`;
}
