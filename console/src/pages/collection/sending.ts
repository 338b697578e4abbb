/** Sends files to a collection, one after another. It goes on while the person looks at other pages. */

import { useQueryClient } from "@tanstack/react-query";

import { api, take } from "../../api/client";
import { formatSize, plural } from "../../format";
import { useKept } from "../../kept";
import { asDataUrl, lookAgain } from "../../knowledge/queries";

/** The most bytes of a file: more would not fit into a request in base64. */
export const MOST_BYTES = 24_000_000;

/** A file on its way. It disappears once it is among the documents. */
export interface SentFile {
  readonly key: number;
  readonly file: File;
  readonly state: "queued" | "sending" | "refused";
  /** The document that it became; null until it has arrived. */
  readonly document: string | null;
  /** Why it was refused. */
  readonly problem: string;
}

export interface Sending {
  readonly files: readonly SentFile[];
  readonly add: (files: readonly File[]) => void;
  readonly again: (file: SentFile) => void;
  readonly dismiss: (file: SentFile) => void;
}

export function useSending(collection: string): Sending {
  const client = useQueryClient();
  const [files, change] = useKept<readonly SentFile[]>(["kept", "knowledge", "sending", collection], []);
  const set = ({ key }: SentFile, changed: Partial<SentFile>): void =>
    change((all) => all.map((one) => (one.key === key ? { ...one, ...changed } : one)));
  const dismiss = ({ key }: SentFile): void => change((all) => all.filter((one) => one.key !== key));
  const send = async (one: SentFile): Promise<void> => {
    set(one, { state: "sending" });
    try {
      set(one, { document: await sent(collection, one.file) });
      await lookAgain(client);
      dismiss(one);
    } catch (problem) {
      set(one, { state: "refused", problem: problem instanceof Error ? problem.message : String(problem) });
    }
  };
  const add = (added: readonly File[]): void => {
    const first = Date.now() * 1_000;
    const taken = added.map((file, at) => checked(file, first + at));
    change((all) => [...all, ...taken]);
    void taken
      .filter((one) => one.state === "queued")
      .reduce((before, one) => before.then(() => send(one)), Promise.resolve());
  };
  const again = (one: SentFile): void => {
    dismiss(one);
    add([one.file]);
  };
  return { files, add, again, dismiss };
}

function checked(file: File, key: number): SentFile {
  const problem = whyNot(file);
  return { key, file, state: problem ? "refused" : "queued", document: null, problem };
}

/** Why a file cannot be sent; empty if it can. */
export function whyNot({ size }: Pick<File, "size">): string {
  if (size > MOST_BYTES)
    return `It has ${formatSize(size)}, and at most ${formatSize(MOST_BYTES)} can be sent. Split it, or put it into a folder that is a source.`;
  return size === 0 ? "It is empty." : "";
}

/** Sends a file, and returns the id of its document. */
async function sent(collection: string, file: File): Promise<string> {
  const data = (await asDataUrl(file)).split(",")[1] ?? "";
  const body = { name: file.name, data };
  const path = { collection };
  return (await take(api.POST("/api/knowledge/collections/{collection}/documents", { params: { path }, body }))).id;
}

/** What is on its way, for people who hear the page: `2 files are being sent`. */
export function announcement(files: readonly SentFile[]): string {
  const going = files.filter((one) => one.state !== "refused").length;
  return going === 0 ? "" : `${plural(going, "file")} ${going === 1 ? "is" : "are"} being sent`;
}
