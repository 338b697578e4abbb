/** Asks before a document is deleted, and says what that does. */

import { Button, Group, Modal, Stack, Text } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";

import { api, take } from "../api/client";
import { Failure } from "../elements/page";
import { plural } from "../format";
import { type DocumentView, documentQuery, lookAgain } from "./queries";

interface Props {
  /** Null while nothing is asked. */
  readonly document: DocumentView | null;
  readonly onClose: () => void;
  readonly onDeleted: () => void;
}

export function DeleteDocument({ document, onClose, onDeleted }: Props) {
  return (
    <Modal opened={document !== null} onClose={onClose} title={`Delete ${document?.title ?? "document"}?`}>
      {document && <Question document={document} onClose={onClose} onDeleted={onDeleted} />}
    </Modal>
  );
}

function Question({ document, onClose, onDeleted }: Props & { document: DocumentView }) {
  const client = useQueryClient();
  const remove = useMutation({
    mutationFn: () =>
      take(api.DELETE("/api/knowledge/documents/{document}", { params: { path: { document: document.id } } })),
    onSuccess: () => {
      onDeleted();
      client.removeQueries({ queryKey: documentQuery(document.id).queryKey });
      return lookAgain(client);
    },
  });
  return (
    <Stack gap="md">
      <Text size="sm" fw={600}>
        {document.name}
      </Text>
      <Text size="sm">
        Nobody finds it from then on: {plural(document.passages, "passage")} and the key of the text are destroyed, and links
        in earlier answers lead nowhere. You cannot undo this.
      </Text>
      {document.source !== null && (
        <Text size="sm">
          It came from the source {document.source}, which may add it again. Remove it there too.
        </Text>
      )}
      {remove.error && <Failure error={remove.error} title="The document was not deleted" />}
      <Group justify="flex-end" gap="xs">
        <Button variant="default" onClick={onClose}>
          Keep document
        </Button>
        <Button color="red" loading={remove.isPending} onClick={() => remove.mutate()}>
          Delete document
        </Button>
      </Group>
    </Stack>
  );
}
