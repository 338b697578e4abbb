/** Which line of the file an error is about. */

/** The line, from 1, that an error's words name; null where they name none. */
export function lineOf(detail: { readonly message: string }): number | null {
  const found = /\bline (\d{1,6})\b|\.toml:(\d{1,6})\b/i.exec(detail.message);
  return found ? Number(found[1] ?? found[2]) : null;
}
