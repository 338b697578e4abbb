/** Adds or changes a source in three steps: where it is, who reads its documents and how often, and a check. */

import { Button, NativeSelect, Stack, Text, TextInput } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";

import { api, take } from "../../api/client";
import { Warnings } from "../../catalogue/PlanLines";
import { entryQuery } from "../../catalogue/queries";
import { useDraft } from "../../draft";
import { EntryActions } from "../../elements/EntryActions";
import { Failure, Rows } from "../../elements/page";
import { State } from "../../elements/record";
import type { Entry } from "../../knowledge/entry";
import { type Collection, lookAgain } from "../../knowledge/queries";
import { readersWords } from "../../knowledge/words";
import { PeoplePicker } from "../../people/PeoplePicker";
import { INTERVALS, type SourceFields, sourceEntryOf, sourceFieldsOf } from "./source";
import prose from "../../elements/prose.module.css";

interface Props {
  readonly collection: Collection;
  /** The id of the source to change; null for a new one. */
  readonly source: string | null;
  readonly onDone: () => void;
}

export function SourceForm({ collection, source, onDone }: Props) {
  const stored = useQuery({ ...entryQuery("source", source ?? ""), enabled: source !== null });
  if (source === null) return <Steps {...{ collection, onDone }} entry={null} version={null} />;
  if (stored.error) return <Failure error={stored.error} />;
  if (!stored.data) return <Rows />;
  return <Steps {...{ collection, onDone }} entry={stored.data.entry} version={stored.data.version} />;
}

const STEPS = ["Where the documents are", "Who reads them, and how often", "Check"];
const LAST = STEPS.length - 1;

interface StepsProps extends Omit<Props, "source"> {
  readonly entry: Entry | null;
  readonly version: string | null;
}

function Steps({ collection, entry, version, onDone }: StepsProps) {
  const client = useQueryClient();
  const initial = sourceFieldsOf(entry, collection.id);
  const [fields, setFields, forget] = useDraft<SourceFields>(`source:${collection.id}:${String(entry?.["id"] ?? "")}`, initial);
  const [step, setStep] = useState(0);
  const path = { section: "source", entry: fields.id.trim() };
  const body = { entry: sourceEntryOf(fields, entry, collection.id), version };
  const done = (): void => {
    forget();
    void lookAgain(client);
    onDone();
  };
  const check = useMutation({
    mutationFn: () =>
      take(api.PUT("/api/entries/{section}/{entry}", { params: { path, query: { dry_run: true } }, body })),
  });
  const save = useMutation({
    mutationFn: () => take(api.PUT("/api/entries/{section}/{entry}", { params: { path }, body })),
    onSuccess: done,
  });
  const remove = useMutation({
    mutationFn: () => take(api.DELETE("/api/entries/{section}/{entry}", { params: { path } })),
    onSuccess: done,
  });
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    if (step === LAST) return save.mutate();
    setStep(step + 1);
    if (step + 1 === LAST) check.mutate();
  };
  const problem = save.error ?? check.error ?? remove.error;
  return (
    <form onSubmit={submit}>
      <Stack gap="sm">
        <Text size="sm" className={prose.quiet} role="status">
          Step {step + 1} of {STEPS.length}: {STEPS[step]}
        </Text>
        {step === 0 && <Where fields={fields} onChange={setFields} isNew={entry === null} />}
        {step === 1 && <Who fields={fields} onChange={setFields} />}
        {step === LAST && <Summary fields={fields} title={collection.title} isValid={check.isSuccess} />}
        {step === LAST && <Warnings of={check.data?.warnings} />}
        {problem && <Failure error={problem} title="Nothing was changed" />}
        <EntryActions
          noun="source"
          removal={
            entry && {
              means: "Its documents are deleted from the collection. At the source they stay.",
              isPending: remove.isPending,
              run: () => remove.mutate(),
            }
          }
          onCancel={() => {
            forget();
            onDone();
          }}
        >
          {step > 0 && (
            <Button variant="default" onClick={() => (check.reset(), save.reset(), setStep(step - 1))}>
              Back
            </Button>
          )}
          <Button type="submit" loading={check.isPending || save.isPending} disabled={step === LAST && !check.isSuccess}>
            {step < LAST ? "Next" : entry === null ? "Add source" : "Save source"}
          </Button>
        </EntryActions>
      </Stack>
    </form>
  );
}

interface StepProps {
  readonly fields: SourceFields;
  readonly onChange: (fields: SourceFields) => void;
}

function Where({ fields, onChange, isNew }: StepProps & { isNew: boolean }) {
  return (
    <>
      <NativeSelect label="Kind" data={[{ value: "folder", label: "Folder on Headgate's machine" }]} />
      <TextInput
        label="Folder"
        description="Its path, such as /srv/handbook. The operator names the folders that Headgate may read in HEADGATE_FOLDERS."
        placeholder="/srv/handbook"
        required
        maxLength={1000}
        data-autofocus
        value={fields.path}
        onChange={(event) => onChange({ ...fields, path: event.currentTarget.value })}
      />
      {isNew && (
        <TextInput
          label="Name"
          description="Small letters, digits, dots and dashes."
          required
          pattern="[a-z0-9][a-z0-9._\-]{0,62}"
          value={fields.id}
          onChange={(event) => onChange({ ...fields, id: event.currentTarget.value })}
        />
      )}
    </>
  );
}

function Who({ fields, onChange }: StepProps) {
  const isKnown = INTERVALS.some((one) => one.value === fields.every);
  return (
    <>
      <PeoplePicker
        label="Readers of its documents"
        description="They must be readers of the collection too. A file .headgate-access.toml in a folder narrows them."
        placeholder="Type a name, a group, or everyone"
        required
        value={fields.readers}
        onChange={(readers) => onChange({ ...fields, readers })}
      />
      <NativeSelect
        label="Read it"
        data={isKnown ? INTERVALS : [...INTERVALS, { value: fields.every, label: `Every ${fields.every} minutes` }]}
        value={fields.every}
        onChange={(event) => onChange({ ...fields, every: event.currentTarget.value })}
      />
    </>
  );
}

function Summary({ fields, title, isValid }: { fields: SourceFields; title: string; isValid: boolean }) {
  return (
    <>
      <dl className={prose.facts}>
        <dt>Folder</dt>
        <dd className={prose.mono}>{fields.path}</dd>
        <dt>Into</dt>
        <dd>{title}</dd>
        <dt>Readers</dt>
        <dd>{readersWords(fields.readers)}</dd>
        <dt>Read it</dt>
        <dd>{INTERVALS.find((one) => one.value === fields.every)?.label.toLowerCase() ?? `every ${fields.every} minutes`}</dd>
      </dl>
      {isValid && (
        <Text size="sm" component="div">
          <State tone="good" icon="good">
            Headgate can read the folder. The first reading begins when you add the source.
          </State>
        </Text>
      )}
    </>
  );
}
