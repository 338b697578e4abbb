/** Writes an own rule: from a template in plain words or as Cedar text, checked by the server while it is written. */

import { Anchor, Button, Checkbox, Group, NativeSelect, Stack, Text, TextInput, Textarea } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { Link } from "react-router";

import { api, take } from "../../api/client";
import { policiesQuery } from "../../api/queries";
import { useDraft } from "../../draft";
import { Failure, Rows } from "../../elements/page";
import { sentence } from "../../format";
import { TEMPLATES, policyName, written } from "./templates";
import prose from "../../elements/prose.module.css";

const PAUSE_MS = 400;

interface Props {
  /** The id of the policy to change; null for a new one. */
  readonly policy: string | null;
  readonly onDone: () => void;
}

export function OwnRuleForm({ policy, onDone }: Props) {
  const policies = useQuery({ ...policiesQuery, enabled: policy !== null });
  if (policy === null) return <Editor policy={null} stored="" onDone={onDone} />;
  if (policies.error) return <Failure error={policies.error} />;
  const stored = policies.data?.find((one) => one["id"] === policy);
  return stored ? <Editor policy={policy} stored={String(stored["text"] ?? "")} onDone={onDone} /> : <Rows />;
}

function Editor({ policy, stored, onDone }: Props & { readonly stored: string }) {
  const client = useQueryClient();
  const [text, setText, forget] = useDraft(`rule:${policy ?? ""}`, stored);
  const [settled] = useDebouncedValue(text, PAUSE_MS);
  const put = (body: string, isDry: boolean) => {
    const entry = policy ?? policyName(body);
    return take(
      api.PUT("/api/entries/{section}/{entry}", {
        params: { path: { section: "policy", entry }, query: { dry_run: isDry } },
        body: { entry: { text: body }, version: null },
      }),
    );
  };
  const check = useQuery({
    queryKey: ["rule-check", policy, settled],
    queryFn: () => put(settled, true),
    enabled: policyName(settled) !== "",
    retry: false,
    staleTime: 0,
  });
  const done = (): void => {
    forget();
    void client.invalidateQueries({ queryKey: ["rules"] });
    void client.invalidateQueries({ queryKey: policiesQuery.queryKey });
    onDone();
  };
  const save = useMutation({ mutationFn: () => put(text, false), onSuccess: done });
  const remove = useMutation({
    mutationFn: () =>
      take(api.DELETE("/api/entries/{section}/{entry}", { params: { path: { section: "policy", entry: policy! } } })),
    onSuccess: done,
  });
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    save.mutate();
  };
  const isNamed = policyName(text) !== "";
  const isSound = isNamed && settled === text && check.isSuccess;
  return (
    <form onSubmit={submit}>
      <Stack gap="md">
        {policy === null && <FromTemplate onWrite={setText} />}
        <Textarea
          label="Rule text"
          description={
            <>
              Cedar, with @id and @reason. Callers see the reason. <Link to="/configuration">Configuration</Link> holds the
              whole file.
            </>
          }
          required
          autosize
          minRows={8}
          maxRows={22}
          spellCheck={false}
          classNames={{ input: prose.mono }}
          value={text}
          onChange={(event) => setText(event.currentTarget.value)}
        />
        <div aria-live="polite">
          {text.trim() !== "" && !isNamed && <Text size="sm">Give the rule a name: begin with @id("name").</Text>}
          {isNamed && settled === text && check.error && (
            <Text size="sm" role="alert" c="red">
              {sentence(check.error.message)}
            </Text>
          )}
          {isSound && <Text size="sm">The rule is sound. It takes effect within seconds after you save it.</Text>}
        </div>
        {(save.error ?? remove.error) && <Failure error={save.error ?? remove.error} title="The rule was not saved" />}
        <Group justify="space-between" gap="xs">
          {policy === null ? (
            <span />
          ) : (
            <Button variant="subtle" color="red" loading={remove.isPending} onClick={() => remove.mutate()}>
              Remove rule
            </Button>
          )}
          <Group gap="xs">
            <Button
              variant="default"
              onClick={() => {
                forget();
                onDone();
              }}
            >
              Cancel
            </Button>
            <Button type="submit" disabled={!isSound} loading={save.isPending}>
              Save rule
            </Button>
          </Group>
        </Group>
      </Stack>
    </form>
  );
}

function FromTemplate({ onWrite }: { onWrite: (text: string) => void }) {
  const [id, setId] = useState("");
  const [values, setValues] = useState<Readonly<Record<string, string>>>({});
  const [observes, setObserves] = useState(true);
  const template = TEMPLATES.find((one) => one.id === id);
  const isFull = template?.blanks.every(({ name }) => values[name]?.trim()) ?? false;
  return (
    <Stack gap="sm">
      <NativeSelect
        label="Begin with"
        data={[
          { value: "", label: "An empty rule" },
          ...TEMPLATES.map((one) => ({ value: one.id, label: one.title })),
        ]}
        value={id}
        onChange={(event) => setId(event.currentTarget.value)}
      />
      {template && (
        <>
          <Group grow align="flex-start">
            {template.blanks.map((blank) => (
              <TextInput
                key={blank.name}
                label={blank.label}
                placeholder={blank.placeholder}
                inputMode={blank.isNumber ? "numeric" : undefined}
                value={values[blank.name] ?? ""}
                onChange={(event) => setValues({ ...values, [blank.name]: event.currentTarget.value })}
              />
            ))}
          </Group>
          <Checkbox
            label="Observe first, and only note what it would have done"
            checked={observes}
            onChange={(event) => setObserves(event.currentTarget.checked)}
          />
          <Anchor
            component="button"
            type="button"
            size="sm"
            disabled={!isFull}
            style={{ alignSelf: "flex-start" }}
            onClick={() => onWrite(written(template, values, observes))}
          >
            {isFull ? "Write the rule from these words" : "Fill in the blanks to write the rule"}
          </Anchor>
        </>
      )}
    </Stack>
  );
}
