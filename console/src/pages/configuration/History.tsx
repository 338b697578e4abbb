/** The last changes of the configuration: who, when, what, and the way back. */

import { Button, Group, Modal, Stack, Text } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { type Schemas, api, take } from "../../api/client";
import { RecordLink } from "../../elements/RecordLink";
import { Failure, Rows, Section } from "../../elements/page";
import { Time } from "../../elements/record";
import { useMay } from "../../session";
import { Changes, summaryOf } from "./Changes";
import { historyQuery } from "./queries";
import prose from "../../elements/prose.module.css";

type Change = Schemas["ConfigChangeView"];

const WAYS = { file: "with a file", console: "here or by a command", undo: "by undoing a change" } as const;

export function History() {
  const may = useMay();
  const history = useQuery(historyQuery);
  const [undoing, setUndoing] = useState<Change | null>(null);
  return (
    <Section title="Last changes">
      {history.error ? (
        <Failure error={history.error} />
      ) : !history.data ? (
        <Rows count={3} />
      ) : history.data.length === 0 ? (
        <Text size="sm">Nobody has changed the configuration yet.</Text>
      ) : (
        <ul className={`${prose.plainList} ${prose.divided}`}>
          {history.data.map((change) => (
            <li key={change.id}>
              <Group justify="space-between" gap="xs" wrap="nowrap" align="flex-start">
                <div>
                  <Text size="sm">
                    <b>{change.name}</b>, <Time iso={change.made_at} />, {WAYS[change.way]}: {summaryOf(change.changes)}
                  </Text>
                  <Text size="sm" className={prose.quiet}>
                    {change.changes.map((one) => `${one.section.replaceAll("_", " ")} ${one.id}`).join(", ")}
                  </Text>
                  {change.record && <RecordLink id={change.record} text="View record" />}
                </div>
                {may("config.apply") && change.can_undo && (
                  <Button size="compact-xs" variant="default" style={{ flexShrink: 0 }} onClick={() => setUndoing(change)}>
                    Undo
                  </Button>
                )}
              </Group>
            </li>
          ))}
        </ul>
      )}
      <Modal opened={undoing !== null} onClose={() => setUndoing(null)} title="Undo this change?" size="lg">
        {undoing && <Undo change={undoing} onDone={() => setUndoing(null)} />}
      </Modal>
    </Section>
  );
}

function Undo({ change, onDone }: { change: Change; onDone: () => void }) {
  const client = useQueryClient();
  const path = { change: String(change.id) };
  const plan = useQuery({
    queryKey: ["config", "undo", change.id],
    queryFn: () => take(api.POST("/api/config/changes/{change}/undo", { params: { path, query: { dry_run: true } } })),
    retry: false,
    gcTime: 0,
  });
  const undo = useMutation({
    mutationFn: () => take(api.POST("/api/config/changes/{change}/undo", { params: { path } })),
    onSuccess: () => {
      void client.invalidateQueries({ predicate: ({ queryKey }) => queryKey[0] !== "session" });
      onDone();
    },
  });
  return (
    <Stack gap="md">
      {plan.error && <Failure error={plan.error} title="This change cannot be undone" />}
      {plan.isPending && <Rows count={3} />}
      {plan.data && <Changes changes={plan.data.changes} effects={plan.data.effects} />}
      {undo.error && <Failure error={undo.error} title="Nothing was undone" />}
      <Group justify="flex-end" gap="xs">
        <Button variant="default" onClick={onDone}>
          Keep it
        </Button>
        <Button disabled={!plan.data} loading={undo.isPending} onClick={() => undo.mutate()}>
          Undo change
        </Button>
      </Group>
    </Stack>
  );
}
