/** The lines that differ between two texts. */

export interface Line {
  readonly does: "keep" | "add" | "remove";
  readonly text: string;
}

/** The lines of both texts in order, by their longest common subsequence; O(n·m) for n and m lines. */
export function diffLines(before: string, after: string): Line[] {
  const [old, now] = [linesOf(before), linesOf(after)];
  const common = lengths(old, now);
  const found: Line[] = [];
  let [at, to] = [0, 0];
  while (at < old.length || to < now.length) {
    if (at < old.length && to < now.length && old[at] === now[to]) {
      found.push({ does: "keep", text: old[at]! });
      [at, to] = [at + 1, to + 1];
    } else if (to >= now.length || (at < old.length && common[at + 1]![to]! >= common[at]![to + 1]!)) {
      found.push({ does: "remove", text: old[at]! });
      at += 1;
    } else {
      found.push({ does: "add", text: now[to]! });
      to += 1;
    }
  }
  return found;
}

function linesOf(text: string): string[] {
  return text === "" ? [] : text.replace(/\n$/, "").split("\n");
}

/** The lengths of the longest common subsequences of all pairs of endings. */
function lengths(old: readonly string[], now: readonly string[]): number[][] {
  const table = Array.from({ length: old.length + 1 }, () => new Array<number>(now.length + 1).fill(0));
  for (let at = old.length - 1; at >= 0; at -= 1)
    for (let to = now.length - 1; to >= 0; to -= 1)
      table[at]![to] = old[at] === now[to] ? table[at + 1]![to + 1]! + 1 : Math.max(table[at + 1]![to]!, table[at]![to + 1]!);
  return table;
}
