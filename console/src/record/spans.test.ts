import { expect, it } from "vitest";

import type { RecordView } from "../api/client";
import { spansOf } from "./spans";

it("places attempts within their call, and the first words within their attempt", () => {
  const base = { duration_us: 1_000_000, facts: {}, outcome: "done" } as unknown as RecordView;
  const call = { ...base, id: "1", opened_at: "2026-01-02T03:04:05.000Z" };
  const attempt = {
    ...base,
    id: "2",
    opened_at: "2026-01-02T03:04:05.500Z",
    duration_us: 400_000,
    facts: { first_item_us: 100_000 },
  };
  const { spans, total_us } = spansOf(call, [attempt]);
  expect(total_us).toBe(1_000_000);
  expect(spans.map(({ start, width, firstItem }) => [start, width, firstItem])).toEqual([
    [0, 1, null],
    [0.5, 0.4, 0.6],
  ]);
});
