/** People and services: found, invited, and opened one by one. */

import { Badge, Button, CloseButton, Group, NativeSelect, Stack, Table, Text, TextInput } from "@mantine/core";
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { Link, useSearchParams } from "react-router";

import { useCasesQuery } from "../../api/queries";
import { Icon } from "../../elements/icons";
import { Empty, Failure, PageHead, Rows } from "../../elements/page";
import { Time } from "../../elements/record";
import { plural } from "../../format";
import type { Page } from "../../page";
import { PEOPLE_FILTERS, type PeopleFilters, type Person, peopleQuery } from "../../people/queries";
import { clearanceWords, kindWord, nameOf, roleWords } from "../../people/words";
import { useMay } from "../../session";
import { InviteDialog } from "./Invite";
import prose from "../../elements/prose.module.css";
import table from "../../elements/table.module.css";

export const page: Page = {
  path: "/people",
  title: "People",
  group: "administer",
  order: 40,
  may: ["person.list"],
  find: async (words, { client }) => {
    const { pages } = await client.fetchInfiniteQuery(peopleQuery({ search: words }));
    return pages.flatMap(({ people }) =>
      people.map(({ id, name }) => ({ title: name || id, detail: id, to: `/people/${encodeURIComponent(id)}` })),
    );
  },
  icon: "M6 7.500a2.500 2.500 0 1 0 0-5 2.500 2.500 0 0 0 0 5zM1.500 13.500c0-2.500 2-4 4.500-4s4.500 1.500 4.500 4M10.500 3a2.300 2.300 0 0 1 0 4.400M12 9.800c1.600.5 2.500 1.800 2.500 3.700",
};

const FILTER_WORDS = { search: "name", kind: "kind", role: "role", group: "group", use_case: "use case" } as const;
const SHOWN_USE_CASES = 3;

export default function People() {
  const may = useMay();
  const [search, setSearch] = useSearchParams();
  const [isInviting, setInviting] = useState(false);
  const filters = Object.fromEntries(
    PEOPLE_FILTERS.map((name) => [name, search.get(name)]).filter((pair) => pair[1]),
  ) as PeopleFilters;
  const people = useInfiniteQuery(peopleQuery(filters));
  const set = (name: keyof PeopleFilters, value: string | null): void => {
    const next = new URLSearchParams(search);
    if (value) next.set(name, value);
    else next.delete(name);
    setSearch(next, { replace: true });
  };
  const found = people.data?.pages.flatMap((one) => one.people) ?? [];
  const total = people.data?.pages[0]?.total ?? 0;
  const invite = may("config.apply") && (
    <Button leftSection={<Icon name="add" size={13} />} onClick={() => setInviting(true)}>
      Invite person
    </Button>
  );
  return (
    <>
      <PageHead title="People" actions={invite}>
        Who may use and administer Headgate: people who sign in, and the services and agents that act with keys.
      </PageHead>
      <Stack gap="sm">
        <Filters filters={filters} roles={people.data?.pages[0]?.roles ?? []} onChange={set} />
        {people.error ? (
          <Failure error={people.error} />
        ) : !people.data ? (
          <Rows />
        ) : found.length === 0 ? (
          <Empty title="Nobody matches">Remove a filter to see more people.</Empty>
        ) : (
          <>
            <PeopleTable people={found} />
            <Group gap="sm">
              <Text size="sm" className={prose.quiet} role="status">
                {found.length < total ? `${found.length} of ${plural(total, "entry", "entries")}` : plural(total, "entry", "entries")}
              </Text>
              {people.hasNextPage && (
                <Button
                  size="compact-sm"
                  variant="default"
                  loading={people.isFetchingNextPage}
                  onClick={() => void people.fetchNextPage()}
                >
                  Show more
                </Button>
              )}
            </Group>
          </>
        )}
      </Stack>
      <InviteDialog isOpen={isInviting} onClose={() => setInviting(false)} roles={people.data?.pages[0]?.roles ?? []} />
    </>
  );
}

function Filters({
  filters,
  roles,
  onChange,
}: {
  filters: PeopleFilters;
  roles: readonly string[];
  onChange: (name: keyof PeopleFilters, value: string | null) => void;
}) {
  const useCases = useQuery({ ...useCasesQuery, enabled: useMay()("use_case.list") });
  const names = useCases.data?.map((one) => one.id) ?? [];
  return (
    <Stack gap="xs" role="search" aria-label="Filter people">
      <Group gap="sm" align="flex-end">
        <Search value={filters.search ?? ""} onChange={(value) => onChange("search", value)} />
        <Choice label="Kind" values={["person", "service", "agent"]} value={filters.kind} onChange={(value) => onChange("kind", value)} />
        <Choice label="Role" values={roles} value={filters.role} onChange={(value) => onChange("role", value)} />
        {names.length > 0 && (
          <Choice label="Use case" values={names} value={filters.use_case} onChange={(value) => onChange("use_case", value)} />
        )}
      </Group>
      {Object.keys(filters).length > 0 && (
        <Group gap="xs">
          {PEOPLE_FILTERS.filter((name) => filters[name]).map((name) => (
            <Badge
              key={name}
              rightSection={
                <CloseButton
                  size="xs"
                  aria-label={`Remove the filter ${FILTER_WORDS[name]}`}
                  onClick={() => onChange(name, null)}
                />
              }
            >
              {FILTER_WORDS[name]}: {filters[name]}
            </Badge>
          ))}
        </Group>
      )}
    </Stack>
  );
}

function Choice({
  label,
  values,
  value,
  onChange,
}: {
  label: string;
  values: readonly string[];
  value: string | undefined;
  onChange: (value: string) => void;
}) {
  const every = value && !values.includes(value) ? [value, ...values] : values;
  return (
    <NativeSelect
      label={label}
      size="xs"
      value={value ?? ""}
      onChange={(event) => onChange(event.currentTarget.value)}
      data={[{ value: "", label: "Any" }, ...every]}
    />
  );
}

/** A filter that is typed takes hold when it is left or sent, not at each letter. */
function Search({ value, onChange }: { value: string; onChange: (value: string) => void }) {
  const [draft, setDraft] = useState(value);
  const commit = (event?: FormEvent): void => {
    event?.preventDefault();
    if (draft.trim() !== value) onChange(draft.trim());
  };
  return (
    <form onSubmit={commit}>
      <TextInput
        key={value}
        label="Name or id"
        size="xs"
        value={draft}
        onChange={(event) => setDraft(event.currentTarget.value)}
        onBlur={() => commit()}
      />
    </form>
  );
}

function PeopleTable({ people }: { people: readonly Person[] }) {
  return (
    <div className={table.scroll}>
      <Table className={table.cards}>
        <caption className={prose.unseen}>People and services</caption>
        <Table.Thead>
          <Table.Tr>
            <Table.Th>Name</Table.Th>
            <Table.Th>Kind</Table.Th>
            <Table.Th>Roles</Table.Th>
            <Table.Th>May see</Table.Th>
            <Table.Th>Use cases</Table.Th>
            <Table.Th>Keys</Table.Th>
            <Table.Th>Sessions</Table.Th>
            <Table.Th>Last seen</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {people.map((person) => (
            <PersonRow key={person.id} person={person} />
          ))}
        </Table.Tbody>
      </Table>
    </div>
  );
}

function PersonRow({ person }: { person: Person }) {
  return (
    <Table.Tr className={table.row}>
      <Table.Td>
        <Link className={table.cover} to={`/people/${encodeURIComponent(person.id)}`}>
          {nameOf(person)}
        </Link>
        {person.name && (
          <Text size="xs" className={prose.quiet}>
            {person.id}
          </Text>
        )}
      </Table.Td>
      <Table.Td data-label="Kind">{kindWord(person.kind)}</Table.Td>
      <Table.Td data-label="Roles">
        <span className={prose.tags}>
          {person.roles.map((role) => (
            <Badge key={role} title={roleWords(role)} style={{ whiteSpace: "nowrap", flexShrink: 0 }}>
              {role}
            </Badge>
          ))}
          {person.groups.length > 0 && <span className={prose.quiet}>{person.groups.join(", ")}</span>}
        </span>
      </Table.Td>
      <Table.Td data-label="May see">{clearanceWords(person)}</Table.Td>
      <Table.Td data-label="Use cases">
        <UseCases useCases={person.use_cases} />
      </Table.Td>
      <Table.Td data-label="Keys">
        {person.keys.length}
      </Table.Td>
      <Table.Td data-label="Sessions">
        {person.sessions}
      </Table.Td>
      <Table.Td data-label="Last seen" style={{ whiteSpace: "nowrap" }}>
        {person.last_seen ? <Time iso={person.last_seen} /> : <span className={prose.quiet}>never</span>}
      </Table.Td>
    </Table.Tr>
  );
}

function UseCases({ useCases }: { useCases: Person["use_cases"] }) {
  const shown = useCases.slice(0, SHOWN_USE_CASES);
  const rest = useCases.length - shown.length;
  return (
    <span>
      {shown.map((one) => (one.is_owner ? `${one.id} (owner)` : one.id)).join(", ")}
      {rest > 0 && <span className={prose.quiet}> and {rest} more</span>}
    </span>
  );
}
