/** What somebody finds in each collection, and why. Headgate records each look. */

import { Button, Stack, Table, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { Link, useSearchParams } from "react-router";

import { Icon } from "../../elements/icons";
import { Empty, Failure, PageHead, Rows, Section } from "../../elements/page";
import { State } from "../../elements/record";
import { formatCount, plural, sentence } from "../../format";
import { collectionPath } from "../../knowledge/links";
import { collectionsQuery } from "../../knowledge/queries";
import { type Access, type Reach, accessQuery, listOf } from "../../knowledge/questions";
import { type Page, useMayOpen } from "../../page";
import { PeoplePicker } from "../../people/PeoplePicker";
import { PersonName } from "../../people/PersonName";
import prose from "../../elements/prose.module.css";
import table from "../../elements/table.module.css";
import styles from "./access.module.css";

export const page: Page = {
  path: "/knowledge/access",
  title: "Who finds what",
  group: "govern",
  order: 60,
  may: ["knowledge.access"],
  icon: "M1.500 8S4 3.500 8 3.500 14.500 8 14.500 8 12 12.500 8 12.500 1.500 8 1.500 8zM8 6a2 2 0 1 1 0 4 2 2 0 0 1 0-4z",
};

export default function WhoFindsWhat() {
  const [search, setSearch] = useSearchParams();
  const person = search.get("person");
  const found = useQuery({ ...accessQuery(person ?? ""), enabled: person !== null });
  const access = person === null ? undefined : found.data;
  return (
    <>
      <PageHead title={access ? `What can ${access.name} find, and why?` : page.title}>
        See which documents a person can find, and what keeps the others closed. Headgate records each look.
      </PageHead>
      <Stack gap="md">
        <div className={styles.picker}>
          <PeoplePicker
            label="Person"
            description="Type a name. For a service, type its id."
            placeholder="Name or id"
            isOne
            value={person === null ? [] : [person]}
            names={access ? { [access.person]: access.name } : {}}
            onChange={(chosen) => setSearch(chosen.length ? { person: chosen[0]! } : {})}
          />
        </div>
        {person === null ? (
          <Empty title="Choose a person">
            You will see each collection, why the person reads it or does not, and how many documents labels keep closed.
          </Empty>
        ) : found.error ? (
          <Failure error={found.error} title="This cannot be shown" />
        ) : access ? (
          <Shown access={access} onAgain={() => void found.refetch()} isAgain={found.isFetching} />
        ) : (
          <Rows />
        )}
      </Stack>
    </>
  );
}

interface ShownProps {
  readonly access: Access;
  readonly onAgain: () => void;
  readonly isAgain: boolean;
}

function Shown({ access, onAgain, isAgain }: ShownProps) {
  const mayOpen = useMayOpen();
  const address = `/people/${encodeURIComponent(access.person)}`;
  const again = (
    <Button
      size="compact-sm"
      variant="default"
      leftSection={<Icon name="again" size={13} />}
      loading={isAgain}
      onClick={onAgain}
    >
      Look again
    </Button>
  );
  return (
    <>
      <Section title="Collections" aside={again}>
        {access.collections.length === 0 ? (
          <Text size="sm" className={prose.quiet}>
            There are no collections yet.
          </Text>
        ) : (
          <Stack gap="sm">
            <Text size="sm">{totalWords(access)}</Text>
            <Reaches access={access} />
          </Stack>
        )}
      </Section>
      <Section title="What opens documents">
        <Stack gap="xs">
          <ul className={prose.plainList} aria-label={`What opens documents to ${access.name}`}>
            {access.entries.map((entry) => (
              <li key={entry}>
                <PersonName id={entry} name={entry === access.person ? access.name : undefined} />
              </li>
            ))}
          </ul>
          <Text size="sm" className={prose.quiet}>
            A document is open to {access.name} if one of these is among its readers and among those of its collection,
            and if the clearance covers its labels.
            {mayOpen(address) && (
              <>
                {" "}
                <Link to={address}>View groups and clearance</Link>
              </>
            )}
          </Text>
        </Stack>
      </Section>
    </>
  );
}

function totalWords({ name, collections }: Access): string {
  const read = collections.filter((one) => one.because.length > 0).length;
  const sum = (of: (one: Reach) => number): number => collections.reduce((total, one) => total + of(one), 0);
  const all = sum((one) => one.documents);
  const documents = `${formatCount(sum((one) => one.readable))} of ${plural(all, "document")}`;
  return `${name} reads ${formatCount(read)} of ${plural(collections.length, "collection")}, and finds ${documents}. Only documents that are ready count.`;
}

function Reaches({ access }: { access: Access }) {
  // An auditor looks at collections that the auditor does not read.
  const own = useQuery(collectionsQuery).data?.collections ?? [];
  const titled = ({ collection, title }: Reach): ReactNode =>
    own.some((one) => one.id === collection) ? <Link to={collectionPath(collection)}>{title}</Link> : title;
  return (
    <Table className={`${table.cards} ${styles.reaches}`}>
      <caption className={prose.unseen}>What {access.name} finds in each collection</caption>
      <Table.Thead>
        <Table.Tr>
          <Table.Th>Collection</Table.Th>
          <Table.Th>Why</Table.Th>
          <Table.Th ta="right">Finds</Table.Th>
          <Table.Th>Closed</Table.Th>
        </Table.Tr>
      </Table.Thead>
      <Table.Tbody>
        {access.collections.map((one) => (
          <Table.Tr key={one.collection}>
            <Table.Td fw={500}>{titled(one)}</Table.Td>
            <Table.Td data-label="Why">
              <Why reach={one} />
            </Table.Td>
            <Table.Td data-label="Finds" className={styles.number}>
              {formatCount(one.readable)} of {formatCount(one.documents)}
            </Table.Td>
            <Table.Td data-label="Closed">
              <Closed reach={one} />
            </Table.Td>
          </Table.Tr>
        ))}
      </Table.Tbody>
    </Table>
  );
}

function Why({ reach: { because } }: { reach: Reach }) {
  if (because.length === 0)
    return (
      <State tone="quiet" icon="bad">
        Does not read it
      </State>
    );
  return (
    <State tone="good" icon="good">
      {sentence(listOf(because)).slice(0, -1)}
    </State>
  );
}

function Closed({ reach }: { reach: Reach }) {
  const { because, closed_by_readers: byReaders, closed_by_labels: byLabels, obstacles } = reach;
  if (because.length === 0) return <>all</>;
  if (byReaders + byLabels === 0) return <span className={prose.quiet}>none</span>;
  return (
    <>
      {byReaders > 0 && <div>{formatCount(byReaders)} by the readers at the source</div>}
      {byLabels > 0 && (
        <div>
          {formatCount(byLabels)} by labels: {obstacles.join("; ")}
        </div>
      )}
    </>
  );
}
