/** The words for what a change of a rule's mode would have done. */

import type { Schemas } from "../../api/client";
import { plural } from "../../format";

type Preview = Schemas["RulePreview"];
type Difference = Preview["examples"][number]["difference"];

/** What would have happened to one call. */
export const DIFFERENCES: Readonly<Record<Difference, string>> = {
  refused: "would have been refused",
  asked: "would have needed approval",
  allowed: "would have been allowed",
  more_duties: "would have met the rule's duty",
  fewer_duties: "would have been without the rule's duty",
};

const DUTIES: ReadonlySet<Difference> = new Set(["more_duties", "fewer_duties"]);

/** One sentence for each difference, such as "3 calls would have been refused." */
export function previewSentences(preview: Preview, effect: string): readonly string[] {
  const found = (Object.keys(DIFFERENCES) as Difference[]).filter((one) => preview[one] > 0);
  if (!found.length) return ["No call would have ended differently."];
  return found.map((one) => {
    const duty = DUTIES.has(one) ? ` (${effect.charAt(0).toLowerCase()}${effect.slice(1)})` : "";
    return `${plural(preview[one], "call")} ${DIFFERENCES[one]}${duty}.`;
  });
}
