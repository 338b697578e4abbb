/** The list of rules, each with its text, its matches and its mode for one use case. */

import { Button, Group, Stack, Switch, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { Link, useLocation } from "react-router";

import type { Schemas } from "../../api/client";
import { rulesQuery } from "../../api/queries";
import { Lines } from "../../elements/code";
import { FormDialog } from "../../elements/dialog";
import { Failure, Rows, Section } from "../../elements/page";
import { State } from "../../elements/record";
import { useUndo } from "../../elements/undo";
import { formatCount } from "../../format";
import { ruleEffect } from "../../record/words";
import { useMay } from "../../session";
import { ModePreview } from "./ModePreview";
import { type Hits, useHits } from "./hits";
import { useSetMode } from "./mode";
import { Spark } from "./Spark";
import prose from "../../elements/prose.module.css";

type Rule = Schemas["RuleView"];

interface Props {
  readonly useCase: string;
  readonly onEdit: (policy: string) => void;
}

const WOULD: Readonly<Record<Rule["does"], string>> = {
  allow: "It would have allowed",
  deny: "It would have refused",
  ask: "It would have asked for approval of",
  duty: "Its duty would have applied to",
};

const SOURCES: Readonly<Record<Rule["source"], string>> = { built_in: "Built in", own: "Your own", file: "From the file" };

export function Rules({ useCase, onEdit }: Props) {
  const rules = useQuery(rulesQuery(useCase));
  const hits = useHits();
  const [asked, setAsked] = useState<Rule | null>(null);
  const [undoLine, offerUndo] = useUndo();
  const set = useSetMode(useCase);
  const { hash } = useLocation();
  useEffect(() => {
    // A link to a rule finds it only once the rules are here.
    if (rules.data && hash)
      document.getElementById(decodeURIComponent(hash.slice(1)))?.scrollIntoView({ block: "center" });
  }, [rules.data, hash]);
  const confirm = (rule: Rule): void => {
    const mode = rule.mode === "enforce" ? "observe" : "enforce";
    set.mutate(
      { rule: rule.id, mode },
      {
        onSuccess: () => {
          setAsked(null);
          const words = mode === "enforce" ? "is enforced" : "observes";
          offerUndo(`${rule.id} ${words} for ${useCase}.`, () => set.mutate({ rule: rule.id, mode: rule.mode }));
        },
      },
    );
  };
  return (
    <Section title="All rules">
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
              <RuleItem
                key={rule.id}
                rule={rule}
                useCase={useCase}
                hits={hits?.(rule.id) ?? null}
                onAsk={() => {
                  set.reset();
                  setAsked(rule);
                }}
                onEdit={onEdit}
              />
            ))}
          </ul>
        </>
      )}
      <FormDialog
        title={asked ? `${asked.mode === "enforce" ? "Observe" : "Enforce"} ${asked.id} for ${useCase}?` : ""}
        isOpen={asked !== null}
        onClose={() => setAsked(null)}
      >
        {asked && (
          <ModePreview
            rule={asked}
            useCase={useCase}
            isSaving={set.isPending}
            error={set.error}
            onConfirm={() => confirm(asked)}
            onCancel={() => setAsked(null)}
          />
        )}
      </FormDialog>
      {undoLine}
    </Section>
  );
}

interface ItemProps {
  readonly rule: Rule;
  readonly useCase: string;
  readonly hits: Hits | null;
  readonly onAsk: () => void;
  readonly onEdit: (policy: string) => void;
}

function RuleItem({ rule, useCase, hits, onAsk, onEdit }: ItemProps) {
  const may = useMay();
  return (
    <li id={rule.id} style={{ scrollMarginTop: 80 }}>
      <Group justify="space-between" gap="sm" align="flex-start">
        <div style={{ minWidth: 0, flex: "1 1 260px" }}>
          <Group gap="xs">
            <State {...ruleEffect(rule.does)}>{rule.effect}</State>
            <span className={prose.quiet}>{SOURCES[rule.source]}</span>
          </Group>
          <Text size="sm" fw={500}>
            {capital(rule.reason)}.
          </Text>
          <Text size="xs" className={prose.quiet} component="div">
            <span className={prose.mono}>{rule.id}</span>
            {hits && <Matches rule={rule} useCase={useCase} hits={hits} />}
          </Text>
        </div>
        <Mode rule={rule} useCase={useCase} onAsk={onAsk} />
      </Group>
      <details style={{ marginTop: 4 }}>
        <summary className={prose.quiet} style={{ cursor: "pointer", fontSize: "0.75rem", width: "fit-content" }}>
          Rule text
        </summary>
        <Stack mt={6} align="flex-start">
          <Lines what={`Rule text of ${rule.id}`} isWrapped>
            {rule.text.trim()}
          </Lines>
          {rule.source === "own" && rule.policy && may("config.apply") && (
            <Button size="compact-sm" variant="default" onClick={() => onEdit(rule.policy!)}>
              Change rule
            </Button>
          )}
        </Stack>
      </details>
    </li>
  );
}

function Matches({ rule, useCase, hits }: { rule: Rule; useCase: string; hits: Hits }) {
  return (
    <>
      {" · "}
      <Link
        to={`/activity?use_case=${encodeURIComponent(useCase)}&rule=${rule.id}&roots=false`}
        aria-label={`Matches of ${rule.id}`}
      >
        {hits.week} matches in 7 days
      </Link>
      , {hits.month} in 30 days, in all use cases <Spark days={hits.days} />
      {hits.observedInWeek !== null && hits.observedInWeek > 0 && (
        <div>
          {WOULD[rule.does]} {formatCount(hits.observedInWeek)} of the last 7 days, had it been enforced.
        </div>
      )}
    </>
  );
}

function Mode({ rule, useCase, onAsk }: { rule: Rule; useCase: string; onAsk: () => void }) {
  const may = useMay();
  if (rule.is_always)
    return (
      <Text size="xs" className={prose.quiet} title="Rules that protect Headgate itself are always enforced.">
        Always enforced
      </Text>
    );
  const words = rule.mode === "enforce" ? "Enforced" : "Observes";
  if (!may("rule.set_mode")) return <Text size="xs">{words}</Text>;
  return (
    <Switch
      size="sm"
      label={words}
      aria-label={`Enforce ${rule.id} for ${useCase}`}
      checked={rule.mode === "enforce"}
      onChange={onAsk}
      styles={{ label: { minWidth: 62 } }}
    />
  );
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
