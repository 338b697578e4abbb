/** Roles, groups and clearance of a person, changed in place with the effects shown first. */

import { Badge, Button, Group, MultiSelect, Stack, TagsInput, Text } from "@mantine/core";
import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { type Schemas, api, take } from "../../api/client";
import { sessionQuery } from "../../api/queries";
import { Failure, Section } from "../../elements/page";
import { MaySee } from "../../people/MaySee";
import { type Person, forgetPeople, peopleQuery } from "../../people/queries";
import { clearanceWords, roleWords } from "../../people/words";
import prose from "../../elements/prose.module.css";

type Change = Pick<Person, "roles" | "groups" | "confidentiality" | "categories">;

export function Rights({ person, mayChange }: { person: Person; mayChange: boolean }) {
  const [isChanging, setChanging] = useState(false);
  return (
    <Section
      title="Roles and clearance"
      aside={
        mayChange &&
        !isChanging && (
          <Button size="compact-sm" variant="default" onClick={() => setChanging(true)}>
            Change rights
          </Button>
        )
      }
    >
      {isChanging ? <Form person={person} onDone={() => setChanging(false)} /> : <Facts person={person} />}
    </Section>
  );
}

function Facts({ person }: { person: Person }) {
  return (
    <dl className={prose.facts}>
      <dt>Roles</dt>
      <dd>
        {person.roles.length === 0
          ? "None: uses models, and administers nothing"
          : person.roles.map((role) => <div key={role}>{roleWords(role)}</div>)}
      </dd>
      <dt>Groups</dt>
      <dd>
        {person.groups.length === 0 ? (
          "None"
        ) : (
          <span className={prose.tags}>
            {person.groups.map((group) => (
              <Badge key={group}>{group}</Badge>
            ))}
          </span>
        )}
      </dd>
      <dt>May see</dt>
      <dd>{clearanceWords(person)}</dd>
      {person.owner && (
        <>
          <dt>Responsible</dt>
          <dd>{person.owner}</dd>
        </>
      )}
    </dl>
  );
}

function Form({ person, onDone }: { person: Person; onDone: () => void }) {
  const client = useQueryClient();
  const known = useInfiniteQuery(peopleQuery({})).data?.pages[0]?.roles ?? [];
  const [change, setChange] = useState<Change>({
    roles: person.roles,
    groups: person.groups,
    confidentiality: person.confidentiality,
    categories: person.categories,
  });
  const path = { person: person.id };
  const body: Schemas["PersonChange"] = { ...change };
  const effects = useQuery({
    queryKey: ["people", "effects", person.id, change],
    queryFn: () => take(api.PUT("/api/people/{person}", { params: { path, query: { dry_run: true } }, body })),
    retry: false,
    staleTime: 0,
  });
  const save = useMutation({
    mutationFn: () => take(api.PUT("/api/people/{person}", { params: { path }, body })),
    onSuccess: () => {
      forgetPeople(client);
      void client.invalidateQueries({ queryKey: sessionQuery.queryKey });
      onDone();
    },
  });
  return (
    <Stack gap="sm" maw={560}>
      <MultiSelect
        label="Roles"
        data={[...new Set([...known, ...person.roles])].map((role) => ({ value: role, label: roleWords(role) }))}
        value={change.roles}
        onChange={(roles) => setChange({ ...change, roles })}
      />
      <TagsInput
        label="Groups"
        description="Use cases can name a group as their members."
        value={change.groups}
        onChange={(groups) => setChange({ ...change, groups })}
      />
      <MaySee value={change} onChange={(clearance) => setChange({ ...change, ...clearance })} />
      {effects.error ? (
        <Failure error={effects.error} title="This change is not possible" />
      ) : (
        effects.data && <Effects effects={effects.data} />
      )}
      {save.error && <Failure error={save.error} title="Nothing was changed" />}
      <Group justify="flex-end" gap="xs">
        <Button variant="default" onClick={onDone}>
          Cancel
        </Button>
        <Button
          disabled={!effects.data || effects.data.changes.length === 0}
          loading={save.isPending}
          onClick={() => save.mutate()}
        >
          Save rights
        </Button>
      </Group>
    </Stack>
  );
}

/** What a change of rights means, in the words of the actions. */
function Effects({ effects }: { effects: Schemas["ChangeEffects"] }) {
  const { changes, gains, loses, keys } = effects;
  if (changes.length === 0) return null;
  return (
    <Text size="sm" component="div" role="status">
      {gains.length > 0 && <p>Gains: {gains.join("; ")}.</p>}
      {loses.length > 0 && <p>Loses: {loses.join("; ")}.</p>}
      {keys.length > 0 && <p>Keys that lose a role: {keys.map((key) => key.name || key.id).join(", ")}.</p>}
      {gains.length + loses.length + keys.length === 0 && <p>The same actions stay possible.</p>}
      <p className={prose.quiet}>Holds at once. A new role ends sessions that began with an invitation: make a new sign-in link for the person.</p>
    </Text>
  );
}
