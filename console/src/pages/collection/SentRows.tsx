/** Files on their way to the collection, as the first rows of its documents. */

import { Button, Group, Progress, Table, Text } from "@mantine/core";

import { State } from "../../elements/record";
import { formatSize } from "../../format";
import { type SentFile, type Sending, whyNot } from "./sending";
import prose from "../../elements/prose.module.css";

/** @param listed the ids of the documents in the list, which stand there once. */
export function SentRows({ sending, listed }: { sending: Sending; listed: readonly string[] }) {
  const files = sending.files.filter((one) => one.document === null || !listed.includes(one.document));
  return files.map((one) => (
    <Table.Tr key={one.key}>
      <Table.Td>
        <Text size="sm" fw={500} component="span">
          {one.file.name}
        </Text>{" "}
        <span className={prose.quiet}>{formatSize(one.file.size)}</span>
      </Table.Td>
      <Table.Td data-label="State" colSpan={5}>
        <div>
          <SentState file={one} />
        </div>
      </Table.Td>
      <Table.Td>
        {one.state === "refused" && (
          <Group gap={4} wrap="nowrap" justify="flex-end">
            {!whyNot(one.file) && (
              <Button
                size="compact-xs"
                variant="default"
                aria-label={`Send again: ${one.file.name}`}
                onClick={() => sending.again(one)}
              >
                Send again
              </Button>
            )}
            <Button
              size="compact-xs"
              variant="subtle"
              aria-label={`Dismiss ${one.file.name}`}
              onClick={() => sending.dismiss(one)}
            >
              Dismiss
            </Button>
          </Group>
        )}
      </Table.Td>
    </Table.Tr>
  ));
}

function SentState({ file: { file, state, problem } }: { file: SentFile }) {
  if (state === "refused")
    return (
      <div role="alert">
        <State tone="bad" icon="bad">
          Not added
        </State>
        <Text size="sm" className={prose.quiet} style={{ whiteSpace: "normal" }}>
          {problem}
        </Text>
      </div>
    );
  if (state === "queued")
    return (
      <State tone="quiet" icon="open">
        Waits to be sent
      </State>
    );
  return (
    <>
      <State tone="warn" icon="send">
        Sending
      </State>
      <Progress value={100} animated size={3} mt={4} maw={120} aria-label={`Sending ${file.name}`} />
    </>
  );
}
