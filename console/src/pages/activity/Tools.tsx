/** What is done with the list as a whole: views, columns, export. */

import { Button, Checkbox, Group, Menu, Stack, Switch, TextInput } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { type Schemas, api, readFile, take } from "../../api/client";
import { viewsQuery } from "../../api/queries";
import { FormDialog } from "../../elements/dialog";
import { Failure } from "../../elements/page";
import { plural } from "../../format";
import { type Asked, queryOf, readAsked } from "./filters";
import { COLUMNS, type ColumnName } from "./RecordTable";

interface Props {
  readonly asked: Asked;
  readonly onChange: (asked: Asked) => void;
}

export function Views({ asked, onChange }: Props) {
  const views = useQuery(viewsQuery);
  const [isSaving, setSaving] = useState(false);
  const client = useQueryClient();
  const remove = useMutation({
    mutationFn: (view: string) => take(api.DELETE("/api/views/{view}", { params: { path: { view } } })),
    onSuccess: () => client.invalidateQueries({ queryKey: viewsQuery.queryKey }),
  });
  const named = (views.data ?? []) as Schemas["SavedView"][];
  return (
    <>
      <Menu position="bottom-start" shadow="md">
        <Menu.Target>
          <Button size="xs" variant="default">
            Views
          </Button>
        </Menu.Target>
        <Menu.Dropdown>
          {named.map((view) => (
            <Menu.Item
              key={`${view.name} ${view.is_own}`}
              onClick={() => onChange(readAsked(new URLSearchParams(view.filters as Record<string, string>)))}
            >
              {view.name}
              {view.is_shared && !view.is_built_in && " (shared)"}
            </Menu.Item>
          ))}
          <Menu.Divider />
          <Menu.Item onClick={() => setSaving(true)}>Save this view…</Menu.Item>
          {named
            .filter((view) => view.is_own)
            .map((view) => (
              <Menu.Item key={view.name} color="red" onClick={() => remove.mutate(view.name)}>
                Delete {view.name}
              </Menu.Item>
            ))}
        </Menu.Dropdown>
      </Menu>
      <FormDialog title="Save this view" isOpen={isSaving} onClose={() => setSaving(false)}>
        <SaveView asked={asked} onSaved={() => setSaving(false)} />
      </FormDialog>
    </>
  );
}

function SaveView({ asked, onSaved }: { asked: Asked; onSaved: () => void }) {
  const [name, setName] = useState("");
  const [isShared, setShared] = useState(false);
  const client = useQueryClient();
  const save = useMutation({
    mutationFn: () => {
      const filters = Object.fromEntries(new URLSearchParams(queryOf(asked)));
      const body = { filters, is_shared: isShared };
      return take(api.PUT("/api/views/{view}", { params: { path: { view: name.trim() } }, body }));
    },
    onSuccess: () => {
      void client.invalidateQueries({ queryKey: viewsQuery.queryKey });
      onSaved();
    },
  });
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        save.mutate();
      }}
    >
      <Stack gap="md">
        <TextInput
          label="Name"
          required
          maxLength={100}
          data-autofocus
          value={name}
          onChange={(event) => setName(event.currentTarget.value)}
        />
        <Switch
          label="Show it to everybody who may read records"
          checked={isShared}
          onChange={(event) => setShared(event.currentTarget.checked)}
        />
        {save.error && <Failure error={save.error} title="The view was not saved" />}
        <Group justify="flex-end">
          <Button type="submit" loading={save.isPending}>
            Save view
          </Button>
        </Group>
      </Stack>
    </form>
  );
}

export function Columns({
  columns,
  onChange,
}: {
  columns: readonly ColumnName[];
  onChange: (columns: ColumnName[]) => void;
}) {
  return (
    <Menu position="bottom-end" shadow="md" closeOnItemClick={false}>
      <Menu.Target>
        <Button size="xs" variant="default">
          Columns
        </Button>
      </Menu.Target>
      <Menu.Dropdown>
        <Stack gap={8} p={8}>
          {(Object.keys(COLUMNS) as ColumnName[])
            .filter((name) => name !== "time")
            .map((name) => (
              <Checkbox
                key={name}
                size="xs"
                label={COLUMNS[name].title}
                checked={columns.includes(name)}
                onChange={(event) =>
                  onChange(event.currentTarget.checked ? [...columns, name] : columns.filter((one) => one !== name))
                }
              />
            ))}
        </Stack>
      </Menu.Dropdown>
    </Menu>
  );
}

const MOST = 50_000;

/** Downloads what the filters show. `counts` is null where nobody counted. */
export function Export({ asked, counts }: { asked: Asked; counts: Schemas["CountsView"] | null }) {
  const [problem, setProblem] = useState<unknown>(null);
  const [isBusy, setBusy] = useState(false);
  const download = async (format: "csv" | "jsonl", content: boolean): Promise<void> => {
    setBusy(true);
    setProblem(null);
    try {
      const file = await readFile(`/api/records/export?format=${format}&content=${content}&${queryOf(asked)}`);
      const link = document.createElement("a");
      link.href = URL.createObjectURL(file);
      link.download = `headgate-records.${format}`;
      link.click();
      URL.revokeObjectURL(link.href);
    } catch (error) {
      setProblem(error);
    }
    setBusy(false);
  };
  return (
    <>
      <Menu position="bottom-end" shadow="md">
        <Menu.Target>
          <Button size="xs" variant="default" loading={isBusy}>
            {labelOf(counts)}
          </Button>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Label>The export is recorded.</Menu.Label>
          <Menu.Item onClick={() => void download("csv", false)}>As CSV, for spreadsheets</Menu.Item>
          <Menu.Item onClick={() => void download("jsonl", false)}>As JSON lines, for programs</Menu.Item>
          <Menu.Item onClick={() => void download("csv", true)}>As CSV with the content you may see</Menu.Item>
          <Menu.Item onClick={() => void download("jsonl", true)}>As JSON lines with the content you may see</Menu.Item>
        </Menu.Dropdown>
      </Menu>
      {problem !== null && <Failure error={problem} title="The records were not exported" />}
    </>
  );
}

function labelOf(counts: Schemas["CountsView"] | null): string {
  if (!counts) return "Export records";
  if (counts.total > MOST) return `Export the newest ${plural(MOST, "record")}`;
  return `Export ${counts.is_exact ? "" : "about "}${plural(counts.total, "record")}`;
}
