import { describe, expect, it } from "vitest";

import { formatCost, formatDuration, formatSize, formatUtc, formatWait, plural, prettyJson, shortId } from "./format";

describe("formatCost", () => {
  it("calls a cost that is not known unknown, and only a known one zero", () => {
    expect(formatCost(null, "USD")).toBe("unknown");
    expect(formatCost(12, null)).toBe("unknown");
    expect(formatCost(0, "USD")).toBe("$0.00");
    expect(formatCost(0, null)).toBe("nothing");
  });

  it("shows as many decimals as a small cost needs", () => {
    expect(formatCost(56, "USD")).toBe("$0.000056");
    expect(formatCost(1_230_000, "EUR")).toBe("€1.23");
    expect(formatCost(1_234_560, "USD")).toBe("$1.2346");
  });
});

it("says how long to wait in one unit", () => {
  expect([0.3, 90, 121, 7201, 80_637, 200_000].map(formatWait)).toEqual(["1 s", "90 s", "3 min", "3 h", "23 h", "3 days"]);
});

describe("formatDuration", () => {
  it("takes the unit that fits", () => {
    expect([null, 0, 430, 1_500, 412_000, 1_240_000, 12_340_000, 123_000_000].map(formatDuration)).toEqual([
      "unknown",
      "0 µs",
      "430 µs",
      "1.5 ms",
      "412 ms",
      "1.24 s",
      "12.3 s",
      "2 min 3 s",
    ]);
  });

  it("never writes a thousand of a unit or sixty seconds", () => {
    for (const us of [9_949, 9_951, 999_499, 999_501, 9_949_999, 59_949_999, 59_950_001]) {
      expect(formatDuration(us)).not.toMatch(/1000|60(\.0)? s|10\.0 ms|10\.00 s/);
    }
  });
});

it("writes sizes, times, ids and counts as people read them", () => {
  expect([999, 1000, 1_500_000].map(formatSize)).toEqual(["999 B", "1.0 kB", "1.5 MB"]);
  expect(formatUtc("2026-01-02T03:04:05.678Z")).toBe("2026-01-02 03:04:05.678 UTC");
  expect(shortId("01KD9Z4M3QTVXW5R7H00000001")).toBe("…00000001");
  expect([plural(1, "record"), plural(1200, "record")]).toEqual(["1 record", "1,200 records"]);
});

it("leaves text that is not JSON alone", () => {
  expect(prettyJson('{"a":1}')).toBe('{\n  "a": 1\n}');
  expect(prettyJson("{")).toBeNull();
});
