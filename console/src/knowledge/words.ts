/** Words for documents and passages: age, state, place. */

import { plural } from "../format";
import type { Words } from "../record/words";
import type { DocumentView, Passage } from "./queries";

const DAY_MS = 86_400_000;
const MONTH_DAYS = 30.44;
const YEAR_DAYS = 365.25;

/** The age of a text, such as `3 months old`; `from today` within a day. */
export function ageWords(iso: string, now: Date): string {
  const days = Math.floor((now.getTime() - new Date(iso).getTime()) / DAY_MS);
  if (days < 1) return "from today";
  if (days < 60) return `${plural(days, "day")} old`;
  if (days < 2 * YEAR_DAYS) return `${plural(Math.floor(days / MONTH_DAYS), "month")} old`;
  return `${plural(Math.floor(days / YEAR_DAYS), "year")} old`;
}

const STAGES: Readonly<Record<string, string>> = {
  reading: "Reading",
  labelling: "Labelling",
  embedding: "Embedding",
  indexing: "Indexing",
};

/** How a document stands. The parts done of the way to readiness are 0 to 1. */
export interface Standing extends Words {
  readonly done: number;
}

/** How a document stands, in words. */
export function standingOf({ state, stage }: Pick<DocumentView, "state" | "stage">): Standing {
  switch (state) {
    case "ready":
      return { tone: "good", icon: "good", text: "Ready", done: 1 };
    case "failed":
      return { tone: "bad", icon: "bad", text: "Failed", done: 1 };
    case "waiting":
      return { tone: "quiet", icon: "open", text: "Waiting", done: 0 };
    case "reading": {
      const steps = Object.keys(STAGES);
      const step = Math.max(0, steps.indexOf(stage));
      return { tone: "warn", icon: "live", text: STAGES[stage] ?? "Reading", done: (step + 1) / (steps.length + 1) };
    }
  }
}

/** Where a passage stands: its pages, or the part of a format without pages. Null where neither is known. */
export function placeWords({ boxes, part }: Pick<Passage, "boxes" | "part">): string | null {
  const pages = [...new Set(boxes.map((box) => box.page))].sort((left, right) => left - right);
  if (pages.length === 0) return part || null;
  const [first, last] = [pages[0]!, pages.at(-1)!];
  return first === last ? `page ${first}` : `pages ${first} to ${last}`;
}

const KINDS: Readonly<Record<string, string>> = { upload: "Upload", folder: "Folder" };

/** The word for a kind of source. */
export function kindWords(kind: string): string {
  return KINDS[kind] ?? kind.replaceAll("_", " ");
}

const TYPES: Readonly<Record<string, string>> = {
  "application/pdf": "PDF",
  "text/markdown": "Markdown",
  "text/html": "Web page",
  "text/plain": "Text",
  "text/csv": "CSV",
  "message/rfc822": "E-mail",
  "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "Word document",
  "application/vnd.openxmlformats-officedocument.presentationml.presentation": "Presentation",
  "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "Spreadsheet",
};

/** The word for a media type. */
export function typeWords(mediaType: string): string {
  return TYPES[mediaType] ?? mediaType;
}

/** Who may read a document within its collection. */
export function readersWords(readers: readonly string[]): string {
  if (readers.includes("*")) return "Every reader of the collection";
  return readers.map((one) => (one.startsWith("group:") ? `Group ${one.slice("group:".length)}` : one)).join(", ") || "Nobody";
}

/** Labels without the mark of texts that nobody vouches for, which documents have unless their collection is trusted. */
export function labelsShown(labels: string): string {
  return labels.split(";").filter((one) => one.trim() !== "integrity=untrusted").join(";");
}
