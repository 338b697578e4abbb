/** Numbers the sources of an answer, and finds quotations in their passages. */

import type { Answer, FoundPassage } from "./queries";

/** A sentence with the numbers of its sources. */
export interface CitedSentence {
  readonly text: string;
  readonly sources: readonly number[];
}

export interface Source {
  /** From 1, in the order in which the answer names them. */
  readonly number: number;
  readonly found: FoundPassage;
  /** The sentences that were taken from it word by word. */
  readonly quotations: readonly string[];
}

export interface Cited {
  readonly sentences: readonly CitedSentence[];
  readonly sources: readonly Source[];
  /** Passages that were found and are not cited, best first. */
  readonly others: readonly FoundPassage[];
}

/** The sentences of an answer with the numbers of their sources. */
export function citedIn({ sentences, passages, is_quoted: isQuoted }: Pick<Answer, "sentences" | "passages" | "is_quoted">): Cited {
  const order = [...new Set(sentences.flatMap((one) => one.cites))].filter((at) => at in passages);
  const numbers = new Map(order.map((at, place) => [at, place + 1]));
  return {
    sentences: sentences.map(({ text, cites }) => ({
      text,
      sources: cites.map((at) => numbers.get(at)).filter((one) => one !== undefined),
    })),
    sources: order.map((at, place) => ({
      number: place + 1,
      found: passages[at]!,
      quotations: isQuoted ? sentences.filter((one) => one.cites.includes(at)).map((one) => one.text) : [],
    })),
    others: passages.filter((_, at) => !numbers.has(at)),
  };
}

/** A piece of a text, and whether it is quoted. */
export interface Piece {
  readonly text: string;
  readonly isQuoted: boolean;
}

/** A text in pieces, so that quotations in it can be marked. White space counts as one, however it is written. */
export function piecesOf(text: string, quotations: readonly string[]): Piece[] {
  const patterns = quotations.filter((one) => one.trim()).map((one) => escaped(one.trim()).replace(/\s+/g, "\\s+"));
  if (patterns.length === 0) return [{ text, isQuoted: false }];
  return text
    .split(new RegExp(`(${patterns.join("|")})`))
    .map((piece, at) => ({ text: piece, isQuoted: at % 2 === 1 }))
    .filter((piece) => piece.text !== "");
}

const LEAD_CHARS = 80;

/** A text from shortly before its first quotation on, for a place where only its beginning is seen. */
export function fromQuotation(text: string, quotations: readonly string[]): string {
  const [first, ...rest] = piecesOf(text, quotations);
  if (!first || first.isQuoted || rest.length === 0 || first.text.length <= 2 * LEAD_CHARS) return text;
  const start = text.indexOf(" ", first.text.length - LEAD_CHARS);
  return `… ${text.slice(start < 0 || start > first.text.length ? first.text.length : start + 1)}`;
}

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}

/** An answer as text to copy: its sentences, and its sources with their places. */
export function copyOf({ sentences, sources }: Cited, lineOf: (source: Source) => string): string {
  const said = sentences.map((one) => `${one.text}${one.sources.map((number) => ` [${number}]`).join("")}`).join("\n");
  return `${said}\n\n${sources.map((one) => `[${one.number}] ${lineOf(one)}`).join("\n")}`;
}
