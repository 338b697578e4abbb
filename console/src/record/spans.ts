/** Where the bars of a timeline begin and end, as shares of the whole. */

import type { RecordView } from "../api/client";
import { numberFact } from "./facts";

/** One bar: `start`, `width` and `firstItem` between 0 and 1; `firstItem` null where it came all at once. */
export interface Span {
  readonly record: RecordView;
  readonly start: number;
  readonly width: number;
  readonly firstItem: number | null;
}

/** What came after this share of the time came all at once. */
const STREAMED = 0.97;

/** The bars of a record and of the attempts inside it, in order. An open record lasts as long as its attempts. */
export function spansOf(
  record: RecordView,
  attempts: readonly RecordView[],
): { readonly spans: Span[]; readonly total_us: number } {
  const all = [record, ...[...attempts].sort((left, right) => (left.id < right.id ? -1 : 1))];
  // A plan gets its own record at its second attempt, and lasts from the beginning of the first.
  const begun = Math.min(...all.map((one) => Date.parse(one.opened_at)));
  const offsetOf = (one: RecordView): number => (one === record ? 0 : (Date.parse(one.opened_at) - begun) * 1000);
  const total_us = Math.max(1, ...all.map((one) => offsetOf(one) + (one.duration_us ?? 0)));
  const spans = all.map((one): Span => {
    const start = offsetOf(one) / total_us;
    const first = numberFact(one, "first_item_us");
    const length = one.duration_us === null ? 1 - start : one.duration_us / total_us;
    const isStreamed = first !== null && first < STREAMED * (one.duration_us ?? Infinity);
    const firstItem = isStreamed ? Math.min(1, start + first / total_us) : null;
    return { record: one, start, width: Math.min(length, 1 - start), firstItem };
  });
  return { spans, total_us };
}
