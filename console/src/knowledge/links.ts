/** The addresses of collections, documents and passages in the console. */

const KNOWLEDGE = "/knowledge";

export function collectionPath(collection: string): string {
  return `${KNOWLEDGE}/collections/${encodeURIComponent(collection)}`;
}

/** A document, at one of its passages if one is given. */
export function documentPath(document: string, passage: number | null = null): string {
  return `${KNOWLEDGE}/documents/${encodeURIComponent(document)}${passage === null ? "" : `?passage=${passage}`}`;
}

/** The page on which questions are asked, with one collection chosen. */
export function askPath(collection: string): string {
  return `${KNOWLEDGE}?in=${encodeURIComponent(collection)}`;
}
