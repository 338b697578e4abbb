/** Dialogs about one key: rotate, limit and revoke. */

import { Button, Group, Modal, NativeSelect, Stack, Text, TextInput } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";

import { type Schemas, api, take } from "../api/client";
import { useDraft } from "../draft";
import { Code } from "../elements/code";
import { FormDialog } from "../elements/dialog";
import { Failure } from "../elements/page";
import { LAST_DAY, endOfDay, lastDayOf } from "../record/days";
import { forgetPeople } from "./queries";

/** A key in a list: enough to name it. */
export interface KeyName {
  readonly id: string;
  readonly name: string;
}

const OVERLAPS = [
  { value: "0", label: "It stops now" },
  { value: "1", label: "1 hour" },
  { value: "24", label: "24 hours" },
  { value: "168", label: "7 days" },
  { value: "720", label: "30 days" },
];

/** The limits of a key as they are typed; empty is no limit. */
export interface TypedLimits {
  readonly perMinute: string;
  readonly perDay: string;
  readonly expires: string;
}

const HOUR_MS = 3_600_000;

/** Makes a key that replaces another one. The old one works for a while, so that programs can change over. */
export function RotateDialog({ apiKey, onClose }: { apiKey: KeyName | null; onClose: () => void }) {
  const client = useQueryClient();
  const [hours, setHours] = useState("24");
  const rotate = useMutation({
    mutationFn: (key: string) => {
      const body = { old_until: new Date(Date.now() + Number(hours) * HOUR_MS).toISOString() };
      return take(api.POST("/api/keys/{key}/rotate", { params: { path: { key } }, body }));
    },
    onSuccess: () => forgetPeople(client),
  });
  const close = (): void => {
    rotate.reset();
    onClose();
  };
  return (
    <FormDialog
      title={rotate.data ? "Key rotated" : `Rotate ${apiKey?.name ?? "key"}`}
      isOpen={apiKey !== null}
      isFinal={rotate.data !== undefined}
      onClose={close}
    >
      {rotate.data ? (
        <NewSecret made={rotate.data} onDone={close} />
      ) : (
        <Stack gap="md">
          <Text size="sm">The new key works at once, with the same use case, limits and end as the old one.</Text>
          <NativeSelect
            label="The old key still works for"
            data={OVERLAPS}
            value={hours}
            onChange={(event) => setHours(event.currentTarget.value)}
          />
          {rotate.error && <Failure error={rotate.error} title="The key was not rotated" />}
          <Group justify="flex-end" gap="xs">
            <Button variant="default" onClick={close}>
              Cancel
            </Button>
            <Button loading={rotate.isPending} onClick={() => apiKey && rotate.mutate(apiKey.id)}>
              Rotate key
            </Button>
          </Group>
        </Stack>
      )}
    </FormDialog>
  );
}

/** Changes the limits and the end of a key. */
export function LimitsDialog({ apiKey, onClose }: { apiKey: Schemas["KeyView"] | null; onClose: () => void }) {
  return (
    <FormDialog title={`Change limits of ${apiKey?.name ?? "key"}`} isOpen={apiKey !== null} onClose={onClose}>
      {apiKey && <LimitsForm key={apiKey.id} apiKey={apiKey} onClose={onClose} />}
    </FormDialog>
  );
}

function LimitsForm({ apiKey, onClose }: { apiKey: Schemas["KeyView"]; onClose: () => void }) {
  const client = useQueryClient();
  const before = limitsOf(apiKey);
  const [fields, setFields, forget] = useDraft(`limits:${apiKey.id}`, before);
  const close = (): void => {
    forget();
    onClose();
  };
  const change = useMutation({
    mutationFn: () => {
      const body = {
        ...(fields.perMinute !== before.perMinute && { requests_per_minute: numberIn(fields.perMinute) }),
        ...(fields.perDay !== before.perDay && { cost_micros_per_day: microsIn(fields.perDay) }),
        ...(fields.expires !== before.expires && { expires_at: endOfDay(fields.expires) }),
      };
      return take(api.POST("/api/keys/{key}/limits", { params: { path: { key: apiKey.id } }, body }));
    },
    onSuccess: () => {
      forgetPeople(client);
      close();
    },
  });
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    change.mutate();
  };
  return (
    <form onSubmit={submit}>
      <Stack gap="md">
        <Text size="sm">The new limits hold from the next call on.</Text>
        <LimitFields fields={fields} currency={apiKey.currency} onChange={(typed) => setFields({ ...fields, ...typed })} />
        {change.error && <Failure error={change.error} title="The limits were not changed" />}
        <Group justify="flex-end" gap="xs">
          <Button variant="default" onClick={close}>
            Cancel
          </Button>
          <Button type="submit" loading={change.isPending}>
            Change limits
          </Button>
        </Group>
      </Stack>
    </form>
  );
}

interface LimitFieldsProps {
  readonly fields: TypedLimits;
  readonly currency: string;
  readonly onChange: (typed: Partial<TypedLimits>) => void;
}

/** The fields for the limits and the end of a key. */
export function LimitFields({ fields, currency, onChange }: LimitFieldsProps) {
  return (
    <>
      <Group grow align="flex-start">
        <TextInput
          label="Requests a minute"
          placeholder="No limit"
          type="number"
          min={1}
          max={10_000_000}
          step={1}
          value={fields.perMinute}
          onChange={(event) => onChange({ perMinute: event.currentTarget.value })}
        />
        <TextInput
          label={`Cost a day, ${currency}`}
          placeholder="No limit"
          type="number"
          min={0}
          max={1_000_000_000}
          step="any"
          value={fields.perDay}
          onChange={(event) => onChange({ perDay: event.currentTarget.value })}
        />
      </Group>
      <TextInput
        type="date"
        label="Expires after"
        description="The last valid day, in UTC. Leave empty for no expiry."
        max={LAST_DAY}
        value={fields.expires}
        onChange={(event) => onChange({ expires: event.currentTarget.value })}
      />
    </>
  );
}

function limitsOf(key: Schemas["KeyView"]): TypedLimits {
  return {
    perMinute: key.requests_per_minute === null ? "" : String(key.requests_per_minute),
    perDay: key.cost_micros_per_day === null ? "" : String(key.cost_micros_per_day / 1_000_000),
    expires: lastDayOf(key.expires_at),
  };
}

/** A typed number, or null where nothing is typed. */
export function numberIn(typed: string): number | null {
  return typed ? Number(typed) : null;
}

/** A typed amount of money in micro-units, or null where nothing is typed. */
export function microsIn(typed: string): number | null {
  return typed ? Math.round(Number(typed) * 1_000_000) : null;
}

/** Ends a key at once. */
export function RevokeDialog({ apiKey, onClose }: { apiKey: KeyName | null; onClose: () => void }) {
  const client = useQueryClient();
  const revoke = useMutation({
    mutationFn: (key: string) => take(api.DELETE("/api/keys/{key}", { params: { path: { key } } })),
    onSuccess: () => {
      forgetPeople(client);
      onClose();
    },
  });
  return (
    <Modal opened={apiKey !== null} onClose={onClose} title={`Revoke ${apiKey?.name ?? "key"}?`}>
      <Stack gap="md">
        <Text size="sm">Headgate refuses every program that uses this key from now on. You cannot undo this.</Text>
        {revoke.error && <Failure error={revoke.error} title="The key was not revoked" />}
        <Group justify="flex-end" gap="xs">
          <Button variant="default" onClick={onClose}>
            Keep key
          </Button>
          <Button color="red" loading={revoke.isPending} onClick={() => apiKey && revoke.mutate(apiKey.id)}>
            Revoke key
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}

/** A new key's secret, which is shown once. */
export function NewSecret({ made, onDone }: { made: Schemas["CreatedKey"]; onDone: () => void }) {
  return (
    <Stack gap="md">
      <Text size="sm" role="status">
        Key <b>{made.key.name}</b> is ready. Copy its secret now: Headgate does not show it again.
      </Text>
      <Code text={made.secret} what="the secret" wrap />
      <Group justify="flex-end">
        <Button onClick={onDone}>Done</Button>
      </Group>
    </Stack>
  );
}
