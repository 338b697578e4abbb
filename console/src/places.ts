/** The places of the console, and the permission that each needs. */

import { useQuery } from "@tanstack/react-query";

import { sessionQuery } from "./api/queries";
import type { IconName } from "./elements/icons";

export interface Place {
  readonly path: string;
  readonly icon: IconName;
  readonly text: string;
  /** The verb without which the place has nothing to show. */
  readonly needs?: string;
  /** Where the pages of single things stand. */
  readonly below?: string;
}

export const USE: readonly Place[] = [
  { path: "/", icon: "start", text: "Start" },
  { path: "/preview", icon: "preview", text: "Try the gate" },
  { path: "/chat", icon: "chat", text: "Chat" },
  { path: "/activity", icon: "activity", text: "Activity", needs: "record.list", below: "/records/" },
];

export const ADMINISTER: readonly Place[] = [
  { path: "/approvals", icon: "approvals", text: "Approvals", needs: "approval.list", below: "/approvals/" },
  { path: "/models", icon: "models", text: "Models" },
  { path: "/policies", icon: "policies", text: "Policies", needs: "use_case.list" },
  { path: "/keys", icon: "keys", text: "Keys", needs: "key.list" },
  { path: "/configuration", icon: "configuration", text: "Configuration", needs: "config.read" },
];

/** Whether the person who is signed in may do something, by the name of its verb. */
export function useMay(): (verb: string) => boolean {
  const { data: session } = useQuery({ ...sessionQuery, enabled: false });
  return (verb) => session?.may.includes(verb) ?? false;
}
