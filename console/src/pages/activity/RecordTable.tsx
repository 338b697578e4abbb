/** Records as a table, and as cards where a table would not fit. */

import { Group, Paper, Stack, Table } from "@mantine/core";
import { Link } from "react-router";

import type { RecordView } from "../../api/client";
import { Counts, Outcome, RecordCost, Time, Would } from "../../elements/record";
import { VerbWords } from "../../elements/VerbWords";
import { formatDuration, shortId } from "../../format";
import { countsOf, resourceName, textFact } from "../../record/facts";
import table from "../../elements/table.module.css";
import prose from "../../elements/prose.module.css";

const LONG_NAME = 40;

/** `hasAttempts`: the list holds attempts too, which are what masks. */
export function RecordTable({ records, hasAttempts }: { records: readonly RecordView[]; hasAttempts: boolean }) {
  return (
    <div className={table.scroll}>
      <Table>
        <caption className={prose.unseen}>Records, newest first</caption>
        <Table.Thead>
          <Table.Tr>
            <Table.Th>Time</Table.Th>
            <Table.Th>Resource</Table.Th>
            <Table.Th>Action</Table.Th>
            <Table.Th>Use case</Table.Th>
            <Table.Th>Outcome</Table.Th>
            {hasAttempts && <Table.Th>Masked</Table.Th>}
            <Table.Th ta="right">Duration</Table.Th>
            <Table.Th ta="right">Cost</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {records.map((record) => (
            <Table.Tr key={record.id} className={table.row}>
              <Table.Td style={{ whiteSpace: "nowrap" }}>
                <Time iso={record.opened_at} />
              </Table.Td>
              <Table.Td>
                <Link className={table.cover} to={`/records/${record.id}`}>
                  <Route record={record} />
                </Link>
              </Table.Td>
              <Table.Td className={prose.quiet}>
                <VerbWords name={record.verb} />
              </Table.Td>
              <Table.Td>{record.use_case}</Table.Td>
              <Table.Td>
                <Group gap={6} wrap="nowrap">
                  <Outcome outcome={record.outcome} />
                  <Would record={record} />
                </Group>
              </Table.Td>
              {hasAttempts && (
                <Table.Td>
                  <Counts counts={countsOf(record, "masked")} none="–" />
                </Table.Td>
              )}
              <Table.Td ta="right" style={{ whiteSpace: "nowrap" }}>
                {record.outcome === null ? "running" : formatDuration(record.duration_us)}
              </Table.Td>
              <Table.Td ta="right">
                <RecordCost record={record} />
              </Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </div>
  );
}

export function RecordCards({ records }: { records: readonly RecordView[] }) {
  return (
    <Stack component="ul" className={prose.plainList} gap="xs">
      {records.map((record) => (
        <Paper component="li" key={record.id} className={table.row} p="sm">
          <Group justify="space-between" gap="xs" wrap="nowrap" align="flex-start">
            <Link className={table.cover} to={`/records/${record.id}`}>
              <Route record={record} />
            </Link>
            <Outcome outcome={record.outcome} />
          </Group>
          <div className={prose.quiet} style={{ display: "flex", flexWrap: "wrap", gap: "2px 12px", marginTop: 4 }}>
            <Time iso={record.opened_at} />
            <VerbWords name={record.verb} />
            <span>{record.use_case}</span>
            <span>{record.outcome === null ? "running" : formatDuration(record.duration_us)}</span>
            <span>
              cost <RecordCost record={record} />
            </span>
          </div>
        </Paper>
      ))}
    </Stack>
  );
}

function Route({ record }: { record: RecordView }) {
  const deployment = textFact(record, "deployment");
  const whole = resourceName(record.resource) || record.resource;
  const name = whole.length > LONG_NAME ? shortId(whole) : whole;
  return <>{deployment && deployment !== name ? `${name} → ${deployment}` : name}</>;
}
