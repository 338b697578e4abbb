/** Pseudonyms in text, which stand for masked values. */

import { plural } from "../format";

const TOKEN = /(HGX_[A-Z]{1,16}_[BCDFGHJKLMNPQRSTVWXZ]{15})/;

const KINDS: Readonly<Record<string, string>> = {
  EMAIL: "e-mail address",
  PHONE: "phone number",
  IBAN: "bank account",
  CARD: "payment card",
};

/** A number of masked values of one kind in words, such as "2 e-mail addresses". */
export function countWords(kind: string, count: number): string {
  const words = KINDS[kind.toUpperCase()] ?? KINDS[kind.replace("payment_", "").toUpperCase()];
  if (words) return plural(count, words, `${words}${words.endsWith("s") ? "es" : "s"}`);
  return plural(count, `${kind.replaceAll("_", " ")} value`);
}

/** A piece of text; `kind` says in words what a masked value is, null for other text. */
export interface TextPiece {
  readonly text: string;
  readonly kind: string | null;
}

/** Cuts text at its pseudonyms. */
export function maskedPieces(text: string): TextPiece[] {
  return text
    .split(TOKEN)
    .map((piece, at) => ({ text: piece, kind: at % 2 ? kindOf(piece) : null }))
    .filter((piece) => piece.text !== "");
}

function kindOf(token: string): string {
  const name = token.split("_")[1]!;
  return KINDS[name] ?? name.toLowerCase();
}
