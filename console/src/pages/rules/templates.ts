/** Rules in plain words: each template has a few blanks, and writes the Cedar text. */

/** A blank of a template. */
export interface Blank {
  readonly name: string;
  readonly label: string;
  readonly placeholder: string;
  readonly isNumber?: boolean;
}

/** A rule in plain words with blanks. */
export interface Template {
  readonly id: string;
  readonly title: string;
  readonly blanks: readonly Blank[];
  /** The Cedar text; the values are escaped already. */
  readonly text: (values: Readonly<Record<string, string>>) => string;
}

const MODEL: Blank = { name: "model", label: "Model", placeholder: "gpt-eu" };
const GROUP: Blank = { name: "group", label: "Group", placeholder: "support" };
const USE_CASE: Blank = { name: "use_case", label: "Use case", placeholder: "claims" };

/** The library of templates. */
export const TEMPLATES: readonly Template[] = [
  {
    id: "group-may-use",
    title: "Only people of a group may use a model",
    blanks: [GROUP, MODEL],
    text: ({ group, model }) => `@id("only-${slug(group)}-uses-${slug(model)}")
@reason("only people of the group ${group} may use ${model}; ask an administrator to add you to the group")
forbid (principal, action == Headgate::Action::"model.dispatch", resource)
when { resource.id == "${model}" }
unless { principal in Headgate::Group::"${group}" };`,
  },
  {
    id: "mask-for-cloud",
    title: "Mask a kind of data for cloud models",
    blanks: [{ name: "category", label: "Kind of data", placeholder: "pii" }],
    text: ({ category }) => `@id("mask-${slug(category)}-for-cloud")
@reason("${category} leaves our machines only as pseudonyms")
@duty("mask")
@categories("${category}")
permit (principal, action == Headgate::Action::"model.dispatch", resource)
when { resource.custody != "organisation" && context.labels.categories.contains("${category}") };`,
  },
  {
    id: "ask-for-data",
    title: "Ask for approval before a kind of data goes to cloud models",
    blanks: [{ name: "category", label: "Kind of data", placeholder: "phi" }, USE_CASE],
    text: ({ category, use_case }) => `@id("approval-for-${slug(category)}-of-${slug(use_case)}")
@reason("a person approves before ${category} of ${use_case} goes to a cloud model")
@does("ask")
forbid (principal, action == Headgate::Action::"model.dispatch", resource)
when {
  context.use_case.id == "${use_case}" &&
  resource.custody != "organisation" &&
  context.labels.categories.containsAny(["${category}", "${category}_pseudonymous"])
};`,
  },
  {
    id: "keep-at-home",
    title: "Keep a use case on our own machines",
    blanks: [USE_CASE],
    text: ({ use_case }) => `@id("${slug(use_case)}-stays-on-our-machines")
@reason("calls of ${use_case} stay on our own machines")
@duty("restrict")
@custody("organisation")
permit (principal, action in Headgate::Action::"use-models", resource)
when { context.use_case.id == "${use_case}" };`,
  },
  {
    id: "limit-answers",
    title: "Limit the length of answers",
    blanks: [USE_CASE, { name: "tokens", label: "Tokens", placeholder: "500", isNumber: true }],
    text: ({ use_case, tokens }) => `@id("short-answers-for-${slug(use_case)}")
@reason("answers of ${use_case} have at most ${tokens} tokens")
@duty("cap")
@output_tokens("${tokens}")
permit (principal, action == Headgate::Action::"model.dispatch", resource)
when { context.use_case.id == "${use_case}" };`,
  },
  {
    id: "not-at-model",
    title: "A use case may not use a model",
    blanks: [USE_CASE, MODEL],
    text: ({ use_case, model }) => `@id("${slug(use_case)}-without-${slug(model)}")
@reason("${use_case} may not use ${model}; choose another model")
forbid (principal, action == Headgate::Action::"model.dispatch", resource)
when { context.use_case.id == "${use_case}" && resource.id == "${model}" };`,
  },
];

/** The rule that a template writes with these values. It observes at first if `observes`. */
export function written(template: Template, values: Readonly<Record<string, string>>, observes: boolean): string {
  const escaped = Object.fromEntries(template.blanks.map(({ name }) => [name, escape(values[name] ?? "")]));
  const text = template.text(escaped);
  return observes ? text.replace("\n@reason", '\n@mode("observe")\n@reason') : text;
}

/** A name of the rule's policy, from the rule's id. */
export function policyName(text: string): string {
  return /@id\("([^"]+)"\)/.exec(text)?.[1]?.slice(0, 63) ?? "";
}

function escape(value: string): string {
  return value.trim().replaceAll(/["\\\n\r]/g, "");
}

function slug(value: string | undefined): string {
  const words = (value ?? "").toLowerCase().replaceAll(/[^a-z0-9]+/g, "-");
  return words.replace(/^-+|-+$/g, "").slice(0, 20) || "x";
}
