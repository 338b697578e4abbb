/** What the person who is signed in may do. */

import { useQuery } from "@tanstack/react-query";

import { sessionQuery } from "./api/queries";

/** Tells whether the person who is signed in may do something, by the name of its verb. */
export type May = (verb: string) => boolean;

export function useMay(): May {
  const { data: session } = useQuery({ ...sessionQuery, enabled: false });
  return (verb) => session?.may.includes(verb) ?? false;
}
