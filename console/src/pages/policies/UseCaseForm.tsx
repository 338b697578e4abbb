/** The form of a use case. */

import { Button, Checkbox, Group, NativeSelect, Stack, TextInput, Textarea } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";

import { type Schemas, api, take } from "../../api/client";
import { overviewQuery, useCasesQuery } from "../../api/queries";
import { Failure } from "../../elements/page";
import { endOfDay } from "../../record/days";

type Body = Schemas["UseCaseBody"];

const NEW: Body = {
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
const CATEGORIES = [
  ["pii", "personal data (pii)"],
  ["phi", "health data (phi)"],
  ["pci", "payment data (pci)"],
  ["secret", "secrets"],
] as const;

export function UseCaseForm({ useCase, onDone }: { useCase: Schemas["UseCaseView"] | null; onDone: () => void }) {
  const client = useQueryClient();
  const [id, setId] = useState(useCase?.id ?? "");
  const [body, setBody] = useState<Body>(() => (useCase ? bodyOf(useCase) : NEW));
  const [deployments, setDeployments] = useState(useCase?.deployments?.join(", ") ?? "");
  const [members, setMembers] = useState(useCase?.members?.join(", ") ?? "");
  const put = useMutation({
    mutationFn: () => {
      const listed = namesIn(deployments);
      const whole = { ...body, deployments: listed.length ? listed : null, members: namesIn(members) };
      return take(api.PUT("/api/use-cases/{use_case}", { params: { path: { use_case: id.trim() } }, body: whole }));
    },
    onSuccess: () => {
      void client.invalidateQueries({ queryKey: useCasesQuery.queryKey });
      void client.invalidateQueries({ queryKey: overviewQuery.queryKey });
      onDone();
    },
  });
  const set = <Name extends keyof Body>(name: Name, value: Body[Name]): void => setBody({ ...body, [name]: value });
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
            description="Programs name it in x-headgate-use-case, keys are bound to it."
            placeholder="support-drafts"
            required
            pattern="[A-Za-z0-9][A-Za-z0-9._:\-]{0,126}"
            data-autofocus
            value={id}
            onChange={(event) => setId(event.currentTarget.value)}
          />
        )}
        <TextInput
          label="Owner"
          description="A person or team that answers for it."
          required
          maxLength={2000}
          value={body.owner}
          onChange={(event) => set("owner", event.currentTarget.value)}
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
            label="Risk"
            data={["minimal", "limited", "high"]}
            value={body.risk}
            onChange={(event) => set("risk", event.currentTarget.value as Body["risk"])}
          />
          <NativeSelect
            label="Confidentiality of its content"
            data={["public", "internal", "confidential", "restricted"]}
            value={body.confidentiality}
            onChange={(event) => set("confidentiality", event.currentTarget.value as Body["confidentiality"])}
          />
        </Group>
        <Checkbox.Group
          label="Its content holds"
          value={body.categories}
          onChange={(value) => set("categories", value)}
        >
          <Group gap="md" mt={4}>
            {CATEGORIES.map(([value, label]) => (
              <Checkbox key={value} size="xs" value={value} label={label} />
            ))}
          </Group>
        </Checkbox.Group>
        <TextInput
          label="Members"
          description="Who may use it besides its owner and administrators: ids and group:NAME, separated by commas; * for everyone."
          value={members}
          onChange={(event) => setMembers(event.currentTarget.value)}
        />
        <TextInput
          label="Deployments"
          description="Separated by commas; empty for every deployment that is cleared for the content."
          value={deployments}
          onChange={(event) => setDeployments(event.currentTarget.value)}
        />
        <TextInput
          type="date"
          label="Expires after"
          description="Empty for never."
          value={body.expires_at?.slice(0, 10) ?? ""}
          onChange={(event) => set("expires_at", endOfDay(event.currentTarget.value))}
        />
        {put.error && <Failure error={put.error} title="It was not saved" />}
        <Group justify="flex-end" gap="xs">
          <Button variant="default" onClick={onDone}>
            Cancel
          </Button>
          <Button type="submit" loading={put.isPending}>
            {useCase ? "Save" : "Register"}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}

function namesIn(text: string): string[] {
  return text
    .split(",")
    .map((name) => name.trim())
    .filter(Boolean);
}

function bodyOf(useCase: Schemas["UseCaseView"]): Body {
  const { id: _id, is_built_in: _isBuiltIn, ...body } = useCase;
  return body;
}
