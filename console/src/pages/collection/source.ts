/** A source as an entry of the configuration, and as the fields of its form. */

import type { Entry } from "../../knowledge/entry";

export interface SourceFields {
  readonly id: string;
  readonly path: string;
  readonly every: string;
  readonly readers: string[];
}

/** How often a source is read, in minutes. */
export const INTERVALS = [
  { value: "5", label: "Every 5 minutes" },
  { value: "60", label: "Every hour" },
  { value: "1440", label: "Every day" },
  { value: "10080", label: "Every week" },
];

/** The fields of a stored entry, or of a new one. */
export function sourceFieldsOf(entry: Entry | null, collection: string): SourceFields {
  if (entry === null) return { id: `${collection}-files`, path: "", every: "60", readers: ["*"] };
  const options = (entry["options"] ?? {}) as Entry;
  return {
    id: String(entry["id"]),
    path: String(options["path"] ?? ""),
    every: String(entry["every_minutes"] ?? 60),
    readers: Array.isArray(entry["readers"]) ? (entry["readers"] as unknown[]).map(String) : ["*"],
  };
}

/** The entry with these fields. Keys and options that the form does not show stay as they are. */
export function sourceEntryOf(fields: SourceFields, stored: Entry | null, collection: string): Record<string, unknown> {
  const kept: Record<string, unknown> = { kind: "folder", ...stored };
  delete kept["id"];
  const options = { ...(kept["options"] as Entry | undefined), path: fields.path.trim() };
  return { ...kept, collection, every_minutes: Number(fields.every), readers: fields.readers, options };
}
