import { describe, expect, it } from "vitest";

import { endOfDay, lastDayOf } from "./days";

describe("days", () => {
  it("come back as they were typed", () => {
    for (const day of ["2026-12-31", "2028-02-29", "2026-03-29"]) expect(lastDayOf(endOfDay(day))).toBe(day);
    expect(lastDayOf(endOfDay(""))).toBe("");
  });

  it("are the day on which the moment falls, where it is no midnight", () => {
    expect(lastDayOf("2026-12-31T23:59:59Z")).toBe("2026-12-31");
    expect(lastDayOf("2027-01-01T00:00:00Z")).toBe("2026-12-31");
  });
});
