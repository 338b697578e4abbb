/** One record, from what most people need to what few need: outcome and reason, conversation, decision, timing, proof. */

import { Badge, Group, SimpleGrid, Stack, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link } from "react-router";

import type { RecordDetail, RecordView, Schemas } from "../api/client";
import { recordQuery } from "../api/queries";
import { CopyButton, Json } from "../elements/code";
import { Failure, Folded, PageHead, Rows, Section } from "../elements/page";
import { useActionWords } from "../elements/VerbWords";
import { Counts, EffectState, Labels, Money, Outcome, RecordCost, RuleHits, Time, Would } from "../elements/record";
import { formatCount, formatDuration, formatSize, formatUtc, sentence, shortId } from "../format";
import { Conversation } from "./Conversation";
import { callsOf, countsOf, decisiveOf, needsApproval, numberFact, reasonOf, resourceName } from "./facts";
import { useLiveRecords } from "./live";
import { Proof } from "./Proof";
import { RoutePicture } from "./RoutePicture";
import { Timeline } from "./Timeline";
import { factWords, partWords } from "./words";
import { UseCaseTitle } from "../usecase/titles";
import prose from "../elements/prose.module.css";

/** Facts that the page shows in words of its own. */
const TOLD = new Set([
  "attempts",
  "cache",
  "cache_age_s",
  "cache_stored",
  "cache_why",
  "candidates",
  "cost_micros",
  "currency",
  "deployment",
  "destination",
  "difficulty",
  "difficulty_parts",
  "first_item_us",
  "hedge",
  "hedge_won",
  "hedges",
  "input_tokens",
  "output_tokens",
  "refused_by",
  "preference",
  "preferred",
  "skipped",
  "threshold",
  "usage_is_estimate",
]);

/** A reason that begins with the name of a verb says the same as the short one, in words for programs. */
const VERB_FIRST = /^[a-z_]+\.[a-z_]+ /;

export function RecordDetails({ id }: { id: string }) {
  // Each reading of content leaves a record, so the page reads again only when the record has closed.
  const detail = useQuery({ ...recordQuery(id), staleTime: Infinity, refetchOnWindowFocus: false });
  const action = useActionWords();
  const isOpen = detail.data?.record.outcome === null;
  useLiveRecords(isOpen, (arrived) => arrived.id === id && void detail.refetch());
  return (
    <>
      <PageHead
        title={detail.data ? action(detail.data.record) : "Record"}
        actions={<CopyButton text={`${location.origin}/records/${id}`} what="the link to this record" label="Copy link" />}
      />
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
  const { record, children, parts, conversation } = detail;
  return (
    <Stack gap="md">
      <Summary detail={detail} />
      {(conversation !== null || parts.length > 0) && (
        <Section title="Conversation">
          <Conversation conversation={conversation} parts={parts} />
        </Section>
      )}
      <RoutePicture detail={detail} />
      <Decision record={record} decisive={decisiveOf(record, children)} />
      <Section title={children.length ? "Timing and attempts" : "Timing"}>
        <Timeline record={record} attempts={children} />
      </Section>
      <Folded title={record.leaf_index === null ? "Proof" : `Entry ${formatCount(record.leaf_index)} of the log: verify`}>
        <Proof record={record} parts={parts} />
      </Folded>
      <Folded title="Technical details">
        <Details detail={detail} />
      </Folded>
    </Stack>
  );
}

function Summary({ detail }: { detail: RecordDetail }) {
  const { record, children } = detail;
  const call = callsOf([record, ...children].map((one) => ({ ...one, root: record.id })))[0];
  const masked = call?.masked ?? countsOf(record, "masked");
  const restored = countsOf(record, "restored");
  const reason = reasonOf(record, children);
  const hasFailed = record.outcome !== null && record.outcome !== "done";
  return (
    <Section title="Summary" aside={<Outcome outcome={record.outcome} needsApproval={needsApproval(record)} />}>
      <dl className={prose.facts}>
        {(hasFailed || record.told) && (
          <>
            <dt>{hasFailed ? "Reason" : "Note"}</dt>
            <dd>
              <b>{sentence(record.told || (reason ?? "The record gives no reason"))}</b>
              {record.error === "needs_approval" ? (
                <div className={prose.quiet}>Another person has to approve it. The request is under Approvals.</div>
              ) : (
                hasFailed && record.told && reason && !VERB_FIRST.test(reason) && <div className={prose.quiet}>{sentence(reason)}</div>
              )}
            </dd>
          </>
        )}
        <dt>Who</dt>
        <dd>
          {record.who ? record.who.name : <span className={prose.mono}>{shortId(record.principal)}</span>}
          {record.key && <span className={prose.quiet}> with the key {record.key.name || record.key.id}</span>}
        </dd>
        <dt>Use case</dt>
        <dd>
          <UseCaseTitle id={record.use_case} />
        </dd>
        <dt>When</dt>
        <dd>
          <Time iso={record.opened_at} /> <span className={prose.quiet}>({formatUtc(record.opened_at)})</span>
        </dd>
        <dt>Route</dt>
        <dd>
          {resourceName(record.resource)}
          {call?.deployment && record.verb === "model.invoke" && <> → {call.deployment}</>}
        </dd>
        <dt>Took</dt>
        <dd>{record.outcome === null ? "running" : formatDuration(record.duration_us)}</dd>
        <dt>Cost</dt>
        <dd>{call?.cost ? <Money cost={call.cost} /> : <RecordCost record={record} />}</dd>
        <Tokens records={[record, ...children]} />
        {(masked.size > 0 || restored.size > 0) && (
          <>
            <dt>Masked</dt>
            <dd>
              <Counts counts={masked} />
              {restored.size > 0 && (
                <>
                  ; restored: <Counts counts={restored} />
                </>
              )}
            </dd>
          </>
        )}
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
      </Stack>
    </Section>
  );
}

function Details({ detail: { record, output_labels, parts } }: { detail: RecordDetail }) {
  const more = Object.entries(record.facts).filter(([name]) => !TOLD.has(name) && !/^(masked|restored)\./.test(name));
  return (
    <Stack gap="md">
      <dl className={prose.facts}>
        <dt>Record</dt>
        <dd className={prose.mono}>{record.id}</dd>
        <dt>Verb</dt>
        <dd className={prose.mono}>{record.verb}</dd>
        <dt>Resource</dt>
        <dd className={prose.mono}>{record.resource}</dd>
        <dt>Pseudonym</dt>
        <dd className={prose.mono}>{record.principal}</dd>
        {record.error && (
          <>
            <dt>Error</dt>
            <dd className={prose.mono}>{record.error}</dd>
          </>
        )}
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
      {parts.length > 0 && <Parts parts={parts} />}
    </Stack>
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

/** Parts in the order in which they were made. */
const ORDER = ["sent", "answer", "error"];

function Parts({ parts }: { parts: readonly Schemas["PartView"][] }) {
  return (
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
  );
}
