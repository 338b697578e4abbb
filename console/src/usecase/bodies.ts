/** A stored use case as the body of a change. */

import type { Schemas } from "../api/client";

/** The fields of a use case that a change may set. */
export function bodyOf(useCase: Schemas["UseCaseView"]): Schemas["UseCaseBody"] {
  const { owner, purpose, title, status, risk, confidentiality, categories, deployments, members, observe } = useCase;
  const { expires_at, review_on } = useCase;
  return {
    ...{ owner, purpose, title, status, risk, confidentiality, categories, deployments, members, observe },
    ...{ expires_at, review_on },
  };
}

/** The name of a use case for people. */
export function nameOf(useCase: { readonly id: string; readonly title: string }): string {
  return useCase.title || useCase.id;
}

/** The name of one of its people: null for an id that nobody has. */
export function personIn(useCase: Schemas["UseCaseView"], id: string): string | null {
  return useCase.names[id] ?? null;
}
