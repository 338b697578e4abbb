import { expect, it } from "vitest";

import type { Row } from "../../usage/words";
import { csvOf } from "../../usage/csv";
import { groupsOverTime } from "./groups";

const row = (at: string | null, useCase: string, calls: number): Row => ({
  at,
  verb: null,
  use_case: useCase,
  person: null,
  person_name: null,
  key_name: null,
  key: null,
  model: null,
  deployment: null,
  outcome: null,
  figures: {
    calls,
    done: calls,
    refused: 0,
    failed: 0,
    input_tokens: 0,
    output_tokens: 0,
    cached_tokens: 0,
    masked: 0,
    costs: calls > 5 ? [{ currency: "USD", micros: 2100 }, { currency: "EUR", micros: 1_000_000 }] : [],
    unpriced: 0,
  },
  before: null,
  times: null,
});

it("puts rows into steps, the largest groups first and the others together", () => {
  const rows = [
    row("2027-03-01T00:00:00Z", "small", 1),
    row("2027-03-01T00:00:00Z", "large", 9),
    row("2027-03-02T00:00:00Z", "large", 2),
    row("2027-03-03T00:00:00Z", "tiny", 1),
  ];
  const wanted = { by: "use_case", since: "2027-03-01T00:00:00Z", until: "2027-03-03T12:00:00Z", stepS: 86_400 } as const;
  const { starts, groups, others } = groupsOverTime(rows, { ...wanted, value: (one) => one.figures.calls, most: 1 });
  expect(starts.length).toBe(3);
  expect(groups.map((group) => [group.row.use_case, group.values])).toEqual([["large", [9, 2, 0]]]);
  expect(others).toEqual([1, 0, 1]);
});

it("exports a line for each currency, and nothing that a spreadsheet would run", () => {
  const lines = csvOf([row(null, "=cmd()", 9), row(null, 'a,"b"', 1)], "use_case", { useCase: (id) => id, key: () => undefined }).split("\n");
  expect(lines[1]).toBe("'=cmd(),9,0,0,0,0,0,0,0,USD,0.002100");
  expect(lines[2]).toBe("'=cmd(),,,,,,,,,EUR,1.000000");
  expect(lines[3]).toBe('"a,""b""",1,0,0,0,0,0,0,0,,');
});
