/** Who may use a use case; its owner and administrators add and remove members here. */

import { Button, Group, Stack, Text } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";

import { type Schemas, api, take } from "../../api/client";
import { useCasesQuery } from "../../api/queries";
import { Failure, Section } from "../../elements/page";
import { useUndo } from "../../elements/undo";
import { PeoplePicker } from "../../people/PeoplePicker";
import { PersonName } from "../../people/PersonName";
import { personIn } from "../../usecase/bodies";
import prose from "../../elements/prose.module.css";

type UseCase = Schemas["UseCaseView"];

const LABEL_HEIGHT = "calc(var(--mantine-font-size-sm) * var(--mantine-line-height-sm))";

interface Change {
  readonly member: string;
  readonly adds: boolean;
}

export function Members({ useCase }: { useCase: UseCase }) {
  const [chosen, setChosen] = useState<string[]>([]);
  const [undoLine, offerUndo] = useUndo();
  const client = useQueryClient();
  const change = useMutation({
    mutationFn: ({ member, adds }: Change) => {
      const given = { params: { path: { use_case: useCase.id, member } } };
      const address = "/api/use-cases/{use_case}/members/{member}" as const;
      return take(adds ? api.PUT(address, given) : api.DELETE(address, given));
    },
    onSuccess: () => client.invalidateQueries({ queryKey: useCasesQuery.queryKey }),
  });
  const add = async (event: FormEvent): Promise<void> => {
    event.preventDefault();
    for (const member of chosen) await change.mutateAsync({ member, adds: true });
    setChosen([]);
  };
  const remove = async (member: string): Promise<void> => {
    await change.mutateAsync({ member, adds: false });
    offerUndo(`${memberWords(useCase, member)} can no longer use it.`, () => change.mutate({ member, adds: true }));
  };
  const members = useCase.members ?? [];
  return (
    <Section title="Members">
      <Stack gap="sm">
        <Text size="sm" className={prose.quiet}>
          {personIn(useCase, useCase.owner) ?? useCase.owner} (owner) and administrators can always use it.
        </Text>
        {members.length > 0 && (
          <ul className={`${prose.plainList} ${prose.divided}`} aria-label="Members">
            {members.map((member) => (
              <li key={member}>
                <Group justify="space-between" wrap="nowrap">
                  <span>
                    <PersonName id={member} name={personIn(useCase, member)} />
                  </span>
                  {useCase.can_share && (
                    <Button
                      size="compact-xs"
                      variant="subtle"
                      aria-label={`Remove ${member}`}
                      disabled={change.isPending}
                      onClick={() => void remove(member).catch(() => undefined)}
                    >
                      Remove
                    </Button>
                  )}
                </Group>
              </li>
            ))}
          </ul>
        )}
        {useCase.can_share && (
          <form onSubmit={(event) => void add(event).catch(() => undefined)}>
            <Group align="flex-start" gap="xs">
              <div style={{ flex: "1 1 200px" }}>
                <PeoplePicker
                  label="New members"
                  placeholder="Type a name or a group"
                  required
                  value={chosen}
                  onChange={setChosen}
                />
              </div>
              {/* Lines that appear below the field must not move the button away from a press that has begun. */}
              <Button type="submit" variant="default" loading={change.isPending} mt={{ base: 0, xs: LABEL_HEIGHT }}>
                Add members
              </Button>
            </Group>
          </form>
        )}
        {change.error && <Failure error={change.error} title="The members were not changed" />}
      </Stack>
      {undoLine}
    </Section>
  );
}

/** A member in words: a name, a group, or everyone. */
function memberWords(useCase: UseCase, member: string): string {
  if (member === "*") return "Everyone";
  return member.startsWith("group:") ? `Group ${member.slice("group:".length)}` : (personIn(useCase, member) ?? member);
}
