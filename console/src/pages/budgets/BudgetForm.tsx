/** The form of a budget. */

import { Button, Group, NativeSelect, Stack, Switch, TagsInput, TextInput } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import type { FormEvent } from "react";
import { Link } from "react-router";

import { api, take } from "../../api/client";
import { keysQuery, useCasesQuery } from "../../api/queries";
import { Warnings } from "../../catalogue/PlanLines";
import { entryQuery } from "../../catalogue/queries";
import { useDraft } from "../../draft";
import { EntryActions } from "../../elements/EntryActions";
import { Failure, Rows } from "../../elements/page";
import { PeoplePicker } from "../../people/PeoplePicker";
import { useMay } from "../../session";
import { type Budget, LEVELS, PERIODS, UNITS } from "../../usage/budgets";
import { budgetsQuery } from "../../usage/queries";
import { nameOf } from "../../usecase/bodies";

interface Fields {
  readonly id: string;
  readonly level: Budget["level"];
  readonly name: string;
  readonly unit: Budget["unit"];
  readonly limit: string;
  readonly currency: string;
  readonly period: string;
  readonly hard: boolean;
  /** In percent. */
  readonly alerts: readonly string[];
}

const NEW: Fields = {
  id: "",
  level: "organisation",
  name: "",
  unit: "money",
  limit: "",
  currency: "USD",
  period: "month",
  hard: true,
  alerts: ["50", "80", "100"],
};

type Entry = Readonly<Record<string, unknown>>;

interface Props {
  /** The id of the budget to change; null for a new one. */
  readonly budget: string | null;
  readonly onDone: () => void;
}

export function BudgetForm({ budget, onDone }: Props) {
  const stored = useQuery({ ...entryQuery("budget", budget ?? ""), enabled: budget !== null });
  if (budget === null) return <Form stored={null} version={null} onDone={onDone} />;
  if (stored.error) return <Failure error={stored.error} />;
  if (!stored.data) return <Rows />;
  return <Form stored={stored.data.entry} version={stored.data.version} onDone={onDone} />;
}

function Form({ stored, version, onDone }: { stored: Entry | null; version: string | null; onDone: () => void }) {
  const client = useQueryClient();
  const [fields, setFields, forget] = useDraft(`budget:${String(stored?.["id"] ?? "")}`, fieldsOf(stored));
  const set = (change: Partial<Fields>): void => {
    setFields({ ...fields, ...change });
    plan.reset();
  };
  const path = { section: "budget", entry: fields.id.trim() };
  const done = (): void => {
    forget();
    void client.invalidateQueries({ queryKey: budgetsQuery.queryKey });
    onDone();
  };
  const body = { entry: entryOf(fields), version };
  const save = useMutation({
    mutationFn: () => take(api.PUT("/api/entries/{section}/{entry}", { params: { path }, body })),
    onSuccess: done,
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
    onSuccess: done,
  });
  const warnings = plan.data?.warnings;
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    if (warnings?.length) save.mutate();
    else plan.mutate();
  };
  const isConcurrency = fields.unit === "concurrency";
  const problem = save.error ?? plan.error ?? remove.error;
  return (
    <form onSubmit={submit}>
      <Stack gap="sm">
        {!stored && (
          <TextInput
            label="Name"
            description="Small letters, digits, dots and dashes."
            placeholder="sales-team"
            required
            pattern="[a-z0-9][a-z0-9._\-]{0,62}"
            data-autofocus
            value={fields.id}
            onChange={(event) => set({ id: event.currentTarget.value })}
          />
        )}
        <NativeSelect
          label="For"
          data={Object.entries(LEVELS).map(([value, label]) => ({ value, label }))}
          value={fields.level}
          onChange={(event) => set({ level: event.currentTarget.value as Fields["level"], name: "" })}
        />
        <Scope fields={fields} onChange={(name) => set({ name })} />
        <Group grow align="flex-start">
          <NativeSelect
            label="Counts"
            data={Object.entries(UNITS).map(([value, label]) => ({ value, label }))}
            value={fields.unit}
            onChange={(event) => set({ unit: event.currentTarget.value as Fields["unit"] })}
          />
          <TextInput
            label="Limit"
            required
            inputMode="decimal"
            pattern={fields.unit === "money" ? "[0-9]+([.][0-9]{1,6})?" : "[0-9]+"}
            placeholder={fields.unit === "money" ? "250.00" : "1000"}
            value={fields.limit}
            onChange={(event) => set({ limit: event.currentTarget.value })}
          />
        </Group>
        {!isConcurrency && (
          <Group grow align="flex-start">
            <NativeSelect
              label="In a"
              data={[...PERIODS]}
              value={fields.period}
              onChange={(event) => set({ period: event.currentTarget.value })}
            />
            {fields.unit === "money" ? (
              <TextInput
                label="Currency"
                required
                pattern="[A-Z]{3}"
                value={fields.currency}
                onChange={(event) => set({ currency: event.currentTarget.value.toUpperCase() })}
              />
            ) : (
              <span />
            )}
          </Group>
        )}
        <Switch
          label="Refuse calls that would pass the limit"
          description={fields.hard ? undefined : "It only counts and tells."}
          checked={fields.hard}
          onChange={(event) => set({ hard: event.currentTarget.checked })}
        />
        {!isConcurrency && (
          <TagsInput
            label="Tell people at, in percent"
            description={<>Once for each period, by the destinations of the page <Link to="/notifications">Notifications</Link>.</>}
            value={[...fields.alerts]}
            onChange={(alerts) => set({ alerts: alerts.filter((one) => /^[0-9]{1,3}$/.test(one) && Number(one) > 0) })}
            splitChars={[",", " "]}
            acceptValueOnBlur
          />
        )}
        <Warnings of={warnings} />
        {problem && <Failure error={problem} title="Nothing was changed" />}
        <EntryActions
          noun="budget"
          removal={stored && { means: "Calls are no longer limited by this budget.", isPending: remove.isPending, run: () => remove.mutate() }}
          onCancel={() => {
            forget();
            onDone();
          }}
        >
          <Button
            type="submit"
            loading={plan.isPending || save.isPending}
            disabled={fields.level !== "organisation" && fields.name.trim() === ""}
          >
            {warnings?.length ? "Save budget anyway" : "Save budget"}
          </Button>
        </EntryActions>
      </Stack>
    </form>
  );
}

/** The group, person, use case or key of a budget. */
function Scope({ fields, onChange }: { fields: Fields; onChange: (name: string) => void }) {
  const may = useMay();
  const useCases = useQuery({ ...useCasesQuery, enabled: fields.level === "use_case" && may("use_case.list") });
  const keys = useQuery({ ...keysQuery, enabled: fields.level === "key" && may("key.list") });
  const choices = (options: readonly { value: string; label: string }[]) => [
    { value: "", label: "Choose" },
    ...(options.some(({ value }) => value === fields.name) || !fields.name ? [] : [{ value: fields.name, label: fields.name }]),
    ...options,
  ];
  switch (fields.level) {
    case "organisation":
      return null;
    case "person":
      return (
        <PeoplePicker
          label="Person"
          isOne
          required
          value={fields.name ? [fields.name] : []}
          onChange={(chosen) => onChange(chosen.at(-1) ?? "")}
        />
      );
    case "use_case":
      return (
        <NativeSelect
          label="Use case"
          required
          data={choices((useCases.data ?? []).map((one) => ({ value: one.id, label: nameOf(one) })))}
          value={fields.name}
          onChange={(event) => onChange(event.currentTarget.value)}
        />
      );
    case "key":
      return (
        <NativeSelect
          label="Key"
          required
          data={choices((keys.data ?? []).map((one) => ({ value: one.id, label: one.name || one.prefix })))}
          value={fields.name}
          onChange={(event) => onChange(event.currentTarget.value)}
        />
      );
    case "group":
      return (
        <TextInput
          label="Group"
          description="As on the page People, or of your identity provider."
          required
          value={fields.name}
          onChange={(event) => onChange(event.currentTarget.value)}
        />
      );
  }
}

function fieldsOf(entry: Entry | null): Fields {
  if (!entry) return NEW;
  const text = (name: string, otherwise = ""): string => (entry[name] === undefined ? otherwise : String(entry[name]));
  const [level = "", ...rest] = text("scope").split(":");
  const alerts = entry["alerts"];
  return {
    id: text("id"),
    level: level as Fields["level"],
    name: rest.join(":"),
    unit: text("unit", NEW.unit) as Fields["unit"],
    limit: text("limit"),
    currency: text("currency", NEW.currency),
    period: text("period", NEW.period),
    hard: entry["hard"] !== false,
    alerts: Array.isArray(alerts) ? alerts.map((share) => String(Math.round(Number(share) * 100))) : NEW.alerts,
  };
}

function entryOf({ level, name, unit, limit, currency, period, hard, alerts }: Fields): Record<string, unknown> {
  const scope = level === "organisation" ? level : `${level}:${name.trim()}`;
  const entry = { scope, limit: Number(limit), unit, hard };
  if (unit === "concurrency") return entry;
  const shares = alerts.map((percent) => Number(percent) / 100);
  return { ...entry, period, alerts: shares, ...(unit === "money" && { currency }) };
}
