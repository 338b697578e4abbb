/** Asks a question. Question and answer stay in memory, so that one comes back to them from a source. */

import { useQueryClient } from "@tanstack/react-query";

import { type Schemas, api, take } from "../../api/client";
import { useKept } from "../../kept";
import type { Answer } from "../../knowledge/queries";

type Question = Schemas["AskRequest"];

/** The last question with what became of it. One of these is set: the answer, the problem, or the way to stop it. */
export interface Asked {
  readonly question: Question;
  readonly since: number;
  readonly answer: Answer | null;
  readonly problem: unknown;
  readonly stop: (() => void) | null;
}

const KEY = ["kept", "knowledge", "asked"];

interface Asking {
  readonly asked: Asked | null;
  readonly ask: (question: Question) => void;
  readonly forget: () => void;
}

export function useAsking(): Asking {
  const client = useQueryClient();
  const [asked, change] = useKept<Asked | null>(KEY, null);
  const ask = (question: Question): void => {
    client.getQueryData<Asked | null>(KEY)?.stop?.();
    const control = new AbortController();
    const isStill = (one: Asked | null): one is Asked => one?.question === question;
    const stop = (): void => {
      control.abort();
      change((now) => (isStill(now) ? null : now));
    };
    change(() => ({ question, since: Date.now(), answer: null, problem: null, stop }));
    take(api.POST("/api/knowledge/ask", { body: question, signal: control.signal })).then(
      (answer) => change((now) => (isStill(now) ? { ...now, answer, stop: null } : now)),
      (problem: unknown) => change((now) => (isStill(now) ? { ...now, problem, stop: null } : now)),
    );
  };
  return { asked, ask, forget: () => change(() => null) };
}
