/** The system prompt of a conversation, and the people with whom it is shared. */

import { Button, Group, Stack, Text, TextInput, Textarea } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { type Schemas, api, take } from "../../api/client";
import { conversationQuery } from "../../api/queries";
import { FormDialog } from "../../elements/dialog";
import { Failure } from "../../elements/page";
import { Labels } from "../../elements/record";
import prose from "../../elements/prose.module.css";

type Detail = Schemas["ConversationDetail"];

/** A form for the system prompt; `onSave` takes it, for a conversation that may not have begun yet. */
export function SystemPrompt({ text, onSave, onClose }: { text: string; onSave: (text: string) => Promise<void>; onClose: () => void }) {
  const [typed, setTyped] = useState(text);
  const save = useMutation({ mutationFn: () => onSave(typed), onSuccess: onClose });
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
          <Button variant="default" onClick={onClose}>
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

/** The people who may read a conversation. Sharing can be taken back. */
export function Sharing({ detail, onClose }: { detail: Detail; onClose: () => void }) {
  const client = useQueryClient();
  const [person, setPerson] = useState("");
  const conversation = detail.conversation.id;
  const onSuccess = (changed: Detail): void => {
    client.setQueryData(conversationQuery(conversation).queryKey, changed);
    setPerson("");
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
  return (
    <FormDialog title="Share conversation" isOpen onClose={onClose}>
      <Stack gap="sm">
        <Text size="sm">
          These people can read the whole conversation, with every branch, and cannot change it. Somebody who is not
          cleared for its labels cannot open it.
        </Text>
        <Labels text={detail.conversation.labels} />
        <form onSubmit={(event) => (event.preventDefault(), add.mutate(person.trim()))}>
          <Group align="flex-end" gap="xs">
            <TextInput
              flex={1}
              label="Person"
              data-autofocus
              placeholder="Id of a person, such as ann"
              value={person}
              onChange={(event) => setPerson(event.currentTarget.value)}
            />
            <Button type="submit" loading={add.isPending} disabled={!person.trim()}>
              Share
            </Button>
          </Group>
        </form>
        {(add.error ?? remove.error) && <Failure error={add.error ?? remove.error} title="Nothing was changed" />}
        {detail.readers.length === 0 ? (
          <Text size="sm" className={prose.quiet}>
            Nobody else can read it.
          </Text>
        ) : (
          <ul className={`${prose.plainList} ${prose.divided}`} aria-label="Readers">
            {detail.readers.map((reader) => (
              <li key={reader.person}>
                <Group justify="space-between">
                  {reader.person}
                  <Button size="compact-xs" variant="default" onClick={() => remove.mutate(reader.person)}>
                    Stop sharing<span className={prose.unseen}> with {reader.person}</span>
                  </Button>
                </Group>
              </li>
            ))}
          </ul>
        )}
      </Stack>
    </FormDialog>
  );
}
