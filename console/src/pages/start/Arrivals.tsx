/** The latest calls, live, with their deployment, cost and masked values. */

import { Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useCallback, useState } from "react";
import { Link } from "react-router";

import type { RecordView } from "../../api/client";
import { recordsQuery } from "../../api/queries";
import { Empty, Rows, Section } from "../../elements/page";
import { Counts, Money, Outcome, State, Time } from "../../elements/record";
import { formatDuration, plural } from "../../format";
import { type Call, callsOf, isModelCall, isUnsent, resourceName } from "../../record/facts";
import { useLiveRecords } from "../../record/live";
import table from "../../elements/table.module.css";
import prose from "../../elements/prose.module.css";

const KEPT = 60;
const SHOWN = 6;

export function Arrivals({ hasCalled }: { hasCalled: boolean }) {
  const earlier = useQuery(recordsQuery({}, null));
  const [arrived, setArrived] = useState<readonly RecordView[]>([]);
  const take = useCallback((record: RecordView) => {
    setArrived((known) => [record, ...known.filter((one) => one.id !== record.id)].slice(0, KEPT));
  }, []);
  const isUp = useLiveRecords(true, take);
  const known = new Set(arrived.map((record) => record.id));
  const old = (earlier.data?.records ?? []).filter((record) => !known.has(record.id));
  const calls = callsOf([...arrived, ...old])
    .filter((call) => isModelCall(call.first))
    .slice(0, SHOWN);
  return (
    <Section
      title="Latest calls"
      aside={
        isUp ? (
          <State tone="good" icon="live">
            Live
          </State>
        ) : (
          <State tone="quiet" icon="open">
            Connecting
          </State>
        )
      }
    >
      <div aria-live="polite" aria-relevant="additions">
        {earlier.isPending && !calls.length ? (
          <Rows count={3} />
        ) : calls.length ? (
          <ul className={`${prose.plainList} ${prose.divided}`}>
            {calls.map((call) => (
              <Arrival key={call.first.id} call={call} />
            ))}
          </ul>
        ) : (
          <Empty title={hasCalled ? "No calls right now" : "No calls yet"}>
            Make a key, copy the call and run it. It appears here at once.
          </Empty>
        )}
      </div>
      {calls.length > 0 && (
        <Text size="sm" mt="sm">
          <Link to="/activity">View all activity</Link>
        </Text>
      )}
    </Section>
  );
}

function Arrival({ call }: { call: Call }) {
  const { first, deployment, masked, cost, attempts } = call;
  return (
    <li className={table.row}>
      <div style={{ display: "flex", justifyContent: "space-between", gap: 12, flexWrap: "wrap" }}>
        <Link to={`/records/${first.id}`} className={table.cover}>
          {resourceName(first.resource)}
          {deployment && ` → ${deployment}`}
        </Link>
        <Outcome outcome={first.outcome} />
      </div>
      <div className={prose.quiet} style={{ display: "flex", gap: "2px 14px", flexWrap: "wrap" }}>
        <Time iso={first.opened_at} />
        <span>{first.outcome === null ? "running" : formatDuration(first.duration_us)}</span>
        <span>cost {isUnsent(first) ? "–" : <Money cost={cost} />}</span>
        <span>
          masked <Counts counts={masked} />
        </span>
        {attempts > 1 && <span>{plural(attempts, "attempt")}</span>}
      </div>
    </li>
  );
}
