/** What pages read of collections and documents, each with the key under which it is cached. */

import { type QueryClient, infiniteQueryOptions, queryOptions } from "@tanstack/react-query";

import { type Schemas, api, readFile, take } from "../api/client";

export type Collection = Schemas["CollectionView"];
export type DocumentView = Schemas["DocumentView"];
export type Passage = Schemas["PassageView"];
export type FoundPassage = Schemas["FoundView"];
export type Answer = Schemas["AskAnswer"];
export type Box = Schemas["BoxView"];

const LOOK_MS = 1_000;
const KNOWLEDGE = "knowledge";

/** The collections that the person reads or keeps. They are looked at again while documents are being read. */
export const collectionsQuery = queryOptions({
  queryKey: [KNOWLEDGE, "collections"],
  queryFn: () => take(api.GET("/api/knowledge/collections")),
  refetchInterval: ({ state }) => (state.data?.collections.some((one) => one.waiting > 0) ? LOOK_MS : false),
});

/** One collection. It is looked at again while its documents or sources are being read, or wait for their first time. */
export const collectionQuery = (collection: string) =>
  queryOptions({
    queryKey: [KNOWLEDGE, "collections", collection],
    queryFn: () => take(api.GET("/api/knowledge/collections/{collection}", { params: { path: { collection } } })),
    refetchInterval: ({ state }) => (state.data && isChanging(state.data) ? LOOK_MS : false),
  });

function isChanging({ waiting, sources }: Collection): boolean {
  return waiting > 0 || sources.some((one) => one.begun_at === null || isRunning(one));
}

/** Whether a source is being read now. */
export function isRunning({ begun_at: begun, ended_at: ended }: Schemas["SourceView"]): boolean {
  return begun !== null && (ended === null || ended < begun);
}

/** Documents of a collection page by page, newest first. They are looked at again while one is being read. */
export const documentsQuery = (collection: string, state: string | null) =>
  infiniteQueryOptions({
    queryKey: [KNOWLEDGE, "documents", collection, state],
    queryFn: ({ pageParam }) => {
      const query = { ...(state && { state }), ...(pageParam && { cursor: pageParam }) };
      const path = { collection };
      return take(api.GET("/api/knowledge/collections/{collection}/documents", { params: { path, query } }));
    },
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next,
    refetchInterval: ({ state: { data } }) =>
      data?.pages.some((page) => page.documents.some(isUnfinished)) ? LOOK_MS : false,
  });

/** Whether a document is still being read. */
export function isUnfinished({ state }: DocumentView): boolean {
  return state === "waiting" || state === "reading";
}

/** A document with its passages. To open it leaves a record, so it is not read again by the clock once it is ready. */
export const documentQuery = (document: string) =>
  queryOptions({
    queryKey: [KNOWLEDGE, "document", document],
    queryFn: () => take(api.GET("/api/knowledge/documents/{document}", { params: { path: { document } } })),
    staleTime: 60_000,
    refetchOnWindowFocus: false,
    refetchInterval: ({ state }) => (state.data && isUnfinished(state.data.document) ? LOOK_MS : false),
  });

/** The image of a page as a data URL. */
export const pageImageQuery = (document: string, page: number, width: number) =>
  queryOptions({
    queryKey: [KNOWLEDGE, "image", document, page, width],
    queryFn: async () => asDataUrl(await readFile(`${addressOf(document)}/pages/${page}?width=${width}`)),
    staleTime: Infinity,
    refetchOnWindowFocus: false,
  });

/** The address of a document in the API. */
export function addressOf(document: string): string {
  return `/api/knowledge/documents/${encodeURIComponent(document)}`;
}

/** A file as a data URL, which holds its bytes in base64. */
export function asDataUrl(file: Blob): Promise<string> {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result as string);
    reader.onerror = () => reject(new Error("The browser could not read the file. Choose it again."));
    reader.readAsDataURL(file);
  });
}

/** Reads collections and lists of documents again. */
export function lookAgain(client: QueryClient): Promise<unknown> {
  return Promise.all([
    client.invalidateQueries({ queryKey: collectionsQuery.queryKey }),
    client.invalidateQueries({ queryKey: [KNOWLEDGE, "documents"] }),
  ]);
}
