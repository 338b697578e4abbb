/** A question before a use case is paused or removed, with what others notice. */

import { Button, Group, Stack, Text } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import type { ReactNode } from "react";

import type { Schemas } from "../../api/client";
import { Failure } from "../../elements/page";
import { Effects } from "../../usecase/Effects";
import { bodyOf } from "../../usecase/bodies";

interface Props {
  readonly useCase: Schemas["UseCaseView"];
  /** The status that it gets; null for a removal. */
  readonly status: Schemas["UseCaseView"]["status"] | null;
  /** The words on the buttons. */
  readonly words: { readonly does: string; readonly keeps: string };
  readonly onConfirm: () => Promise<void>;
  readonly onCancel: () => void;
  readonly children: ReactNode;
}

export function Confirm({ useCase, status, words, onConfirm, onCancel, children }: Props) {
  const confirm = useMutation({ mutationFn: onConfirm });
  return (
    <Stack gap="md">
      <Text size="sm">{children}</Text>
      <Effects useCase={useCase.id} becomes={status ? { ...bodyOf(useCase), status } : null} />
      {confirm.error && <Failure error={confirm.error} title="Nothing was changed" />}
      <Group justify="flex-end" gap="xs">
        <Button variant="default" onClick={onCancel}>
          {words.keeps}
        </Button>
        <Button color={status ? undefined : "red"} loading={confirm.isPending} onClick={() => confirm.mutate()}>
          {words.does}
        </Button>
      </Group>
    </Stack>
  );
}
