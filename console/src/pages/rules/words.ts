/** The words for what a change of a rule's mode would have done. */

import type { Schemas } from "../../api/client";
import { plural } from "../../format";
import { countWords } from "../../record/masked";

type Preview = Schemas["RulePreview"];
type Difference = Preview["examples"][number]["difference"];

const ENDINGS: Readonly<Record<Exclude<Difference, "more_duties" | "fewer_duties">, string>> = {
  refused: "would have been refused",
  asked: "would have needed approval",
  allowed: "would have been allowed",
};

const MASKS = "Masks ";
const MOST_MODELS = 3;

/** What would have happened to one call, for a line of a list. */
export function differenceWords(difference: Difference, effect: string): string {
  switch (difference) {
    case "more_duties":
      return effect.startsWith(MASKS) ? "would have been masked" : `with the rule: ${small(effect)}`;
    case "fewer_duties":
      return effect.startsWith(MASKS) ? "would have gone unmasked" : `without the rule: ${small(effect)}`;
    default:
      return ENDINGS[difference];
  }
}

/** One sentence for each difference, such as "3 calls would have been refused." */
export function previewSentences(preview: Preview, effect: string): readonly string[] {
  const { refused, asked, allowed, more_duties: more, fewer_duties: fewer } = preview;
  const counts = { refused, asked, allowed };
  const found = (Object.keys(counts) as (keyof typeof counts)[])
    .filter((one) => counts[one] > 0)
    .map((one) => `${plural(counts[one], "call")} ${ENDINGS[one]}.`);
  if (more > 0) found.push(moreWords(preview, effect));
  if (fewer > 0) found.push(fewerWords(preview, effect));
  return found.length ? found : ["No call would have ended differently."];
}

function moreWords(preview: Preview, effect: string): string {
  const calls = plural(preview.more_duties, "call");
  if (!effect.startsWith(MASKS)) return `The rule would have applied to ${calls} to ${models(preview)}: ${small(effect)}.`;
  return `In ${calls} ${effect.slice(MASKS.length)} would have been masked on the way to ${models(preview)}.`;
}

function fewerWords(preview: Preview, effect: string): string {
  const calls = plural(preview.fewer_duties, "call");
  if (!effect.startsWith(MASKS))
    return `The rule would not have applied to ${calls} to ${models(preview)}: ${small(effect)}.`;
  const values = Object.entries(preview.unmasked ?? {}).map(([kind, count]) => countWords(kind, count));
  const what = values.length ? listed(values) : effect.slice(MASKS.length);
  return `In ${calls} ${what} would have gone unmasked to ${models(preview)}.`;
}

function models({ models: all }: Preview): string {
  if (all.length <= MOST_MODELS) return listed(all);
  return `${all.slice(0, MOST_MODELS).join(", ")} and ${all.length - MOST_MODELS} more`;
}

function listed(words: readonly string[]): string {
  return words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`;
}

function small(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}
