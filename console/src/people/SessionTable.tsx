/** Open sessions of a person: browser, since when, last seen; ended one by one or all at once. */

import { Badge, Button, Group, Stack, Table, Text } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";

import { type Schemas, api, take } from "../api/client";
import { Failure, Rows } from "../elements/page";
import { Time } from "../elements/record";
import { plural } from "../format";
import { type Session, forgetPeople, sessionsQuery } from "./queries";
import prose from "../elements/prose.module.css";
import table from "../elements/table.module.css";

/**
 * @param person whose sessions; null for one's own.
 * @param mayEnd whether the reader may end them.
 */
export function SessionTable({ person, mayEnd }: { person: string | null; mayEnd: boolean }) {
  const client = useQueryClient();
  const sessions = useQuery(sessionsQuery(person));
  const done = { onSettled: () => forgetPeople(client) };
  const endOne = useMutation({
    mutationFn: (session: string) => take(api.DELETE("/api/sessions/{session}", { params: { path: { session } } })),
    ...done,
  });
  const endAll = useMutation({
    mutationFn: () => {
      const answer =
        person === null
          ? api.DELETE("/api/sessions")
          : api.DELETE("/api/people/{person}/sessions", { params: { path: { person } } });
      return take<Schemas["Ended"]>(answer);
    },
    ...done,
  });
  if (sessions.error) return <Failure error={sessions.error} />;
  if (!sessions.data) return <Rows count={2} />;
  const others = sessions.data.filter((one) => person !== null || !one.is_current);
  const problem = endOne.error ?? endAll.error;
  return (
    <Stack gap="sm">
      {problem && <Failure error={problem} title="The session was not ended" />}
      {sessions.data.length === 0 ? (
        <Text size="sm" className={prose.quiet}>
          No open session.
        </Text>
      ) : (
        <div className={table.scroll}>
          <Table className={table.cards}>
            <caption className={prose.unseen}>Open sessions, newest first</caption>
            <Table.Thead>
              <Table.Tr>
                <Table.Th>Browser</Table.Th>
                <Table.Th>Since</Table.Th>
                <Table.Th>Last seen</Table.Th>
                <Table.Th>Ends</Table.Th>
                <Table.Th>
                  <span className={prose.unseen}>Actions</span>
                </Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {sessions.data.map((one) => (
                <SessionRow
                  key={one.id}
                  session={one}
                  onEnd={mayEnd && !(person === null && one.is_current) ? () => endOne.mutate(one.id) : null}
                />
              ))}
            </Table.Tbody>
          </Table>
        </div>
      )}
      {mayEnd && others.length > 0 && (
        <Group gap="sm">
          <Button variant="default" size="compact-sm" loading={endAll.isPending} onClick={() => endAll.mutate()}>
            {person === null ? "End other sessions" : "End all sessions"}
          </Button>
          <Text size="xs" className={prose.quiet}>
            {person === null
              ? `Signs out ${plural(others.length, "other browser")} at once.`
              : "Signs the person out everywhere at once. Unused sign-in links stop working too."}
          </Text>
        </Group>
      )}
    </Stack>
  );
}

function SessionRow({ session, onEnd }: { session: Session; onEnd: (() => void) | null }) {
  return (
    <Table.Tr>
      <Table.Td>
        {session.browser}
        {session.is_current && <Badge ml={6}>This browser</Badge>}
        {session.let_in_by && (
          <Text size="xs" className={prose.quiet}>
            Link from {session.let_in_by}
          </Text>
        )}
      </Table.Td>
      <Table.Td data-label="Since">
        <Time iso={session.created_at} />
      </Table.Td>
      <Table.Td data-label="Last seen">
        {session.seen_at ? <Time iso={session.seen_at} /> : <span className={prose.quiet}>unknown</span>}
      </Table.Td>
      <Table.Td data-label="Ends">
        <Time iso={session.idle_at} />
        {session.idle_at !== session.expires_at && (
          <Text size="xs" className={prose.quiet}>
            if not used; at the latest <Time iso={session.expires_at} />
          </Text>
        )}
      </Table.Td>
      <Table.Td ta="right">
        {onEnd && (
          <Button size="compact-xs" variant="subtle" color="red" onClick={onEnd} aria-label={`End ${session.browser}`}>
            End
          </Button>
        )}
      </Table.Td>
    </Table.Tr>
  );
}
