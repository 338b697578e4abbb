import { expect, it } from "vitest";

import { daysUntil } from "./status";

it("counts whole days to a review, whatever the hour", () => {
  const evening = new Date("2027-03-01T23:59:00Z");
  expect(daysUntil("2027-03-01", evening)).toBe(0);
  expect(daysUntil("2027-03-02", evening)).toBe(1);
  expect(daysUntil("2027-02-28", evening)).toBe(-1);
  expect(daysUntil("2028-03-01", evening)).toBe(366);
});
