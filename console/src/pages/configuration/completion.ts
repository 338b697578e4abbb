/** What can be typed at a place of the configuration: sections, keys, values and names. */

import type { CompletionContext, CompletionResult } from "@codemirror/autocomplete";

import type { Schemas } from "../../api/client";

/** The keys of every section, and the names that entries may refer to. */
export interface Vocabulary {
  readonly sections: readonly Schemas["SectionKeys"][];
  readonly names: Readonly<Record<string, readonly string[]>>;
}

/** A choice, and what it completes to. */
export interface Choice {
  readonly label: string;
  readonly detail?: string;
}

/** The choices after a text of some lines, of which the last is typed in. */
export function choicesAfter(
  text: string,
  vocabulary: Vocabulary,
): {
  readonly typed: string;
  readonly choices: Choice[];
  /** What ends the line after a choice, unless it is there. */
  readonly closing?: string;
} {
  const line = text.slice(text.lastIndexOf("\n") + 1);
  const header = /^\s*(\[+)([\w.]*)$/.exec(line);
  if (header)
    return {
      typed: header[2]!,
      choices: headersOf(vocabulary, line.includes("[[")),
      closing: "]".repeat(header[1]!.length),
    };
  const table = tableOf(text.slice(0, text.length - line.length));
  const section = vocabulary.sections.find((one) => one.name === table.section);
  if (!section) return { typed: "", choices: [] };
  const key = /^\s*([\w.-]*)$/.exec(line);
  if (key) return { typed: key[1]!, choices: keysOf(section, table.prefix) };
  const value = /^\s*([\w.-]+)\s*=\s*(?:\[.*?)?("?)([\w./:*-]*)$/.exec(line);
  if (!value) return { typed: "", choices: [] };
  const found = section.keys.find((one) => one.name === table.prefix + value[1]!);
  const labels = found ? valuesOf(found, vocabulary) : [];
  const isText = found?.kind === "text" || found?.kind === "list";
  return {
    typed: value[3]!,
    choices: labels.map((label) => ({ label: isText && !value[2] ? `"${label}"` : label })),
  };
}

/** The completions at a place of the editor. */
export function completions(context: CompletionContext, vocabulary: Vocabulary): CompletionResult | null {
  const { typed, choices, closing = "" } = choicesAfter(context.state.sliceDoc(0, context.pos), vocabulary);
  if (choices.length === 0 || (!typed && !context.explicit)) return null;
  const there = /^\]*/.exec(context.state.sliceDoc(context.pos, context.pos + closing.length))![0];
  const missing = closing.slice(there.length);
  const options = choices.map((choice) => (missing ? { ...choice, apply: choice.label + missing } : choice));
  return { from: context.pos - typed.length, options, validFor: /^[\w./:*"-]*$/ };
}

function headersOf(vocabulary: Vocabulary, isEntry: boolean): Choice[] {
  if (isEntry) return vocabulary.sections.map((section) => ({ label: section.name, detail: "a new entry" }));
  return vocabulary.sections.flatMap((section) =>
    section.keys.filter((key) => key.kind === "table").map((key) => ({ label: `${section.name}.${key.name}` })),
  );
}

function keysOf(section: Schemas["SectionKeys"], prefix: string): Choice[] {
  return section.keys
    .filter((key) => key.name.startsWith(prefix))
    .map((key) => ({ label: key.name.slice(prefix.length), detail: key.is_required ? `${key.kind}, required` : key.kind }));
}

function valuesOf(key: Schemas["ConfigKey"], vocabulary: Vocabulary): readonly string[] {
  return key.refers_to ? (vocabulary.names[key.refers_to] ?? []) : key.choices;
}

/** The table in which the next line stands: its section, and the prefix of its keys. */
function tableOf(text: string): { readonly section: string; readonly prefix: string } {
  const found = [...text.matchAll(/^\s*\[+\s*([\w.-]+)\s*\]+/gm)].at(-1)?.[1] ?? "";
  const [section = "", ...rest] = found.split(".");
  return { section, prefix: rest.length ? `${rest.join(".")}.` : "" };
}
