/** Somebody by name, as far as the person who is signed in may know it. */

import { useQuery } from "@tanstack/react-query";

import { sessionQuery } from "../api/queries";
import { PersonName } from "./PersonName";
import { useName } from "./colleagues";

/** @param id of a person or program, or of a group of them. */
export function Colleague({ id }: { id: string }) {
  const { data: session } = useQuery({ ...sessionQuery, enabled: false });
  const isOne = id !== "*" && !id.startsWith("group:");
  const name = useName(isOne ? id : null);
  if (!isOne) return <PersonName id={id} name={undefined} />;
  return <span title={id}>{id === session?.principal ? "you" : name}</span>;
}
