/** Under an answer: the deployment, masked and restored values, tokens, cost and record. */

import type { ChatGate } from "../../api/events";
import { RecordLink } from "../../elements/RecordLink";
import { Counts, Labels, Money } from "../../elements/record";
import { formatCount, formatDuration } from "../../format";
import prose from "../../elements/prose.module.css";

export function GateLine({ gate }: { gate: ChatGate }) {
  const cost =
    gate.cost_micros === null || gate.currency === null ? null : { micros: gate.cost_micros, currency: gate.currency };
  return (
    <div
      className={prose.quiet}
      style={{
        fontSize: "0.75rem",
        marginTop: 8,
        display: "flex",
        flexWrap: "wrap",
        gap: "3px 14px",
        alignItems: "center",
      }}
    >
      <span>
        answered by <b>{gate.deployment ?? "no deployment"}</b>
      </span>
      <span>
        masked <Counts counts={new Map(Object.entries(gate.masked))} />
      </span>
      <span>
        restored <Counts counts={new Map(Object.entries(gate.restored))} />
      </span>
      <span>
        {formatCount(gate.input_tokens)} + {formatCount(gate.output_tokens)} tokens
      </span>
      <span>
        cost <Money cost={cost} />
      </span>
      <span>{formatDuration(gate.duration_us)}</span>
      <Labels text={gate.labels} />
      {gate.skipped && <span>skipped: {gate.skipped}</span>}
      <RecordLink id={gate.record} text="Record" />
    </div>
  );
}
