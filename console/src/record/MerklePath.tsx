/** A drawing of the path from an entry to the root: computed hashes and hashes from the proof. */

import { Text } from "@mantine/core";

import { isEqual, toHex } from "../proof/bytes";
import type { Fold } from "../proof/merkle";
import prose from "../elements/prose.module.css";
import styles from "./MerklePath.module.css";

const WIDTH = 440;
const BOX = { width: 132, height: 32 };
const STEP = 62;
const X = { left: WIDTH * 0.22, right: WIDTH * 0.78, middle: WIDTH * 0.5 };

interface Node {
  readonly hash: Uint8Array;
  readonly x: number;
  readonly y: number;
  readonly kind: "own" | "given" | "broken";
  readonly role: string;
}

interface Props {
  readonly fold: Fold;
  /** The climb of the untouched bundle: what differs from it is drawn as broken. */
  readonly original: Fold | null;
  readonly root: Uint8Array;
  readonly index: number;
  readonly size: bigint;
}

export function MerklePath({ fold, original, root, index, size }: Props) {
  const { own, given } = nodesOf(fold, original, index);
  const height = own[0]!.y + BOX.height + 4;
  const isMet = isEqual(fold.top, root);
  return (
    <figure style={{ margin: 0 }}>
      <svg
        className={styles.tree}
        viewBox={`0 0 ${WIDTH} ${height}`}
        role="img"
        aria-label={`The path of ${fold.climbs.length} hashes from entry ${index} to the root of ${size} entries; its end ${isMet ? "equals" : "differs from"} the signed root.`}
      >
        {own.slice(0, -1).map((node, at) => (
          <g key={at}>
            <Line from={given[at]!} to={own[at + 1]!} />
            <Line from={node} to={own[at + 1]!} />
          </g>
        ))}
        {given.map((node, at) => (
          <Box key={at} node={node} />
        ))}
        {own.map((node, at) => (
          <Box key={at} node={node} />
        ))}
        <SignedRoot hash={root} isMet={isMet} />
      </svg>
      <Text component="figcaption" size="xs" className={prose.quiet} mt={6}>
        Each box is the hash of the two boxes below it. Your browser computed the filled boxes; the plain ones come from the
        proof.
      </Text>
    </figure>
  );
}

function nodesOf(fold: Fold, original: Fold | null, index: number): { own: Node[]; given: Node[] } {
  const depth = fold.climbs.length;
  const yOf = (level: number): number => 64 + (depth - level) * STEP;
  const own: Node[] = [];
  const given: Node[] = [];
  for (let level = 0; level <= depth; level++) {
    const climb = fold.climbs[level];
    const hash = climb?.below ?? fold.top;
    const untouched = original?.climbs[level]?.below ?? original?.top;
    const kind = untouched && !isEqual(untouched, hash) ? "broken" : "own";
    const x = climb ? (climb.side === "left" ? X.right : X.left) : X.middle;
    const role = level === 0 ? `entry ${index}` : level === depth ? "computed root" : `level ${level}`;
    own.push({ hash, x, y: yOf(level), kind, role });
    if (climb)
      given.push({
        hash: climb.sibling,
        x: climb.side === "left" ? X.left : X.right,
        y: yOf(level),
        kind: "given",
        role: "from the proof",
      });
  }
  return { own, given };
}

function Line({ from, to }: { from: Node; to: Node }) {
  const [startY, endY] = [from.y, to.y + BOX.height];
  const middle = (startY + endY) / 2;
  // Along right angles, so that lines of neighbouring levels never cross boxes.
  return (
    <>
      <line data-kind={from.kind} x1={from.x} y1={startY} x2={from.x} y2={middle} />
      <line data-kind={from.kind} x1={from.x} y1={middle} x2={to.x} y2={middle} />
      <line data-kind={to.kind} x1={to.x} y1={middle} x2={to.x} y2={endY} />
    </>
  );
}

function Box({ node }: { node: Node }) {
  const { x, y, hash, kind, role } = node;
  return (
    <g data-kind={kind}>
      <rect x={x - BOX.width / 2} y={y} width={BOX.width} height={BOX.height} rx={4} />
      <text x={x} y={y + 14}>
        {toHex(hash).slice(0, 14)}…
      </text>
      <text className={styles.role} x={x} y={y + 26}>
        {role}
      </text>
    </g>
  );
}

function SignedRoot({ hash, isMet }: { hash: Uint8Array; isMet: boolean }) {
  return (
    <g data-kind={isMet ? "own" : "given"}>
      <rect x={X.middle - BOX.width / 2} y={2} width={BOX.width} height={BOX.height} rx={4} />
      <text x={X.middle} y={16}>
        {toHex(hash).slice(0, 14)}…
      </text>
      <text className={styles.role} x={X.middle} y={28}>
        signed root
      </text>
      <text x={X.middle} y={53} fontSize={15}>
        {isMet ? "=" : "≠"}
      </text>
    </g>
  );
}
