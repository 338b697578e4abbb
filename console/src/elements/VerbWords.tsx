/** A verb in words, with its name on hover. */

import { titleOf, useVerbs } from "../api/vocabulary";

export function VerbWords({ name }: { name: string }) {
  return <span title={name}>{titleOf(useVerbs(), name)}</span>;
}
