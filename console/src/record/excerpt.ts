/** The first look at a request's content: the last text that a person wrote, cut to a few lines. */

import type { Schemas } from "../api/client";

const MOST_CHARS = 400;

/** The last text of a person in a model call; null where the part is something else. */
export function excerptOf(text: string | null): string | null {
  if (text === null) return null;
  const messages = messagesOf(text);
  const said = messages.filter((one) => one.role === "user").map((one) => wordsOf(one.content));
  const last = said.findLast((words) => words.trim() !== "");
  if (last === undefined) return null;
  const words = last.trim();
  return words.length > MOST_CHARS ? `${words.slice(0, MOST_CHARS)}…` : words;
}

interface Message {
  readonly role?: unknown;
  readonly content?: unknown;
}

function messagesOf(text: string): readonly Message[] {
  try {
    const body = JSON.parse(text) as { messages?: unknown; input?: unknown } | null;
    const said = body?.messages ?? body?.input;
    if (typeof said === "string") return [{ role: "user", content: said }];
    return Array.isArray(said) ? (said as Message[]) : [];
  } catch {
    return [];
  }
}

/** The text of a message, which is a string or a list of parts. */
function wordsOf(content: unknown): string {
  if (typeof content === "string") return content;
  if (!Array.isArray(content)) return "";
  return (content as { text?: unknown }[]).map((part) => (typeof part.text === "string" ? part.text : "")).join("\n");
}

/** The first line of what a request for approval would send; null where it is not shown or has no text. */
export function firstLineOf({ content, parts }: Schemas["ApprovalDetail"]): string | null {
  if (content !== "shown") return null;
  const text = parts.map((part) => excerptOf(part.text)).find((found) => found !== null);
  return text?.split("\n", 1)[0] ?? null;
}
