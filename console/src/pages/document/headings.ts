/** Which headings stand above a passage that did not stand above the one before. */

interface Heading {
  readonly text: string;
  /** From 0, the outermost. */
  readonly level: number;
}

/** The headings of a passage from the first on that differs. The title of the document is left out: it is the page's. */
export function newHeadings(before: readonly string[], headings: readonly string[], title: string): Heading[] {
  const [above, here] = [below(title, before), below(title, headings)];
  const same = here.findIndex((text, at) => text !== above[at]);
  return same < 0 ? [] : here.map((text, level) => ({ text, level })).slice(same);
}

function below(title: string, headings: readonly string[]): readonly string[] {
  return headings[0] === title ? headings.slice(1) : headings;
}
