/** One's own account: who I am, what I may do and use, my keys and my sessions. */

import { Badge, Stack, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";

import { Failure, PageHead, Rows, Section } from "../../elements/page";
import type { Page } from "../../page";
import { SessionTable } from "../../people/SessionTable";
import { accountQuery } from "../../people/queries";
import { clearanceWords, nameOf, roleWords } from "../../people/words";
import { OwnKeys } from "./OwnKeys";
import prose from "../../elements/prose.module.css";

export const page: Page = { path: "/account", title: "Account", may: "everyone" };

export default function Account() {
  const account = useQuery(accountQuery);
  if (account.error) return <Failure error={account.error} />;
  if (!account.data) return <Rows />;
  const { person, may, use_cases: useCases } = account.data;
  return (
    <>
      <PageHead title="Account">
        You are signed in as {nameOf(person)}
        {person.name && ` (${person.id})`}.
      </PageHead>
      <Stack gap="md">
        <Section title="Rights">
          <dl className={prose.facts}>
            <dt>Roles</dt>
            <dd>
              {person.roles.length === 0
                ? "None: you use models, and administer nothing. Ask an administrator if you need more."
                : person.roles.map((role) => <div key={role}>{roleWords(role)}</div>)}
            </dd>
            {person.groups.length > 0 && (
              <>
                <dt>Groups</dt>
                <dd>{person.groups.join(", ")}</dd>
              </>
            )}
            <dt>You may see</dt>
            <dd>{clearanceWords(person)}</dd>
            {may.length > 0 && (
              <>
                <dt>You may</dt>
                <dd>{may.join("; ")}</dd>
              </>
            )}
          </dl>
        </Section>
        <Section title="Use cases">
          {useCases.length === 0 ? (
            <Text size="sm" className={prose.quiet}>
              You are a member of no use case. Ask an administrator to add you to one.
            </Text>
          ) : (
            <ul className={`${prose.plainList} ${prose.divided}`}>
              {useCases.map((one) => (
                <li key={one.id}>
                  <b>{one.title}</b> {one.owner === person.id && <Badge ml={6}>You own it</Badge>}
                  <Text size="sm" className={prose.quiet}>
                    {one.purpose}
                  </Text>
                </li>
              ))}
            </ul>
          )}
        </Section>
        <OwnKeys me={person.id} />
        <Section title="Sessions">
          <SessionTable person={null} mayEnd />
        </Section>
      </Stack>
    </>
  );
}
