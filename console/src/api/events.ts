/** The events of the chat's stream, as the admin API declares them. */

import type { components } from "./schema";

/** Data of `delta`: more answer text. */
export type ChatDelta = components["schemas"]["ChatDelta"];

/** Data of `gate`, after the answer: what the gate did. */
export type ChatGate = components["schemas"]["ChatGate"];
