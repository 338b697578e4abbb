/** A sign-in link to copy, with the time until which it works, and a button for another one. */

import { Button, Group, Stack, Text } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useEffect } from "react";

import { api, take } from "../api/client";
import { Code } from "../elements/code";
import { Failure, Rows } from "../elements/page";
import { Time } from "../elements/record";
import { forgetPeople } from "./queries";

export function SignInLink({ person, name, onDone }: { person: string; name: string; onDone: () => void }) {
  const client = useQueryClient();
  const { mutate, ...link } = useMutation({
    mutationFn: () => take(api.POST("/api/people/{person}/link", { params: { path: { person } } })),
    onSuccess: () => forgetPeople(client),
  });
  useEffect(() => mutate(), [mutate]);
  return (
    <Stack gap="md">
      {link.error && <Failure error={link.error} title="No link was made" />}
      {link.data ? (
        <>
          <Text size="sm" role="status">
            Send this link to {name}. It works once, until <Time iso={link.data.expires_at} />. Whoever opens it is
            signed in as {name}, so send it to nobody else.
          </Text>
          <Code text={link.data.link} what="the sign-in link" wrap />
        </>
      ) : (
        !link.error && <Rows count={2} />
      )}
      <Group justify="flex-end" gap="xs">
        <Button variant="default" loading={link.isPending} onClick={() => mutate()}>
          Make another link
        </Button>
        <Button onClick={onDone}>Done</Button>
      </Group>
    </Stack>
  );
}
