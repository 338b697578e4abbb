/** The editor of the configuration: completes keys and names, marks mistakes at their lines, searches. Loaded when shown. */

import { autocompletion, completionKeymap } from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap } from "@codemirror/commands";
import { HighlightStyle, StreamLanguage, syntaxHighlighting } from "@codemirror/language";
import { toml } from "@codemirror/legacy-modes/mode/toml";
import { lintGutter, lintKeymap, linter, setDiagnostics } from "@codemirror/lint";
import { highlightSelectionMatches, search, searchKeymap } from "@codemirror/search";
import { Compartment, EditorState } from "@codemirror/state";
import {
  EditorView,
  drawSelection,
  highlightActiveLine,
  highlightSpecialChars,
  keymap,
  lineNumbers,
} from "@codemirror/view";
import { tags } from "@lezer/highlight";
import { useEffect, useRef } from "react";

import { type Vocabulary, completions } from "./completion";
import type { Mistake } from "./lines";
import styles from "./editor.module.css";

interface Props {
  readonly label: string;
  readonly value: string;
  readonly vocabulary: Vocabulary;
  readonly isReadOnly: boolean;
  /** The mistake that the person asked about; the editor goes there. */
  readonly mistake: Mistake | null;
  readonly onChange: (value: string) => void;
  /** Finds the first mistake of a text, while the person types. */
  readonly onCheck: (value: string) => Promise<Mistake | null>;
}

const COLOURS = HighlightStyle.define([
  { tag: tags.comment, color: "var(--hg-quiet)", fontStyle: "italic" },
  { tag: tags.string, color: "var(--hg-good)" },
  { tag: [tags.number, tags.bool, tags.atom], color: "var(--hg-blue)" },
  { tag: [tags.propertyName, tags.definition(tags.propertyName)], color: "inherit" },
  { tag: tags.standard(tags.name), color: "var(--hg-violet)" },
]);

const CHECK_AFTER_MS = 800;

export default function Editor({ label, value, vocabulary, isReadOnly, mistake, onChange, onCheck }: Props) {
  const place = useRef<HTMLDivElement>(null);
  const view = useRef<EditorView | null>(null);
  const invalid = useRef(new Compartment());
  const latest = useRef({ vocabulary, onChange, onCheck });
  useEffect(() => {
    latest.current = { vocabulary, onChange, onCheck };
  });
  useEffect(() => {
    const state = EditorState.create({
      doc: value,
      extensions: [
        lineNumbers(),
        highlightSpecialChars(),
        history(),
        drawSelection(),
        highlightActiveLine(),
        highlightSelectionMatches(),
        StreamLanguage.define(toml),
        syntaxHighlighting(COLOURS),
        search({ top: true }),
        lintGutter(),
        linter(async (now) => diagnosticsOf(now.state, await latest.current.onCheck(now.state.doc.toString())), {
          delay: CHECK_AFTER_MS,
        }),
        autocompletion({ override: [(context) => completions(context, latest.current.vocabulary)] }),
        keymap.of([...defaultKeymap, ...searchKeymap, ...historyKeymap, ...completionKeymap, ...lintKeymap]),
        EditorView.updateListener.of((update) => {
          if (update.docChanged) latest.current.onChange(update.state.doc.toString());
        }),
        EditorState.readOnly.of(isReadOnly),
        EditorView.contentAttributes.of({ "aria-label": label, tabindex: "0" }),
        invalid.current.of([]),
      ],
    });
    const made = new EditorView({ state, parent: place.current! });
    view.current = made;
    return () => made.destroy();
    // The editor holds its own text: it is made anew only for another text, by its key.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [label, isReadOnly]);
  useEffect(() => {
    const editor = view.current;
    if (!editor || editor.state.doc.toString() === value) return;
    editor.dispatch({ changes: { from: 0, to: editor.state.doc.length, insert: value } });
  }, [value]);
  useEffect(() => {
    const editor = view.current;
    if (!editor) return;
    const attributes = EditorView.contentAttributes.of({ "aria-invalid": String(mistake !== null) });
    editor.dispatch({ effects: invalid.current.reconfigure(attributes) });
    if (mistake === null || mistake.line > editor.state.doc.lines) return;
    const line = editor.state.doc.line(mistake.line);
    editor.dispatch(setDiagnostics(editor.state, diagnosticsOf(editor.state, mistake)));
    editor.dispatch({ selection: { anchor: line.from, head: line.to }, scrollIntoView: true });
    editor.focus();
  }, [mistake]);
  return <div ref={place} className={styles.editor} />;
}

function diagnosticsOf(state: EditorState, mistake: Mistake | null) {
  if (mistake === null || mistake.line > state.doc.lines) return [];
  const line = state.doc.line(mistake.line);
  return [{ from: line.from, to: line.to, severity: "error" as const, message: mistake.message }];
}
