/** The form of a use case. */

import { Button, Checkbox, Group, MultiSelect, NativeSelect, Stack, TextInput, Textarea } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import type { FormEvent } from "react";

import { type Schemas, api, take } from "../api/client";
import { modelsQuery, overviewQuery, useCasesQuery } from "../api/queries";
import { useDraft } from "../draft";
import { Failure } from "../elements/page";
import { PeoplePicker } from "../people/PeoplePicker";
import { LAST_DAY, endOfDay, lastDayOf } from "../record/days";
import { CATEGORIES, capitalised } from "../record/words";
import { Effects } from "./Effects";
import { bodyOf } from "./bodies";
import { STATUSES } from "./status";

type Body = Schemas["UseCaseBody"];

interface Draft {
  readonly id: string;
  readonly body: Body;
}

const NEW: Body = {
  title: "",
  status: "live",
  review_on: null,
  owner: "",
  purpose: "",
  risk: "limited",
  confidentiality: "internal",
  categories: [],
  deployments: null,
  members: [],
  observe: [],
  expires_at: null,
};

/**
 * Registers or changes a use case.
 *
 * @param onDone gets the id of the saved use case, or null after "Cancel".
 */
export function UseCaseForm({
  useCase,
  onDone,
}: {
  useCase: Schemas["UseCaseView"] | null;
  onDone: (id: string | null) => void;
}) {
  const client = useQueryClient();
  const models = useQuery(modelsQuery);
  const [{ id, body }, setDraft, forget] = useDraft<Draft>(`use-case:${useCase?.id ?? ""}`, {
    id: useCase?.id ?? "",
    body: useCase ? bodyOf(useCase) : NEW,
  });
  const known = (models.data ?? []).flatMap((model) => model.deployments.map((deployment) => deployment.id));
  const put = useMutation({
    mutationFn: () =>
      take(api.PUT("/api/use-cases/{use_case}", { params: { path: { use_case: id.trim() } }, body })),
    onSuccess: () => {
      forget();
      void client.invalidateQueries({ queryKey: useCasesQuery.queryKey });
      void client.invalidateQueries({ queryKey: overviewQuery.queryKey });
      onDone(id.trim());
    },
  });
  const set = <Name extends keyof Body>(name: Name, value: Body[Name]): void =>
    setDraft({ id, body: { ...body, [name]: value } });
  const cancel = (): void => {
    forget();
    onDone(null);
  };
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    put.mutate();
  };
  return (
    <form onSubmit={submit}>
      <Stack gap="sm">
        {!useCase && (
          <TextInput
            label="Id"
            description="Keys are bound to it. Programs send it in the header x-headgate-use-case."
            placeholder="support-drafts"
            required
            pattern="[A-Za-z0-9][A-Za-z0-9._:\-]{0,126}"
            data-autofocus
            value={id}
            onChange={(event) => setDraft({ id: event.currentTarget.value, body })}
          />
        )}
        <TextInput
          label="Title"
          description="Its name for people, such as Claims triage."
          maxLength={200}
          value={body.title}
          onChange={(event) => set("title", event.currentTarget.value)}
        />
        <PeoplePicker
          label="Owner"
          description="The person responsible for it. The owner adds members, and pauses and resumes it."
          placeholder="Type a name"
          required
          isOne
          names={useCase?.names}
          value={body.owner ? [body.owner] : []}
          onChange={([owner]) => set("owner", owner ?? "")}
        />
        <Textarea
          label="Purpose"
          required
          autosize
          minRows={2}
          maxLength={2000}
          value={body.purpose}
          onChange={(event) => set("purpose", event.currentTarget.value)}
        />
        <Group grow align="flex-start">
          <NativeSelect
            label="Status"
            data={Object.entries(STATUSES).map(([value, { text: label }]) => ({ value, label }))}
            value={body.status ?? "live"}
            onChange={(event) => set("status", event.currentTarget.value as Body["status"])}
          />
          <NativeSelect
            label="Risk"
            data={["minimal", "limited", "high"]}
            value={body.risk}
            onChange={(event) => set("risk", event.currentTarget.value as Body["risk"])}
          />
          <NativeSelect
            label="Minimum confidentiality"
            data={["public", "internal", "confidential", "restricted"]}
            value={body.confidentiality}
            onChange={(event) => set("confidentiality", event.currentTarget.value as Body["confidentiality"])}
          />
        </Group>
        <Checkbox.Group
          label="Categories in its content"
          value={body.categories}
          onChange={(value) => set("categories", value)}
        >
          <Group gap="md" mt={4}>
            {Object.entries(CATEGORIES).map(([value, label]) => (
              <Checkbox key={value} size="xs" value={value} label={capitalised(label)} />
            ))}
          </Group>
        </Checkbox.Group>
        <PeoplePicker
          label="Members"
          description="People and groups who may use it. The owner and administrators always have access."
          placeholder="Type a name or a group"
          names={useCase?.names}
          value={body.members ?? []}
          onChange={(members) => set("members", members)}
        />
        <MultiSelect
          label="Deployments"
          placeholder={body.deployments?.length ? undefined : "All deployments cleared for the content"}
          data={[...new Set([...known, ...(body.deployments ?? [])])]}
          value={body.deployments ?? []}
          onChange={(chosen) => set("deployments", chosen.length ? chosen : null)}
          searchable
          clearable
        />
        <TextInput
          type="date"
          label="Expires after"
          description="The last valid day, in UTC. Leave empty for no expiry."
          max={LAST_DAY}
          value={lastDayOf(body.expires_at)}
          onChange={(event) => set("expires_at", endOfDay(event.currentTarget.value))}
        />
        <TextInput
          type="date"
          label="Review by"
          description="The owner looks at it again by this day."
          value={body.review_on ?? ""}
          onChange={(event) => set("review_on", event.currentTarget.value || null)}
        />
        {useCase && <Effects useCase={useCase.id} becomes={body} />}
        {put.error && <Failure error={put.error} title="The use case was not saved" />}
        <Group justify="flex-end" gap="xs">
          <Button variant="default" onClick={cancel}>
            Cancel
          </Button>
          <Button type="submit" loading={put.isPending}>
            {useCase ? "Save use case" : "Register use case"}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
