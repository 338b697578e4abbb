/** Dialogs about one key: rotate and revoke. */

import { Button, Group, Modal, NativeSelect, Stack, Text } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { type Schemas, api, take } from "../api/client";
import { Code } from "../elements/code";
import { FormDialog } from "../elements/dialog";
import { Failure } from "../elements/page";
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
