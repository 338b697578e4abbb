/** The form of a deployment: where the model is, how to reach it, what it may see, what it costs and can. */

import { Autocomplete, Button, Checkbox, Group, NativeSelect, Radio, Stack, TagsInput, Text, TextInput } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, type ReactNode, useState } from "react";

import { ApiError, type Schemas, api, take } from "../api/client";
import { Failure, Section } from "../elements/page";
import { useDraft } from "../draft";
import { plural } from "../format";
import { CATEGORIES, capitalised } from "../record/words";
import { PlanLines } from "./PlanLines";
import { Trial } from "./Trial";
import { type DeploymentFields, type Entry, type Level, NEW, SENSITIVE, entryOf, isReference } from "./deployment";
import { entriesQuery, providersQuery } from "./queries";
import prose from "../elements/prose.module.css";

interface Props {
  /** The name of the draft in this tab. */
  readonly draft: string;
  readonly initial: DeploymentFields;
  /** The entry as it is stored; null for a new one. */
  readonly stored: Schemas["EntryView"] | null;
  /** The name under which people and programs find a new model; empty for none. */
  readonly alias?: string;
  readonly onDone: (saved: { readonly deployment: string; readonly alias: string }) => void;
  readonly onCancel: () => void;
}

const LEVELS: Readonly<Record<Level, string>> = {
  public: "Public: what anybody may read",
  internal: "Internal: what everybody here may read",
  confidential: "Confidential: what a few may read, such as contracts",
  restricted: "Restricted: what would do harm outside",
};

/** Our own machines always receive it. */
const UNSCANNED = [["unscanned", "content that no scan can read, such as images"]] as const;

export function DeploymentForm({ draft, initial, stored, alias = "", onDone, onCancel }: Props) {
  const client = useQueryClient();
  const providers = useQuery(providersQuery);
  const networks = useQuery(entriesQuery("network"));
  const [kept, keep, forget] = useDraft(`deployment:${draft}`, { fields: initial, alias });
  // A pasted secret is shown as a mistake, and is kept nowhere: not even as a draft of this tab.
  const [pasted, setPasted] = useState<string | null>(null);
  const fields = { ...NEW, ...kept.fields }; // a draft of an older version may lack a field
  const provider = providers.data?.find((one) => one.name === fields.provider);
  const entry = entryOf(fields, stored?.entry ?? {});
  const isNew = stored === null;
  const needsAddress = provider !== undefined && !provider.is_ours && (fields.isOurs || provider.base_url === null);
  const hasAddress = !needsAddress || fields.baseUrl.trim() !== "";
  const isComplete = Boolean(fields.id.trim() && fields.model.trim() && hasAddress && pasted === null);
  const change = (changed: Partial<DeploymentFields>): void => {
    keep({ ...kept, fields: { ...fields, ...changed } });
    plan.reset();
  };
  const path = { section: "deployment", entry: fields.id.trim() };
  const body = { entry, version: stored?.version ?? null };
  const plan = useMutation({
    mutationFn: () =>
      take(api.PUT("/api/entries/{section}/{entry}", { params: { path, query: { dry_run: true } }, body })),
  });
  const save = useMutation({
    mutationFn: async () => {
      await take(api.PUT("/api/entries/{section}/{entry}", { params: { path }, body }));
      if (isNew && kept.alias.trim()) await offerAs(kept.alias.trim(), fields);
    },
    onSuccess: () => {
      forget();
      void client.invalidateQueries({ predicate: ({ queryKey }) => queryKey[0] !== "session" });
      onDone({ deployment: fields.id.trim(), alias: isNew ? kept.alias.trim() : "" });
    },
  });
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    if (plan.data) save.mutate();
    else plan.mutate();
  };
  const error = save.error ?? plan.error;
  const faultOf = (key: string): string | null =>
    error instanceof ApiError && (error.detail.param ?? "").split(/[.[]/).pop() === key ? error.message : null;
  const text = (name: "id" | "model" | "baseUrl" | "currency" | "input" | "output" | "contextTokens" | "outputTokens") => ({
    value: fields[name],
    onChange: (event: { currentTarget: { value: string } }) => change({ [name]: event.currentTarget.value }),
  });
  return (
    <form onSubmit={submit} autoComplete="off">
      <Stack gap="md">
        <Section title="The model">
          <Stack gap="sm" maw={560}>
            {isNew && (
              <TextInput
                label="Name of the deployment"
                description="For administrators, in lists and records, such as gpt-eu."
                required
                maxLength={127}
                error={faultOf("id")}
                {...text("id")}
              />
            )}
            {isNew && <Servers onChoose={(chosen) => change({ provider: chosen, baseUrl: "", options: {} })} />}
            <NativeSelect
              label="Provider"
              description={provider?.summary}
              data={(providers.data ?? []).map((one) => one.name)}
              value={fields.provider}
              onChange={(event) => change({ provider: event.currentTarget.value, options: {} })}
            />
            {provider?.options.map((one) => (
              <TextInput
                key={one.name}
                label={capitalised(one.name.replaceAll("_", " "))}
                description={`${capitalised(one.says)}.`}
                placeholder={one.default ?? one.example}
                required={one.is_required && !fields.baseUrl.trim()}
                error={faultOf(one.name)}
                value={fields.options[one.name] ?? ""}
                onChange={(event) => change({ options: { ...fields.options, [one.name]: event.currentTarget.value } })}
              />
            ))}
            <TextInput
              label="Address"
              description="The base URL of the API, as in the server's documentation."
              placeholder={(!fields.isOurs && provider?.base_url) || "http://host:port/v1"}
              required={needsAddress}
              type="url"
              error={faultOf("base_url")}
              {...text("baseUrl")}
            />
            <TextInput
              label="Credential"
              description={
                <>
                  Where the key lies on Headgate&apos;s machine: <span className={prose.mono}>env:OPENAI_API_KEY</span> for a
                  variable of its environment, or <span className={prose.mono}>file:/path</span> for a file. Never the key
                  itself. Leave it empty for a server without a key.
                </>
              }
              placeholder="env:NAME_API_KEY"
              value={pasted ?? fields.key}
              error={pasted !== null ? "Enter env:NAME or file:/path. Headgate does not store keys themselves." : faultOf("key")}
              onChange={(event) => {
                const value = event.currentTarget.value;
                const isFine = value === "" || isReference(value) || "env:".startsWith(value) || "file:".startsWith(value);
                setPasted(isFine ? null : value);
                change({ key: isFine ? value : "" });
              }}
            />
            <Names fields={fields} entry={entry} error={faultOf("model")} isListed={provider?.lists_models ?? false} onChange={change} />
            {isNew && (
              <TextInput
                label="Name for people and programs"
                description="They choose the model by this name, the alias. Leave it empty to add the deployment to an alias later."
                value={kept.alias}
                onChange={(event) => keep({ ...kept, alias: event.currentTarget.value })}
              />
            )}
          </Stack>
        </Section>
        <Section title="Where it runs and what it may see">
          <Stack gap="sm" maw={560}>
            <Radio.Group
              label="Machines"
              value={fields.isOurs ? "ours" : "theirs"}
              onChange={(value) => change({ isOurs: value === "ours", categories: value === "ours" ? SENSITIVE : [] })}
            >
              <Stack gap={6} mt={6}>
                <Radio value="theirs" label="The provider's" description="Personal data, payment data and secrets leave only masked." />
                <Radio
                  value="ours"
                  label="Our own machines"
                  description="Headgate may reach its private address. The data ticked below and content that no scan can read, such as images, go there as they are."
                />
              </Stack>
            </Radio.Group>
            <TagsInput
              label="Regions"
              description="Where the content is processed, such as eu. Content that is bound to regions goes only where they are named."
              value={[...fields.regions]}
              onChange={(regions) => change({ regions })}
            />
            <NativeSelect
              label="Data up to"
              description="More sensitive content never goes there."
              data={Object.entries(LEVELS).map(([value, label]) => ({ value, label }))}
              value={fields.level}
              onChange={(event) => change({ level: event.currentTarget.value as Level })}
            />
            <Checkbox.Group
              label="May receive as it is"
              description="A kind without a tick goes there only masked, if a rule masks it; Headgate refuses it otherwise. The card of the model says which."
              value={[...fields.categories]}
              onChange={(categories) => change({ categories })}
            >
              <Stack gap={6} mt={6}>
                {[...Object.entries(CATEGORIES), ...(fields.isOurs ? [] : UNSCANNED)].map(([value, words]) => (
                  <Checkbox key={value} value={value} label={capitalised(words)} />
                ))}
              </Stack>
            </Checkbox.Group>
          </Stack>
        </Section>
        <Section title="Price">
          <Stack gap="sm" maw={560}>
            <Radio.Group
              label="Price for a million tokens"
              value={fields.price}
              onChange={(price) => change({ price: price as DeploymentFields["price"] })}
            >
              <Group gap="lg" mt={6}>
                <Radio value="own" label="This price" />
                <Radio value="free" label="Free" />
                <Radio value="unknown" label="From the price list" />
              </Group>
            </Radio.Group>
            {fields.price === "own" && (
              <Group grow align="flex-start">
                <TextInput label="In" inputMode="decimal" error={faultOf("input") ?? faultOf("price")} {...text("input")} />
                <TextInput label="Out" inputMode="decimal" error={faultOf("output")} {...text("output")} />
                <TextInput label="Currency" maxLength={3} error={faultOf("currency")} {...text("currency")} />
              </Group>
            )}
            {fields.price === "own" && (
              <Text size="xs" className={prose.quiet}>
                It counts until somebody changes it here, also where the page Prices has a price for the model.
              </Text>
            )}
            {fields.price === "unknown" && (
              <Text size="xs" className={prose.quiet}>
                Calls cost your own price for the model, else the list price of its provider. Without either their cost is
                unknown, and keys and budgets with a limit of money refuse them.
              </Text>
            )}
          </Stack>
        </Section>
        <Section title="What it can">
          <Stack gap="sm" maw={560}>
            <Group grow>
              <Ability label="Tools" value={fields.tools} usual={provider?.tools} onChange={(tools) => change({ tools })} />
              <Ability label="Images" value={fields.images} usual={provider?.images} onChange={(images) => change({ images })} />
            </Group>
            <Group grow align="flex-start">
              <TextInput label="Context, tokens" placeholder="Unknown" inputMode="numeric" {...text("contextTokens")} />
              <TextInput label="Longest answer, tokens" placeholder="No limit" inputMode="numeric" {...text("outputTokens")} />
            </Group>
            <NativeSelect
              label="Network"
              description="Proxy, private certificate authority and client certificate, from [[network]] of the configuration."
              data={["default", ...(networks.data ?? []).map((one) => String(one.id))]}
              value={fields.network}
              onChange={(event) => change({ network: event.currentTarget.value })}
            />
          </Stack>
        </Section>
        <Trial subject={isComplete ? { entry } : null} label="Test before saving" />
        {error && <Failure error={error} title="Nothing was saved" />}
        {plan.data && <PlanLines plan={plan.data} title="Saving changes" />}
        {plan.data && isNew && kept.alias.trim() && (
          <Text size="sm">People and programs reach it as {kept.alias.trim()}: the alias is made, or tries it first.</Text>
        )}
        <Group gap="xs">
          <Button type="submit" disabled={!isComplete} loading={plan.isPending || save.isPending}>
            {plan.data ? (isNew ? "Add model" : "Save changes") : "Review"}
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

/** Makes an alias of one deployment, or puts the deployment first in an alias that exists. */
async function offerAs(alias: string, fields: DeploymentFields): Promise<void> {
  const path = { section: "alias", entry: alias };
  const found = await api.GET("/api/entries/{section}/{entry}", { params: { path } });
  const stored = found.response.ok ? (found.data?.entry as Entry) : {};
  const others = (Array.isArray(stored.deployments) ? stored.deployments : []).filter((one) => one !== fields.id.trim());
  const entry = { ...stored, id: alias, deployments: [fields.id.trim(), ...others] };
  await take(api.PUT("/api/entries/{section}/{entry}", { params: { path }, body: { entry, version: null } }));
}

interface NamesProps {
  readonly fields: DeploymentFields;
  readonly entry: Entry;
  readonly error: ReactNode;
  readonly isListed: boolean;
  readonly onChange: (changed: Partial<DeploymentFields>) => void;
}

function Names({ fields, entry, error, isListed, onChange }: NamesProps) {
  const ask = useMutation({
    mutationFn: () => {
      const { id: _, model: __, ...rest } = entry;
      return take(api.POST("/api/models/names", { body: { entry: rest } }));
    },
  });
  return (
    <Stack gap={6}>
      <Autocomplete
        label="Model"
        description="The provider's name of the model."
        required
        maxLength={256}
        limit={50}
        data={ask.data?.names ?? []}
        value={fields.model}
        error={error}
        onChange={(model) => onChange({ model })}
      />
      {isListed && (
        <Group gap="sm">
          <Button size="compact-xs" variant="default" loading={ask.isPending} onClick={() => ask.mutate()}>
            Ask the provider for its models
          </Button>
          <Text size="xs" className={prose.quiet} role="status">
            {ask.data && (ask.data.names.length ? `${plural(ask.data.names.length, "model")}: type to choose one.` : `${ask.data.why} ${ask.data.advice}`)}
          </Text>
        </Group>
      )}
      {ask.error && <Failure error={ask.error} />}
    </Stack>
  );
}

interface ServersProps {
  readonly onChoose: (provider: string) => void;
}

/** Looks for model servers on Headgate's own machine, and offers them. */
function Servers({ onChoose }: ServersProps) {
  const find = useMutation({ mutationFn: () => take(api.POST("/api/models/find")) });
  const servers = find.data?.servers ?? [];
  return (
    <Stack gap={6}>
      <Group gap="sm">
        <Button size="compact-xs" variant="default" loading={find.isPending} onClick={() => find.mutate()}>
          Look for model servers on Headgate&apos;s machine
        </Button>
        {servers.map((one) => (
          <Button key={one.provider} size="compact-xs" variant="light" onClick={() => onChoose(one.provider)}>
            Use {one.provider} at {one.base_url}
          </Button>
        ))}
        <Text size="xs" className={prose.quiet} role="status">
          {find.data && servers.length === 0 && "None answers at its usual address."}
        </Text>
      </Group>
      {find.error && <Failure error={find.error} />}
    </Stack>
  );
}

interface AbilityProps {
  readonly label: string;
  readonly value: "usual" | "yes" | "no";
  readonly usual: boolean | undefined;
  readonly onChange: (value: "usual" | "yes" | "no") => void;
}

function Ability({ label, value, usual, onChange }: AbilityProps) {
  return (
    <NativeSelect
      label={label}
      data={[
        { value: "usual", label: `As usual for the provider${usual === undefined ? "" : usual ? ": yes" : ": no"}` },
        { value: "yes", label: "Yes" },
        { value: "no", label: "No" },
      ]}
      value={value}
      onChange={(event) => onChange(event.currentTarget.value as "usual" | "yes" | "no")}
    />
  );
}
