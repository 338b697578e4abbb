/** The labels of content, as the `x-headgate-labels` header writes them. */

/** One label and its values, such as `categories` with `pii` and `secret`. */
export interface Label {
  readonly name: string;
  readonly values: readonly string[];
}

/** Takes apart `confidentiality=internal; categories=pii,secret`; what is not of that form is left out. */
export function parseLabels(text: string): Label[] {
  return text
    .split(";")
    .map((part) => part.trim().split("=", 2))
    .filter((pair): pair is [string, string] => pair.length === 2 && pair[0] !== "")
    .map(([name, values]) => ({ name, values: values.split(",").map((value) => value.trim()) }));
}
