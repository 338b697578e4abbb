import { expect, it } from "vitest";

import { activityAddress, stepAddress } from "./links";
import { readPeriod, writePeriod } from "./period";
import { changeOf, formatMoney, formatShare, formatShort, spendWords, totalOf } from "./words";

it("reads the period that it writes, and takes the default for what makes no sense", () => {
  for (const query of ["", "span=7d", "compare=no", "since=2027-03-01T09:00:00.000Z&until=2027-03-01T10:00:00.000Z"]) {
    expect(writePeriod(new URLSearchParams(), readPeriod(new URLSearchParams(query))).toString()).toBe(
      new URLSearchParams(query).toString(),
    );
  }
  expect(readPeriod(new URLSearchParams("span=toString"))).toEqual({ compares: true, span: "24h" });
  expect(readPeriod(new URLSearchParams("since=2027-03-01T10:00Z&until=2027-03-01T09:00Z")).span).toBe("24h");
  expect(writePeriod(new URLSearchParams("by=model&span=7d"), { compares: true, span: "24h" }).toString()).toBe("by=model");
});

it("leads to the calls behind a figure", () => {
  expect(activityAddress({ model: "smart", outcome: "refused" }, { compares: true, span: "7d" })).toBe(
    "/activity?kind=all&verb=model.invoke%2Cmodel.test&model=smart&outcome=refused&period=7d",
  );
  expect(activityAddress({ model: "deployment:gpt" }, { compares: true, span: "1h" })).toContain("&resource=deployment%3Agpt&");
  expect(stepAddress({}, 0, 60)).toContain("since=1970-01-01T00%3A00%3A00.000Z&until=1970-01-01T00%3A01%3A00.000Z");
});

it("says no more than what was spent at least, and sums rows by currency", () => {
  const sums = { calls: 2, done: 2, refused: 0, failed: 0, input_tokens: 9, output_tokens: 1, cached_tokens: 0, masked: 0 };
  const row = (micros: number, currency: string, unpriced: number) => ({
    figures: { ...sums, unpriced, costs: [{ currency, micros }] },
  });
  const rows = [row(118_800, "USD", 1), row(120_000, "USD", 0), row(50_000, "EUR", 0)] as never;
  const total = totalOf(rows);
  expect([total.calls, total.input_tokens, total.unpriced]).toEqual([6, 27, 1]);
  expect(spendWords(total)).toBe("≥ $0.23 + €0.05");
  expect(spendWords({ ...total, unpriced: 0 })).toBe("$0.24 + €0.05");
});

it("says figures briefly", () => {
  expect([formatShort(9999), formatShort(31_049), formatShort(12_345_678)]).toEqual(["9,999", "31k", "12.3M"]);
  expect([formatMoney(84_100_000, "USD"), formatMoney(2100, "USD")]).toEqual(["$84.10", "$0.0021"]);
  expect([formatShare(1, 250), formatShare(0, 0), formatShare(1, 2)]).toEqual(["0.4 %", "0 %", "50 %"]);
  expect([changeOf(108, 100)?.words, changeOf(5, 0), changeOf(5, 5)]).toEqual(["8.0 %", null, null]);
});
