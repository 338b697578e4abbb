/** Inviting a person: who it is, what they may see and use, what they may administer, and the link to send. */

import { Button, Group, MultiSelect, Stack, TagsInput, Text, TextInput } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";

import { type Schemas, api, take } from "../../api/client";
import { useCasesQuery } from "../../api/queries";
import { useDraft } from "../../draft";
import { FormDialog } from "../../elements/dialog";
import { Failure, Notice } from "../../elements/page";
import { type Clearance, MaySee, USUAL } from "../../people/MaySee";
import { SignInLink } from "../../people/SignInLink";
import { forgetPeople, foundPeopleQuery } from "../../people/queries";
import { roleWords } from "../../people/words";
import { nameOf } from "../../usecase/bodies";

interface Fields {
  readonly id: string;
  readonly name: string;
  readonly roles: readonly string[];
  readonly groups: readonly string[];
  readonly useCases: readonly string[];
  readonly clearance: Clearance;
}

/** The invited person, and the use cases to which they could not be added. */
interface Invited {
  readonly id: string;
  readonly name: string;
  readonly missed: readonly string[];
}

interface Props {
  readonly isOpen: boolean;
  readonly onClose: () => void;
  readonly roles: readonly string[];
}

export function InviteDialog({ isOpen, onClose, roles }: Props) {
  const [invited, setInvited] = useState<Invited | null>(null);
  const close = (): void => {
    setInvited(null);
    onClose();
  };
  return (
    <FormDialog
      title={invited ? "Sign-in link" : "Invite person"}
      isOpen={isOpen}
      isFinal={invited !== null}
      onClose={close}
    >
      {invited ? (
        <Stack gap="md">
          {invited.missed.length > 0 && (
            <Notice tone="warn" icon="warn">
              <Text size="sm">Not added to {invited.missed.join(", ")}. Add {invited.name} on the page of the use case.</Text>
            </Notice>
          )}
          <SignInLink person={invited.id} name={invited.name} onDone={close} />
        </Stack>
      ) : (
        <Form roles={roles} onInvited={setInvited} onCancel={close} />
      )}
    </FormDialog>
  );
}

const EMPTY: Fields = { id: "", name: "", roles: [], groups: [], useCases: [], clearance: USUAL };

function Form({
  roles,
  onInvited,
  onCancel,
}: {
  roles: readonly string[];
  onInvited: (invited: Invited) => void;
  onCancel: () => void;
}) {
  const client = useQueryClient();
  const groups = useQuery(foundPeopleQuery("")).data?.groups ?? [];
  const useCases = (useQuery(useCasesQuery).data ?? []).filter((one) => one.can_share);
  const [draft, setFields, forget] = useDraft<Partial<Fields>>("invite", EMPTY);
  const fields: Fields = { ...EMPTY, ...draft };
  const set = (change: Partial<Fields>): void => setFields({ ...fields, ...change });
  const add = useMutation({
    mutationFn: async (): Promise<Invited> => {
      const { confidentiality, categories } = fields.clearance;
      const body: Schemas["NewPerson"] = {
        id: fields.id.trim(),
        name: fields.name.trim(),
        kind: "person",
        roles: [...fields.roles],
        groups: [...fields.groups],
        confidentiality,
        categories,
        access: null,
      };
      await take(api.POST("/api/people", { body }));
      const missed: string[] = [];
      for (const useCase of fields.useCases) {
        const path = { use_case: useCase, member: body.id };
        await take(api.PUT("/api/use-cases/{use_case}/members/{member}", { params: { path } })).catch(() =>
          missed.push(useCase),
        );
      }
      return { id: body.id, name: body.name || body.id, missed };
    },
    onSuccess: (invited) => {
      forget();
      forgetPeople(client);
      void client.invalidateQueries({ queryKey: useCasesQuery.queryKey });
      onInvited(invited);
    },
  });
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    add.mutate();
  };
  const cancel = (): void => {
    forget();
    onCancel();
  };
  return (
    <form onSubmit={submit}>
      <Stack gap="sm">
        <TextInput
          label="Id"
          description="An e-mail address or a short name. It cannot change later."
          required
          maxLength={127}
          data-autofocus
          value={fields.id}
          onChange={(event) => set({ id: event.currentTarget.value })}
        />
        <TextInput
          label="Name"
          maxLength={200}
          value={fields.name}
          onChange={(event) => set({ name: event.currentTarget.value })}
        />
        <MultiSelect
          label="Use cases"
          description="The person becomes a member of these."
          searchable
          data={useCases.map((one) => ({ value: one.id, label: nameOf(one) }))}
          value={[...fields.useCases]}
          onChange={(chosen) => set({ useCases: chosen })}
        />
        <TagsInput
          label="Groups"
          description="Use cases can name a group as their members."
          data={groups}
          value={[...fields.groups]}
          onChange={(chosen) => set({ groups: chosen })}
        />
        <MaySee value={fields.clearance} onChange={(clearance) => set({ clearance })} />
        <MultiSelect
          label="Roles in administration"
          description="Without a role a person uses models and their own account, and administers nothing."
          data={roles.map((role) => ({ value: role, label: roleWords(role) }))}
          value={[...fields.roles]}
          onChange={(chosen) => set({ roles: chosen })}
        />
        {add.error && <Failure error={add.error} title="The person was not invited" />}
        <Group justify="flex-end" gap="xs">
          <Button variant="default" onClick={cancel}>
            Cancel
          </Button>
          <Button type="submit" loading={add.isPending}>
            Invite person
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
