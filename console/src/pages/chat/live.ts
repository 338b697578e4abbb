/** Answers that are on their way, and what events of their streams do to them. */

import type { Schemas } from "../../api/client";
import type { ChatDelta, ChatGate } from "../../api/events";
import type { ServerEvent } from "../../sse";
import type { Turn } from "./tree";

export type ErrorDetail = Schemas["ErrorDetail"];

/** An answer that was asked for in this tab. */
export interface Live extends Turn {
  readonly conversation: string;
}

/** An answer of which nothing came yet; `approval` is the request under whose grant it was asked for. */
export function awaited(
  id: string,
  asked: { conversation: string; question: string; model: string | null; approval: string | null },
): Live {
  return {
    id,
    conversation: asked.conversation,
    parent: asked.question,
    role: "assistant",
    state: "streaming",
    said_at: new Date().toISOString(),
    text: "",
    attachments: [],
    model: asked.model,
    compare_with: null,
    record: null,
    gate: null,
    error: null,
    approval: asked.approval,
    withheld: null,
  };
}

/** The answer after one event of its stream; unknown events change nothing. */
export function afterEvent(answer: Live, event: ServerEvent): Live {
  switch (event.name) {
    case "delta":
      return { ...answer, text: answer.text + (JSON.parse(event.data) as ChatDelta).text };
    case "gate":
      return { ...answer, state: "whole", gate: JSON.parse(event.data) as ChatGate };
    case "error":
      return afterError(answer, (JSON.parse(event.data) as Schemas["ErrorBody"]).error as ErrorDetail);
    default:
      return answer;
  }
}

/** The answer after an error; what waits for an approval goes on waiting where it could not be sent again. */
export function afterError(answer: Live, error: ErrorDetail): Live {
  return { ...answer, state: "failed", error, approval: error.approval ?? answer.approval };
}
