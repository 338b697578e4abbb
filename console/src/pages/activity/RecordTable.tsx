/** Calls as a table, and as cards where a table would not fit. */

import { Group, Paper, Stack, Table } from "@mantine/core";
import { type MouseEvent, type ReactNode } from "react";
import { Link } from "react-router";

import type { RecordView } from "../../api/client";
import { Outcome, RecordCost, Time } from "../../elements/record";
import { VerbWords } from "../../elements/VerbWords";
import { formatCount, formatDuration, shortId } from "../../format";
import { isModelCall, needsApproval, numberFact, resourceName, textFact } from "../../record/facts";
import { UseCaseTitle } from "../../usecase/titles";
import type { Field } from "./filters";
import prose from "../../elements/prose.module.css";
import table from "../../elements/table.module.css";
import styles from "./activity.module.css";

/** Chooses a filter, or a record to look at. */
export interface Choosing {
  readonly onPick: (field: Field, value: string) => void;
  /** Called for a plain click; others, such as one for a new tab, go the browser's way. */
  readonly onOpen: ((record: string, event: MouseEvent) => void) | undefined;
}

interface Column {
  readonly title: string;
  readonly isRight?: boolean;
  readonly cell: (record: RecordView, choosing: Choosing) => ReactNode;
}

export const COLUMNS = {
  time: {
    title: "Time",
    cell: (record, { onOpen }) => (
      <Link className={table.cover} to={`/records/${record.id}`} onClick={(event) => onOpen?.(record.id, event)}>
        <Time iso={record.opened_at} />
      </Link>
    ),
  },
  who: { title: "Who", cell: (record, { onPick }) => <Who record={record} onPick={onPick} /> },
  use_case: {
    title: "Use case",
    cell: (record, { onPick }) => (
      <Pick field="use_case" value={record.use_case} onPick={onPick}>
        <UseCaseTitle id={record.use_case} />
      </Pick>
    ),
  },
  key: {
    title: "Key",
    cell: ({ key }, { onPick }) => (key ? <Pick field="key" value={key.name || key.id} onPick={onPick} /> : "–"),
  },
  model: { title: "Model", cell: (record, { onPick }) => <Route record={record} onPick={onPick} /> },
  tokens: { title: "Tokens", isRight: true, cell: (record) => <Tokens record={record} /> },
  cost: { title: "Cost", isRight: true, cell: (record) => <RecordCost record={record} /> },
  took: {
    title: "Took",
    isRight: true,
    cell: (record) => (record.outcome === null ? "running" : formatDuration(record.duration_us)),
  },
  outcome: { title: "Outcome", cell: (record, { onPick }) => <Ending record={record} onPick={onPick} /> },
} as const satisfies Record<string, Column>;
export type ColumnName = keyof typeof COLUMNS;
export const USUAL_COLUMNS = (Object.keys(COLUMNS) as ColumnName[]).filter((name) => name !== "key");

interface ListProps extends Choosing {
  readonly records: readonly RecordView[];
  readonly columns: readonly ColumnName[];
}

export function RecordTable({ records, columns, ...choosing }: ListProps) {
  const shown = (Object.entries(COLUMNS) as [ColumnName, Column][]).filter(([name]) => columns.includes(name));
  return (
    <Table className={styles.list} verticalSpacing={5}>
      <caption className={prose.unseen}>Records, newest first</caption>
      <Table.Thead>
        <Table.Tr>
          {shown.map(([name, column]) => (
            <Table.Th key={name} ta={column.isRight ? "right" : undefined}>
              {name === "model" && records.some((record) => !isModelCall(record)) ? "Model or thing" : column.title}
            </Table.Th>
          ))}
        </Table.Tr>
      </Table.Thead>
      <Table.Tbody>
        {records.map((record) => (
          <Table.Tr key={record.id} className={table.row}>
            {shown.map(([name, column]) => (
              <Table.Td key={name} ta={column.isRight ? "right" : undefined}>
                {column.cell(record, choosing)}
              </Table.Td>
            ))}
          </Table.Tr>
        ))}
      </Table.Tbody>
    </Table>
  );
}

export function RecordCards({ records, onPick }: ListProps) {
  return (
    <Stack component="ul" className={prose.plainList} gap="xs">
      {records.map((record) => (
        <Paper component="li" key={record.id} className={table.row} p="sm">
          <Group justify="space-between" gap="xs" wrap="nowrap" align="flex-start">
            <Link className={table.cover} to={`/records/${record.id}`}>
              <WhoName record={record} /> · <UseCaseTitle id={record.use_case} />
            </Link>
            <Time iso={record.opened_at} />
          </Group>
          <Ending record={record} onPick={onPick} />
          <Group gap="xs" fz="xs" className={prose.quiet}>
            <Route record={record} onPick={onPick} />
            <span>{record.outcome === null ? "running" : formatDuration(record.duration_us)}</span>
            <span>
              cost <RecordCost record={record} />
            </span>
          </Group>
        </Paper>
      ))}
    </Stack>
  );
}

function Pick({ field, value, onPick, children }: PickProps) {
  return (
    <button type="button" className={styles.pick} onClick={() => onPick(field, value)} title="Show only these">
      {children ?? value}
    </button>
  );
}

interface PickProps {
  readonly field: Field;
  readonly value: string;
  readonly onPick: Choosing["onPick"];
  readonly children?: ReactNode;
}

function Who({ record, onPick }: { record: RecordView; onPick: Choosing["onPick"] }) {
  return (
    <Pick field="principal" value={record.who?.id ?? record.principal} onPick={onPick}>
      <WhoName record={record} />
    </Pick>
  );
}

/** A person's name, or the end of the pseudonym. */
export function WhoName({ record }: { record: RecordView }) {
  if (record.who) return <span title={record.who.id}>{record.who.name}</span>;
  return (
    <span className={prose.mono} title="A pseudonym: your role does not show names">
      {shortId(record.principal)}
    </span>
  );
}

/** The route of a call, such as "smart → gpt", or the verb and resource of another action. */
function Route({ record, onPick }: { record: RecordView; onPick: Choosing["onPick"] }) {
  const deployment = textFact(record, "deployment");
  const name = resourceName(record.resource) || record.resource;
  if (record.resource.startsWith("alias:")) {
    return (
      <>
        <Pick field="model" value={name} onPick={onPick} />
        {deployment && deployment !== name && (
          <>
            {" → "}
            <Pick field="deployment" value={deployment} onPick={onPick} />
          </>
        )}
      </>
    );
  }
  return (
    <>
      <VerbWords name={record.verb} /> <span className={prose.quiet}>{name.length > 40 ? shortId(name) : name}</span>
    </>
  );
}

function Tokens({ record }: { record: RecordView }) {
  const [sent, written] = [numberFact(record, "input_tokens"), numberFact(record, "output_tokens")];
  if (sent === null && written === null) return <>–</>;
  return (
    <>
      {formatCount(sent)}+{formatCount(written)}
    </>
  );
}

function Ending({ record, onPick }: { record: RecordView; onPick: Choosing["onPick"] }) {
  const asks = needsApproval(record);
  const told = asks ? record.told.replace(/^needs approval(: )?/, "") : record.told;
  return (
    <span className={styles.ending}>
      <Pick
        field={asks && record.error ? "error" : "outcome"}
        value={asks && record.error ? record.error : (record.outcome ?? "open")}
        onPick={onPick}
      >
        <Outcome outcome={record.outcome} needsApproval={asks} />
      </Pick>
      <span className={`${prose.quiet} ${styles.told}`} title={told}>
        {told}
      </span>
    </span>
  );
}
