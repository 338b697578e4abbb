/** The way to a record; for a person who may not read records, its id, which they can name to an auditor. */

import { useMay } from "../places";
import { Link } from "../router";

export function RecordLink({ id, text }: { id: string; text: string }) {
  const may = useMay();
  if (may("record.list")) return <Link href={`/records/${id}`}>{text}</Link>;
  return (
    <span>
      {text !== id && "Record "}
      <span className="hg-mono">{id}</span>
    </span>
  );
}
