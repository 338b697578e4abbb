/** A collection as an entry of the configuration, and as the fields of its form. */

export type Entry = Readonly<Record<string, unknown>>;

export interface CollectionFields {
  /** Empty until somebody types one: it follows the title. */
  readonly id: string;
  readonly title: string;
  readonly purpose: string;
  readonly owner: string;
  readonly readers: string[];
  readonly experts: string[];
  readonly confidentiality: string;
  /** In days; empty for none. */
  readonly shelfLife: string;
  /** Empty for quotations. */
  readonly model: string;
}

/** The fields of a stored entry, or of a new one. */
export function fieldsOf(entry: Entry | null, owner: string): CollectionFields {
  const text = (name: string): string => (entry?.[name] === undefined ? "" : String(entry[name]));
  const list = (name: string): string[] => (Array.isArray(entry?.[name]) ? (entry[name] as unknown[]).map(String) : []);
  return {
    id: text("id"),
    title: text("title") || text("id"),
    purpose: text("purpose"),
    owner: text("owner") || owner,
    readers: list("readers"),
    experts: list("experts"),
    confidentiality: text("confidentiality") || "internal",
    shelfLife: text("shelf_life_days"),
    model: text("model"),
  };
}

/** The entry with these fields. Keys that the form does not show stay as they are. */
export function entryOf(fields: CollectionFields, stored: Entry | null): Record<string, unknown> {
  const kept = { ...stored };
  for (const name of ["id", "shelf_life_days", "model"]) delete kept[name];
  const { title, purpose, owner, readers, experts, confidentiality, shelfLife, model } = fields;
  return {
    ...kept,
    ...{ title: title.trim(), purpose: purpose.trim(), owner, readers, experts, confidentiality },
    ...(shelfLife && { shelf_life_days: Number(shelfLife) }),
    ...(model && { model }),
  };
}

const MOST_CHARS = 63;

/** The typed id, or one made of the title. */
export function idOf({ id, title }: Pick<CollectionFields, "id" | "title">): string {
  if (id) return id;
  const plain = title.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
  return plain.replace(/[^a-z0-9]+/g, "-").replace(/^-+/, "").slice(0, MOST_CHARS).replace(/-+$/, "");
}
