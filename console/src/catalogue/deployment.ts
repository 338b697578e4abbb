/** The form of a deployment as it is typed, and the entry of the configuration that it makes. */

import { CATEGORIES } from "../record/words";

export type Level = "public" | "internal" | "confidential" | "restricted";

/** Empty text is the default of the provider, or unknown. */
export interface DeploymentFields {
  readonly id: string;
  readonly provider: string;
  readonly model: string;
  readonly baseUrl: string;
  readonly key: string;
  readonly network: string;
  readonly isOurs: boolean;
  readonly regions: readonly string[];
  readonly level: Level;
  readonly categories: readonly string[];
  readonly price: "unknown" | "free" | "own";
  readonly currency: string;
  readonly input: string;
  readonly output: string;
  readonly contextTokens: string;
  readonly outputTokens: string;
  readonly tools: "usual" | "yes" | "no";
  readonly images: "usual" | "yes" | "no";
  /** The provider's own fields, such as a region. */
  readonly options: Readonly<Record<string, string>>;
}

/** The kinds of data that a server of one's own receives as they are, unless a person says otherwise. */
export const SENSITIVE: readonly string[] = Object.keys(CATEGORIES);

export const NEW: DeploymentFields = {
  id: "",
  provider: "openai",
  model: "",
  baseUrl: "",
  key: "",
  network: "default",
  isOurs: false,
  regions: [],
  level: "internal",
  categories: [],
  price: "unknown",
  currency: "USD",
  input: "",
  output: "",
  contextTokens: "",
  outputTokens: "",
  tools: "usual",
  images: "usual",
  options: {},
};

export type Entry = Record<string, unknown>;

/** Whether a text refers to a secret rather than being one. */
export function isReference(text: string): boolean {
  return /^(env|file):\S+$/.test(text);
}

/** The fields of a stored entry. */
export function fieldsOf(entry: Entry): DeploymentFields {
  const clearance = table(entry.clearance);
  const price = entry.price === undefined ? null : table(entry.price);
  const input = text(price?.input);
  const output = text(price?.output);
  return {
    ...NEW,
    id: text(entry.id),
    provider: text(entry.provider),
    model: text(entry.model),
    baseUrl: text(entry.base_url),
    key: text(entry.key),
    network: text(entry.network) || "default",
    isOurs: clearance.custody === "organisation",
    regions: texts(clearance.regions),
    level: (text(clearance.level) || "internal") as Level,
    categories: texts(clearance.categories),
    price: price === null ? "unknown" : Number(input) === 0 && Number(output) === 0 && input && output ? "free" : "own",
    currency: text(price?.currency) || "USD",
    input,
    output,
    contextTokens: text(entry.context_tokens),
    outputTokens: text(entry.max_output_tokens),
    tools: choice(entry.tools),
    images: choice(entry.images),
    options: Object.fromEntries(Object.entries(table(entry.options)).map(([name, value]) => [name, text(value)])),
  };
}

/**
 * The entry of the fields.
 *
 * @param stored what the entry was: keys that the form does not show stay as they are.
 */
export function entryOf(fields: DeploymentFields, stored: Entry = {}): Entry {
  const clearance: Entry = { ...table(stored.clearance), level: fields.level, custody: fields.isOurs ? "organisation" : "any" };
  put(clearance, "categories", fields.categories.length ? [...fields.categories] : undefined);
  put(clearance, "regions", fields.regions.length ? [...fields.regions] : undefined);
  const entry: Entry = { ...stored, id: fields.id.trim(), provider: fields.provider, model: fields.model.trim(), clearance };
  put(entry, "base_url", fields.baseUrl.trim() || undefined);
  put(entry, "key", fields.key.trim() || undefined);
  put(entry, "network", fields.network === "default" ? undefined : fields.network);
  put(entry, "price", priceOf(fields, table(stored.price)));
  put(entry, "context_tokens", fields.contextTokens ? Number(fields.contextTokens) : undefined);
  put(entry, "max_output_tokens", fields.outputTokens ? Number(fields.outputTokens) : undefined);
  put(entry, "tools", fields.tools === "usual" ? undefined : fields.tools === "yes");
  put(entry, "images", fields.images === "usual" ? undefined : fields.images === "yes");
  const options = Object.entries(fields.options).filter(([, value]) => value.trim() !== "");
  put(entry, "options", options.length ? Object.fromEntries(options.map(([name, value]) => [name, value.trim()])) : undefined);
  return entry;
}

function priceOf(fields: DeploymentFields, stored: Entry): Entry | undefined {
  if (fields.price === "unknown") return undefined;
  if (fields.price === "free") return { currency: fields.currency, input: "0", output: "0" };
  const price: Entry = { ...stored, currency: fields.currency };
  put(price, "input", fields.input.trim() || undefined);
  put(price, "output", fields.output.trim() || undefined);
  return price;
}

function put(entry: Entry, name: string, value: unknown): void {
  if (value === undefined) delete entry[name];
  else entry[name] = value;
}

function table(value: unknown): Entry {
  return typeof value === "object" && value !== null ? (value as Entry) : {};
}

function text(value: unknown): string {
  return typeof value === "string" || typeof value === "number" ? String(value) : "";
}

function texts(value: unknown): string[] {
  return Array.isArray(value) ? value.map(String) : [];
}

function choice(value: unknown): "usual" | "yes" | "no" {
  return value === undefined ? "usual" : value ? "yes" : "no";
}
