/** The rules, each with its text and its mode for one use case. */

import { Badge, Group, NativeSelect, Stack, Switch, Text } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect } from "react";
import { Link, useLocation } from "react-router";

import { type Schemas, api, take } from "../../api/client";
import { rulesQuery, useCasesQuery } from "../../api/queries";
import { Lines } from "../../elements/code";
import { Failure, Rows, Section } from "../../elements/page";
import { State } from "../../elements/record";
import { ruleEffect } from "../../record/words";
import { useMay } from "../../session";
import prose from "../../elements/prose.module.css";

type Rule = Schemas["RuleView"];

interface Props {
  readonly useCases: readonly Schemas["UseCaseView"][];
  readonly chosen: string | null;
  readonly onChoose: (useCase: string) => void;
}

export function Rules({ useCases, chosen, onChoose }: Props) {
  const useCase =
    chosen ??
    (useCases.find((one) => !one.is_built_in) ?? useCases.find((one) => one.id === "getting-started") ?? useCases[0])
      ?.id ??
    null;
  const rules = useQuery(rulesQuery(useCase));
  const { hash } = useLocation();
  useEffect(() => {
    // A link to a rule finds it only once the rules are here.
    if (rules.data && hash)
      document.getElementById(decodeURIComponent(hash.slice(1)))?.scrollIntoView({ block: "center" });
  }, [rules.data, hash]);
  return (
    <Section
      title="Rules"
      aside={
        useCase && (
          <NativeSelect
            aria-label="Show modes for the use case"
            size="xs"
            data={useCases.map((one) => one.id)}
            value={useCase}
            onChange={(event) => onChoose(event.currentTarget.value)}
          />
        )
      }
    >
      {rules.error ? (
        <Failure error={rules.error} />
      ) : !rules.data ? (
        <Rows />
      ) : (
        <>
          <Text size="xs" className={prose.quiet} mb="sm">
            Policy version <span className={prose.mono}>{rules.data.version}</span>
          </Text>
          <ul className={`${prose.plainList} ${prose.divided}`}>
            {rules.data.rules.map((rule) => (
              <RuleItem key={rule.id} rule={rule} useCase={useCase} />
            ))}
          </ul>
        </>
      )}
    </Section>
  );
}

function RuleItem({ rule, useCase }: { rule: Rule; useCase: string | null }) {
  const client = useQueryClient();
  const set = useMutation({
    mutationFn: (mode: Rule["mode"]) =>
      take(
        api.PUT("/api/use-cases/{use_case}/rules/{rule}", {
          params: { path: { use_case: useCase!, rule: rule.id } },
          body: { mode },
        }),
      ),
    onSuccess: (list) => {
      client.setQueryData(rulesQuery(useCase).queryKey, list);
      void client.invalidateQueries({ queryKey: useCasesQuery.queryKey });
    },
  });
  const may = useMay();
  const { tone, icon, text } = ruleEffect(rule.does);
  const isFixed = rule.text.includes('@mode("always")');
  return (
    <li id={rule.id} style={{ scrollMarginTop: 80 }}>
      <Group justify="space-between" gap="sm" align="flex-start">
        <div style={{ minWidth: 0, flex: "1 1 260px" }}>
          <Group gap="xs">
            <b>{rule.id}</b>
            <State tone={tone} icon={icon}>
              {text}
            </State>
            <Badge>{rule.pack}</Badge>
          </Group>
          <Text size="sm" className={prose.quiet}>
            {rule.reason}
          </Text>
        </div>
        {isFixed ? (
          <Text
            size="xs"
            className={prose.quiet}
            title="Rules that protect Headgate itself are always enforced."
          >
            Always enforced
          </Text>
        ) : (
          <Group gap="sm">
            {useCase && may("record.list") && (
              <Text size="xs">
                <Link
                  to={`/activity?use_case=${useCase}&rule=${rule.id}&roots=false`}
                  aria-label={`Matches of ${rule.id}`}
                >
                  Show matches
                </Link>
              </Text>
            )}
            {useCase && may("rule.set_mode") ? (
              <Switch
                size="sm"
                label={rule.mode === "enforce" ? "Enforced" : "Observes"}
                aria-label={`Enforce ${rule.id} for ${useCase}`}
                checked={rule.mode === "enforce"}
                disabled={set.isPending}
                onChange={(event) => set.mutate(event.currentTarget.checked ? "enforce" : "observe")}
                styles={{ label: { minWidth: 62 } }}
              />
            ) : (
              <Text size="xs">{rule.mode === "enforce" ? "Enforced" : "Observes"}</Text>
            )}
          </Group>
        )}
      </Group>
      {set.error && <Failure error={set.error} title="The mode was not changed" />}
      <details style={{ marginTop: 4 }}>
        <summary className={prose.quiet} style={{ cursor: "pointer", fontSize: "0.75rem", width: "fit-content" }}>
          Rule text
        </summary>
        <Stack mt={6}>
          <Lines what={`Rule text of ${rule.id}`} isWrapped>
            {rule.text.trim()}
          </Lines>
        </Stack>
      </details>
    </li>
  );
}
