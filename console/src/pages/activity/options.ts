/** What the filters of the activity page offer. */

import type { Verb } from "../../api/vocabulary";
import { featureWords } from "../../record/words";

export interface Option {
  readonly value: string;
  readonly label: string;
}

export interface OptionGroup {
  readonly group: string;
  readonly items: Option[];
}

const ANY: Option = { value: "", label: "Any" };

/** Names, with the chosen one among them. */
export function namesOf(known: readonly string[] | undefined, chosen: string | undefined): Option[] {
  const values = [...new Set([...(known ?? []), ...(chosen ? [chosen] : [])])];
  return [ANY, ...values.map((value) => ({ value, label: value }))];
}

/** Verbs in words by feature, with the chosen one among them. */
export function verbsOf(verbs: readonly Verb[], chosen: string | undefined): (Option | OptionGroup)[] {
  const features = new Set(verbs.map((verb) => verb.feature));
  const groups = [...features].map((feature) => ({
    group: featureWords(feature),
    items: verbs
      .filter((verb) => verb.feature === feature)
      .map(({ name, title }) => ({ value: name, label: title }))
      .sort((left, right) => left.label.localeCompare(right.label)),
  }));
  groups.sort((left, right) => left.group.localeCompare(right.group));
  const isKnown = !chosen || verbs.some((verb) => verb.name === chosen);
  return [ANY, ...(isKnown ? [] : [{ value: chosen, label: chosen }]), ...groups];
}
