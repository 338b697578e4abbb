/** The Merkle tree of the log. Source: RFC 6962 section 2.1 for hashing, RFC 9162 section 2.1.3.2 for inclusion. */

import { concat, isEqual } from "./bytes";
import { sha256 } from "./sha256";

const LEAF = Uint8Array.of(0);
const NODE = Uint8Array.of(1);

/** One climb in the tree: the hash below, its sibling from the proof, and what the two make. */
export interface Climb {
  readonly sibling: Uint8Array;
  /** Where the sibling stands. */
  readonly side: "left" | "right";
  readonly below: Uint8Array;
  readonly parent: Uint8Array;
}

/** What folding a proof led to; `fits` is whether the proof had as many hashes as the tree needs. */
export interface Fold {
  readonly leaf: Uint8Array;
  readonly climbs: readonly Climb[];
  readonly top: Uint8Array;
  readonly fits: boolean;
}

/** SHA-256 of a zero byte and the entry. */
export function hashLeaf(entry: Uint8Array): Uint8Array {
  return sha256(concat(LEAF, entry));
}

/** SHA-256 of a one byte and both children. */
export function hashChildren(left: Uint8Array, right: Uint8Array): Uint8Array {
  return sha256(concat(NODE, left, right));
}

/** Folds the hashes of an inclusion proof into a leaf's hash, noting each step. */
export function foldProof(leaf: Uint8Array, proof: readonly Uint8Array[], index: bigint, size: bigint): Fold {
  const climbs: Climb[] = [];
  let [at, last, below] = [index, size - 1n, leaf];
  let fits = index >= 0n && index < size;
  for (const sibling of proof) {
    if (last <= 0n) fits = false;
    const isRight = (at & 1n) === 1n || at === last;
    const parent = isRight ? hashChildren(sibling, below) : hashChildren(below, sibling);
    climbs.push({ sibling, side: isRight ? "left" : "right", below, parent });
    // A node without a sibling is its own parent: skip the levels at which the right edge has none.
    while (isRight && at > 0n && (at & 1n) === 0n) [at, last] = [at >> 1n, last >> 1n];
    [at, last, below] = [at >> 1n, last >> 1n, parent];
  }
  return { leaf, climbs, top: below, fits: fits && last === 0n };
}

/** Whether a fold ended at this root, with a proof of the right length. */
export function reaches(fold: Fold, root: Uint8Array): boolean {
  return fold.fits && isEqual(fold.top, root);
}
