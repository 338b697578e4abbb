/** One record: summary, decision, attempts, content and proof. */

import { Badge, Group, SimpleGrid, Stack, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link, useParams } from "react-router";

import type { RecordDetail, RecordView, Schemas } from "../../api/client";
import { recordQuery } from "../../api/queries";
import { CopyButton, Json } from "../../elements/code";
import { Icon } from "../../elements/icons";
import { Failure, PageHead, Rows, Section } from "../../elements/page";
import { useActionWords } from "../../elements/VerbWords";
import { Counts, EffectState, Labels, Money, Outcome, RecordCost, RuleHits, Time, Would } from "../../elements/record";
import { formatCount, formatDuration, formatSize, formatUtc, sentence, shortId } from "../../format";
import type { Page } from "../../page";
import {
  callsOf,
  countsOf,
  decisiveOf,
  numberFact,
  reasonOf,
  resourceName,
} from "../../record/facts";
import { factWords, partWords } from "../../record/words";
import { useLiveRecords } from "../../record/live";
import { Proof } from "./Proof";
import { Timeline } from "./Timeline";
import prose from "../../elements/prose.module.css";

export const page: Page = {
  path: "/records/:record",
  title: "Record",
  below: "/activity",
  may: ["record.list", "record.read"],
};

/** Facts that the page shows in words of its own. */
const TOLD = new Set([
  "deployment",
  "cost_micros",
  "currency",
  "input_tokens",
  "output_tokens",
  "first_item_us",
  "reason",
  "refused_by",
  "usage_is_estimate",
]);

export default function Record() {
  const id = useParams().record!;
  // Reading what was sent is itself recorded: it is read again only when the record has closed, not by the clock.
  const detail = useQuery({ ...recordQuery(id), staleTime: Infinity, refetchOnWindowFocus: false });
  const action = useActionWords();
  const isOpen = detail.data?.record.outcome === null;
  useLiveRecords(isOpen, (arrived) => arrived.id === id && void detail.refetch());
  return (
    <>
      <Text size="sm" mb={6}>
        <Link to="/activity" style={{ display: "inline-flex", gap: 5, alignItems: "center" }}>
          <Icon name="back" size={13} />
          Activity
        </Link>
      </Text>
      <PageHead title={detail.data ? action(detail.data.record) : "Record"}>
        <span className={prose.mono}>
          {detail.data && `${detail.data.record.verb} · `}
          {id}
        </span>
      </PageHead>
      {detail.error ? (
        <Failure error={detail.error} title="Headgate could not read the record" />
      ) : detail.data ? (
        <Whole detail={detail.data} />
      ) : (
        <Rows count={10} />
      )}
    </>
  );
}

function Whole({ detail }: { detail: RecordDetail }) {
  const { record, children, parts } = detail;
  return (
    <Stack gap="md">
      <SimpleGrid cols={{ base: 1, md: 2 }} spacing="md">
        <Summary detail={detail} />
        <Decision record={record} decisive={decisiveOf(record, children)} />
      </SimpleGrid>
      <Section title={children.length ? "Timing and attempts" : "Timing"}>
        <Timeline record={record} attempts={children} />
      </Section>
      {parts.length > 0 && <Parts parts={parts} />}
      {parts.length === 0 && children.some((child) => child.verb === "model.dispatch") && (
        <Text size="sm" className={prose.quiet}>
          Each attempt above has its own content. Open an attempt to read it.
        </Text>
      )}
      <Proof record={record} parts={parts} />
    </Stack>
  );
}

function Summary({ detail }: { detail: RecordDetail }) {
  const { record, output_labels, children } = detail;
  const call = callsOf([record, ...children].map((one) => ({ ...one, root: record.id })))[0];
  const masked = call?.masked ?? countsOf(record, "masked");
  const restored = countsOf(record, "restored");
  const more = Object.entries(record.facts).filter(([name]) => !TOLD.has(name) && !/^(masked|restored)\./.test(name));
  return (
    <Section title="Summary" aside={<Outcome outcome={record.outcome} />}>
      <dl className={prose.facts}>
        {record.outcome !== null && record.outcome !== "done" && (
          <>
            <dt>Reason</dt>
            <dd>
              {sentence(reasonOf(record, children) ?? "The record gives no reason")}{" "}
              {record.error && <span className={`${prose.mono} ${prose.quiet}`}>{record.error}</span>}
            </dd>
          </>
        )}
        <dt>Route</dt>
        <dd>
          {record.resource}
          {call?.deployment && record.verb === "model.invoke" && <> → {call.deployment}</>}
        </dd>
        <dt>Started</dt>
        <dd>
          <Time iso={record.opened_at} /> <span className={prose.quiet}>({formatUtc(record.opened_at)})</span>
        </dd>
        <dt>Duration</dt>
        <dd>{record.outcome === null ? "running" : formatDuration(record.duration_us)}</dd>
        <dt>Cost</dt>
        <dd>{call?.cost ? <Money cost={call.cost} /> : <RecordCost record={record} />}</dd>
        <Tokens records={[record, ...children]} />
        <dt>Masked</dt>
        <dd>
          <Counts counts={masked} />
          {restored.size > 0 && (
            <>
              ; restored: <Counts counts={restored} />
            </>
          )}
        </dd>
        <dt>Input labels</dt>
        <dd>
          <Labels text={record.labels} />
        </dd>
        <dt>Output labels</dt>
        <dd>
          <Labels text={output_labels} />
        </dd>
        {more.map(([name, value]) => (
          <Fact key={name} name={name} value={value} />
        ))}
      </dl>
    </Section>
  );
}

function Tokens({ records }: { records: readonly RecordView[] }) {
  const counted = records.find((record) => numberFact(record, "input_tokens") !== null);
  if (!counted) return null;
  return (
    <>
      <dt>Tokens</dt>
      <dd>
        {formatCount(numberFact(counted, "input_tokens"))} input, {formatCount(numberFact(counted, "output_tokens"))} output
        {counted.facts.usage_is_estimate === true && <span className={prose.quiet}> (estimated)</span>}
      </dd>
    </>
  );
}

function Fact({ name, value }: { name: string; value: unknown }) {
  return (
    <>
      <dt>{factWords(name)}</dt>
      <dd>{factText(value)}</dd>
    </>
  );
}

function factText(value: unknown): string {
  if (typeof value === "boolean") return value ? "yes" : "no";
  return typeof value === "number" ? formatCount(value) : String(value);
}

function Decision({ record, decisive }: { record: RecordView; decisive: RecordView }) {
  return (
    <Section
      title="Decision"
      aside={
        <Group gap="xs">
          <EffectState effect={decisive.effect} outcome={decisive.outcome} />
          <Would record={decisive} />
        </Group>
      }
    >
      <Stack gap="sm">
        {decisive.id !== record.id && (
          <Text size="sm">
            This decision is about {resourceName(decisive.resource)}. <Link to={`/records/${decisive.id}`}>View that attempt</Link>
          </Text>
        )}
        <RuleHits rules={decisive.rules} />
        <dl className={prose.facts}>
          <dt>Use case</dt>
          <dd>{record.use_case}</dd>
          <dt>Principal</dt>
          <dd className={prose.mono}>{record.principal}</dd>
          <dt>Policy version</dt>
          <dd className={prose.mono}>{record.policy_version || "–"}</dd>
          {record.parent && (
            <>
              <dt>Part of</dt>
              <dd>
                <Link to={`/records/${record.parent}`}>{shortId(record.parent)}</Link>
              </dd>
            </>
          )}
        </dl>
      </Stack>
    </Section>
  );
}

/** Parts in the order in which they were made. */
const ORDER = ["sent", "answer", "error"];

function Parts({ parts }: { parts: readonly Schemas["PartView"][] }) {
  return (
    <Section title="Content">
      <SimpleGrid cols={{ base: 1, lg: parts.length > 1 ? 2 : 1 }} spacing="md">
        {parts
          .toSorted((left, right) => ORDER.indexOf(left.name) - ORDER.indexOf(right.name))
          .map((part) => (
            <Stack key={part.name} gap={6} miw={0}>
              {part.text === null ? (
                <Text size="sm">
                  <b>{partWords(part.name)}</b>{" "}
                  {part.withheld !== null ? (
                    <span className={prose.quiet}>is withheld from you: {part.withheld}</span>
                  ) : part.erased ? (
                    <Badge>erased</Badge>
                  ) : (
                    <span className={prose.quiet}>not text, {formatSize(part.size_bytes)}</span>
                  )}
                </Text>
              ) : (
                <Json text={part.text} what={partWords(part.name).toLowerCase()}>
                  <b>{partWords(part.name)}</b> {formatSize(part.size_bytes)}
                </Json>
              )}
              <Group gap="xs" fz="xs" className={prose.quiet} wrap="nowrap">
                <span style={{ overflowWrap: "anywhere" }}>
                  Digest <span className={prose.mono}>{part.digest}</span>
                </span>
                <CopyButton text={part.digest} what={`the digest of ${part.name}`} />
              </Group>
            </Stack>
          ))}
      </SimpleGrid>
    </Section>
  );
}
