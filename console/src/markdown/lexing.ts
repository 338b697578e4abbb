/** Markdown as tokens: GitHub's flavour, with formulas between `$…$`, `$$…$$`, `\(…\)` and `\[…\]`. */

import { Marked, type Token, type TokensList } from "marked";

/** A formula; `isBlock` stands on lines of its own. */
export interface Formula {
  readonly type: "formula";
  readonly raw: string;
  readonly text: string;
  readonly isBlock: boolean;
}

const BLOCK = /^(?:\$\$([\s\S]+?)\$\$|\\\[([\s\S]+?)\\\])[ \t]*(?:\n|$)/;
const INLINE = /^(?:\$(?![\s$])((?:\\.|[^\\$\n])+?)(?<![\s\\])\$(?!\d)|\\\((.+?)\\\)|\$\$([^$\n]+?)\$\$)/;

const formulas = new Marked({
  gfm: true,
  extensions: [
    {
      name: "blockFormula",
      level: "block",
      start: (text) => /\$\$|\\\[/.exec(text)?.index,
      tokenizer: (text) => formulaOf(BLOCK.exec(text), true),
    },
    {
      name: "formula",
      level: "inline",
      start: (text) => /\$|\\\(/.exec(text)?.index,
      tokenizer: (text) => formulaOf(INLINE.exec(text), false),
    },
  ],
});

function formulaOf(found: RegExpExecArray | null, isBlock: boolean): Formula | undefined {
  if (!found) return undefined;
  return { type: "formula", raw: found[0], text: (found[1] ?? found[2] ?? found[3] ?? "").trim(), isBlock };
}

/** The blocks of a text. */
export function blocksOf(text: string): TokensList | Token[] {
  return formulas.lexer(text);
}

/** The address if a link may go there, or null: only the web and mail, so that no link runs a script. */
export function safeAddress(address: string): string | null {
  const text = address.trim();
  return /^(https?:\/\/|mailto:)[^\s]+$/i.test(text) ? text : null;
}
