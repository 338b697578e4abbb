/** The route of a call as a picture: a line through the candidates, in the order in which they were asked. */

import { Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link } from "react-router";

import type { RecordDetail } from "../api/client";
import { modelsQuery } from "../api/queries";
import { Section } from "../elements/page";
import { Money } from "../elements/record";
import { formatDuration, sentence } from "../format";
import { type Stop, type StopState, routeOf } from "./route";
import { preferenceWords } from "./words";
import { textFact } from "./facts";
import prose from "../elements/prose.module.css";
import styles from "./RoutePicture.module.css";

const WORDS: Readonly<Record<StopState, string>> = {
  answered: "Answered",
  failed: "Failed",
  refused: "Refused",
  cancelled: "Cancelled, as another one answered first",
  running: "Running",
  skipped: "Left out",
  spare: "Not needed",
};

/** What is drawn in the circle of a candidate: a tick, a cross, a stop, a dot. */
const MARKS: Readonly<Record<StopState, string>> = {
  answered: "M-4 0l3 3 5-6",
  failed: "M-3-3 3 3M3-3-3 3",
  refused: "M-3-3 3 3M3-3-3 3",
  cancelled: "M-3 0H3",
  running: "M0-3V0H3",
  skipped: "M-3 0H3",
  spare: "",
};

export function RoutePicture({ detail: { record, children } }: { detail: RecordDetail }) {
  const route = routeOf(record, children);
  const models = useQuery({ ...modelsQuery, enabled: route !== null });
  if (!route) return null;
  const deployments = (models.data ?? []).flatMap((one) => one.deployments);
  const prices = new Map(deployments.map((one) => [one.id, one.costs]));
  const preference = textFact(record, "preference");
  const lastTried = route.stops.findLastIndex((stop) => stop.span !== null);
  return (
    <Section title="Route">
      {preference && <Text size="sm">{preferenceWords(preference)}</Text>}
      {route.notes.map((note) => (
        <Text key={note} size="sm">
          {note}
        </Text>
      ))}
      <ol className={styles.route} aria-label={`Route of ${route.alias}`}>
        <li className={styles.routeStop}>
          <Rail state="start" isFirst isLast={false} isTaken />
          <div>
            <b>{route.alias}</b> <span className={prose.quiet}>the model that was asked for</span>
          </div>
        </li>
        {route.stops.map((stop, at) => (
          <li key={`${at} ${stop.name}`} className={styles.routeStop} data-state={stop.state}>
            <Rail state={stop.state} isFirst={false} isLast={at === route.stops.length - 1} isTaken={at < lastTried} />
            <Candidate stop={stop} price={prices.get(stop.name) ?? null} />
          </li>
        ))}
      </ol>
    </Section>
  );
}

function Candidate({ stop, price }: { stop: Stop; price: string | null }) {
  const { name, state, why, score, record, span, took_us, cost } = stop;
  return (
    <div className={styles.routeCandidate}>
      <div className={styles.routeHead}>
        {record ? <Link to={`/records/${record}`}>{name}</Link> : <b>{name}</b>}
        <span className={styles.routeState} data-state={state}>
          {WORDS[state]}
        </span>
        {took_us !== null && <span className={prose.quiet}>after {formatDuration(took_us)}</span>}
        {cost && (
          <span className={prose.quiet}>
            cost <Money cost={cost} />
          </span>
        )}
      </div>
      {why && <div>{sentence(why)}</div>}
      {score && <div className={prose.quiet}>{sentence(score)}</div>}
      {price && score?.toLowerCase() !== price.toLowerCase() && <div className={prose.quiet}>{price.startsWith("Price") ? price : `Price today: ${price}`}</div>}
      {span && (
        <svg className={styles.routeBar} viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true" focusable="false">
          <rect width="100" height="6" className={styles.routeTrack} />
          <rect x={span.start * 100} width={Math.max(1, span.width * 100)} height="6" className={styles.routeTime} data-state={state} />
          {span.firstItem !== null && <rect x={span.firstItem * 100} width="0.6" height="6" className={styles.routeFirst} />}
        </svg>
      )}
    </div>
  );
}

interface RailProps {
  readonly state: StopState | "start";
  readonly isFirst: boolean;
  readonly isLast: boolean;
  /** Whether the call went on from here. */
  readonly isTaken: boolean;
}

/** The line at the left of a candidate, and its circle. The words beside it say the same. */
function Rail({ state, isFirst, isLast, isTaken }: RailProps) {
  return (
    <div className={styles.routeRail} aria-hidden="true">
      {!isLast && <span className={styles.routeLine} data-taken={isTaken || undefined} />}
      <svg viewBox="-10 -10 20 20" width={22} height={22} focusable="false">
        <circle r={isFirst ? 5 : 8.5} className={styles.routeNode} data-state={state} />
        {state !== "start" && <path d={MARKS[state]} className={styles.routeMark} data-state={state} />}
      </svg>
    </div>
  );
}
