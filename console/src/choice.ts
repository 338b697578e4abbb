/** The model and the use case that a person chose last, for their next conversation or question. */

import { useQuery } from "@tanstack/react-query";
import { useState } from "react";

import { sessionQuery } from "./api/queries";

export interface Choice {
  readonly model: string | null;
  readonly useCase: string;
}

const NONE: Choice = { model: null, useCase: "getting-started" };

/** The last choice, and a function to change it. It is kept in this browser. */
export function useChoice(): readonly [Choice, (choice: Choice) => void] {
  const { data: session } = useQuery({ ...sessionQuery, enabled: false });
  const key = `headgate:chat:${session?.tenant ?? ""}:${session?.principal ?? ""}`;
  const [choice, setChoice] = useState(() => stored(key));
  const change = (chosen: Choice): void => {
    setChoice(chosen);
    localStorage.setItem(key, JSON.stringify(chosen));
  };
  return [choice, change];
}

function stored(key: string): Choice {
  const text = localStorage.getItem(key);
  return text === null ? NONE : { ...NONE, ...(JSON.parse(text) as Partial<Choice>) };
}
