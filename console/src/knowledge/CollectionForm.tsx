/** The form of a collection. */

import { Button, Group, NativeSelect, Stack, TextInput, Textarea } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import type { FormEvent } from "react";

import { api, take } from "../api/client";
import { modelsQuery, sessionQuery } from "../api/queries";
import { Warnings } from "../catalogue/PlanLines";
import { entryQuery } from "../catalogue/queries";
import { useDraft } from "../draft";
import { EntryActions } from "../elements/EntryActions";
import { Failure, Rows } from "../elements/page";
import { plural } from "../format";
import { offerOf } from "../models";
import { PeoplePicker } from "../people/PeoplePicker";
import { LEVELS } from "../people/words";
import { type CollectionFields, type Entry, entryOf, fieldsOf, idOf } from "./entry";
import { type Collection, lookAgain } from "./queries";

interface Props {
  /** The collection to change; null for a new one. */
  readonly collection: Collection | null;
  /** Gets the id of the saved collection, or null if it was not saved or is removed. */
  readonly onDone: (id: string | null) => void;
}

export function CollectionForm({ collection, onDone }: Props) {
  const stored = useQuery({ ...entryQuery("collection", collection?.id ?? ""), enabled: collection !== null });
  const { data: session } = useQuery({ ...sessionQuery, enabled: false });
  if (collection === null)
    return <Form collection={null} entry={null} version={null} owner={session?.principal ?? ""} onDone={onDone} />;
  if (stored.error) return <Failure error={stored.error} />;
  if (!stored.data) return <Rows />;
  const { entry, version } = stored.data;
  return <Form {...{ collection, entry, version, onDone }} owner={collection.owner} />;
}

interface FormProps extends Props {
  readonly entry: Entry | null;
  readonly version: string | null;
  readonly owner: string;
}

function Form({ collection, entry, version, owner, onDone }: FormProps) {
  const client = useQueryClient();
  const initial = fieldsOf(entry, owner);
  const [fields, setFields, forget] = useDraft<CollectionFields>(`collection:${collection?.id ?? ""}`, initial);
  const id = collection?.id ?? idOf(fields);
  const path = { section: "collection", entry: id };
  const body = { entry: entryOf(fields, entry), version };
  const done = (saved: string | null): void => {
    forget();
    void lookAgain(client);
    onDone(saved);
  };
  const save = useMutation({
    mutationFn: () => take(api.PUT("/api/entries/{section}/{entry}", { params: { path }, body })),
    onSuccess: () => done(id),
  });
  const plan = useMutation({
    mutationFn: () =>
      take(api.PUT("/api/entries/{section}/{entry}", { params: { path, query: { dry_run: true } }, body })),
    onSuccess: ({ warnings }) => {
      if (!warnings?.length) save.mutate();
    },
  });
  const remove = useMutation({
    mutationFn: () => take(api.DELETE("/api/entries/{section}/{entry}", { params: { path } })),
    onSuccess: () => done(null),
  });
  const set = (change: Partial<CollectionFields>): void => {
    setFields({ ...fields, ...change });
    plan.reset();
  };
  const warnings = plan.data?.warnings;
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    if (warnings?.length) save.mutate();
    else plan.mutate();
  };
  const problem = save.error ?? plan.error ?? remove.error;
  return (
    <form onSubmit={submit}>
      <Stack gap="sm">
        <TextInput
          label="Title"
          placeholder="Employee handbook"
          required
          maxLength={200}
          data-autofocus
          value={fields.title}
          onChange={(event) => set({ title: event.currentTarget.value })}
        />
        {collection === null && (
          <TextInput
            label="Id"
            description="Programs name it so. It stays when the title changes."
            required
            pattern="[a-z0-9][a-z0-9._\-]{0,62}"
            value={id}
            onChange={(event) => set({ id: event.currentTarget.value })}
          />
        )}
        <Textarea
          label="Purpose"
          description="What people find in it."
          autosize
          minRows={2}
          maxLength={2000}
          value={fields.purpose}
          onChange={(event) => set({ purpose: event.currentTarget.value })}
        />
        <People fields={fields} set={set} names={collection ? { [collection.owner]: collection.owner_name } : {}} />
        <Handling fields={fields} set={set} />
        <Warnings of={warnings} />
        {problem && <Failure error={problem} title="Nothing was changed" />}
        <EntryActions
          noun="collection"
          removal={
            collection && {
              means: `Its ${plural(collection.documents, "document")} ${collection.documents === 1 ? "is" : "are"} deleted for good.`,
              isPending: remove.isPending,
              run: () => remove.mutate(),
            }
          }
          onCancel={() => {
            forget();
            onDone(collection?.id ?? null);
          }}
        >
          <Button type="submit" loading={plan.isPending || save.isPending} disabled={!fields.owner}>
            {warnings?.length ? "Save collection anyway" : collection ? "Save collection" : "Make collection"}
          </Button>
        </EntryActions>
      </Stack>
    </form>
  );
}

interface PartProps {
  readonly fields: CollectionFields;
  readonly set: (change: Partial<CollectionFields>) => void;
}

function People({ fields, set, names }: PartProps & { names: Readonly<Record<string, string>> }) {
  return (
    <>
      <PeoplePicker
        label="Owner"
        description="Adds and deletes its documents."
        placeholder="Type a name"
        required
        isOne
        names={names}
        value={fields.owner ? [fields.owner] : []}
        onChange={([owner]) => set({ owner: owner ?? "" })}
      />
      <PeoplePicker
        label="Readers"
        description="People and groups who may search it and open its documents. The owner and experts always may."
        placeholder="Type a name, a group, or everyone"
        value={fields.readers}
        onChange={(readers) => set({ readers })}
      />
      <PeoplePicker
        label="Experts"
        description="People who know what the documents do not say."
        placeholder="Type a name"
        value={fields.experts}
        onChange={(experts) => set({ experts: experts.filter((one) => one !== "*" && !one.startsWith("group:")) })}
      />
    </>
  );
}

function Handling({ fields, set }: PartProps) {
  const models = useQuery(modelsQuery);
  const ids = models.data ? offerOf(models.data).ids : [];
  const all = fields.model && !ids.includes(fields.model) ? [fields.model, ...ids] : ids;
  return (
    <>
      <Group grow align="flex-start">
        <NativeSelect
          label="Minimum confidentiality"
          data={[...LEVELS]}
          value={fields.confidentiality}
          onChange={(event) => set({ confidentiality: event.currentTarget.value })}
        />
        <TextInput
          label="Shelf life, days"
          placeholder="No end"
          inputMode="numeric"
          pattern="[1-9][0-9]{0,4}"
          value={fields.shelfLife}
          onChange={(event) => set({ shelfLife: event.currentTarget.value })}
        />
      </Group>
      <NativeSelect
        label="Answers"
        description="How questions to this collection are answered at first. The person who asks may choose another way."
        data={[{ value: "", label: "Quotations" }, ...all.map((one) => ({ value: one, label: `Written by ${one}` }))]}
        value={fields.model}
        onChange={(event) => set({ model: event.currentTarget.value })}
      />
    </>
  );
}
