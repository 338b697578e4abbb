/** One decision on several requests, with one reason. */

import { Button, Group, Paper, Stack, Text, TextInput } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";

import { type Schemas, api, take } from "../../api/client";
import { Failure, Notice } from "../../elements/page";
import { plural, sentence } from "../../format";

interface Props {
  readonly approvals: readonly Schemas["ApprovalView"][];
  readonly onDecided: () => void;
}

export function DecideMany({ approvals, onDecided }: Props) {
  const client = useQueryClient();
  const [reason, setReason] = useState("");
  const decide = useMutation({
    mutationFn: (decision: "approve" | "refuse") => {
      const body = { approvals: approvals.map(({ id }) => id), decision, reason: reason.trim() };
      return take(api.POST("/api/approvals", { body }));
    },
    onSuccess: ({ results }) => {
      void client.invalidateQueries({ queryKey: ["approvals"] });
      if (results.every((one) => one.error === null)) onDecided();
    },
  });
  const failed = decide.data?.results.filter((one) => one.error !== null) ?? [];
  const submit = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault();
    const { submitter } = event.nativeEvent as SubmitEvent;
    decide.mutate(submitter?.getAttribute("value") === "refuse" ? "refuse" : "approve");
  };
  return (
    <Paper component="section" aria-label="Decide several requests" style={{ position: "sticky", bottom: 12 }} shadow="md">
      <form onSubmit={submit}>
        <Stack gap="sm">
          {failed.map((one) => (
            <Notice key={one.id} tone="bad" icon="bad">
              <Text size="sm">
                Not decided: {approvals.find(({ id }) => id === one.id)?.title ?? one.id}. {sentence(one.error ?? "")}
              </Text>
            </Notice>
          ))}
          {decide.error && <Failure error={decide.error} title="Nothing was decided" />}
          <Group align="flex-end" gap="xs">
            <TextInput
              label={`Reason for ${plural(approvals.length, "request")}`}
              required
              maxLength={1000}
              style={{ flex: "1 1 240px" }}
              value={reason}
              onChange={(event) => setReason(event.currentTarget.value)}
            />
            <Button type="submit" value="refuse" variant="default" disabled={decide.isPending}>
              Refuse {plural(approvals.length, "request")}
            </Button>
            <Button type="submit" value="approve" loading={decide.isPending}>
              Approve {plural(approvals.length, "request")}
            </Button>
          </Group>
        </Stack>
      </form>
    </Paper>
  );
}
