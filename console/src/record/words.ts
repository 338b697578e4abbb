/** The words for what records, rules and content labels hold: one list each, for every page. */

import type { IconName } from "../elements/icons";
import { plural } from "../format";

export type Tone = "good" | "warn" | "bad" | "quiet";

/** A state: its words, and the colour and shape that go with them. */
export interface Words {
  readonly tone: Tone;
  readonly icon: IconName;
  readonly text: string;
}

/** An outcome; `means` explains it in a sentence where the word alone does not. */
interface OutcomeWords extends Words {
  readonly means?: string;
}

/** How actions end, by the name in the record. */
export const OUTCOMES: Readonly<Record<string, OutcomeWords>> = {
  done: { tone: "good", icon: "good", text: "Done" },
  refused: { tone: "bad", icon: "bad", text: "Refused" },
  withheld: {
    tone: "bad",
    icon: "bad",
    text: "Withheld",
    means: "The action was performed, but its result may not go to the caller.",
  },
  failed: { tone: "bad", icon: "warn", text: "Failed" },
  interrupted: {
    tone: "warn",
    icon: "warn",
    text: "Interrupted",
    means: "Headgate stopped while this was in progress.",
  },
  abandoned: {
    tone: "warn",
    icon: "warn",
    text: "Abandoned",
    means: "The caller left before the answer was complete.",
  },
  in_doubt: {
    tone: "warn",
    icon: "warn",
    text: "In doubt",
    means: "Headgate stopped while this was in progress, and cannot tell whether it was done.",
  },
};

/** The state of an action that a person has to approve. Its outcome in the record is `refused`. */
export const ASKED: OutcomeWords = {
  tone: "quiet",
  icon: "open",
  text: "Needs approval",
  means: "A rule asks for a person's approval. After it, the same request runs once, as a call of its own.",
};

/** The state of an action that has not ended. */
export const RUNNING: OutcomeWords = { tone: "quiet", icon: "open", text: "Running" };

/** What the rules decided about an action. */
export const DECISIONS: Readonly<Record<string, Words>> = {
  allow: { tone: "good", icon: "good", text: "Allowed" },
  ask: { tone: "warn", icon: "open", text: "Needs approval" },
  deny: { tone: "bad", icon: "bad", text: "Denied" },
};

const OBLIGATION: Words = { tone: "quiet", icon: "duty", text: "Adds an obligation" };

const RULE_EFFECTS: Readonly<Record<string, Words>> = {
  allow: { tone: "good", icon: "good", text: "Allows" },
  ask: { tone: "warn", icon: "open", text: "Asks for approval" },
  deny: { tone: "bad", icon: "bad", text: "Denies" },
  duty: OBLIGATION,
};

/** The effect of a rule that matches. */
export function ruleEffect(does: string): Words {
  return RULE_EFFECTS[does] ?? OBLIGATION;
}

/** The categories that people declare and detectors find. */
export const CATEGORIES: Readonly<Record<string, string>> = {
  pii: "personal data",
  phi: "health data",
  pci: "payment data",
  secret: "secrets",
};

/** The words for a category, such as "personal data as pseudonyms" for `pii_pseudonymous`. */
export function categoryWords(name: string): string {
  const [, base, masking] = /^(.*?)(?:_(pseudonymous|masked))?$/.exec(name) ?? ["", name, undefined];
  const words = CATEGORIES[base!] ?? base!.replaceAll("_", " ");
  if (masking === undefined) return words;
  return masking === "masked" ? `masked ${words}` : `${words} as pseudonyms`;
}

const KINDS: Readonly<Record<string, readonly [one: string, more: string]>> = {
  email: ["e-mail address", "e-mail addresses"],
  iban: ["IBAN", "IBANs"],
  ip_address: ["IP address", "IP addresses"],
  phone: ["phone number", "phone numbers"],
  us_ssn: ["US social security number", "US social security numbers"],
};

/** A count of values of one kind, such as `2 e-mail addresses` or `1 payment card`. */
export function countOf(kind: string, count: number): string {
  const words = kind.replaceAll("_", " ");
  const [one, more] = KINDS[kind] ?? [words, words.endsWith("s") ? words : `${words}s`];
  return plural(count, one, more);
}

/** The features whose verbs have words of the trade; others go by their own name. */
const FEATURES: Readonly<Record<string, string>> = {
  gateway: "Models",
  ledger: "Records",
  people: "People and sessions",
  policy: "Keys, use cases and rules",
  server: "Configuration and sign-in",
};

/** The words for a group of verbs, such as "Models" for `gateway`. */
export function featureWords(feature: string): string {
  return FEATURES[feature] ?? capitalised(feature);
}

const PREFERENCES: Readonly<Record<string, string>> = {
  auto: "Deployments are asked by the difficulty of the call, from cheap to premium:",
  cheapest: "The cheapest deployment is asked first:",
  fastest: "The fastest deployment is asked first:",
  least_loaded: "The deployment with the fewest calls in work is asked first:",
  weighted: "Deployments are asked in shares, by weights:",
};

/** The words for the preference of an alias. */
export function preferenceWords(preference: string | null): string {
  return PREFERENCES[preference ?? ""] ?? "Deployments in the order of attempts:";
}

const FACTS: Readonly<Record<string, string>> = {
  again: "Asked again after the answer of",
  attempt: "Attempt",
  cache_deployment: "Answered at first by",
  cache_hits: "Answers from the cache",
  cache_record: "Answer of the record",
  cache_waited: "Waited for an equal call",
  dropped: "Options left out",
  estimated: "Tokens estimated",
  is_new: "New",
  parts: "Parts read",
  saved_micros: "Saved, in millionths",
  requested_model: "Model asked for",
  skipped: "Deployments skipped",
  status: "HTTP status",
};

/** The words for a fact of a record, such as "Deployments skipped" for `skipped`. */
export function factWords(name: string): string {
  return FACTS[name] ?? capitalised(name);
}

const PARTS: Readonly<Record<string, string>> = { sent: "Sent content", answer: "Answer", error: "Error text" };

/** The words for a sealed part of a record. */
export function partWords(name: string): string {
  return PARTS[name] ?? capitalised(name);
}

/** Whose machines: the words for a deployment's custody. */
export function custodyWords(custody: string): string {
  return custody === "organisation" ? "our own machines" : "other providers' machines";
}

/** Words that begin with a capital letter. */
export function capitalised(name: string): string {
  const words = name.replaceAll("_", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}
