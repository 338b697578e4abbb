/** A small Merkle log with a real key, whose proofs the tests check. */

import { createHash, generateKeyPairSync, sign } from "node:crypto";

import { concat, toBase64, toBytes, toHex } from "./bytes";
import { hashChildren, hashLeaf } from "./merkle";

const ORIGIN = "localhost/headgate/default";

/** An append-only log in memory. */
export class Log {
  private readonly entries: Uint8Array[] = [];
  private readonly pair = generateKeyPairSync("ed25519");

  /** Appends an entry; returns its index. */
  append(entry: string): number {
    return this.entries.push(toBytes(entry)) - 1;
  }

  /** The proof bundle of an entry, in the form of `headgate ledger prove`. */
  prove(index: number): Record<string, unknown> {
    const leaves = this.entries.map(hashLeaf);
    return {
      format: "headgate-inclusion-proof",
      version: 1,
      how_to_check: "See the documentation.",
      leaf_index: index,
      entry: toBase64(this.entries[index]!),
      inclusion_proof: path(index, leaves).map(toBase64),
      checkpoint: this.checkpoint(),
      verifier_key: this.verifierKey(),
    };
  }

  /** The signed tree head. */
  checkpoint(): string {
    const root = rootOf(this.entries.map(hashLeaf));
    const body = `${ORIGIN}\n${this.entries.length}\n${toBase64(root)}\n`;
    const signature = sign(null, toBytes(body), this.pair.privateKey);
    return `${body}\n— ${ORIGIN} ${toBase64(concat(this.keyId(), signature))}\n`;
  }

  /** The public key as logs publish it. */
  verifierKey(): string {
    return `${ORIGIN}+${toHex(this.keyId())}+${toBase64(this.typedKey())}`;
  }

  private keyId(): Uint8Array {
    const digest = createHash("sha256")
      .update(concat(toBytes(`${ORIGIN}\n`), this.typedKey()))
      .digest();
    return new Uint8Array(digest.subarray(0, 4));
  }

  private typedKey(): Uint8Array {
    const der = this.pair.publicKey.export({ type: "spki", format: "der" });
    return concat(Uint8Array.of(1), new Uint8Array(der.subarray(-32)));
  }
}

/** The root over leaf hashes. Source: RFC 6962, section 2.1. */
export function rootOf(leaves: readonly Uint8Array[]): Uint8Array {
  if (leaves.length === 1) return leaves[0]!;
  const split = splitOf(leaves.length);
  return hashChildren(rootOf(leaves.slice(0, split)), rootOf(leaves.slice(split)));
}

/** The inclusion proof of a leaf. Source: RFC 6962, section 2.1.1. */
export function path(index: number, leaves: readonly Uint8Array[]): Uint8Array[] {
  if (leaves.length <= 1) return [];
  const split = splitOf(leaves.length);
  return index < split
    ? [...path(index, leaves.slice(0, split)), rootOf(leaves.slice(split))]
    : [...path(index - split, leaves.slice(split)), rootOf(leaves.slice(0, split))];
}

function splitOf(size: number): number {
  return 2 ** Math.floor(Math.log2(size - 1));
}
