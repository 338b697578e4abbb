/** The sources of a collection: how their last reading went, and when the next one is. */

import { Button, Group, Text } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { type Schemas, api, take } from "../../api/client";
import { FormDialog } from "../../elements/dialog";
import { Icon } from "../../elements/icons";
import { Failure, Section } from "../../elements/page";
import { State, Time } from "../../elements/record";
import { formatCount, plural, sentence } from "../../format";
import { type Collection, isRunning, lookAgain } from "../../knowledge/queries";
import { kindWords } from "../../knowledge/words";
import { useMay } from "../../session";
import { SourceForm } from "./SourceForm";
import prose from "../../elements/prose.module.css";

type Source = Schemas["SourceView"];

/** The source in the form: its id, or a new one. */
type Edited = { readonly source: string | null } | null;

export function Sources({ collection }: { collection: Collection }) {
  const { sources, can_keep: canKeep } = collection;
  const [edited, setEdited] = useState<Edited>(null);
  const mayChange = useMay()("config.apply");
  return (
    <Section
      title="Sources"
      aside={
        mayChange && (
          <Button
            size="compact-sm"
            variant="default"
            leftSection={<Icon name="add" size={13} />}
            onClick={() => setEdited({ source: null })}
          >
            Add source
          </Button>
        )
      }
    >
      {sources.length === 0 ? (
        <Text size="sm" className={prose.quiet}>
          Documents come here by upload only. A source, such as a folder, keeps the collection up to date by itself.
          {!mayChange && " Ask an administrator to add one."}
        </Text>
      ) : (
        <ul className={`${prose.plainList} ${prose.divided}`}>
          {sources.map((source) => (
            <li key={source.id}>
              <OneSource
                source={source}
                canKeep={canKeep}
                onChange={mayChange ? () => setEdited({ source: source.id }) : null}
              />
            </li>
          ))}
        </ul>
      )}
      <FormDialog
        title={edited?.source ? `Change ${edited.source}` : "Add source"}
        isOpen={edited !== null}
        onClose={() => setEdited(null)}
      >
        {edited && <SourceForm collection={collection} source={edited.source} onDone={() => setEdited(null)} />}
      </FormDialog>
    </Section>
  );
}

interface OneProps {
  readonly source: Source;
  readonly canKeep: boolean;
  /** Opens the form. Null for a person who may not change the source. */
  readonly onChange: (() => void) | null;
}

function OneSource({ source, canKeep, onChange }: OneProps) {
  const { id, kind, fault, begun_at: begun, ended_at: ended, due_at: due } = source;
  const client = useQueryClient();
  const sync = useMutation({
    mutationFn: () => take(api.POST("/api/knowledge/sources/{source}/sync", { params: { path: { source: id } } })),
    onSuccess: () => lookAgain(client),
  });
  return (
    <>
      <Group justify="space-between" align="flex-start" gap="xs">
        <div>
          <b>{id}</b> <span className={prose.quiet}>{kindWords(kind)}</span>
        </div>
        <Group gap={4}>
          {canKeep && (
            <Button
              size="compact-xs"
              variant="default"
              loading={sync.isPending}
              disabled={isRunning(source)}
              aria-label={`Read now: ${id}`}
              onClick={() => sync.mutate()}
            >
              Read now
            </Button>
          )}
          {onChange && (
            <Button size="compact-xs" variant="subtle" aria-label={`Change ${id}`} onClick={onChange}>
              Change
            </Button>
          )}
        </Group>
      </Group>
      <SourceState source={source} />
      {fault && <Text size="sm">{sentence(fault)}</Text>}
      {begun !== null && <Counted source={source} />}
      <Text size="sm" className={prose.quiet}>
        {ended !== null && (
          <>
            Last read <Time iso={ended} />.{" "}
          </>
        )}
        {due !== null && (
          <>
            Next <Time iso={due} />.
          </>
        )}
      </Text>
      {sync.error && <Failure error={sync.error} title="The source is not read" />}
    </>
  );
}

function Counted({ source: { found, changed, removed, failed } }: { source: Source }) {
  return (
    <Text size="sm" className={prose.quiet}>
      {plural(found, "document")} found, {formatCount(changed)} changed, {formatCount(removed)} removed, {formatCount(failed)}{" "}
      failed
    </Text>
  );
}

function SourceState({ source }: { source: Source }) {
  if (isRunning(source))
    return (
      <State tone="warn" icon="live">
        Being read
      </State>
    );
  if (source.fault)
    return (
      <State tone="bad" icon="bad">
        Failed
      </State>
    );
  if (source.ended_at === null)
    return (
      <State tone="quiet" icon="open">
        Not read yet
      </State>
    );
  return (
    <State tone="good" icon="good">
      Up to date
    </State>
  );
}
