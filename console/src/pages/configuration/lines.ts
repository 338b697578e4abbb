/** Which line of the file an error is about. */

/** A mistake at a line, from 1. */
export interface Mistake {
  readonly line: number;
  readonly message: string;
}

/** The line, from 1, that an error's words name; null where they name none. */
export function lineOf(detail: { readonly message: string }): number | null {
  const found = /\bline (\d{1,6})\b|\.toml:(\d{1,6})\b/i.exec(detail.message);
  return found ? Number(found[1] ?? found[2]) : null;
}

/** The mistake of an error that names a line of the text, or its end. */
export function mistakeOf(detail: { readonly message: string }, text: string): Mistake | null {
  const last = /\(at end of document\)$/.test(detail.message) ? text.split("\n").length : null;
  const line = lineOf(detail) ?? last;
  return line === null ? null : { line, message: detail.message.replace(/^\S*\.toml:\d+: /, "") };
}
