/** A text cut at its findings, so that each piece can be shown as found or plain. */

import type { Schemas } from "../../api/client";

export type Finding = Schemas["FindingView"];

/** A piece of the text; `finding` is null where nothing was found. */
export interface Piece {
  readonly text: string;
  readonly finding: Finding | null;
}

/**
 * Cuts a text. Findings count code points, JavaScript counts UTF-16 units: the two differ from the first emoji on.
 * Where findings overlap, the one that begins first stays whole.
 */
export function cutAtFindings(text: string, findings: readonly Finding[]): Piece[] {
  const points = Array.from(text);
  const pieces: Piece[] = [];
  let done = 0;
  for (const finding of [...findings].sort((left, right) => left.start - right.start || right.end - left.end)) {
    if (finding.start < done || finding.end <= finding.start) continue;
    if (finding.start > done) pieces.push({ text: points.slice(done, finding.start).join(""), finding: null });
    pieces.push({ text: points.slice(finding.start, finding.end).join(""), finding });
    done = finding.end;
  }
  if (done < points.length) pieces.push({ text: points.slice(done).join(""), finding: null });
  return pieces;
}
