/** Checkpoints: signed notes that say how long the log is and what it holds. Source: c2sp.org/signed-note. */

import { concat, fromBase64, isEqual, toBytes, toHex } from "./bytes";
import { sha256 } from "./sha256";

const LOG = 1;

/** A log's public key, as published: name, id and 32 bytes of Ed25519. */
export interface VerifierKey {
  readonly name: string;
  readonly keyId: Uint8Array;
  readonly publicKey: Uint8Array<ArrayBuffer>;
}

/** What a checkpoint says, and the lines that sign it; nothing of it is verified yet. */
export interface Checkpoint {
  readonly text: string;
  readonly origin: string;
  readonly size: bigint;
  readonly root: Uint8Array;
  readonly signatures: readonly NoteSignature[];
}

/** One signature line of a note. */
export interface NoteSignature {
  readonly name: string;
  readonly keyId: Uint8Array;
  readonly signature: Uint8Array<ArrayBuffer>;
}

/** Reads `name+id+key`, or null where the text is malformed or the id does not belong to the key. */
export function parseVerifierKey(text: string): VerifierKey | null {
  const found = /^([^+\s]+)\+([0-9a-f]{8})\+(\S+)$/.exec(text.trim());
  const data = found ? fromBase64(found[3]!) : null;
  if (!found || data?.length !== 33 || data[0] !== LOG) return null;
  const keyId = sha256(concat(toBytes(`${found[1]}\n`), data)).slice(0, 4);
  return toHex(keyId) === found[2] ? { name: found[1]!, keyId, publicKey: data.slice(1) } : null;
}

/** Takes a signed note apart, or returns null where it is not in the one form that logs write. */
export function parseCheckpoint(note: string): Checkpoint | null {
  const gap = note.lastIndexOf("\n\n");
  if (gap < 0 || !note.endsWith("\n")) return null;
  const text = note.slice(0, gap + 1);
  const [origin, sizeText, rootText] = text.split("\n");
  const root = fromBase64(rootText ?? "");
  const signatures = note
    .slice(gap + 2, -1)
    .split("\n")
    .map(parseSignature);
  if (!origin || !/^(0|[1-9][0-9]{0,18})$/.test(sizeText ?? "") || root?.length !== 32) return null;
  if (!signatures.every((line) => line !== null)) return null;
  return { text, origin, size: BigInt(sizeText!), root, signatures };
}

function parseSignature(line: string): NoteSignature | null {
  const found = /^— (\S+) (\S+)$/.exec(line);
  const data = found ? fromBase64(found[2]!) : null;
  if (!found || !data || data.length < 5) return null;
  return { name: found[1]!, keyId: data.slice(0, 4), signature: data.slice(4) };
}

/** Whether the log's key signed the checkpoint; `unsupported` where this browser cannot check Ed25519. */
export async function checkSignature(note: Checkpoint, key: VerifierKey): Promise<"good" | "bad" | "unsupported"> {
  const line = note.signatures.find((one) => one.name === key.name && isEqual(one.keyId, key.keyId));
  if (!line || key.name !== note.origin) return "bad";
  const subtle = globalThis.crypto?.subtle;
  if (!subtle) return "unsupported";
  let imported: CryptoKey;
  try {
    imported = await subtle.importKey("raw", key.publicKey, "Ed25519", false, ["verify"]);
  } catch {
    return "unsupported";
  }
  return (await subtle.verify("Ed25519", imported, line.signature, toBytes(note.text))) ? "good" : "bad";
}
