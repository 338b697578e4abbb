/** Changes of a conversation. */

import { type Schemas, api, take } from "../../api/client";

const NOTHING: Schemas["ConversationChange"] = { title: null, system: null, model: null, use_case: null };

/** Changes the given fields of a conversation. */
export function changeConversation(
  conversation: string,
  change: Partial<Schemas["ConversationChange"]>,
): Promise<Schemas["ConversationView"]> {
  const path = { conversation };
  return take(api.PUT("/api/conversations/{conversation}", { params: { path }, body: { ...NOTHING, ...change } }));
}
