/** The way to a record; for a person who may not read records, its id, which they can name to an auditor. */

import { Link } from "react-router";

import { useMay } from "../places";

export function RecordLink({ id, text }: { id: string; text: string }) {
  const may = useMay();
  if (may("record.list")) return <Link to={`/records/${id}`}>{text}</Link>;
  return (
    <span>
      {text !== id && "Record "}
      <span className="hg-mono">{id}</span>
    </span>
  );
}
