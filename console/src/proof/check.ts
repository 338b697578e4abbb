/** Checks a proof bundle in the browser, step by step, with nothing but itself and the record that is shown. */

import { fromBase64, toBase64, toHex, toText } from "./bytes";
import { type Fold, foldProof, hashLeaf, reaches } from "./merkle";
import { type Checkpoint, type VerifierKey, checkSignature, parseCheckpoint, parseVerifierKey } from "./note";

/** A proof bundle as `headgate ledger prove` writes it; binary fields are base64. */
export interface Bundle {
  readonly leaf_index: number;
  readonly entry: string;
  readonly inclusion_proof: readonly string[];
  readonly checkpoint: string;
  readonly verifier_key: string;
}

/** What the page shows of the record, and the entry has to agree with. */
export interface Shown {
  readonly id: string;
  readonly parts: readonly { readonly name: string; readonly digest: string }[];
}

export type StepId = "form" | "record" | "parts" | "path" | "key" | "signature";

/** One check. `open` is neither: it could not be done here, and `says` tells why. */
export interface Step {
  readonly id: StepId;
  readonly title: string;
  readonly state: "good" | "bad" | "open";
  readonly says: string;
}

/** All checks in order, and what the picture of the tree needs. */
export interface Report {
  readonly steps: readonly Step[];
  readonly fold: Fold | null;
  readonly checkpoint: Checkpoint | null;
  readonly entry: Uint8Array | null;
}

interface Read {
  readonly entry: Uint8Array;
  readonly proof: readonly Uint8Array[];
  readonly checkpoint: Checkpoint;
  readonly key: VerifierKey;
}

/** Whether a value has the form of a bundle. */
export function isBundle(value: unknown): value is Bundle {
  const bundle = value as Partial<Bundle> | null;
  return (
    typeof bundle === "object" &&
    bundle !== null &&
    Number.isSafeInteger(bundle.leaf_index) &&
    typeof bundle.entry === "string" &&
    typeof bundle.checkpoint === "string" &&
    typeof bundle.verifier_key === "string" &&
    Array.isArray(bundle.inclusion_proof) &&
    bundle.inclusion_proof.length <= 63 &&
    bundle.inclusion_proof.every((node) => typeof node === "string")
  );
}

/**
 * Checks a bundle.
 *
 * `trusted` is a verifier key that the reader got elsewhere, or empty. Without one, a good report shows only that the
 * bundle agrees with itself, which is what the key's step says.
 */
export async function checkBundle(bundle: Bundle, shown: Shown, trusted: string): Promise<Report> {
  const form = "The proof bundle is readable";
  const read = readBundle(bundle);
  if (typeof read === "string") {
    return {
      steps: [{ id: "form", title: form, state: "bad", says: read }],
      fold: null,
      checkpoint: null,
      entry: null,
    };
  }
  const { entry, checkpoint } = read;
  const fold = foldProof(hashLeaf(entry), read.proof, BigInt(bundle.leaf_index), checkpoint.size);
  const steps: Step[] = [
    {
      id: "form",
      title: form,
      state: "good",
      says: `An entry of ${entry.length} bytes and ${read.proof.length} hashes.`,
    },
    ...checkEntry(entry, shown),
    checkPath(fold, bundle, checkpoint),
    checkKey(read.key, checkpoint, trusted),
    await checkSigned(read),
  ];
  return { steps, fold, checkpoint, entry };
}

/** The worst of all states: one bad step makes the whole bad. */
export function verdictOf(report: Report): Step["state"] {
  const states = report.steps.map((step) => step.state);
  if (states.includes("bad")) return "bad";
  return states.includes("open") ? "open" : "good";
}

/** The bundle with one character of its entry changed, and where: the one after `after` that is a letter or digit. */
export function tamper(bundle: Bundle, after: number): { readonly bundle: Bundle; readonly at: number } {
  const bytes = fromBase64(bundle.entry);
  if (!bytes?.length) return { bundle, at: 0 };
  let at = after % bytes.length;
  for (let tried = 0; tried < bytes.length && !/[0-9a-y]/.test(String.fromCharCode(bytes[at]!)); tried++) {
    at = (at + 1) % bytes.length;
  }
  // The next letter or digit: JSON stays JSON, so that nothing but the mathematics gives the change away.
  bytes[at] = bytes[at] === 0x39 ? 0x30 : bytes[at]! + 1;
  return { bundle: { ...bundle, entry: toBase64(bytes) }, at };
}

function readBundle(bundle: Bundle): Read | string {
  const entry = fromBase64(bundle.entry);
  if (!entry || entry.length > 0xffff) return "The entry is not base64 of at most 65,535 bytes.";
  const proof = bundle.inclusion_proof.map(fromBase64).filter((node) => node?.length === 32);
  if (proof.length !== bundle.inclusion_proof.length) return "A hash of the inclusion proof is not 32 bytes in base64.";
  const checkpoint = parseCheckpoint(bundle.checkpoint);
  if (!checkpoint) return "The checkpoint is not a signed note.";
  const key = parseVerifierKey(bundle.verifier_key);
  if (!key) return "The verifier key is malformed, or its id does not belong to it.";
  return { entry, proof: proof as Uint8Array[], checkpoint, key };
}

function checkEntry(entry: Uint8Array, shown: Shown): Step[] {
  const texts = textsIn(entry);
  const record: Step = texts.has(shown.id)
    ? { id: "record", title: "The entry belongs to this record", state: "good", says: `It names ${shown.id}.` }
    : { id: "record", title: "The entry belongs to this record", state: "bad", says: `It does not name ${shown.id}.` };
  const missing = shown.parts.filter((part) => !texts.has(part.digest)).map((part) => part.name);
  const title = "The entry holds the digests of the parts";
  if (missing.length) {
    const says = `The digest of ${missing.join(", ")} is missing from the entry.`;
    return [record, { id: "parts", title, state: "bad", says }];
  }
  const names = shown.parts.map((part) => part.name).join(", ");
  const says = names ? `It holds the digests of ${names}.` : "This record has no parts.";
  return [record, { id: "parts", title, state: "good", says }];
}

/** Every text and key in an entry of JSON; nothing where it is not JSON. */
function textsIn(entry: Uint8Array): Set<string> {
  const texts = new Set<string>();
  const walk = (value: unknown): void => {
    if (typeof value === "string") texts.add(value);
    else if (value && typeof value === "object") {
      for (const [name, inner] of Object.entries(value)) {
        texts.add(name);
        walk(inner);
      }
    }
  };
  try {
    walk(JSON.parse(toText(entry) ?? ""));
  } catch {
    return texts;
  }
  return texts;
}

function checkPath(fold: Fold, bundle: Bundle, checkpoint: Checkpoint): Step {
  const title = "The path leads from the entry to the signed root";
  const place = `entry ${bundle.leaf_index} of ${checkpoint.size}`;
  if (reaches(fold, checkpoint.root)) {
    return {
      id: "path",
      title,
      state: "good",
      says: `From ${place}, the path reaches the root after ${fold.climbs.length} hashes.`,
    };
  }
  if (!fold.fits) return { id: "path", title, state: "bad", says: `The proof has the wrong length for ${place}.` };
  const [ends, signed] = [toHex(fold.top).slice(0, 12), toHex(checkpoint.root).slice(0, 12)];
  return { id: "path", title, state: "bad", says: `The path ends at ${ends}…, but the signed root is ${signed}….` };
}

function checkKey(key: VerifierKey, checkpoint: Checkpoint, trusted: string): Step {
  const title = "The key belongs to the log";
  if (key.name !== checkpoint.origin) {
    return {
      id: "key",
      title,
      state: "bad",
      says: `The key belongs to ${key.name}, but the checkpoint to ${checkpoint.origin}.`,
    };
  }
  if (!trusted.trim()) {
    const says = "The key came with the proof. Paste the published key below to rule out a forged log.";
    return { id: "key", title, state: "open", says };
  }
  const own = parseVerifierKey(trusted);
  if (!own) return { id: "key", title, state: "open", says: "The pasted text is not a verifier key. Paste one of the form name+id+key." };
  const isSame = own.name === key.name && toHex(own.publicKey) === toHex(key.publicKey);
  return isSame
    ? { id: "key", title, state: "good", says: "It equals the key that you pasted." }
    : { id: "key", title, state: "bad", says: "It differs from the key that you pasted." };
}

async function checkSigned({ checkpoint, key }: Read): Promise<Step> {
  const title = "The log signed this root";
  switch (await checkSignature(checkpoint, key)) {
    case "good":
      return { id: "signature", title, state: "good", says: `Ed25519 signature by ${key.name} (${toHex(key.keyId)}).` };
    case "bad":
      return { id: "signature", title, state: "bad", says: "The signature on the checkpoint does not verify." };
    case "unsupported": {
      const says =
        "This browser cannot check Ed25519 signatures. Run headgate ledger check-proof instead.";
      return { id: "signature", title, state: "open", says };
    }
  }
}
