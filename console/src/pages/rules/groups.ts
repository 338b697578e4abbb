/** Rules in groups of what they are about, and the search in them. */

import type { Schemas } from "../../api/client";

type Rule = Schemas["RuleView"];

/** The pack of the checks of Headgate's code, which refuse as rules do. No figures count them as matches of rules. */
export const CHECKS = "checks";

/** The groups in the order of the page. */
export const GROUPS = [
  { title: "Own rules", isOf: (rule: Rule) => rule.source !== "built_in" },
  { title: "Masking", isOf: (rule: Rule) => rule.does === "duty" && rule.effect.startsWith("Masks") },
  { title: "What may leave", isOf: (rule: Rule) => /model|use-models/.test(actionOf(rule.text)) },
  { title: "Approvals", isOf: (rule: Rule) => rule.does === "ask" || actionOf(rule.text).includes("approval") },
  { title: "Always checked", isOf: (rule: Rule) => rule.pack === CHECKS },
  { title: "Who may do what", isOf: () => true },
] as const;

export interface RuleGroup {
  readonly title: string;
  readonly rules: readonly Rule[];
}

/** The rules that contain the words, each in its first group; groups without rules are left out. */
export function groupsOf(rules: readonly Rule[], search: string): readonly RuleGroup[] {
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  const matching = rules.filter(({ id, effect, reason }) => {
    const text = `${id} ${effect} ${reason}`.toLowerCase();
    return words.every((word) => text.includes(word));
  });
  return GROUPS.map(({ title }, at) => ({
    title,
    rules: matching.filter((rule) => GROUPS.findIndex(({ isOf }) => isOf(rule)) === at),
  })).filter((group) => group.rules.length > 0);
}

/** The names of the actions in the head of a rule's text. */
function actionOf(text: string): string {
  return [...text.matchAll(/Headgate::Action::"([^"]+)"/g)].map((found) => found[1]).join(" ");
}
