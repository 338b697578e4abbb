/** The list of rules, each with its text, its matches and its mode for one use case. */

import { Button, Group, Stack, Switch, Text, TextInput, Title } from "@mantine/core";
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
import { formatCount, plural } from "../../format";
import { capitalised, ruleEffect } from "../../record/words";
import { useMay } from "../../session";
import { ModePreview } from "./ModePreview";
import { CHECKS, groupsOf } from "./groups";
import { type Hits, useHits } from "./hits";
import { useSetMode } from "./mode";
import { Spark } from "./Spark";
import prose from "../../elements/prose.module.css";

type Rule = Schemas["RuleView"];

const MOST_SHOWN = 5;

interface Props {
  readonly useCase: string;
  /** The name of the use case for people. */
  readonly title: string;
  readonly onEdit: (policy: string) => void;
}

const WOULD: Readonly<Record<Rule["does"], string>> = {
  allow: "It would have allowed",
  deny: "It would have refused",
  ask: "It would have asked for approval of",
  duty: "Its duty would have applied to",
};

const SOURCES: Readonly<Record<Rule["source"], string>> = { built_in: "Built in", own: "Your own", file: "From the file" };

export function Rules({ useCase, title, onEdit }: Props) {
  const rules = useQuery(rulesQuery(useCase));
  const hits = useHits();
  const [asked, setAsked] = useState<Rule | null>(null);
  const [undoLine, offerUndo] = useUndo();
  const set = useSetMode(useCase);
  const [search, setSearch] = useState("");
  const [unfolded, setUnfolded] = useState<ReadonlySet<string>>(new Set());
  const { hash } = useLocation();
  const linked = decodeURIComponent(hash.slice(1));
  const groups = groupsOf(rules.data?.rules ?? [], search);
  useEffect(() => {
    // A link to a rule finds it only once the rules are here.
    if (rules.data && hash)
      document.getElementById(linked)?.scrollIntoView({ block: "center" });
  }, [rules.data, hash, linked]);
  const confirm = (rule: Rule): void => {
    const mode = rule.mode === "enforce" ? "observe" : "enforce";
    set.mutate(
      { rule: rule.id, mode },
      {
        onSuccess: () => {
          setAsked(null);
          const words = mode === "enforce" ? "is enforced" : "observes";
          offerUndo(`“${capitalised(rule.reason)}” ${words} for ${title}.`, () => set.mutate({ rule: rule.id, mode: rule.mode }));
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
          <TextInput
            type="search"
            aria-label="Search rules"
            placeholder="Search rules"
            maw={360}
            value={search}
            onChange={(event) => setSearch(event.currentTarget.value)}
          />
          {groups.length === 0 && (
            <Text size="sm" mt="sm" className={prose.quiet}>
              No rule has these words.
            </Text>
          )}
          {groups.map((group) => {
            const isWhole = search !== "" || unfolded.has(group.title) || group.rules.some((rule) => rule.id === linked);
            const shown = isWhole ? group.rules : group.rules.slice(0, MOST_SHOWN);
            return (
              <section key={group.title} aria-label={group.title}>
                <Title order={3} mt="lg" mb="xs">
                  {group.title}
                </Title>
                <ul className={`${prose.plainList} ${prose.divided}`}>
                  {shown.map((rule) => (
                    <RuleItem
                      key={rule.id}
                      rule={rule}
                      useCase={useCase}
                      title={title}
                      hits={rule.pack === CHECKS ? null : (hits?.(rule.id) ?? null)}
                      onAsk={() => {
                        set.reset();
                        setAsked(rule);
                      }}
                      onEdit={onEdit}
                    />
                  ))}
                </ul>
                {shown.length < group.rules.length && (
                  <Button
                    size="compact-sm"
                    variant="default"
                    mt="xs"
                    onClick={() => setUnfolded(new Set([...unfolded, group.title]))}
                  >
                    Show {plural(group.rules.length - shown.length, "more rule")}
                  </Button>
                )}
              </section>
            );
          })}
          <Text size="xs" className={prose.quiet} mt="md">
            Policy version <span className={prose.mono}>{rules.data.version}</span>
          </Text>
        </>
      )}
      <FormDialog
        title={asked ? `${asked.mode === "enforce" ? "Only observe" : "Enforce"} this rule for ${title}?` : ""}
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
  readonly title: string;
  readonly hits: Hits | null;
  readonly onAsk: () => void;
  readonly onEdit: (policy: string) => void;
}

function RuleItem({ rule, useCase, title, hits, onAsk, onEdit }: ItemProps) {
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
            {capitalised(rule.reason)}.
          </Text>
          <Text size="xs" className={prose.quiet} component="div">
            <span className={prose.mono}>{rule.id}</span>
            {hits && <Matches rule={rule} useCase={useCase} hits={hits} />}
            {rule.pack === CHECKS && (
              <>
                {" · "}
                <Link to={`/activity?kind=all&period=7d&rule=${rule.id}`} aria-label={`Refusals by ${rule.id}`}>
                  Refusals
                </Link>
              </>
            )}
          </Text>
        </div>
        <Mode rule={rule} title={title} onAsk={onAsk} />
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
      <Link to={`/activity?use_case=${encodeURIComponent(useCase)}&rule=${rule.id}&roots=false`}>
        {hits.week} {hits.week === "1" ? "match" : "matches"}
        <span className={prose.unseen}> of {rule.id}</span> in 7 days
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

function Mode({ rule, title, onAsk }: { rule: Rule; title: string; onAsk: () => void }) {
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
      aria-label={`Enforce ${rule.id} for ${title}`}
      checked={rule.mode === "enforce"}
      onChange={onAsk}
      styles={{ label: { minWidth: 62 } }}
    />
  );
}
