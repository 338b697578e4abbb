/** Which models people are offered for a chat, and which of them first. */

import type { Schemas } from "./api/client";

/** The aliases that chat, and the one to begin with. */
export interface Offer {
  readonly ids: readonly string[];
  readonly first: string;
}

/**
 * What can be chatted with, without aliases that stand for many names. The first is one that answers on our own machines where there is one: newcomers begin with
 * a use case that reaches no other.
 */
export function offerOf(models: readonly Schemas["ModelView"][] | undefined): Offer {
  const chats = (models ?? []).filter((model) => model.operation === "chat" && !model.id.includes("*"));
  const own = chats.filter((model) => model.deployments.some((deployment) => deployment.custody === "organisation"));
  const first =
    own.find((model) => model.deployments.some((deployment) => deployment.is_built_in)) ?? own[0] ?? chats[0];
  const ids = chats.map((model) => model.id);
  return first ? { ids, first: first.id } : { ids: [BUILT_IN], first: BUILT_IN };
}

const BUILT_IN = "local-chat";
