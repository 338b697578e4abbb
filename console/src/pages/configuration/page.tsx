/** The configuration in force as text: edited with completion, reviewed before it is applied, and undone. */

import { Button, Group, NativeSelect, Skeleton, Stack, Text } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Suspense, lazy, useMemo } from "react";
import { useSearchParams } from "react-router";

import { ApiError, type Schemas, api, take } from "../../api/client";
import { Warnings } from "../../catalogue/PlanLines";
import { useDraft } from "../../draft";
import { RecordLink } from "../../elements/RecordLink";
import { Failure, Notice, PageHead, Rows, Section } from "../../elements/page";
import type { Page } from "../../page";
import { useMay } from "../../session";
import { Changes, summaryOf } from "./Changes";
import { History } from "./History";
import { type Mistake, mistakeOf } from "./lines";
import { keysOfSectionsQuery, stateQuery } from "./queries";
import prose from "../../elements/prose.module.css";

export const page: Page = {
  path: "/configuration",
  title: "Configuration",
  group: "administer",
  order: 50,
  may: ["config.read"],
  icon: "M2 4.500h7M12 4.500h2M2 11.500h2M7 11.500h7M10.500 3a1.500 1.500 0 1 1 0 3 1.500 1.500 0 0 1 0-3zM5.500 10a1.500 1.500 0 1 1 0 3 1.500 1.500 0 0 1 0-3z",
};

const Editor = lazy(() => import("./Editor"));

/** The sections that are edited together; empty is all of them. */
const EVERYTHING = "";

export default function Configuration() {
  const state = useQuery(stateQuery);
  const [search, setSearch] = useSearchParams();
  const named = search.get("section") ?? EVERYTHING;
  const section = state.data?.sections.some((one) => one.name === named) ? named : EVERYTHING;
  return (
    <>
      <PageHead title="Configuration">
        What is in force, as text. The same text works as a file with <span className={prose.mono}>headgate apply</span>. A
        change here touches only the entries that differ.
      </PageHead>
      {state.error ? (
        <Failure error={state.error} />
      ) : !state.data ? (
        <Rows />
      ) : (
        <Stack gap="md">
          <NativeSelect
            label="Show"
            maw={320}
            value={section}
            onChange={(event) => {
              const name = event.currentTarget.value;
              setSearch(name === EVERYTHING ? {} : { section: name }, { replace: true });
            }}
            data={[
              { value: EVERYTHING, label: "Everything" },
              ...state.data.sections.map((one) => ({ value: one.name, label: `${one.name} (${one.entries})` })),
            ]}
          />
          <Editing key={section} section={section} state={state.data} />
          <History />
        </Stack>
      )}
    </>
  );
}

interface Draft {
  readonly text: string;
  /** The configuration that the text began as. */
  readonly version: string;
}

function Editing({ section, state }: { section: string; state: Schemas["ConfigState"] }) {
  const client = useQueryClient();
  const may = useMay();
  const keys = useQuery(keysOfSectionsQuery);
  const inForce = textOf(state, section);
  const [draft, keep, forget] = useDraft<Draft | null>(`configuration:${section}`, null);
  const text = draft?.text ?? inForce;
  const version = draft?.version ?? state.version;
  const change = (toml: string, dryRun: boolean) =>
    take(
      api.PUT("/api/config/state", {
        params: { query: { dry_run: dryRun } },
        body: { toml, version, sections: section === EVERYTHING ? null : [section] },
      }),
    );
  const plan = useMutation({ mutationFn: (toml: string) => change(toml, true) });
  const apply = useMutation({
    mutationFn: (toml: string) => change(toml, false),
    onSuccess: async () => {
      plan.reset();
      await client.invalidateQueries({ predicate: ({ queryKey }) => queryKey[0] !== "session" });
      forget();
      keep(null);
    },
  });
  const type = (typed: string): void => {
    if (typed === text) return;
    keep(typed === inForce ? null : { text: typed, version });
    plan.reset();
    apply.reset();
  };
  const discard = (): void => {
    forget();
    keep(null);
    plan.reset();
    apply.reset();
  };
  const error = apply.error ?? plan.error;
  const mistake = useMemo(
    () => (error instanceof ApiError ? mistakeOf(error.detail, text) : null),
    // A mistake stays where it is until the person asks again.
    // eslint-disable-next-line react-hooks/exhaustive-deps
    [error],
  );
  const isStale = draft !== null && draft.version !== state.version;
  const planned = plan.data?.changes ?? [];
  const removals = planned.filter((one) => one.does === "remove").length;
  return (
    <Stack gap="sm">
      {isStale && (
        <Notice tone="warn" icon="warn">
          <Text size="sm">
            The configuration has changed since you began to type. Your text is kept. Copy what you need, then discard it to
            see what is in force.
          </Text>
        </Notice>
      )}
      <Suspense fallback={<Skeleton height={420} role="status" aria-label="Loading" />}>
        <Editor
          label="headgate.toml"
          value={text}
          vocabulary={{ sections: keys.data ?? [], names: state.names }}
          isReadOnly={!may("config.apply")}
          mistake={mistake}
          onChange={type}
          onCheck={(typed) => (typed === inForce ? Promise.resolve(null) : checked(change(typed, true), typed))}
        />
      </Suspense>
      {may("config.apply") && (
        <Group gap="xs">
          <Button
            variant={planned.length ? "default" : "filled"}
            loading={plan.isPending}
            disabled={draft === null}
            onClick={() => plan.mutate(text)}
          >
            Review changes
          </Button>
          <Button
            variant={planned.length ? "filled" : "default"}
            color={removals ? "red" : undefined}
            loading={apply.isPending}
            disabled={!planned.length}
            onClick={() => apply.mutate(text)}
          >
            {removals ? `Apply changes, ${removals} removed` : "Apply changes"}
          </Button>
          <Button variant="subtle" disabled={draft === null} onClick={discard}>
            Discard
          </Button>
          <Text size="xs" className={prose.quiet}>
            Ctrl Space completes, Ctrl F searches. Write secrets as references such as env:NAME.
          </Text>
        </Group>
      )}
      {error && <Failure error={error} title="Nothing was changed" />}
      {plan.data && !error && <Outcome plan={plan.data} title="Plan" />}
      {apply.data && !error && <Outcome plan={apply.data} title="Applied" />}
    </Stack>
  );
}

function Outcome({ plan, title }: { plan: Schemas["EditPlan"]; title: string }) {
  return (
    <Section
      title={`${title}: ${summaryOf(plan.changes)}`}
      aside={plan.record && <RecordLink id={plan.record} text="View record" />}
    >
      <p className={prose.unseen} role="status">
        {title}, {summaryOf(plan.changes)}.
      </p>
      {plan.changes.length === 0 ? (
        <Text size="sm">The text says what is in force.</Text>
      ) : (
        <Changes changes={plan.changes} effects={plan.effects} />
      )}
      <Warnings of={plan.warnings} />
    </Section>
  );
}

function textOf(state: Schemas["ConfigState"], section: string): string {
  const shown = state.sections.filter((one) => section === EVERYTHING || one.name === section);
  return shown.map((one) => one.toml).filter(Boolean).join("\n");
}

/** The first mistake that a rehearsal finds; null for none, or for one without a line. */
async function checked(rehearsal: Promise<unknown>, text: string): Promise<Mistake | null> {
  try {
    await rehearsal;
    return null;
  } catch (error) {
    return error instanceof ApiError ? mistakeOf(error.detail, text) : null;
  }
}
