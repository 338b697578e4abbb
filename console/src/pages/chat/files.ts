/** Files of a message: texts and images, read in the browser. */

import type { Schemas } from "../../api/client";
import { formatSize } from "../../format";

export type Attachment = Schemas["Attachment"];

const MOST_FILES = 8;
const MOST_CHARS = 200_000;
const MOST_IMAGE_BYTES = 3_000_000;
const MOST_IMAGE_CHARS = (MOST_IMAGE_BYTES / 3) * 4;
const IMAGES = ["image/png", "image/jpeg", "image/webp", "image/gif"];

/** The file types that the picker offers. */
export const ACCEPTED = ["text/*", ".md", ".csv", ".json", ".log", ".py", ".ts", ".sql", ".yaml", ".toml", ...IMAGES].join();

/** The files with more of them, or an error that says which one is too large or of another kind. */
export async function withFiles(kept: readonly Attachment[], added: readonly File[]): Promise<readonly Attachment[]> {
  if (kept.length + added.length > MOST_FILES) throw new Error(`Attach at most ${MOST_FILES} files to one message.`);
  const files = [...kept, ...(await Promise.all(added.map(read)))];
  if (files.reduce((sum, { data }) => sum + (data?.length ?? 0), 0) > MOST_IMAGE_CHARS)
    throw new Error("The images have more than 3 MB together. Send them in several messages.");
  return files;
}

async function read(file: File): Promise<Attachment> {
  if (IMAGES.includes(file.type)) return readImage(file);
  const text = await file.text();
  if (text.includes("\0") || text.includes("\ufffd"))
    throw new Error(`${file.name} is not a text. Attach texts, or images as PNG, JPEG, WebP or GIF.`);
  if (text.length > MOST_CHARS)
    throw new Error(`${file.name} has ${text.length.toLocaleString("en")} characters. Attach at most 200,000.`);
  return { name: file.name, media_type: "text/plain", text, data: null };
}

async function readImage(file: File): Promise<Attachment> {
  if (file.size > MOST_IMAGE_BYTES)
    throw new Error(`${file.name} has ${formatSize(file.size)}. Attach images of at most 3 MB.`);
  const bytes = new Uint8Array(await file.arrayBuffer());
  let text = "";
  for (let at = 0; at < bytes.length; at += 8192) text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return { name: file.name, media_type: file.type, text: null, data: btoa(text) };
}
