/** The form of a price of the organisation's own. Rates that it does not show, such as those of long prompts, stay. */

import { Button, Group, NativeSelect, Stack, Text, TextInput } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import type { FormEvent } from "react";

import { api, take } from "../../api/client";
import { entryQuery, providersQuery } from "../../catalogue/queries";
import { useDraft } from "../../draft";
import { EntryActions } from "../../elements/EntryActions";
import { Failure, Rows } from "../../elements/page";
import prose from "../../elements/prose.module.css";

type Entry = Readonly<Record<string, unknown>>;

const RATES = {
  input: "Input",
  output: "Output",
  cache_read: "Input from the cache",
  cache_write: "Input to the cache",
} as const;
type Rate = keyof typeof RATES;

interface Fields extends Readonly<Record<Rate, string>> {
  readonly id: string;
  readonly provider: string;
  readonly model: string;
  readonly from: string;
  readonly currency: string;
}

interface Props {
  /** The id of the price to change; null for a new one. */
  readonly price: string | null;
  readonly onDone: () => void;
}

export function PriceForm({ price, onDone }: Props) {
  const stored = useQuery({ ...entryQuery("price", price ?? ""), enabled: price !== null });
  if (price === null) return <Form stored={null} version={null} onDone={onDone} />;
  if (stored.error) return <Failure error={stored.error} />;
  if (!stored.data) return <Rows />;
  return <Form stored={stored.data.entry} version={stored.data.version} onDone={onDone} />;
}

function Form({ stored, version, onDone }: { stored: Entry | null; version: string | null; onDone: () => void }) {
  const client = useQueryClient();
  const providers = useQuery(providersQuery);
  const [fields, setFields, forget] = useDraft(`price:${String(stored?.["id"] ?? "")}`, fieldsOf(stored));
  const set = (change: Partial<Fields>): void => setFields({ ...fields, ...change });
  const path = { section: "price", entry: fields.id.trim() };
  const done = (): void => {
    forget();
    void client.invalidateQueries({ predicate: ({ queryKey }) => queryKey[0] !== "session" });
    onDone();
  };
  const save = useMutation({
    mutationFn: () => {
      const entry = entryOf(fields, stored);
      return take(api.PUT("/api/entries/{section}/{entry}", { params: { path }, body: { entry, version } }));
    },
    onSuccess: done,
  });
  const remove = useMutation({
    mutationFn: () => take(api.DELETE("/api/entries/{section}/{entry}", { params: { path } })),
    onSuccess: done,
  });
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    save.mutate();
  };
  const names = (providers.data ?? []).map(({ name }) => name);
  const problem = save.error ?? remove.error;
  return (
    <form onSubmit={submit}>
      <Stack gap="sm">
        {!stored && (
          <TextInput
            label="Name"
            description="Small letters, digits, dots and dashes."
            placeholder="openai-contract"
            required
            pattern="[a-z0-9][a-z0-9._\-]{0,62}"
            data-autofocus
            value={fields.id}
            onChange={(event) => set({ id: event.currentTarget.value })}
          />
        )}
        <Group grow align="flex-start">
          <NativeSelect
            label="Provider"
            required
            data={[{ value: "", label: "Choose" }, ...names.map((name) => ({ value: name, label: name }))]}
            value={fields.provider}
            onChange={(event) => set({ provider: event.currentTarget.value })}
          />
          <TextInput
            label="Models"
            description="A name, or a pattern with one *."
            placeholder="gpt-5*"
            required
            value={fields.model}
            onChange={(event) => set({ model: event.currentTarget.value })}
          />
        </Group>
        <Group grow align="flex-start">
          <TextInput
            label="From"
            description="This day on, in UTC."
            type="date"
            required
            value={fields.from}
            onChange={(event) => set({ from: event.currentTarget.value })}
          />
          <TextInput
            label="Currency"
            description="Three letters."
            required
            pattern="[A-Z]{3}"
            value={fields.currency}
            onChange={(event) => set({ currency: event.currentTarget.value.toUpperCase() })}
          />
        </Group>
        {(["input", "cache_read"] as const).map((first) => (
          <Group key={first} grow align="flex-start">
            {([first, first === "input" ? "output" : "cache_write"] as const).map((rate) => (
              <TextInput
                key={rate}
                label={RATES[rate]}
                inputMode="decimal"
                pattern="[0-9]+([.][0-9]{1,6})?"
                placeholder="unknown"
                value={fields[rate]}
                onChange={(event) => set({ [rate]: event.currentTarget.value })}
              />
            ))}
          </Group>
        ))}
        <Text size="xs" className={prose.quiet}>
          For a million tokens. An empty rate is unknown, and never free. Prices of images, sound and long prompts are in
          the configuration.
        </Text>
        {problem && <Failure error={problem} title="Nothing was changed" />}
        <EntryActions
          noun="price"
          removal={stored && { means: "From now on, calls cost what the next price says. Records keep theirs.", isPending: remove.isPending, run: () => remove.mutate() }}
          onCancel={() => {
            forget();
            onDone();
          }}
        >
          <Button type="submit" loading={save.isPending} disabled={fields.provider === ""}>
            Save price
          </Button>
        </EntryActions>
      </Stack>
    </form>
  );
}

function pricesIn(entry: Entry | null): Entry {
  return (entry?.["price"] ?? {}) as Entry;
}

function fieldsOf(entry: Entry | null): Fields {
  const prices = pricesIn(entry);
  const text = (value: unknown, otherwise = ""): string => (value === undefined || value === null ? otherwise : String(value));
  return {
    id: text(entry?.["id"]),
    provider: text(entry?.["provider"]),
    model: text(entry?.["model"]),
    from: text(entry?.["from"], new Date().toISOString().slice(0, 10)),
    currency: text(prices["currency"], "USD"),
    input: text(prices["input"]),
    output: text(prices["output"]),
    cache_read: text(prices["cache_read"]),
    cache_write: text(prices["cache_write"]),
  };
}

function entryOf(fields: Fields, stored: Entry | null): Record<string, unknown> {
  const price: Record<string, unknown> = { ...pricesIn(stored), currency: fields.currency };
  for (const rate of Object.keys(RATES) as Rate[]) {
    if (fields[rate] === "") delete price[rate];
    else price[rate] = Number(fields[rate]);
  }
  return { provider: fields.provider, model: fields.model.trim(), from: fields.from, price };
}
