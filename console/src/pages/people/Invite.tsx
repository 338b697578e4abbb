/** Inviting a person: who it is, what they may administer, and the link to send. */

import { Button, Group, MultiSelect, Stack, TextInput } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";

import { type Schemas, api, take } from "../../api/client";
import { useDraft } from "../../draft";
import { FormDialog } from "../../elements/dialog";
import { Failure } from "../../elements/page";
import { SignInLink } from "../../people/SignInLink";
import { forgetPeople } from "../../people/queries";
import { roleWords } from "../../people/words";

interface Fields {
  readonly id: string;
  readonly name: string;
  readonly roles: readonly string[];
}

interface Props {
  readonly isOpen: boolean;
  readonly onClose: () => void;
  readonly roles: readonly string[];
}

export function InviteDialog({ isOpen, onClose, roles }: Props) {
  const [invited, setInvited] = useState<Fields | null>(null);
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
        <SignInLink person={invited.id} name={invited.name || invited.id} onDone={close} />
      ) : (
        <Form roles={roles} onInvited={setInvited} onCancel={close} />
      )}
    </FormDialog>
  );
}

/** A person without groups, cleared for everything: use cases limit what their content may hold. */
const NEW: Schemas["NewPerson"] = {
  id: "",
  name: "",
  kind: "person",
  roles: [],
  groups: [],
  confidentiality: "restricted",
  categories: null,
  access: null,
};

const EMPTY: Fields = { id: "", name: "", roles: [] };

function Form({
  roles,
  onInvited,
  onCancel,
}: {
  roles: readonly string[];
  onInvited: (fields: Fields) => void;
  onCancel: () => void;
}) {
  const client = useQueryClient();
  const [fields, setFields, forget] = useDraft("invite", EMPTY);
  const add = useMutation({
    mutationFn: (body: Schemas["NewPerson"]) => take(api.POST("/api/people", { body })),
    onSuccess: (_, body) => {
      forget();
      forgetPeople(client);
      onInvited({ id: body.id, name: body.name, roles: body.roles });
    },
  });
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    add.mutate({ ...NEW, id: fields.id.trim(), name: fields.name.trim(), roles: [...fields.roles] });
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
          onChange={(event) => setFields({ ...fields, id: event.currentTarget.value })}
        />
        <TextInput
          label="Name"
          maxLength={200}
          value={fields.name}
          onChange={(event) => setFields({ ...fields, name: event.currentTarget.value })}
        />
        <MultiSelect
          label="Roles in administration"
          description="Without a role a person uses models and their own account, and administers nothing."
          data={roles.map((role) => ({ value: role, label: roleWords(role) }))}
          value={[...fields.roles]}
          onChange={(chosen) => setFields({ ...fields, roles: chosen })}
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
