/** The filters above the list of records. */

import { Button, Group, NativeSelect, Switch, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";

import { rulesQuery, useCasesQuery } from "../../api/queries";
import { useVerbs } from "../../api/vocabulary";
import { OUTCOMES, RUNNING } from "../../record/words";
import { type Asked, type Span } from "./filters";
import { namesOf, verbsOf } from "./options";

const SPAN_TEXTS: [Span, string][] = [
  ["15m", "Last 15 minutes"],
  ["1h", "Last hour"],
  ["24h", "Last 24 hours"],
  ["7d", "Last 7 days"],
];

export function Filters({ asked, onChange }: { asked: Asked; onChange: (asked: Asked) => void }) {
  const useCases = useQuery(useCasesQuery);
  const rules = useQuery(rulesQuery(null));
  const verbs = useVerbs();
  const set = (name: keyof Asked["texts"], value: string): void =>
    onChange({ ...asked, texts: { ...asked.texts, [name]: value } });
  const isFiltered = Object.keys(asked.texts).length > 0 || asked.span !== null || !asked.roots;
  return (
    <Group gap="sm" align="flex-end" role="search" aria-label="Filter records">
      <NativeSelect
        label="Outcome"
        size="xs"
        value={asked.texts.outcome ?? ""}
        onChange={(event) => set("outcome", event.currentTarget.value)}
        data={[{ value: "", label: "Any" },
          ...Object.entries({ ...OUTCOMES, open: RUNNING }).map(([value, { text }]) => ({ value, label: text })),
        ]}
      />
      <NativeSelect
        label="Time"
        size="xs"
        value={asked.span ?? ""}
        onChange={(event) => onChange({ ...asked, span: (event.currentTarget.value || null) as Span | null })}
        data={[{ value: "", label: "Any" }, ...SPAN_TEXTS.map(([value, label]) => ({ value, label }))]}
      />
      <NativeSelect
        label="Use case"
        size="xs"
        value={asked.texts.use_case ?? ""}
        onChange={(event) => set("use_case", event.currentTarget.value)}
        data={namesOf(
          useCases.data?.map((one) => one.id),
          asked.texts.use_case,
        )}
      />
      <NativeSelect
        label="Rule"
        size="xs"
        maw={200}
        value={asked.texts.rule ?? ""}
        onChange={(event) => set("rule", event.currentTarget.value)}
        data={namesOf(
          rules.data?.rules.map((rule) => rule.id),
          asked.texts.rule,
        )}
      />
      <NativeSelect
        label="Action"
        size="xs"
        value={asked.texts.verb ?? ""}
        onChange={(event) => set("verb", event.currentTarget.value)}
        data={verbsOf(verbs, asked.texts.verb)}
      />
      <Typed
        key={`resource ${asked.texts.resource}`}
        label="Resource"
        placeholder="alias:local-chat"
        value={asked.texts.resource ?? ""}
        onChange={(value) => set("resource", value)}
      />
      <Typed
        key={`principal ${asked.texts.principal}`}
        label="Principal"
        placeholder="Id of a person or service"
        value={asked.texts.principal ?? ""}
        onChange={(value) => set("principal", value)}
      />
      <Switch
        size="xs"
        pb={7}
        label="Hide attempts"
        title="Show each call once, without the attempts inside it"
        checked={asked.roots}
        onChange={(event) => onChange({ ...asked, roots: event.currentTarget.checked })}
      />
      {isFiltered && (
        <Button size="xs" variant="subtle" onClick={() => onChange({ texts: {}, span: null, roots: true })}>
          Reset filters
        </Button>
      )}
    </Group>
  );
}

/** A filter that is typed takes hold when it is left or sent, not at each letter. */
function Typed({
  label,
  placeholder,
  value,
  onChange,
}: {
  label: string;
  placeholder: string;
  value: string;
  onChange: (value: string) => void;
}) {
  const [draft, setDraft] = useState(value);
  const commit = (event?: FormEvent): void => {
    event?.preventDefault();
    if (draft.trim() !== value) onChange(draft.trim());
  };
  return (
    <form onSubmit={commit}>
      <TextInput
        label={label}
        size="xs"
        placeholder={placeholder}
        value={draft}
        onChange={(event) => setDraft(event.currentTarget.value)}
        onBlur={() => commit()}
      />
    </form>
  );
}
