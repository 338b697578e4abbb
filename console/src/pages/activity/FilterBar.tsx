/** The filters as chips, and a field to type more: `/` goes there, Escape leaves it. */

import { Autocomplete, Group, Pill } from "@mantine/core";
import { useHotkeys } from "@mantine/hooks";
import { useQuery } from "@tanstack/react-query";
import { useRef, useState } from "react";

import type { RecordView } from "../../api/client";
import { modelsQuery } from "../../api/queries";
import { textFact } from "../../record/facts";
import { CATEGORIES, OUTCOMES, RUNNING } from "../../record/words";
import { UseCaseTitle } from "../../usecase/titles";
import { type Asked, FIELDS, type Field, readTyped } from "./filters";

interface Props {
  readonly asked: Asked;
  readonly onChange: (asked: Asked) => void;
  readonly records: readonly RecordView[];
  /** Whether the person may search in content. */
  readonly maySearch: boolean;
}

const IN_CONTENT = "in content: ";

export function FilterBar({ asked, onChange, records, maySearch }: Props) {
  const [typed, setTyped] = useState("");
  const input = useRef<HTMLInputElement>(null);
  const models = useQuery(modelsQuery);
  useHotkeys([["/", () => input.current?.focus()]]);
  const known = [...(models.data ?? []).map((model) => ["model", model.id] as const), ...valuesOf(records)];
  const suggestions = suggestionsFor(typed, known, maySearch);

  const add = (text: string): void => {
    if (text.startsWith(IN_CONTENT)) onChange({ ...asked, content: text.slice(IN_CONTENT.length) });
    else {
      const found = readTyped(text);
      if (!found) return;
      onChange({ ...asked, texts: { ...asked.texts, [found[0]]: found[1] } });
    }
    // The field puts the chosen suggestion in after this.
    window.setTimeout(() => setTyped(""));
  };
  const remove = (field: Field): void => {
    const { [field]: _, ...texts } = asked.texts;
    onChange({ ...asked, texts });
  };
  return (
    <Group gap={6} role="search" aria-label="Filter records">
      {(Object.entries(asked.texts) as [Field, string][]).map(([field, value]) => (
        <Pill
          key={field}
          size="md"
          withRemoveButton
          onRemove={() => remove(field)}
          removeButtonProps={{ "aria-label": `Remove the filter ${FIELDS[field]}`, "aria-hidden": false, tabIndex: 0 }}
        >
          {FIELDS[field]}: {field === "use_case" ? <UseCaseTitle id={value} /> : value}
        </Pill>
      ))}
      {asked.content && (
        <Pill
          size="md"
          withRemoveButton
          onRemove={() => onChange({ ...asked, content: null })}
          removeButtonProps={{ "aria-label": "Leave the search in content", "aria-hidden": false, tabIndex: 0 }}
        >
          in content: {asked.content}
        </Pill>
      )}
      <Autocomplete
        ref={input}
        aria-label="Add a filter"
        placeholder="Filter: outcome: refused, or words  ( / )"
        size="xs"
        miw={300}
        style={{ flex: 1 }}
        maxLength={200}
        value={typed}
        onChange={setTyped}
        onOptionSubmit={add}
        data={suggestions}
        filter={({ options }) => options}
        maxDropdownHeight={300}
        onKeyDown={(event) => {
          if (event.key === "Escape") event.currentTarget.blur();
          else if (event.key === "Enter" && !event.currentTarget.getAttribute("aria-activedescendant")) add(typed);
        }}
      />
    </Group>
  );
}

const MOST = 12;

function suggestionsFor(typed: string, known: readonly (readonly [Field, string])[], maySearch: boolean): string[] {
  const wanted = typed.trim().toLowerCase();
  if (!wanted) return (Object.keys(FIELDS) as Field[]).map((field) => `${FIELDS[field]}: `);
  const all = new Set([...OUTCOME_VALUES, ...known].map(([field, value]) => `${FIELDS[field]}: ${value}`));
  const matching = [...all].filter((text) => text.toLowerCase().includes(wanted)).slice(0, MOST);
  const isField = (Object.values(FIELDS) as string[]).some((name) => wanted.startsWith(`${name}:`));
  if (isField) return matching;
  return [...matching, `text: ${typed.trim()}`, ...(maySearch && wanted.length > 1 ? [IN_CONTENT + typed.trim()] : [])];
}

const OUTCOME_VALUES: readonly (readonly [Field, string])[] = [
  ...Object.keys({ ...OUTCOMES, open: RUNNING }).map((outcome) => ["outcome", outcome] as const),
  ...Object.keys(CATEGORIES).map((category) => ["category", category] as const),
  ["masked", "any"],
];

/** What the records on the page could be filtered by. */
function valuesOf(records: readonly RecordView[]): (readonly [Field, string])[] {
  return records.flatMap((record) => {
    const deployment = textFact(record, "deployment");
    const masked = Object.keys(record.facts).filter((name) => name.startsWith("masked."));
    return [
      ["use_case", record.use_case] as const,
      ...(record.who ? [["principal", record.who.name] as const] : []),
      ...(record.key ? [["key", record.key.name || record.key.id] as const] : []),
      ...(deployment ? [["deployment", deployment] as const] : []),
      ...(record.error ? [["error", record.error] as const] : []),
      ...record.rules.map((rule) => ["rule", rule.id] as const),
      ...masked.map((name) => ["masked", name.slice("masked.".length)] as const),
    ];
  });
}
