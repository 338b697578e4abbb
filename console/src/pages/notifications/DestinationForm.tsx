/** The form of a destination of notices: mail, webhook, Slack or Teams. */

import { Button, Checkbox, Group, MultiSelect, NativeSelect, Stack, Switch, TagsInput, TextInput } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import type { FormEvent } from "react";

import { api, take } from "../../api/client";
import { notificationsQuery, useCasesQuery } from "../../api/queries";
import { entryQuery } from "../../catalogue/queries";
import { useDraft } from "../../draft";
import { EntryActions } from "../../elements/EntryActions";
import { Failure, Rows } from "../../elements/page";
import { useMay } from "../../session";
import { nameOf } from "../../usecase/bodies";
import { CHANNELS, type Channel, EVENTS } from "./words";

interface Fields {
  readonly id: string;
  readonly channel: Channel;
  readonly to: readonly string[];
  readonly server: string;
  readonly security: string;
  readonly login: string;
  readonly sender: string;
  readonly url: string;
  readonly secret: string;
  readonly events: readonly string[];
  readonly useCases: readonly string[];
  readonly internal: boolean;
}

const ALL_EVENTS = Object.keys(EVENTS);
const NEW: Fields = {
  id: "",
  channel: "mail",
  to: [],
  server: "",
  security: "starttls",
  login: "",
  sender: "",
  url: "",
  secret: "",
  events: ALL_EVENTS,
  useCases: [],
  internal: false,
};

type Entry = Readonly<Record<string, unknown>>;

interface Props {
  /** The id of the destination to change; null for a new one. */
  readonly destination: string | null;
  readonly onDone: () => void;
}

export function DestinationForm({ destination, onDone }: Props) {
  const stored = useQuery({ ...entryQuery("notification", destination ?? ""), enabled: destination !== null });
  if (destination === null) return <Form stored={null} version={null} onDone={onDone} />;
  if (stored.error) return <Failure error={stored.error} />;
  if (!stored.data) return <Rows />;
  return <Form stored={stored.data.entry} version={stored.data.version} onDone={onDone} />;
}

function Form({ stored, version, onDone }: { stored: Entry | null; version: string | null; onDone: () => void }) {
  const client = useQueryClient();
  const mayAll = useMay()("config.apply");
  const useCases = useQuery(useCasesQuery).data ?? [];
  const [fields, setFields, forget] = useDraft(`notification:${String(stored?.["id"] ?? "")}`, fieldsOf(stored));
  const set = (change: Partial<Fields>): void => setFields({ ...fields, ...change });
  const path = { section: "notification", entry: fields.id.trim() };
  const done = (): void => {
    forget();
    void client.invalidateQueries({ queryKey: notificationsQuery.queryKey });
    void client.invalidateQueries({ queryKey: entryQuery("notification", path.entry).queryKey });
    onDone();
  };
  const save = useMutation({
    mutationFn: () =>
      take(
        api.PUT("/api/entries/{section}/{entry}", {
          params: { path },
          body: { entry: entryOf(fields, stored), version },
        }),
      ),
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
  const isMail = fields.channel === "mail";
  const problem = save.error ?? remove.error;
  return (
    <form onSubmit={submit}>
      <Stack gap="sm">
        {!stored && (
          <TextInput
            label="Name"
            description="Small letters, digits, dots and dashes."
            placeholder="approvers"
            required
            pattern="[a-z0-9][a-z0-9._\-]{0,62}"
            data-autofocus
            value={fields.id}
            onChange={(event) => set({ id: event.currentTarget.value })}
          />
        )}
        <NativeSelect
          label="Channel"
          data={Object.entries(CHANNELS).map(([value, label]) => ({ value, label }))}
          value={fields.channel}
          onChange={(event) => set({ channel: event.currentTarget.value as Channel })}
        />
        {isMail ? (
          <>
            <TagsInput
              label="To"
              placeholder={fields.to.length ? undefined : "anna@example.com"}
              value={[...fields.to]}
              onChange={(to) => set({ to })}
              splitChars={[",", " "]}
              acceptValueOnBlur
            />
            <TextInput
              label="From"
              placeholder="headgate@example.com"
              required
              value={fields.sender}
              onChange={(event) => set({ sender: event.currentTarget.value })}
            />
            <Group grow align="flex-start">
              <TextInput
                label="Mail server"
                placeholder="smtp.example.com:587"
                required
                value={fields.server}
                onChange={(event) => set({ server: event.currentTarget.value })}
              />
              <NativeSelect
                label="Encryption"
                data={[
                  { value: "starttls", label: "STARTTLS" },
                  { value: "tls", label: "TLS" },
                  { value: "none", label: "None, inside our network" },
                ]}
                value={fields.security}
                onChange={(event) => set({ security: event.currentTarget.value })}
              />
            </Group>
            <TextInput
              label="Login"
              description={
                mayAll ? "A reference to user:password, such as env:SMTP_LOGIN." : "An administrator sets the login."
              }
              disabled={!mayAll}
              value={fields.login}
              onChange={(event) => set({ login: event.currentTarget.value })}
            />
          </>
        ) : (
          <>
            <TextInput
              label="Address"
              description={
                fields.channel === "webhook"
                  ? "An https address, or a reference such as env:TICKETS_URL_SECRET."
                  : "A reference, because the address is a secret: env:NAME. The operator sets the variable."
              }
              placeholder={fields.channel === "webhook" ? "https://tickets.example.com/headgate" : "env:CHAT_URL_SECRET"}
              required
              value={fields.url}
              onChange={(event) => set({ url: event.currentTarget.value })}
            />
            {fields.channel === "webhook" && (
              <TextInput
                label="Secret"
                description="A reference such as env:TICKETS_SECRET. It signs each message."
                value={fields.secret}
                onChange={(event) => set({ secret: event.currentTarget.value })}
              />
            )}
          </>
        )}
        <Checkbox.Group label="Tell when" value={[...fields.events]} onChange={(events) => set({ events })}>
          <Group gap="md" mt={4}>
            {ALL_EVENTS.map((event) => (
              <Checkbox key={event} size="xs" value={event} label={EVENTS[event]} />
            ))}
          </Group>
        </Checkbox.Group>
        <MultiSelect
          label="Use cases"
          placeholder={fields.useCases.length ? undefined : "All use cases"}
          searchable
          data={useCases.map((one) => ({ value: one.id, label: nameOf(one) }))}
          value={[...fields.useCases]}
          onChange={(chosen) => set({ useCases: chosen })}
        />
        <Switch
          label="It is inside our network"
          description={mayAll ? undefined : "An administrator allows private addresses."}
          disabled={!mayAll}
          checked={fields.internal}
          onChange={(event) => set({ internal: event.currentTarget.checked })}
        />
        {problem && <Failure error={problem} title="Nothing was changed" />}
        <EntryActions
          noun="destination"
          removal={stored && { means: "Nobody is told here any more.", isPending: remove.isPending, run: () => remove.mutate() }}
          onCancel={() => {
            forget();
            onDone();
          }}
        >
          <Button type="submit" loading={save.isPending} disabled={fields.events.length === 0}>
            Save destination
          </Button>
        </EntryActions>
      </Stack>
    </form>
  );
}

function fieldsOf(entry: Entry | null): Fields {
  if (!entry) return NEW;
  const text = (name: string): string => (typeof entry[name] === "string" ? entry[name] : "");
  const list = (name: string): string[] => (Array.isArray(entry[name]) ? (entry[name] as string[]) : []);
  return {
    id: text("id"),
    channel: text("channel") as Channel,
    to: list("to"),
    server: text("server"),
    security: text("security") || NEW.security,
    login: text("login"),
    sender: text("sender"),
    url: text("url"),
    secret: text("secret"),
    events: Array.isArray(entry["events"]) ? list("events") : ALL_EVENTS,
    useCases: list("use_cases"),
    internal: entry["internal"] === true,
  };
}

/** The entry of the file: the fields of its channel, and what the form does not show as it was. */
function entryOf(fields: Fields, stored: Entry | null): Record<string, unknown> {
  const { channel, to, server, security, login, sender, url, secret, events, useCases, internal } = fields;
  const { ca_file, console: address } = stored ?? {};
  const ofChannel = channel === "mail" ? { to, server, security, login, sender } : { url, secret };
  const entry = {
    ...{ channel, internal, ca_file, console: address, ...ofChannel },
    events: events.length === ALL_EVENTS.length ? undefined : events,
    use_cases: useCases.length ? useCases : undefined,
  };
  return Object.fromEntries(Object.entries(entry).filter(([, value]) => value !== undefined && value !== ""));
}
