/** Counts over time by outcome. Dragging over the bars, or choosing one, narrows the period. */

import { Group, Skeleton, Table, Text } from "@mantine/core";
import { type PointerEvent, useState } from "react";

import type { Schemas } from "../../api/client";
import { formatCount, formatTime } from "../../format";
import { type Bucket, GROUPS, type GroupName, bucketsOf } from "./buckets";
import prose from "../../elements/prose.module.css";
import styles from "./activity.module.css";

const HEIGHT = 64;

interface Props {
  readonly counts: Schemas["CountsView"] | undefined;
  readonly onZoom: (since: string, until: string) => void;
}

export function Histogram({ counts, onZoom }: Props) {
  const [drag, setDrag] = useState<readonly [number, number] | null>(null);
  if (!counts) return <Skeleton height={HEIGHT + 22} animate={false} />;
  const buckets = bucketsOf(counts);
  const highest = Math.max(1, ...buckets.map((bucket) => bucket.total));
  const [from, to] = drag ? [Math.min(...drag), Math.max(...drag)] : [-1, -1];
  const placeOf = (event: PointerEvent<SVGSVGElement>): number => {
    const box = event.currentTarget.getBoundingClientRect();
    const share = (event.clientX - box.left) / box.width;
    return Math.min(buckets.length - 1, Math.max(0, Math.floor(share * buckets.length)));
  };
  const end = (): void => {
    if (drag && buckets[from] && buckets[to]) onZoom(buckets[from].start, buckets[to].stop);
    setDrag(null);
  };
  return (
    <figure className={styles.histogram} aria-label="Counts over time">
      <svg
        viewBox={`0 0 ${buckets.length} ${HEIGHT}`}
        height={HEIGHT}
        width="100%"
        preserveAspectRatio="none"
        aria-hidden="true"
        onPointerDown={(event) => {
          event.currentTarget.setPointerCapture(event.pointerId);
          setDrag([placeOf(event), placeOf(event)]);
        }}
        onPointerMove={(event) => drag && setDrag([drag[0], placeOf(event)])}
        onPointerUp={end}
        onPointerCancel={() => setDrag(null)}
      >
        {buckets.map((bucket, at) => (
          <g key={bucket.start} data-chosen={at >= from && at <= to ? true : undefined}>
            <rect className={styles.hit} x={at} y={0} width={1} height={HEIGHT}>
              <title>{bucketWords(bucket)}</title>
            </rect>
            <Bar bucket={bucket} at={at} highest={highest} />
          </g>
        ))}
      </svg>
      <Group justify="space-between" gap="xs" fz="xs" className={prose.quiet}>
        <span>{counts.starts[0] && formatTime(counts.starts[0], new Date())}</span>
        <span>{formatTime(counts.until, new Date())}</span>
      </Group>
      <Group gap="md" justify="center" fz="xs" className={prose.quiet}>
        {(Object.keys(GROUPS) as GroupName[])
          .map((name) => [name, buckets.reduce((sum, bucket) => sum + bucket.counts[name], 0)] as const)
          .filter(([name, count]) => name !== "left" || count > 0)
          .map(([name, count]) => (
            <span key={name} className={styles.legend} data-group={name}>
              {GROUPS[name].text} {formatCount(count)}
            </span>
          ))}
        {!counts.is_exact && <span>about, from a sample</span>}
      </Group>
      <Values buckets={buckets} />
    </figure>
  );
}

function Bar({ bucket, at, highest }: { bucket: Bucket; at: number; highest: number }) {
  let below = 0;
  return (Object.keys(GROUPS) as GroupName[]).map((name) => {
    // A single failure among thousands of calls has to be seen.
    const height = bucket.counts[name] ? Math.max(2, (bucket.counts[name] / highest) * (HEIGHT - 4)) : 0;
    const y = HEIGHT - below - height;
    below += height;
    return <rect key={name} className={styles.bar} data-group={name} x={at + 0.1} y={y} width={0.8} height={height} />;
  });
}

/** The same values for those who cannot see the bars. */
function Values({ buckets }: { buckets: readonly Bucket[] }) {
  return (
    <details className={styles.values}>
      <summary>
        <Text span size="xs" className={prose.quiet}>
          Show as table
        </Text>
      </summary>
      <Table>
        <Table.Thead>
          <Table.Tr>
            <Table.Th>From</Table.Th>
            {Object.values(GROUPS).map(({ text }) => (
              <Table.Th key={text}>{text}</Table.Th>
            ))}
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {buckets
            .filter((bucket) => bucket.total > 0)
            .map((bucket) => (
              <Table.Tr key={bucket.start}>
                <Table.Td>{formatTime(bucket.start, new Date())}</Table.Td>
                {(Object.keys(GROUPS) as GroupName[]).map((name) => (
                  <Table.Td key={name}>{formatCount(bucket.counts[name])}</Table.Td>
                ))}
              </Table.Tr>
            ))}
        </Table.Tbody>
      </Table>
    </details>
  );
}

function bucketWords(bucket: Bucket): string {
  const words = (Object.keys(GROUPS) as GroupName[])
    .filter((name) => bucket.counts[name])
    .map((name) => `${formatCount(bucket.counts[name])} ${GROUPS[name].text.toLowerCase()}`);
  return `${formatTime(bucket.start, new Date())}: ${words.join(", ") || "nothing"}`;
}
