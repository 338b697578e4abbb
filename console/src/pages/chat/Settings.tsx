/** The system prompt of a conversation, and the people with whom it is shared. */

import { Button, Group, Stack, Text, TextInput, Textarea } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";

import { type Schemas, api, take } from "../../api/client";
import { conversationQuery } from "../../api/queries";
import { useDraft } from "../../draft";
import { FormDialog } from "../../elements/dialog";
import { Failure } from "../../elements/page";
import { Labels } from "../../elements/record";
import { colleaguesQuery } from "../../people/colleagues";
import prose from "../../elements/prose.module.css";

type Detail = Schemas["ConversationDetail"];

interface SystemPromptProps {
  /** The conversation, or "new" for one that has not begun yet. */
  readonly of: string;
  readonly text: string;
  readonly onSave: (text: string) => Promise<void>;
  readonly onClose: () => void;
}

/** A form for the system prompt; `onSave` takes it, for a conversation that may not have begun yet. */
export function SystemPrompt({ of, text, onSave, onClose }: SystemPromptProps) {
  const [typed, setTyped, forget] = useDraft(`system:${of}`, text);
  const done = (): void => {
    forget();
    onClose();
  };
  const save = useMutation({ mutationFn: () => onSave(typed), onSuccess: done });
  return (
    <FormDialog title="System prompt" isOpen onClose={onClose}>
      <form onSubmit={(event) => (event.preventDefault(), save.mutate())}>
        <Textarea
          label="Instructions for every answer"
          description="For example the tone, the language, or the role that the answers are written in."
          data-autofocus
          autosize
          minRows={4}
          maxRows={14}
          maxLength={20_000}
          value={typed}
          onChange={(event) => setTyped(event.currentTarget.value)}
        />
        {save.error && <Failure error={save.error} title="It was not saved" />}
        <Group mt="md" justify="flex-end">
          <Button variant="default" onClick={done}>
            Cancel
          </Button>
          <Button type="submit" loading={save.isPending}>
            Save
          </Button>
        </Group>
      </form>
    </FormDialog>
  );
}

/** The people who may read a conversation, found by name. Sharing can be taken back. */
export function Sharing({ detail, onClose }: { detail: Detail; onClose: () => void }) {
  const client = useQueryClient();
  const [typed, setTyped] = useState("");
  const [searched] = useDebouncedValue(typed.trim(), 150);
  const found = useQuery({ ...colleaguesQuery(searched), enabled: searched.length > 1 });
  const conversation = detail.conversation.id;
  const onSuccess = (changed: Detail): void => {
    client.setQueryData(conversationQuery(conversation).queryKey, changed);
    setTyped("");
  };
  const path = (id: string) => ({ params: { path: { conversation, person: id } } });
  const add = useMutation({
    mutationFn: (id: string) => take(api.PUT("/api/conversations/{conversation}/readers/{person}", path(id))),
    onSuccess,
  });
  const remove = useMutation({
    mutationFn: (id: string) => take(api.DELETE("/api/conversations/{conversation}/readers/{person}", path(id))),
    onSuccess,
  });
  const readers = new Set(detail.readers.map(({ person }) => person));
  const others = searched.length > 1 ? (found.data ?? []).filter((one) => !readers.has(one.id)) : [];
  return (
    <FormDialog title="Share conversation" isOpen onClose={onClose}>
      <Stack gap="sm">
        <Text size="sm">
          These people can read the whole conversation, with every branch, and cannot change it. Somebody who is not
          cleared for its labels cannot open it.
        </Text>
        <Labels text={detail.conversation.labels} />
        <TextInput
          label="Find a colleague"
          placeholder="Name, at least two letters"
          data-autofocus
          type="search"
          value={typed}
          onChange={(event) => setTyped(event.currentTarget.value)}
        />
        {searched.length > 1 && found.data && others.length === 0 && (
          <Text size="sm" role="status" className={prose.quiet}>
            Nobody else has “{searched}” in their name. Ask an administrator to add them.
          </Text>
        )}
        <People
          label="Colleagues found"
          people={others}
          act={(one) => (
            <Button size="compact-xs" loading={add.isPending} onClick={() => add.mutate(one.id)}>
              Share<span className={prose.unseen}> with {one.name}</span>
            </Button>
          )}
        />
        {(add.error ?? remove.error) && <Failure error={add.error ?? remove.error} title="Nothing was changed" />}
        <Text size="sm" fw={600}>
          Can read it
        </Text>
        {detail.readers.length === 0 && (
          <Text size="sm" className={prose.quiet}>
            Nobody else can read it.
          </Text>
        )}
        <People
          label="Readers"
          people={detail.readers.map(({ person, name }) => ({ id: person, name }))}
          act={(one) => (
            <Button size="compact-xs" variant="default" onClick={() => remove.mutate(one.id)}>
              Stop sharing<span className={prose.unseen}> with {one.name}</span>
            </Button>
          )}
        />
      </Stack>
    </FormDialog>
  );
}

type Colleague = Schemas["Colleague"];

interface PeopleProps {
  readonly label: string;
  readonly people: readonly Colleague[];
  readonly act: (one: Colleague) => ReactNode;
}

/** People by name, with their id where it says more, and a button each. */
function People({ label, people, act }: PeopleProps) {
  if (people.length === 0) return null;
  return (
    <ul className={`${prose.plainList} ${prose.divided}`} aria-label={label}>
      {people.map((one) => (
        <li key={one.id}>
          <Group justify="space-between">
            <span>
              {one.name} {one.name !== one.id && <span className={prose.quiet}>({one.id})</span>}
            </span>
            {act(one)}
          </Group>
        </li>
      ))}
    </ul>
  );
}
