/** Keeps a conversation in memory while its person is signed in, and streams answers into it. */

import { type ReactNode, createContext, useCallback, useContext, useEffect, useRef, useState } from "react";

import { ApiError, type Schemas, chat } from "../../api/client";
import { type ErrorDetail, type Turn, afterError, afterEvent, awaited, messagesOf, said } from "./conversation";

interface Conversation {
  readonly turns: readonly Turn[];
  readonly isStreaming: boolean;
  /** The answer that was asked for last. */
  readonly latest: Turn | undefined;
  readonly send: (content: string, through: Omit<Schemas["ChatRequest"], "messages">) => void;
  /** Sends what an answer was asked for with once more, the same bytes; under a grant, or to ask anew. */
  readonly sendAgain: (turn: Turn, grant: string | null) => void;
  readonly stop: () => void;
  readonly clear: () => void;
}

const Held = createContext<Conversation | null>(null);

/** Holds the conversation above the pages: who waits for an approval looks at others meanwhile. */
export function ConversationHolder({ children }: { children: ReactNode }) {
  return <Held value={useTurns()}>{children}</Held>;
}

export function useConversation(): Conversation {
  const held = useContext(Held);
  if (!held) throw new Error("the chat stands inside a ConversationHolder");
  return held;
}

function useTurns(): Conversation {
  const [turns, setTurns] = useState<readonly Turn[]>([]);
  const [latestId, setLatestId] = useState(-1);
  const lastId = useRef(0);
  const running = useRef<AbortController | null>(null);
  const stop = useCallback(() => running.current?.abort(), []);
  useEffect(() => stop, [stop]);

  const start = (turn: Turn, grant: string | null): void => {
    const abort = new AbortController();
    running.current = abort;
    setLatestId(turn.id);
    const change = (by: (turn: Turn) => Turn): void =>
      setTurns((all) => all.map((one) => (one.id === turn.id ? by(one) : one)));
    void stream(turn.sent, { grant, signal: abort.signal, change });
  };

  const send: Conversation["send"] = (content, through) => {
    const asked = [...turns, said(++lastId.current, content)];
    const answer = awaited(++lastId.current, JSON.stringify({ ...through, messages: messagesOf(asked) }));
    setTurns([...asked, answer]);
    start(answer, null);
  };

  const sendAgain: Conversation["sendAgain"] = (turn, grant) => {
    const answer = awaited(turn.id, turn.sent, grant);
    setTurns((all) => all.map((one) => (one.id === turn.id ? answer : one)));
    start(answer, grant);
  };

  const clear = (): void => {
    stop();
    setTurns([]);
  };
  const isStreaming = turns.some((turn) => turn.state === "streaming");
  return { turns, isStreaming, latest: turns.find((turn) => turn.id === latestId), send, sendAgain, stop, clear };
}

interface Sending {
  readonly grant: string | null;
  readonly signal: AbortSignal;
  readonly change: (by: (turn: Turn) => Turn) => void;
}

async function stream(body: string, { grant, signal, change }: Sending): Promise<void> {
  try {
    for await (const event of chat(body, { grant, signal })) change((turn) => afterEvent(turn, event));
    change((turn) => (turn.state === "streaming" ? { ...turn, state: "whole" } : turn));
  } catch (problem) {
    change((turn) => (signal.aborted ? { ...turn, state: "stopped" } : afterError(turn, detailOf(problem))));
  }
}

function detailOf(problem: unknown): ErrorDetail {
  if (problem instanceof ApiError) return problem.detail;
  const message = "The connection broke before the answer was complete. Its record is under Activity. Send the message again.";
  return { code: "interrupted", message, param: null, rules: [], record: null, retry_after_s: null, approval: null };
}
