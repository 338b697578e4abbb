/** The last changes of modes in one use case, each of which can be taken back. */

import { Button, Group, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link } from "react-router";

import { modeChangesQuery, rulesQuery } from "../../api/queries";
import { Failure, RuleName, Section } from "../../elements/page";
import { Time } from "../../elements/record";
import { capitalised } from "../../record/words";
import { useMay } from "../../session";
import { type Mode, useSetMode } from "./mode";
import prose from "../../elements/prose.module.css";

export function Changes({ useCase }: { useCase: string }) {
  const changes = useQuery(modeChangesQuery(useCase));
  const rules = useQuery(rulesQuery(useCase));
  const set = useSetMode(useCase);
  const may = useMay();
  if (!changes.data?.length) return null;
  const modeOf = (rule: string): Mode | undefined => rules.data?.rules.find((one) => one.id === rule)?.mode;
  const reasonOf = (rule: string): string => {
    const known = rules.data?.rules.find((one) => one.id === rule);
    return known ? `“${capitalised(known.reason)}”` : "";
  };
  return (
    <Section title="Changes of modes">
      {set.error && <Failure error={set.error} title="The mode was not changed" />}
      <ul className={`${prose.plainList} ${prose.divided}`} aria-label="Changes of modes">
        {changes.data.map((record) => {
          const rule = String(record.facts["rule"] ?? "");
          const mode = record.facts["mode"] === "observe" ? "observe" : "enforce";
          const before = mode === "observe" ? "enforce" : "observe";
          return (
            <li key={record.id}>
              <Group justify="space-between" gap="sm">
                <Text size="sm">
                  {reasonOf(rule)} <RuleName id={rule} /> {mode === "enforce" ? "was enforced" : "was set to observe"}{" "}
                  <span className={prose.quiet}>
                    <Time iso={record.opened_at} /> · <Link to={`/records/${record.id}`}>record</Link>
                  </span>
                </Text>
                {may("rule.set_mode") && modeOf(rule) === mode && (
                  <Button
                    size="compact-xs"
                    variant="default"
                    aria-label={`Set ${rule} back to ${before}`}
                    loading={set.isPending && set.variables?.rule === rule}
                    onClick={() => set.mutate({ rule, mode: before })}
                  >
                    Take back
                  </Button>
                )}
              </Group>
            </li>
          );
        })}
      </ul>
    </Section>
  );
}
