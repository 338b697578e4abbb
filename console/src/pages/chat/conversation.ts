/** The conversation on the chat page: turns, and what events of the stream do to one of them. */

import type { Schemas } from "../../api/client";
import type { ChatDelta, ChatGate } from "../../api/events";
import type { ServerEvent } from "../../sse";

export type ErrorDetail = Schemas["ErrorDetail"];

/**
 * One turn. Of an answer, `gate` and `error` say what the gate did; `state` whether more is to come; `sent` is the body
 * that asked for it, to the byte, and `approval` the request for approval that it waits for.
 */
export interface Turn {
  readonly id: number;
  readonly role: "user" | "assistant";
  readonly content: string;
  readonly state: "streaming" | "whole" | "stopped" | "failed";
  readonly gate: ChatGate | null;
  readonly error: ErrorDetail | null;
  readonly sent: string;
  readonly approval: string | null;
}

/** What a person said. */
export function said(id: number, content: string): Turn {
  return { id, role: "user", content, state: "whole", gate: null, error: null, sent: "", approval: null };
}

/** An answer of which nothing came yet. */
export function awaited(id: number, sent: string, approval: string | null = null): Turn {
  return { id, role: "assistant", content: "", state: "streaming", gate: null, error: null, sent, approval };
}

/** The turn after one event of its stream; unknown events change nothing. */
export function afterEvent(turn: Turn, event: ServerEvent): Turn {
  switch (event.name) {
    case "delta":
      return { ...turn, content: turn.content + (JSON.parse(event.data) as ChatDelta).text };
    case "gate":
      return { ...turn, gate: JSON.parse(event.data) as ChatGate };
    case "error":
      return afterError(turn, (JSON.parse(event.data) as Schemas["ErrorBody"]).error as ErrorDetail);
    default:
      return turn;
  }
}

/** The turn after an error; what waits for an approval goes on waiting where it could not be sent again. */
export function afterError(turn: Turn, error: ErrorDetail): Turn {
  return { ...turn, state: "failed", error, approval: error.approval ?? turn.approval };
}

/** The messages to send: what was said and answered; failed answers and their questions are left out. */
export function messagesOf(turns: readonly Turn[]): Schemas["ChatMessage"][] {
  const kept = turns.filter(
    (turn, at) => turn.state !== "failed" && turn.content !== "" && turns[at + 1]?.state !== "failed",
  );
  return kept.map(({ role, content }) => ({ role, content }));
}
