/** One's own keys: made for use cases that one may use, rotated and revoked. */

import { Button, Group, MultiSelect, NativeSelect, Stack, Table, Text, TextInput } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";

import { type Schemas, api, take } from "../../api/client";
import { modelsQuery } from "../../api/queries";
import { useDraft } from "../../draft";
import { FormDialog } from "../../elements/dialog";
import { Icon } from "../../elements/icons";
import { Failure, Rows, Section } from "../../elements/page";
import { Time } from "../../elements/record";
import { type KeyName, NewSecret, RevokeDialog, RotateDialog } from "../../people/keys";
import { forgetPeople, ownKeysQuery } from "../../people/queries";
import { useUseCaseTitle } from "../../usecase/titles";
import { endOfDay } from "../../record/days";
import prose from "../../elements/prose.module.css";
import table from "../../elements/table.module.css";

type Key = Schemas["KeyView"];

const DAY_MS = 86_400_000;
const LASTS_DAYS = 90;
const LONGEST_DAYS = 365;

export function OwnKeys({ me }: { me: string }) {
  const own = useQuery(ownKeysQuery);
  const [isMaking, setMaking] = useState(false);
  const [made, setMade] = useState<Schemas["CreatedKey"] | null>(null);
  const [rotating, setRotating] = useState<KeyName | null>(null);
  const [revoking, setRevoking] = useState<KeyName | null>(null);
  const close = (): void => {
    setMaking(false);
    setMade(null);
  };
  const mayMake = (own.data?.use_cases.length ?? 0) > 0;
  return (
    <Section
      title="Keys"
      aside={
        mayMake && (
          <Button
            size="compact-sm"
            variant="default"
            leftSection={<Icon name="add" size={13} />}
            onClick={() => setMaking(true)}
          >
            Make key
          </Button>
        )
      }
    >
      {own.error ? (
        <Failure error={own.error} />
      ) : !own.data ? (
        <Rows count={2} />
      ) : own.data.keys.length === 0 ? (
        <Text size="sm" className={prose.quiet}>
          {mayMake
            ? "You have no key. Make one to call models from a program as yourself."
            : "You have no key, and your role does not allow you to make one. Ask an administrator."}
        </Text>
      ) : (
        <KeyTable keys={own.data.keys} onRotate={setRotating} onRevoke={setRevoking} />
      )}
      <FormDialog title={made ? "Key made" : "Make key"} isOpen={isMaking} isFinal={made !== null} onClose={close}>
        {made ? (
          <NewSecret made={made} onDone={close} />
        ) : (
          <Form me={me} useCases={own.data?.use_cases ?? []} onMade={setMade} onCancel={close} />
        )}
      </FormDialog>
      <RotateDialog apiKey={rotating} onClose={() => setRotating(null)} />
      <RevokeDialog apiKey={revoking} onClose={() => setRevoking(null)} />
    </Section>
  );
}

interface TableProps {
  readonly keys: readonly Key[];
  readonly onRotate: (key: KeyName) => void;
  readonly onRevoke: (key: KeyName) => void;
}

function KeyTable({ keys, onRotate, onRevoke }: TableProps) {
  const titleOf = useUseCaseTitle();
  return (
    <div className={table.scroll}>
      <Table className={table.cards}>
        <caption className={prose.unseen}>Your keys, newest first</caption>
        <Table.Thead>
          <Table.Tr>
            <Table.Th>Name</Table.Th>
            <Table.Th>Use case</Table.Th>
            <Table.Th>Made</Table.Th>
            <Table.Th>Ends</Table.Th>
            <Table.Th>
              <span className={prose.unseen}>Actions</span>
            </Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {keys.map((key) => (
            <Table.Tr key={key.id}>
              <Table.Td>
                <b>{key.name}</b>
                <br />
                <span className={`${prose.mono} ${prose.quiet}`}>{key.prefix}…</span>
              </Table.Td>
              <Table.Td data-label="Use case">{titleOf(key.use_case)}</Table.Td>
              <Table.Td data-label="Made">{key.created_at && <Time iso={key.created_at} />}</Table.Td>
              <Table.Td data-label="Ends">
                {key.expires_at ? <Time iso={key.expires_at} /> : <span className={prose.quiet}>never</span>}
                {key.replaced_by && (
                  <Text size="xs" className={prose.quiet}>
                    replaced by {keys.find((other) => other.id === key.replaced_by)?.prefix ?? key.replaced_by}…
                  </Text>
                )}
              </Table.Td>
              <Table.Td ta="right">
                {!key.replaced_by && (
                  <Button
                    size="compact-xs"
                    variant="subtle"
                    onClick={() => onRotate(key)}
                    aria-label={`Rotate ${key.name}`}
                  >
                    Rotate
                  </Button>
                )}
                <Button
                  size="compact-xs"
                  variant="subtle"
                  color="red"
                  onClick={() => onRevoke(key)}
                  aria-label={`Revoke ${key.name}`}
                >
                  Revoke
                </Button>
              </Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </div>
  );
}

interface Fields {
  readonly name: string;
  readonly useCase: string;
  readonly aliases: readonly string[];
  readonly expires: string;
}

interface FormProps {
  readonly me: string;
  readonly useCases: readonly string[];
  readonly onMade: (made: Schemas["CreatedKey"]) => void;
  readonly onCancel: () => void;
}

function Form({ me, useCases, onMade, onCancel }: FormProps) {
  const client = useQueryClient();
  const models = useQuery(modelsQuery);
  const titleOf = useUseCaseTitle();
  const [fields, setFields, forget] = useDraft<Fields>("own-key", {
    name: "",
    useCase: useCases[0] ?? "",
    aliases: [],
    expires: dayIn(LASTS_DAYS),
  });
  const make = useMutation({
    mutationFn: () => {
      const body: Schemas["NewKey"] = {
        name: fields.name.trim(),
        use_case: fields.useCase,
        principal: me,
        roles: [],
        aliases: fields.aliases.length ? [...fields.aliases] : null,
        expires_at: endOfDay(fields.expires),
        requests_per_minute: null,
        cost_micros_per_day: null,
        currency: "USD",
      };
      return take(api.POST("/api/keys", { body }));
    },
    onSuccess: (made) => {
      forget();
      forgetPeople(client);
      onMade(made);
    },
  });
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    make.mutate();
  };
  const cancel = (): void => {
    forget();
    onCancel();
  };
  return (
    <form onSubmit={submit}>
      <Stack gap="sm">
        <TextInput
          label="Name"
          description="The program or device that will use it."
          required
          maxLength={200}
          data-autofocus
          value={fields.name}
          onChange={(event) => setFields({ ...fields, name: event.currentTarget.value })}
        />
        <NativeSelect
          label="Use case"
          description="The key works for this use case only, as long as you may use it."
          data={useCases.map((id) => ({ value: id, label: titleOf(id) }))}
          value={fields.useCase}
          onChange={(event) => setFields({ ...fields, useCase: event.currentTarget.value })}
        />
        <MultiSelect
          label="Models"
          placeholder={fields.aliases.length ? undefined : "All models"}
          data={[...new Set([...(models.data ?? []).map((model) => model.id), ...fields.aliases])]}
          value={[...fields.aliases]}
          onChange={(aliases) => setFields({ ...fields, aliases })}
          searchable
          clearable
        />
        <TextInput
          type="date"
          label="Ends after"
          description="The last valid day, in UTC. At most a year from now."
          required
          max={dayIn(LONGEST_DAYS)}
          value={fields.expires}
          onChange={(event) => setFields({ ...fields, expires: event.currentTarget.value })}
        />
        {make.error && <Failure error={make.error} title="The key was not made" />}
        <Group justify="flex-end" gap="xs">
          <Button variant="default" onClick={cancel}>
            Cancel
          </Button>
          <Button type="submit" loading={make.isPending}>
            Make key
          </Button>
        </Group>
      </Stack>
    </form>
  );
}

function dayIn(days: number): string {
  return new Date(Date.now() + days * DAY_MS).toISOString().slice(0, 10);
}
