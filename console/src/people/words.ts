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
  officer: "Compliance officer: reads what an auditor reads, approves, and governs use cases, rules and notifications",
  auditor: "Auditor: reads records, people and the configuration, and changes nothing",
  approver: "Approver: decides requests for approval",
};

/** What a role is for, in a sentence without its full stop. A role that a rule of this organisation names has its name. */
export function roleWords(role: string): string {
  return ROLES[role] ?? capitalised(role);
}

/** The short name of a role, for a list. */
export function roleName(role: string): string {
  return roleWords(role).split(":")[0]!;
}

/** How confidential content may be, least first. */
export const LEVELS = ["public", "internal", "confidential", "restricted"] as const;

/** The categories of values that were replaced by placeholders. */
export const MASKED: readonly string[] = ["pii_pseudonymous", "phi_pseudonymous", "pci_pseudonymous", "secret_masked"];

/** The content that may be shown to a person. */
export function clearanceWords({
  confidentiality,
  categories,
  access,
}: Pick<Person, "confidentiality" | "categories" | "access">): string {
  if (confidentiality === "restricted" && categories === null && access === null) return "Everything";
  const level = confidentiality === "public" ? "Public content" : `Up to ${confidentiality} content`;
  const plain = categories?.filter((one) => !MASKED.includes(one));
  const kinds = !plain
    ? "of every category"
    : plain.length
      ? `with ${plain.map(categoryWords).join(", ")}`
      : categories!.length
        ? "with personal data, payment data and secrets only as placeholders"
        : "without personal data or other categories";
  const lists = access === null ? "" : access.length === 0 ? "; on no access list" : `; on the lists ${access.join(", ")}`;
  return `${level}, ${kinds}${lists}`;
}

/** The name for display. */
export function nameOf(person: Pick<Person, "id" | "name">): string {
  return person.name || person.id;
}
