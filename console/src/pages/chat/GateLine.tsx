/** Under an answer: one quiet line with what the gate did, and the rest on demand. */

import { useQuery } from "@tanstack/react-query";

import type { ChatGate } from "../../api/events";
import { modelsQuery } from "../../api/queries";
import { RecordLink } from "../../elements/RecordLink";
import { Counts, Labels, Money } from "../../elements/record";
import { formatCount, formatDuration } from "../../format";
import { useMayOpen } from "../../page";
import prose from "../../elements/prose.module.css";
import styles from "./chat.module.css";

export function GateLine({ gate }: { gate: ChatGate }) {
  const isOurs = useIsOurs()(gate.deployment);
  const mayOpen = useMayOpen();
  const masked = new Map(Object.entries(gate.masked_new ?? gate.masked));
  const before = [...Object.entries(gate.masked)]
    .map(([kind, count]) => [kind, count - (masked.get(kind) ?? 0)] as const)
    .filter(([, count]) => count > 0);
  const cost =
    gate.cost_micros === null || gate.currency === null ? null : { micros: gate.cost_micros, currency: gate.currency };
  return (
    <div className={styles.gate}>
      <details>
        <summary>
          Answered by <b>{gate.deployment ?? "no deployment"}</b>
          {isOurs && " on our own machines"}
          {masked.size > 0 && (
            <>
              , masked <Counts counts={masked} />
            </>
          )}
        </summary>
        <dl className={prose.facts}>
          <dt>Masked</dt>
          <dd>
            <Counts counts={masked} />
            {before.length > 0 && (
              <>
                , also <Counts counts={new Map(before)} /> from before
              </>
            )}
          </dd>
          <dt>Restored</dt>
          <dd>
            restored <Counts counts={new Map(Object.entries(gate.restored))} />
          </dd>
          <dt>Size</dt>
          <dd>
            {formatCount(gate.input_tokens)} + {formatCount(gate.output_tokens)} tokens
          </dd>
          <dt>Cost</dt>
          <dd>
            <Money cost={cost} />
          </dd>
          <dt>Took</dt>
          <dd>{formatDuration(gate.duration_us)}</dd>
          <dt>Labels</dt>
          <dd>
            <Labels text={gate.labels} />
          </dd>
          {gate.skipped && (
            <>
              <dt>Left out</dt>
              <dd>{gate.skipped}</dd>
            </>
          )}
          {!mayOpen(`/records/${gate.record}`) && (
            <>
              <dt>Record</dt>
              <dd className={prose.mono}>{gate.record}</dd>
            </>
          )}
        </dl>
      </details>
      {mayOpen(`/records/${gate.record}`) && <RecordLink id={gate.record} text="Record" />}
    </div>
  );
}

/** Whether a deployment runs on the organisation's own machines, as far as the person may know. */
function useIsOurs(): (deployment: string | null) => boolean {
  const models = useQuery(modelsQuery);
  const ours = new Set(
    models.data
      ?.flatMap((model) => model.deployments)
      .filter((one) => one.custody === "organisation")
      .map((one) => one.id),
  );
  return (deployment) => deployment !== null && ours.has(deployment);
}
