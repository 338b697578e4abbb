import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";

import { Log } from "./log.fixture";
import made from "./bundle.fixture.json";
import { toBytes, toHex } from "./bytes";
import { type Bundle, checkBundle, isBundle, tamper, verdictOf } from "./check";
import { foldProof, hashLeaf, reaches } from "./merkle";
import { parseCheckpoint } from "./note";
import { sha256 } from "./sha256";

// Written by `headgate.ledger`: the two implementations share no line.
const BUNDLE = made.bundle as Bundle;
const SHOWN = made.shown;

async function failing(bundle: Bundle, shown = SHOWN, trusted = ""): Promise<string[]> {
  const report = await checkBundle(bundle, shown, trusted);
  return report.steps.filter((step) => step.state === "bad").map((step) => step.id);
}

describe("sha256", () => {
  it("agrees with the platform's at every length around its blocks", () => {
    for (const size of [0, 1, 3, 55, 56, 57, 63, 64, 65, 119, 120, 128, 1000]) {
      const data = Uint8Array.from({ length: size }, (_, at) => (at * 31) & 0xff);
      expect(toHex(sha256(data))).toBe(createHash("sha256").update(data).digest("hex"));
    }
  });
});

describe("an inclusion proof", () => {
  it("leads from every entry of trees of every small size to the root, and from no other place", () => {
    for (let size = 1; size <= 20; size++) {
      const log = new Log();
      for (let at = 0; at < size; at++) log.append(`entry ${at}`);
      for (let at = 0; at < size; at++) {
        const bundle = log.prove(at) as unknown as Bundle;
        const root = parseCheckpoint(bundle.checkpoint)!.root;
        const proof = bundle.inclusion_proof.map((node) => new Uint8Array(Buffer.from(node, "base64")));
        const leaf = hashLeaf(toBytes(`entry ${at}`));
        for (let place = 0; place < size; place++) {
          expect(reaches(foldProof(leaf, proof, BigInt(place), BigInt(size)), root)).toBe(place === at);
        }
      }
    }
  });
});

describe("a proof bundle", () => {
  it("of the ledger agrees with itself, and is good under a key from elsewhere", async () => {
    expect(isBundle(BUNDLE)).toBe(true);
    expect(verdictOf(await checkBundle(BUNDLE, SHOWN, ""))).toBe("open");
    expect(verdictOf(await checkBundle(BUNDLE, SHOWN, BUNDLE.verifier_key))).toBe("good");
  });

  it("fails at the path when one character of its entry changes, wherever that is", async () => {
    for (let at = 0; at < 60; at += 7) {
      const changed = tamper(BUNDLE, at).bundle;
      expect(changed.entry).not.toBe(BUNDLE.entry);
      expect(await failing(changed)).toContain("path");
    }
  });

  it("fails where a record is shown that is not the one in the entry", async () => {
    expect(await failing(BUNDLE, { ...SHOWN, id: "another" })).toEqual(["record"]);
    expect(await failing(BUNDLE, { ...SHOWN, parts: [{ name: "sent", digest: "00" }] })).toEqual(["parts"]);
  });

  it("fails at the path for another place in the log or a missing hash", async () => {
    expect(await failing({ ...BUNDLE, leaf_index: BUNDLE.leaf_index + 1 })).toEqual(["path"]);
    expect(await failing({ ...BUNDLE, inclusion_proof: BUNDLE.inclusion_proof.slice(1) })).toEqual(["path"]);
  });

  it("fails at the signature when the signed root is changed along with the tree", async () => {
    const log = new Log();
    const forged = log.prove(log.append(Buffer.from(BUNDLE.entry, "base64").toString())) as unknown as Bundle;
    const text = parseCheckpoint(forged.checkpoint)!.text.replace(
      /^.*\n/,
      `${parseCheckpoint(BUNDLE.checkpoint)!.origin}\n`,
    );
    const signatures = BUNDLE.checkpoint.slice(BUNDLE.checkpoint.lastIndexOf("\n\n") + 1);
    expect(await failing({ ...BUNDLE, leaf_index: 0, inclusion_proof: [], checkpoint: text + signatures })).toEqual([
      "signature",
    ]);
  });

  it("fails at the key when the reader's key is another log's", async () => {
    expect(await failing(BUNDLE, SHOWN, new Log().verifierKey())).toEqual(["key"]);
  });

  it("is refused as a form when a field of it cannot be read", async () => {
    expect(await failing({ ...BUNDLE, checkpoint: "nonsense" })).toEqual(["form"]);
    expect(await failing({ ...BUNDLE, verifier_key: BUNDLE.verifier_key.replace("+", "x+") })).toEqual(["form"]);
    expect(await failing({ ...BUNDLE, entry: `${BUNDLE.entry}=` })).toEqual(["form"]);
    expect(isBundle({ ...BUNDLE, leaf_index: "1" })).toBe(false);
    expect(isBundle(null)).toBe(false);
  });
});
