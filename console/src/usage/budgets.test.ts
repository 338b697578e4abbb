import { expect, test } from "vitest";

import { type Budget, marksOf, scopeWords, standingOf, usedWords } from "./budgets";

const BUDGET: Budget = {
  id: "sales",
  level: "group",
  name: "sales",
  title: "sales",
  unit: "money",
  currency: "USD",
  period: "month",
  limit: 10_000_000,
  hard: true,
  used: 4_000_000,
  reserved: 1_000_000,
  refused: 0,
  forecast: 8_000_000,
  starts_at: "2026-11-01T00:00:00Z",
  ends_at: "2026-12-01T00:00:00Z",
  counted_from: null,
  alerts: [],
};

test("a budget says whose it is and what is used", () => {
  expect(scopeWords(BUDGET)).toBe("Group sales");
  expect(usedWords(BUDGET)).toBe("$4.00 of $10.00 used this month");
  expect(usedWords({ ...BUDGET, unit: "requests", used: 1, limit: 2, period: "day" })).toBe("1 of 2 requests used today");
  expect(usedWords({ ...BUDGET, unit: "concurrency", reserved: 3, limit: 8, period: null })).toBe("3 of 8 calls running now");
});

test("a budget says how it stands", () => {
  expect(standingOf(BUDGET).words).toBe("On track");
  expect(standingOf({ ...BUDGET, forecast: 11_000_000 }).words).toBe("Will not last");
  expect(standingOf({ ...BUDGET, refused: 2 }).words).toBe("Refuses calls");
  expect(standingOf({ ...BUDGET, used: 10_000_000 }).words).toBe("Used up");
  expect(standingOf({ ...BUDGET, used: 10_000_000, hard: false }).words).toBe("Over its limit");
});

test("a bar ends at the limit, and beyond it where the forecast does", () => {
  expect(marksOf(BUDGET)).toMatchObject({ used: 0.4, limit: 1, forecast: 0.8 });
  expect(marksOf({ ...BUDGET, forecast: 12_500_000 })).toMatchObject({ limit: 0.8, forecast: 1 });
  expect(marksOf({ ...BUDGET, used: 10_000_000, reserved: 0 })).toMatchObject({ used: 1, limit: 1, forecast: null });
  expect(marksOf({ ...BUDGET, forecast: 90_000_000 }).limit).toBeCloseTo(2 / 3);
});
