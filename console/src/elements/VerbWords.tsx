/** Verbs in words, and actions as headings: "Call a model: local-chat". */

import { titleOf, useVerbs } from "../api/vocabulary";
import { shortId } from "../format";
import { resourceName } from "../record/facts";

const LONG_NAME = 40;

/** A verb in words, with its name on hover. */
export function VerbWords({ name }: { name: string }) {
  return <span title={name}>{titleOf(useVerbs(), name)}</span>;
}

/** Returns a function that names an action: the title of its verb, and the thing that it is done to. */
export function useActionWords(): (action: { readonly verb: string; readonly resource: string }) => string {
  const verbs = useVerbs();
  return ({ verb, resource }) => {
    const name = resourceName(resource) || resource;
    return `${titleOf(verbs, verb)}: ${name.length > LONG_NAME ? shortId(name) : name}`;
  };
}
