/** The form of an alias: its deployments in the order of attempts, moved by drag or by buttons. */

import { ActionIcon, Button, Group, NativeSelect, Stack, Text, TextInput } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type DragEvent, type FormEvent, useState } from "react";

import { type Schemas, api, take } from "../api/client";
import { useDraft } from "../draft";
import { Failure, Section } from "../elements/page";
import { Drawn } from "../elements/icons";
import { PlanLines } from "./PlanLines";
import type { Entry } from "./deployment";
import { moved } from "./order";
import { catalogueQuery } from "./queries";
import styles from "./catalogue.module.css";
import prose from "../elements/prose.module.css";

const UP = "M8 13V3M4 7l4-4 4 4";
const DOWN = "M8 3v10M4 9l4 4 4-4";

export interface AliasFields {
  readonly id: string;
  readonly deployments: readonly string[];
  readonly operation: string;
  readonly description: string;
}

export const NEW_ALIAS: AliasFields = { id: "", deployments: [], operation: "chat", description: "" };

/** The fields of a stored entry. */
export function aliasFieldsOf(entry: Entry): AliasFields {
  return {
    id: String(entry.id ?? ""),
    deployments: Array.isArray(entry.deployments) ? entry.deployments.map(String) : [],
    operation: String(entry.operation ?? "chat"),
    description: String(entry.description ?? ""),
  };
}

interface Props {
  readonly initial: AliasFields;
  readonly stored: Schemas["EntryView"] | null;
  readonly onDone: () => void;
  readonly onCancel: () => void;
}

export function AliasForm({ initial, stored, onDone, onCancel }: Props) {
  const client = useQueryClient();
  const models = useQuery(catalogueQuery);
  const [fields, setFields, forget] = useDraft(`alias:${stored ? initial.id : ""}`, initial);
  const known = [...(models.data?.models ?? []).flatMap((model) => model.deployments), ...(models.data?.loose ?? [])];
  const byId = new Map(known.map((deployment) => [deployment.id, deployment]));
  const path = { section: "alias", entry: fields.id.trim() };
  const body = {
    entry: {
      ...(stored?.entry ?? {}),
      deployments: [...fields.deployments],
      operation: fields.operation,
      description: fields.description,
    },
    version: stored?.version ?? null,
  };
  const plan = useMutation({
    mutationFn: () =>
      take(api.PUT("/api/entries/{section}/{entry}", { params: { path, query: { dry_run: true } }, body })),
  });
  const save = useMutation({
    mutationFn: () => take(api.PUT("/api/entries/{section}/{entry}", { params: { path }, body })),
    onSuccess: () => {
      forget();
      void client.invalidateQueries({ predicate: ({ queryKey }) => queryKey[0] !== "session" });
      onDone();
    },
  });
  const change = (changed: Partial<AliasFields>): void => {
    setFields({ ...fields, ...changed });
    plan.reset();
  };
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    if (plan.data) save.mutate();
    else plan.mutate();
  };
  const left = [...byId.keys()].filter((id) => !fields.deployments.includes(id)).sort();
  return (
    <form onSubmit={submit}>
      <Stack gap="md">
        <Section title="The alias">
          <Stack gap="sm" maw={560}>
            {stored === null && (
              <TextInput
                label="Name"
                description="People and programs choose the model by this name. A * in it stands for any text."
                required
                maxLength={127}
                value={fields.id}
                onChange={(event) => change({ id: event.currentTarget.value })}
              />
            )}
            <TextInput
              label="Description"
              value={fields.description}
              maxLength={2000}
              onChange={(event) => change({ description: event.currentTarget.value })}
            />
            <NativeSelect
              label="For"
              data={[
                { value: "chat", label: "Chat" },
                { value: "embed", label: "Embeddings" },
              ]}
              value={fields.operation}
              onChange={(event) => change({ operation: event.currentTarget.value })}
            />
          </Stack>
        </Section>
        <Section title="Deployments, in the order of attempts">
          <Stack gap="sm" maw={560}>
            <Order
              ids={fields.deployments}
              words={(id) => byId.get(id)?.runs ?? "cannot be used now"}
              onChange={(deployments) => change({ deployments })}
            />
            <NativeSelect
              label="Add a deployment"
              data={["", ...left]}
              value=""
              onChange={(event) => {
                const id = event.currentTarget.value;
                if (id) change({ deployments: [...fields.deployments, id] });
              }}
            />
            <Text size="xs" className={prose.quiet}>
              Headgate tries the first one that the content may go to. If it fails before it answers, the next one is tried.
            </Text>
          </Stack>
        </Section>
        {(save.error ?? plan.error) && <Failure error={save.error ?? plan.error} title="Nothing was saved" />}
        {plan.data && <PlanLines plan={plan.data} title="Saving changes" />}
        <Group gap="xs">
          <Button
            type="submit"
            disabled={!fields.id.trim() || !fields.deployments.length}
            loading={plan.isPending || save.isPending}
          >
            {plan.data ? (stored ? "Save changes" : "Add alias") : "Review"}
          </Button>
          <Button
            variant="default"
            onClick={() => {
              forget();
              onCancel();
            }}
          >
            Cancel
          </Button>
        </Group>
      </Stack>
    </form>
  );
}

interface OrderProps {
  readonly ids: readonly string[];
  readonly words: (id: string) => string;
  readonly onChange: (ids: readonly string[]) => void;
}

function Order({ ids, words, onChange }: OrderProps) {
  const [dragged, setDragged] = useState<number | null>(null);
  const [said, say] = useState("");
  const move = (from: number, to: number): void => {
    if (to < 0 || to >= ids.length) return;
    onChange(moved(ids, from, to));
    say(`${ids[from]} is now number ${to + 1} of ${ids.length}`);
  };
  const drop = (event: DragEvent, to: number): void => {
    event.preventDefault();
    if (dragged !== null) move(dragged, to);
    setDragged(null);
  };
  return (
    <>
      <ol className={styles.order} aria-label="Deployments">
        {ids.map((id, at) => (
          <li
            key={id}
            draggable
            data-dragged={dragged === at || undefined}
            onDragStart={() => setDragged(at)}
            onDragEnd={() => setDragged(null)}
            onDragOver={(event) => event.preventDefault()}
            onDrop={(event) => drop(event, at)}
          >
            <span className={prose.quiet}>{at + 1}</span>
            <span>
              <b>{id}</b> <span className={prose.quiet}>{words(id)}</span>
            </span>
            <Group gap={2} wrap="nowrap">
              <ActionIcon variant="subtle" aria-label={`Move ${id} up`} disabled={at === 0} onClick={() => move(at, at - 1)}>
                <Drawn path={UP} />
              </ActionIcon>
              <ActionIcon
                variant="subtle"
                aria-label={`Move ${id} down`}
                disabled={at === ids.length - 1}
                onClick={() => move(at, at + 1)}
              >
                <Drawn path={DOWN} />
              </ActionIcon>
              <Button
                size="compact-xs"
                variant="subtle"
                color="red"
                aria-label={`Take ${id} out`}
                onClick={() => onChange(ids.filter((one) => one !== id))}
              >
                Take out
              </Button>
            </Group>
          </li>
        ))}
      </ol>
      <p className={prose.unseen} role="status">
        {said}
      </p>
    </>
  );
}
