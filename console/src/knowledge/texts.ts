/** The plain text of a passage as parts that read differently: paragraphs, tables and code. Nothing in it becomes a link. */

export type Part =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "code"; readonly text: string }
  | { readonly kind: "table"; readonly rows: readonly (readonly string[])[] };

const CELL = " | ";

/** The parts of a text, in its order. An empty line ends a part, except in code. */
export function partsOf(text: string): Part[] {
  const parts: Part[] = [];
  for (const block of text.split(/\n{2,}/)) {
    if (!block.trim()) continue;
    const part = partOf(block);
    const last = parts.at(-1);
    if (part.kind === "code" && last?.kind === "code") parts[parts.length - 1] = { kind: "code", text: `${last.text}\n\n${part.text}` };
    else parts.push(part);
  }
  return parts;
}

function partOf(block: string): Part {
  const lines = block.split("\n");
  const rows = lines.map((line) => line.split(CELL).map((cell) => cell.trim()));
  const width = rows[0]!.length;
  if (lines.length > 1 && width > 1 && rows.every((row) => row.length === width)) return { kind: "table", rows };
  const isCode = lines.length > 1 && lines.some((line) => /^(?: {2,}|\t)\S/.test(line)) && !lines.some(isItem);
  return { kind: isCode ? "code" : "text", text: block };
}

function isItem(line: string): boolean {
  return /^\s*(?:[-*+•]|\d{1,9}[.)])\s/.test(line);
}
