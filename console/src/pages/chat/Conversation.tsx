/** Keeps what a chat has on its way while its person is signed in: answers, and which conversation is open. */

import { type QueryClient, useQueryClient } from "@tanstack/react-query";
import { type ReactNode, createContext, useCallback, useContext, useEffect, useRef, useState } from "react";

import { ApiError, api, askForAnswer, take } from "../../api/client";
import { conversationQuery } from "../../api/queries";
import { useRemoving } from "./removing";
import { type ErrorDetail, type Live, afterError, afterEvent, awaited } from "./live";

export interface Asking {
  readonly conversation: string;
  readonly question: string;
  /** Another model than that of the question; null for the same. */
  readonly model: string | null;
  /** The approval under which it is asked, or null. */
  readonly grant: string | null;
}

interface Chat {
  readonly live: readonly Live[];
  /** What screen readers hear of the last answer. */
  readonly announced: string;
  readonly ask: (asking: Asking) => void;
  readonly stop: (conversation: string) => void;
  /** Resolves once the server has kept every answer of a conversation that is not streaming any more. */
  readonly settled: (conversation: string) => Promise<unknown>;
  /** The conversation that was open last in this tab. */
  readonly last: string | null;
  readonly setLast: (conversation: string | null) => void;
  /** The conversations that are on their way out, and a function to send one there. */
  readonly removed: ReadonlySet<string>;
  readonly remove: (conversation: string, title: string) => void;
}

const Held = createContext<Chat | null>(null);

/** Holds the answers above the pages: who waits for an approval looks at others meanwhile. */
export function ConversationHolder({ children }: { children: ReactNode }) {
  const { line, ...removing } = useRemoving();
  return (
    <Held value={{ ...useLive(), ...removing }}>
      {children}
      {line}
    </Held>
  );
}

export function useChat(): Chat {
  const held = useContext(Held);
  if (!held) throw new Error("the chat stands inside a ConversationHolder");
  return held;
}

function useLive(): Omit<Chat, "removed" | "remove"> {
  const client = useQueryClient();
  const [live, setLive] = useState<readonly Live[]>([]);
  const [announced, announce] = useState("");
  const [last, setLast] = useState<string | null>(null);
  const count = useRef(0);
  const running = useRef(new Map<string, AbortController>());
  const settling = useRef(new Map<string, Promise<void>>());
  useEffect(() => {
    const controllers = running.current;
    return () => controllers.forEach((one) => one.abort());
  }, []);

  const ask = (asking: Asking): void => {
    const abort = new AbortController();
    const first = awaited(`live-${++count.current}`, { ...asking, approval: asking.grant });
    running.current.set(first.id, abort);
    setLive((all) => [...all, first]);
    announce("Answering.");
    const known = new Set(client.getQueryData(conversationQuery(asking.conversation).queryKey)?.turns.map(({ id }) => id));
    let answer = first;
    const change = (by: (answer: Live) => Live): void => {
      answer = by(answer);
      setLive((all) => all.map((one) => (one.id === answer.id ? answer : one)));
    };
    const settle = async (): Promise<void> => {
      await stream(asking, { signal: abort.signal, change });
      running.current.delete(first.id);
      announce(answer.state === "failed" ? "" : `Answer: ${answer.text}`);
      // The kept answer takes the place of this one in the same draw.
      await keptAnswer(client, answer, known);
      settling.current.delete(first.id);
      setLive((all) => all.filter((one) => one.id !== first.id));
      void client.invalidateQueries({ queryKey: ["conversations"] });
    };
    settling.current.set(first.id, settle());
  };
  const stop = useCallback(
    (conversation: string) => {
      // The server ends the stream. An answer that it cannot be asked to stop is left.
      take(api.POST("/api/conversations/{conversation}/stop", { params: { path: { conversation } } })).catch(() => {
        for (const one of live) if (one.conversation === conversation) running.current.get(one.id)?.abort();
      });
    },
    [live],
  );
  const settled = (conversation: string): Promise<unknown> => {
    const ids = live.filter((one) => one.conversation === conversation && one.state !== "streaming").map(({ id }) => id);
    return Promise.all(ids.map((id) => settling.current.get(id)));
  };
  return { live, announced, ask, stop, settled, last, setLast };
}

const LOOKS = 12;
const LOOK_MS = 150;

/** Reads the conversation until it holds the answer: the server keeps a stopped one a moment after it was left. */
async function keptAnswer(client: QueryClient, answer: Live, known: ReadonlySet<string>): Promise<void> {
  const query = { ...conversationQuery(answer.conversation), staleTime: 0 };
  for (let look = 0; look < LOOKS; look++) {
    const detail = await client.fetchQuery(query).catch(() => null);
    const isKept = detail?.turns.some((one) => one.parent === answer.parent && one.model === answer.model && one.state !== "running" && !known.has(one.id));
    if (isKept || detail === null || answer.state === "failed") return;
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

interface Streaming {
  readonly signal: AbortSignal;
  readonly change: (by: (answer: Live) => Live) => void;
}

async function stream(asking: Asking, { signal, change }: Streaming): Promise<void> {
  const body = JSON.stringify({ question: asking.question, ...(asking.model ? { model: asking.model } : {}) });
  try {
    for await (const event of askForAnswer(asking.conversation, body, { grant: asking.grant, signal }))
      change((answer) => afterEvent(answer, event));
    change((answer) => (answer.state === "streaming" ? { ...answer, state: "whole" } : answer));
  } catch (problem) {
    change((answer) => (signal.aborted ? { ...answer, state: "stopped" } : afterError(answer, detailOf(problem))));
  }
}

function detailOf(problem: unknown): ErrorDetail {
  if (problem instanceof ApiError) return problem.detail;
  const message = "The connection broke before the answer was complete. Its record is under Activity. Ask again.";
  return { code: "interrupted", message, param: null, rules: [], record: null, retry_after_s: null, approval: null };
}
