/** Removes an entry, after saying what uses it. */

import { Button, Group, Stack, Text } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";

import { api, take } from "../api/client";
import { keysQuery } from "../api/queries";
import { Failure, Rows } from "../elements/page";
import { plural } from "../format";
import { catalogueQuery } from "./queries";

interface Props {
  readonly section: "deployment" | "alias";
  readonly id: string;
  readonly onDone: () => void;
  readonly onCancel: () => void;
}

export function RemoveEntry({ section, id, onDone, onCancel }: Props) {
  const client = useQueryClient();
  const path = { section, entry: id };
  const dry = useQuery({
    queryKey: ["entries", section, id, "removal"],
    queryFn: () => take(api.DELETE("/api/entries/{section}/{entry}", { params: { path, query: { dry_run: true } } })),
    retry: false,
    gcTime: 0,
  });
  const remove = useMutation({
    mutationFn: () => take(api.DELETE("/api/entries/{section}/{entry}", { params: { path } })),
    onSuccess: () => {
      void client.invalidateQueries({ predicate: ({ queryKey }) => queryKey[0] !== "session" });
      onDone();
    },
  });
  return (
    <Stack gap="md">
      {section === "alias" && <AliasEffects id={id} />}
      {section === "deployment" && <Text size="sm">No call goes there any more. Its records stay.</Text>}
      {dry.isPending ? <Rows count={1} /> : dry.error && <Failure error={dry.error} title="It cannot be removed yet" />}
      {remove.error && <Failure error={remove.error} title="Nothing was removed" />}
      <Group justify="flex-end" gap="xs">
        <Button variant="default" onClick={onCancel}>
          Keep it
        </Button>
        <Button color="red" disabled={!dry.data} loading={remove.isPending} onClick={() => remove.mutate()}>
          Remove {section}
        </Button>
      </Group>
    </Stack>
  );
}

function AliasEffects({ id }: { id: string }) {
  const models = useQuery(catalogueQuery);
  const keys = useQuery(keysQuery);
  const useCases = models.data?.models.find((model) => model.id === id)?.use_cases ?? [];
  const naming = (keys.data ?? []).filter((key) => !key.revoked_at && key.aliases?.includes(id));
  const open = (keys.data ?? []).filter((key) => !key.revoked_at && key.aliases === null && useCases.includes(key.use_case));
  return (
    <Stack gap={4}>
      <Text size="sm">
        Programs that call {id} are refused from then on. Their next call says that the model does not exist.
      </Text>
      <Text size="sm">
        {useCases.length ? `Use cases that may call it: ${useCases.join(", ")}.` : "No use case may call it."}
      </Text>
      {keys.data && (
        <Text size="sm">
          {plural(naming.length, "key")} {naming.length === 1 ? "names" : "name"} it
          {naming.length > 0 && ` (${naming.map((key) => key.name).join(", ")})`}, and{" "}
          {plural(open.length, "key")} may call every model of these use cases.
        </Text>
      )}
    </Stack>
  );
}
