/** The admin API, typed by its own document. Every request carries the header that foreign pages cannot send. */

import createClient from "openapi-fetch";

import { type ServerEvent, readEvents } from "../sse";
import type { components, paths } from "./schema";

export type Schemas = components["schemas"];
export type RecordView = Omit<Schemas["RecordView"], "facts"> & { facts: Record<string, unknown> };
export type RecordDetail = Omit<Schemas["RecordDetail"], "record" | "children"> & {
  record: RecordView;
  children: RecordView[];
};

const HEADERS = { "x-headgate-csrf": "1" };

export const api = createClient<paths>({ baseUrl: "/", headers: HEADERS });

/** An answer of the API that is an error, or no answer at all. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly detail: Schemas["ErrorDetail"],
  ) {
    super(detail.message);
  }
}

/** The answer's body. Throws `ApiError` for everything that is not one. */
export async function take<T>(answer: Promise<{ data?: T; error?: unknown; response: Response }>): Promise<T> {
  let taken: Awaited<typeof answer>;
  try {
    taken = await answer;
  } catch {
    throw unreachable();
  }
  if (taken.response.ok) return taken.data as T;
  throw new ApiError(taken.response.status, detailOf(taken.error, taken.response.status));
}

/** Calls an operation that the generated types do not hold, such as one of a new feature. Throws `ApiError` as `take` does. */
export async function ask<T>(method: "GET" | "POST" | "PUT" | "DELETE", address: string, body?: object): Promise<T> {
  const sent = body === undefined ? {} : { body: JSON.stringify(body) };
  const headers = body === undefined ? HEADERS : { ...HEADERS, "content-type": "application/json" };
  const answer = fetch(address, { method, headers, ...sent }).then(async (response) => {
    const read: unknown = await response.json().catch(() => null);
    return response.ok ? { data: read as T, response } : { error: read, response };
  });
  return take(answer);
}

/**
 * Asks for an answer to a message of a conversation; events come as they arrive until `signal` aborts. `body` is an
 * `AnswerRequest` as it is sent, and `grant` the id of an approval of just this call.
 */
export async function* askForAnswer(
  conversation: string,
  body: string,
  { grant, signal }: { grant: string | null; signal: AbortSignal },
): AsyncGenerator<ServerEvent> {
  const headers = {
    ...HEADERS,
    ...(grant === null ? {} : { "x-headgate-grant": grant }),
    "content-type": "application/json",
    accept: "text/event-stream",
  };
  let response: Response;
  try {
    response = await fetch(`/api/conversations/${conversation}/answers`, { method: "POST", headers, body, signal });
  } catch (problem) {
    throw signal.aborted ? problem : unreachable();
  }
  if (!response.ok || !response.body) {
    throw new ApiError(response.status, detailOf(await response.json().catch(() => null), response.status));
  }
  yield* readEvents(response.body);
}

/** Searches the content of records; hits and progress come as they are found, until `signal` aborts. */
export async function* searchContent(
  text: string,
  query: string,
  { signal }: { signal: AbortSignal },
): AsyncGenerator<ServerEvent> {
  let response: Response;
  try {
    response = await fetch(`/api/records/search?${query}`, {
      method: "POST",
      headers: { ...HEADERS, "content-type": "application/json" },
      body: JSON.stringify({ text }),
      signal,
    });
  } catch (problem) {
    throw signal.aborted ? problem : unreachable();
  }
  if (!response.ok || !response.body) {
    throw new ApiError(response.status, detailOf(await response.json().catch(() => null), response.status));
  }
  yield* readEvents(response.body);
}

/** Reads a file of the API as a whole. Throws `ApiError`, also for a file that breaks off. */
export async function readFile(address: string): Promise<Blob> {
  const response = await fetch(address, { headers: HEADERS }).catch(() => {
    throw unreachable();
  });
  if (!response.ok) throw new ApiError(response.status, detailOf(await response.json().catch(() => null), response.status));
  return response.blob().catch(() => {
    throw unreachable();
  });
}

function detailOf(body: unknown, status: number): Schemas["ErrorDetail"] {
  const detail = (body as { error?: Partial<Schemas["ErrorDetail"]> } | null)?.error;
  return {
    code: detail?.code ?? `http_${status}`,
    message: detail?.message ?? `Headgate answered with status ${status} and no explanation. Try again, or look at its log.`,
    param: detail?.param ?? null,
    rules: detail?.rules ?? [],
    record: detail?.record ?? null,
    retry_after_s: detail?.retry_after_s ?? null,
    approval: detail?.approval ?? null,
  };
}

function unreachable(): ApiError {
  const message = "Headgate did not answer. Check that it runs and that this computer reaches it, then try again.";
  const none = { param: null, rules: [], record: null, retry_after_s: null, approval: null };
  return new ApiError(0, { code: "unreachable", message, ...none });
}
