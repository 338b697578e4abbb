/** One person or service: rights, use cases, keys and sessions. */

import { Badge, Button, Group, Modal, Stack, Table, Text } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { Link, useNavigate, useParams } from "react-router";

import { type Schemas, api, take } from "../../api/client";
import { FormDialog } from "../../elements/dialog";
import { Failure, Notice, PageHead, Rows, Section } from "../../elements/page";
import { Time } from "../../elements/record";
import { plural } from "../../format";
import { type Page, useMayOpen } from "../../page";
import { SessionTable } from "../../people/SessionTable";
import { SignInLink } from "../../people/SignInLink";
import { type KeyName, RevokeDialog, RotateDialog } from "../../people/keys";
import { type Person, forgetPeople, personQuery } from "../../people/queries";
import { kindWord, nameOf } from "../../people/words";
import { useMay } from "../../session";
import { Rights } from "./Rights";
import prose from "../../elements/prose.module.css";
import table from "../../elements/table.module.css";

export const page: Page = { path: "/people/:person", title: "Person", may: ["person.list"], below: "/people" };

export default function PersonPage() {
  const { person: id = "" } = useParams();
  const person = useQuery(personQuery(id));
  if (person.error) return <Failure error={person.error} title="This person cannot be shown" />;
  if (!person.data) return <Rows />;
  return <Shown person={person.data} />;
}

function Shown({ person }: { person: Person }) {
  const may = useMay();
  const mayOpen = useMayOpen();
  const [isInviting, setInviting] = useState(false);
  const [isRemoving, setRemoving] = useState(false);
  const mayChange = may("config.apply") && person.managed_by !== "built_in";
  return (
    <>
      <PageHead
        title={nameOf(person)}
        actions={
          <Group gap="xs">
            {person.kind === "person" && may("session.invite") && (
              <Button variant="default" onClick={() => setInviting(true)}>
                Make sign-in link
              </Button>
            )}
            {mayChange && (
              <Button variant="default" color="red" onClick={() => setRemoving(true)}>
                Remove {person.kind}
              </Button>
            )}
          </Group>
        }
      >
        {kindWord(person.kind)} · {person.id} ·{" "}
        {person.last_seen ? (
          <>
            last seen <Time iso={person.last_seen} />
          </>
        ) : (
          "never seen"
        )}
        {mayOpen("/activity") && (
          <>
            {" "}
            · <Link to={`/activity?principal=${encodeURIComponent(person.id)}`}>View activity</Link>
          </>
        )}
        {mayOpen("/knowledge/access") && (
          <>
            {" "}
            · <Link to={`/knowledge/access?person=${encodeURIComponent(person.id)}`}>See what they can find</Link>
          </>
        )}
      </PageHead>
      <Stack gap="md">
        {person.managed_by === "file" && (
          <Notice tone="warn" icon="warn">
            <Text size="sm">
              The file headgate.toml manages this entry. The next apply of the file overwrites a change that you make
              here.
            </Text>
          </Notice>
        )}
        <Rights key={JSON.stringify(person.roles)} person={person} mayChange={may("config.apply")} />
        <UseCases person={person} />
        <Keys person={person} />
        {person.kind === "person" && (
          <Section title="Sessions">
            <SessionTable person={person.id} mayEnd={may("session.end")} />
          </Section>
        )}
      </Stack>
      <FormDialog title="Sign-in link" isOpen={isInviting} isFinal onClose={() => setInviting(false)}>
        <SignInLink person={person.id} name={nameOf(person)} onDone={() => setInviting(false)} />
      </FormDialog>
      <Modal opened={isRemoving} onClose={() => setRemoving(false)} title={`Remove ${nameOf(person)}?`}>
        <Remove person={person} onCancel={() => setRemoving(false)} />
      </Modal>
    </>
  );
}

function UseCases({ person }: { person: Person }) {
  return (
    <Section title="Use cases">
      {person.use_cases.length === 0 ? (
        <Text size="sm" className={prose.quiet}>
          No use case has {nameOf(person)} as its owner or as a member. Its owner or an administrator adds members.
        </Text>
      ) : (
        <ul className={`${prose.plainList} ${prose.divided}`}>
          {person.use_cases.map((one) => (
            <li key={one.id}>
              <b>{one.id}</b> {one.is_owner && <Badge ml={6}>Owner</Badge>}
              <Text size="sm" className={prose.quiet}>
                {one.purpose}
              </Text>
            </li>
          ))}
        </ul>
      )}
    </Section>
  );
}

function Keys({ person }: { person: Person }) {
  const may = useMay();
  const [revoking, setRevoking] = useState<KeyName | null>(null);
  const [rotating, setRotating] = useState<KeyName | null>(null);
  return (
    <Section title="Keys">
      {person.keys.length === 0 ? (
        <Text size="sm" className={prose.quiet}>
          No active key.
        </Text>
      ) : (
        <div className={table.scroll}>
          <Table className={table.cards}>
            <caption className={prose.unseen}>Active keys</caption>
            <Table.Thead>
              <Table.Tr>
                <Table.Th>Name</Table.Th>
                <Table.Th>Use case</Table.Th>
                <Table.Th>Roles</Table.Th>
                <Table.Th>Ends</Table.Th>
                <Table.Th>
                  <span className={prose.unseen}>Actions</span>
                </Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {person.keys.map((key) => (
                <Table.Tr key={key.id}>
                  <Table.Td>
                    <b>{key.name || key.id}</b>
                    {key.replaced_by !== null && <span className={prose.quiet}> replaced by a newer key</span>}
                  </Table.Td>
                  <Table.Td data-label="Use case">{key.use_case}</Table.Td>
                  <Table.Td data-label="Roles">{key.roles.join(", ")}</Table.Td>
                  <Table.Td data-label="Ends">
                    {key.expires_at ? <Time iso={key.expires_at} /> : <span className={prose.quiet}>never</span>}
                  </Table.Td>
                  <Table.Td ta="right">
                    {may("key.rotate") && key.replaced_by === null && (
                      <Button size="compact-xs" variant="subtle" onClick={() => setRotating(key)} aria-label={`Rotate ${key.name}`}>
                        Rotate
                      </Button>
                    )}
                    {may("key.revoke") && (
                      <Button
                        size="compact-xs"
                        variant="subtle"
                        color="red"
                        onClick={() => setRevoking(key)}
                        aria-label={`Revoke ${key.name}`}
                      >
                        Revoke
                      </Button>
                    )}
                  </Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </div>
      )}
      <RotateDialog apiKey={rotating} onClose={() => setRotating(null)} />
      <RevokeDialog apiKey={revoking} onClose={() => setRevoking(null)} />
    </Section>
  );
}

function Remove({ person, onCancel }: { person: Person; onCancel: () => void }) {
  const client = useQueryClient();
  const navigate = useNavigate();
  const path = { person: person.id };
  const effects = useQuery({
    queryKey: ["people", "removal", person.id],
    queryFn: () => take(api.DELETE("/api/people/{person}", { params: { path, query: { dry_run: true } } })),
    staleTime: 0,
    retry: false,
  });
  const remove = useMutation({
    mutationFn: () => take(api.DELETE("/api/people/{person}", { params: { path } })),
    onSuccess: () => {
      void navigate("/people");
      client.removeQueries({ queryKey: personQuery(person.id).queryKey });
      forgetPeople(client);
    },
  });
  return (
    <Stack gap="md">
      {effects.error ? (
        <Failure error={effects.error} title={`${nameOf(person)} cannot be removed`} />
      ) : effects.data ? (
        <Effects effects={effects.data} />
      ) : (
        <Rows count={2} />
      )}
      {remove.error && <Failure error={remove.error} title="Nobody was removed" />}
      <Group justify="flex-end" gap="xs">
        <Button variant="default" onClick={onCancel}>
          Keep {nameOf(person)}
        </Button>
        <Button color="red" disabled={!effects.data} loading={remove.isPending} onClick={() => remove.mutate()}>
          Remove {person.kind}
        </Button>
      </Group>
    </Stack>
  );
}

function Effects({ effects }: { effects: Schemas["RemovalEffects"] }) {
  const { keys, sessions, owns } = effects;
  return (
    <Text size="sm" component="div">
      {keys.length === 0 && sessions === 0 && owns.length === 0 && "No key, session or use case depends on this entry."}
      <ul>
        {keys.length > 0 && (
          <li>
            {plural(keys.length, "key")} {keys.length === 1 ? "stops" : "stop"} for good:{" "}
            {keys.map((key) => key.name || key.id).join(", ")}
          </li>
        )}
        {sessions > 0 && <li>{plural(sessions, "session")} {sessions === 1 ? "ends" : "end"} at once</li>}
        {owns.length > 0 && (
          <li>
            {plural(owns.length, "use case")} {owns.length === 1 ? "loses its" : "lose their"} owner: {owns.join(", ")}
          </li>
        )}
      </ul>
    </Text>
  );
}
