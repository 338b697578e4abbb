/** The registered purposes: a list, a form to add or change one, and removal. */

import { Badge, Button, Group, Modal, Stack, Table, Text } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { type Schemas, api, take } from "../../api/client";
import { overviewQuery, useCasesQuery } from "../../api/queries";
import { FormDialog } from "../../elements/dialog";
import { Icon } from "../../elements/icons";
import { Failure, Section } from "../../elements/page";
import { useMay } from "../../session";
import { lastDayOf } from "../../record/days";
import { categoryWords } from "../../record/words";
import { UseCaseForm } from "./UseCaseForm";
import table from "../../elements/table.module.css";
import prose from "../../elements/prose.module.css";

type UseCase = Schemas["UseCaseView"];
type Dialog =
  | { readonly kind: "edit"; readonly useCase: UseCase | null }
  | { readonly kind: "remove"; readonly useCase: UseCase }
  | null;

export function UseCases({
  useCases,
  onShowRules,
}: {
  useCases: readonly UseCase[];
  onShowRules: (id: string) => void;
}) {
  const may = useMay();
  const [dialog, setDialog] = useState<Dialog>(null);
  const close = (): void => setDialog(null);
  return (
    <Section
      title="Use cases"
      aside={
        may("use_case.put") && (
          <Button
            size="xs"
            leftSection={<Icon name="add" size={13} />}
            onClick={() => setDialog({ kind: "edit", useCase: null })}
          >
            Register use case
          </Button>
        )
      }
    >
      <div className={table.scroll}>
        <Table className={table.cards}>
          <caption className={prose.unseen}>Use cases</caption>
          <Table.Thead>
            <Table.Tr>
              <Table.Th>Use case</Table.Th>
              <Table.Th>Owner</Table.Th>
              <Table.Th>Risk</Table.Th>
              <Table.Th>Data</Table.Th>
              <Table.Th>Observing rules</Table.Th>
              <Table.Th>
                <span className={prose.unseen}>Actions</span>
              </Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {useCases.map((useCase) => (
              <Row
                key={useCase.id}
                useCase={useCase}
                onShowRules={() => onShowRules(useCase.id)}
                onEdit={() => setDialog({ kind: "edit", useCase })}
                onRemove={() => setDialog({ kind: "remove", useCase })}
              />
            ))}
          </Table.Tbody>
        </Table>
      </div>
      <FormDialog
        title={dialog?.useCase ? `Change ${dialog.useCase.id}` : "Register use case"}
        isOpen={dialog?.kind === "edit"}
        onClose={close}
      >
        {dialog?.kind === "edit" && <UseCaseForm useCase={dialog.useCase} onDone={close} />}
      </FormDialog>
      <Modal opened={dialog?.kind === "remove"} onClose={close} title={`Remove ${dialog?.useCase?.id ?? ""}?`}>
        {dialog?.kind === "remove" && <Remove useCase={dialog.useCase} onDone={close} />}
      </Modal>
    </Section>
  );
}

interface RowProps {
  readonly useCase: UseCase;
  readonly onShowRules: () => void;
  readonly onEdit: () => void;
  readonly onRemove: () => void;
}

function Row({ useCase, onShowRules, onEdit, onRemove }: RowProps) {
  const may = useMay();
  const { id, owner, purpose, risk, confidentiality, categories, deployments, observe, expires_at, is_built_in } =
    useCase;
  const members = useCase.members ?? [];
  return (
    <Table.Tr>
      <Table.Td>
        <Group gap={6}>
          <b>{id}</b>
          {is_built_in && <Badge>built in</Badge>}
        </Group>
        <span className={prose.quiet}>{purpose}</span>
      </Table.Td>
      <Table.Td data-label="Owner">
        <div>
          {owner}
          <br />
          <span className={prose.quiet}>
            {members.includes("*")
              ? "Members: everyone"
              : members.length
                ? `Members: ${members.join(", ")}`
                : "No members"}
          </span>
        </div>
      </Table.Td>
      <Table.Td data-label="Risk">{risk}</Table.Td>
      <Table.Td data-label="Data">
        <div>
          Minimum confidentiality: {confidentiality}
          <br />
          <span className={prose.quiet}>
            {categories.length ? `Categories: ${categories.map(categoryWords).join(", ")}` : "No categories"}
            {deployments && `; deployments: ${deployments.join(", ")}`}
            {expires_at && `; until ${lastDayOf(expires_at)}`}
          </span>
        </div>
      </Table.Td>
      <Table.Td data-label="Observing rules">
        {observe.length ? observe.length : <span className={prose.quiet}>None</span>}
      </Table.Td>
      <Table.Td>
        <Group gap={4} justify="flex-end" wrap="nowrap">
          <Button size="compact-xs" variant="subtle" onClick={onShowRules} aria-label={`Rules for ${id}`}>
            Rules
          </Button>
          {!is_built_in && may("use_case.put") && (
            <Button size="compact-xs" variant="subtle" onClick={onEdit} aria-label={`Change ${id}`}>
              Change
            </Button>
          )}
          {!is_built_in && may("use_case.delete") && (
            <Button size="compact-xs" variant="subtle" color="red" onClick={onRemove} aria-label={`Remove ${id}`}>
              Remove
            </Button>
          )}
        </Group>
      </Table.Td>
    </Table.Tr>
  );
}

function Remove({ useCase, onDone }: { useCase: UseCase; onDone: () => void }) {
  const client = useQueryClient();
  const remove = useMutation({
    mutationFn: () => take(api.DELETE("/api/use-cases/{use_case}", { params: { path: { use_case: useCase.id } } })),
    onSuccess: () => {
      void client.invalidateQueries({ queryKey: useCasesQuery.queryKey });
      void client.invalidateQueries({ queryKey: overviewQuery.queryKey });
      onDone();
    },
  });
  return (
    <Stack gap="md">
      <Text size="sm">Its keys stop working. Its records stay. You cannot undo this.</Text>
      {remove.error && <Failure error={remove.error} />}
      <Group justify="flex-end" gap="xs">
        <Button variant="default" onClick={onDone}>
          Keep use case
        </Button>
        <Button color="red" loading={remove.isPending} onClick={() => remove.mutate()}>
          Remove use case
        </Button>
      </Group>
    </Stack>
  );
}
