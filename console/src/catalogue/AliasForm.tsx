/** The form of an alias: its deployments in the order of attempts, moved by drag or by buttons. */

import { ActionIcon, Button, Group, NativeSelect, NumberInput, Stack, Switch, Text, TextInput } from "@mantine/core";
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

/** The kinds of calls that an alias may be for, most common first. */
const KINDS = [
  { value: "chat", label: "Chat" },
  { value: "embed", label: "Embeddings" },
  { value: "rerank", label: "Reranking" },
  { value: "moderate", label: "Moderations" },
  { value: "image", label: "Images" },
  { value: "image_edit", label: "Edits of images" },
  { value: "image_variation", label: "Variations of images" },
  { value: "speech", label: "Speech" },
  { value: "transcribe", label: "Transcriptions" },
  { value: "translate", label: "Translations of audio" },
];

export interface AliasFields {
  readonly id: string;
  readonly deployments: readonly string[];
  readonly operation: string;
  readonly description: string;
  readonly prefer: string;
  readonly weights: Readonly<Record<string, number>>;
  /** The exact cache, or null without one. Fields that the form does not show stay as they are. */
  readonly cache: Readonly<Record<string, unknown>> | null;
  readonly hedge: string | null;
  readonly threshold: number | null;
}

export const NEW_ALIAS: AliasFields = {
  id: "",
  deployments: [],
  operation: "chat",
  description: "",
  prefer: "order",
  weights: {},
  cache: null,
  hedge: null,
  threshold: null,
};

/** The difficulty from which a dearer deployment is asked first, until somebody chooses another one. */
const THRESHOLD = 40;

/** How long the cache keeps answers. */
const TIMES = [
  { value: "1m", label: "1 minute" },
  { value: "10m", label: "10 minutes" },
  { value: "1h", label: "1 hour" },
  { value: "24h", label: "1 day" },
];

/** What the first attempt goes to, of the deployments that the content may go to. */
const PREFERENCES = [
  { value: "order", label: "The first of the list" },
  { value: "cheapest", label: "The cheapest, by the prices of the deployments" },
  { value: "fastest", label: "The fastest, as measured" },
  { value: "least_loaded", label: "The one with the fewest calls in work" },
  { value: "weighted", label: "Shares, by weights" },
  { value: "auto", label: "By difficulty: the list goes from cheap to premium" },
];

/** The fields of a stored entry. */
export function aliasFieldsOf(entry: Entry): AliasFields {
  return {
    id: String(entry.id ?? ""),
    deployments: Array.isArray(entry.deployments) ? entry.deployments.map(String) : [],
    operation: String(entry.operation ?? "chat"),
    description: String(entry.description ?? ""),
    prefer: String(entry.prefer ?? "order"),
    weights: (entry.weights ?? {}) as Record<string, number>,
    cache: (entry.cache ?? null) as Record<string, unknown> | null,
    hedge: (entry.hedge ?? null) as string | null,
    threshold: (entry.threshold ?? null) as number | null,
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
      prefer: fields.prefer,
      weights: fields.prefer === "weighted" ? weightsOf(fields) : {},
      cache: fields.cache,
      hedge: fields.hedge,
      threshold: fields.prefer === "auto" ? fields.threshold : null,
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
              data={KINDS}
              value={fields.operation}
              onChange={(event) => change({ operation: event.currentTarget.value })}
            />
          </Stack>
        </Section>
        <Section title="Deployments">
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
            <NativeSelect
              label="Ask first"
              description="If it fails before it answers, the next one is asked."
              data={PREFERENCES}
              value={fields.prefer}
              onChange={(event) => change({ prefer: event.currentTarget.value })}
            />
            {fields.prefer === "weighted" &&
              fields.deployments.map((id) => (
                <NumberInput
                  key={id}
                  label={`Weight of ${id}`}
                  min={0}
                  max={1000}
                  allowDecimal={false}
                  value={fields.weights[id] ?? 1}
                  onChange={(value) => change({ weights: { ...fields.weights, [id]: Number(value) || 0 } })}
                />
              ))}
            {fields.prefer === "auto" && (
              <NumberInput
                label="Threshold"
                description="Calls of this difficulty, from 0 to 100, go to a dearer deployment."
                min={0}
                max={100}
                allowDecimal={false}
                value={fields.threshold ?? THRESHOLD}
                onChange={(value) => change({ threshold: Number(value) || 0 })}
              />
            )}
            <NativeSelect
              label="Ask a second deployment too"
              description="If the first has no content after this time, and the budgets admit both. The first answer wins; both cost."
              data={waitsWith(fields.hedge)}
              value={fields.hedge ?? ""}
              onChange={(event) => change({ hedge: event.currentTarget.value || null })}
            />
            <Text size="xs" className={prose.quiet}>
              Headgate asks only deployments that the content may go to, whatever is preferred.
            </Text>
          </Stack>
        </Section>
        <Section title="Cache">
          <Stack gap="sm" maw={560}>
            <Switch
              label="Answer equal calls from the cache"
              description="An equal call of the same person or program gets the earlier answer, and costs nothing. Calls with tools, or with a temperature above 0, are always new."
              checked={fields.cache !== null}
              onChange={(event) => change({ cache: event.currentTarget.checked ? { ttl: "10m" } : null })}
            />
            {fields.cache && (
              <NativeSelect
                label="Keep answers for"
                data={timesWith(String(fields.cache.ttl))}
                value={String(fields.cache.ttl)}
                onChange={(event) => change({ cache: { ...fields.cache, ttl: event.currentTarget.value } })}
              />
            )}
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

function weightsOf({ deployments, weights }: AliasFields): Record<string, number> {
  return Object.fromEntries(deployments.map((id) => [id, weights[id] ?? 1]));
}

/** The times to choose from, with one that the file chose. */
function timesWith(ttl: string): { value: string; label: string }[] {
  return TIMES.some((time) => time.value === ttl) ? TIMES : [...TIMES, { value: ttl, label: ttl }];
}

const WAITS = [
  { value: "", label: "Never" },
  { value: "500ms", label: "After 0.5 s" },
  { value: "800ms", label: "After 0.8 s" },
  { value: "2s", label: "After 2 s" },
  { value: "5s", label: "After 5 s" },
];

function waitsWith(hedge: string | null): { value: string; label: string }[] {
  return WAITS.some((wait) => wait.value === (hedge ?? "")) ? WAITS : [...WAITS, { value: hedge!, label: hedge! }];
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
