/** Rows of usage as comma-separated values. */

import { type Dimension, type Names, type Row, nameOf } from "./words";

const SUMS = ["calls", "refused", "failed", "input_tokens", "output_tokens", "cached_tokens", "masked", "unpriced"] as const;

/** A line for each row and currency, with costs in whole units; the sums are in a row's first line only. */
export function csvOf(rows: readonly Row[], dimension: Dimension, names: Names): string {
  const lines = rows.flatMap((row) => {
    const name = nameOf(row, dimension, names);
    const costs = row.figures.costs.map(({ currency, micros }) => [currency, (micros / 1e6).toFixed(6)]);
    return (costs.length > 0 ? costs : [["", ""]]).map((cost, at) => [
      name,
      ...SUMS.map((sum) => (at === 0 ? String(row.figures[sum]) : "")),
      ...cost,
    ]);
  });
  return [[dimension, ...SUMS, "currency", "cost"], ...lines].map((line) => line.map(cell).join(",")).join("\n") + "\n";
}

/** A cell that neither breaks the line nor is a formula to a spreadsheet. */
function cell(text: string): string {
  const plain = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\n]/.test(plain) ? `"${plain.replaceAll('"', '""')}"` : plain;
}

/** Hands a text to the browser as a file. */
export function download(text: string, file: string, type = "text/csv"): void {
  const address = URL.createObjectURL(new Blob([text], { type }));
  const link = document.createElement("a");
  link.href = address;
  link.download = file;
  link.click();
  URL.revokeObjectURL(address);
}
