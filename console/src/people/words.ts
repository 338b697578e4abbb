/** Words for people: kinds, roles and clearances. */

import { capitalised, categoryWords } from "../record/words";
import type { Person } from "./queries";

const KINDS = { person: "Person", service: "Service", agent: "Agent" } as const;

/** The word for a kind of principal. */
export function kindWord(kind: Person["kind"]): string {
  return KINDS[kind];
}

const ROLES: Readonly<Record<string, string>> = {
  admin: "Administrator: changes people, keys, use cases, rules and models",
  auditor: "Auditor: reads records, people and the configuration, and changes nothing",
  approver: "Approver: decides requests for approval",
};

/** What a role is for, in a sentence without its full stop. A role that a rule of this organisation names has its name. */
export function roleWords(role: string): string {
  return ROLES[role] ?? capitalised(role);
}

/** The content that may be shown to a person. */
export function clearanceWords({ confidentiality, categories, access }: Person): string {
  if (confidentiality === "restricted" && categories === null && access === null) return "Everything";
  const level = confidentiality === "public" ? "Public content" : `Up to ${confidentiality} content`;
  const kinds =
    categories === null
      ? "of every category"
      : categories.length === 0
        ? "without personal data or other categories"
        : `with ${categories.map(categoryWords).join(", ")}`;
  const lists = access === null ? "" : access.length === 0 ? "; on no access list" : `; on the lists ${access.join(", ")}`;
  return `${level}, ${kinds}${lists}`;
}

/** The name for display. */
export function nameOf(person: Pick<Person, "id" | "name">): string {
  return person.name || person.id;
}
