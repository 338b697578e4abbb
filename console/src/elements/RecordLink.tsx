/** The way to a record; for a person who may not read records, its id, which they can name to an auditor. */

import { Link } from "react-router";

import { useMayOpen } from "../page";
import prose from "./prose.module.css";

export function RecordLink({ id, text }: { id: string; text: string }) {
  const mayOpen = useMayOpen();
  const address = `/records/${id}`;
  if (mayOpen(address)) return <Link to={address}>{text}</Link>;
  return (
    <span>
      {text !== id && "Record "}
      <span className={prose.mono}>{id}</span>
    </span>
  );
}
