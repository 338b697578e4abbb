/** The proof of a record, checked in the browser, and a copy to tamper with. */

import { Button, Group, SimpleGrid, Stack, Text, TextInput } from "@mantine/core";
import { queryOptions, useQuery } from "@tanstack/react-query";
import { useEffect, useState } from "react";

import { ApiError, type RecordView, type Schemas, api, take } from "../api/client";
import { proofQuery } from "../api/queries";
import { CopyButton, Lines } from "../elements/code";
import { Failure, Folded, Rows, Section } from "../elements/page";
import { State } from "../elements/record";
import { fromBase64, toText } from "../proof/bytes";
import { type Bundle, type Report, type Step, checkBundle, isBundle, tamper, verdictOf } from "../proof/check";
import { formatTime } from "../format";
import { download } from "../usage/csv";
import { MerklePath } from "./MerklePath";
import marks from "../elements/marks.module.css";
import prose from "../elements/prose.module.css";

const PENDING_REFRESH_MS = 2000;
const TONES = { good: "good", bad: "bad", open: "warn" } as const;
const ICONS = { good: "good", bad: "bad", open: "warn" } as const;
const VERDICTS = { good: "Verified", bad: "Does not verify", open: "Consistent; no key of your own yet" } as const;

export function Proof({ record, parts }: { record: RecordView; parts: readonly Schemas["PartView"][] }) {
  // A record is proved once it is closed and the log has taken it up, a moment later.
  const isClosed = record.outcome !== null;
  const proof = useQuery({
    ...proofQuery(record.id),
    enabled: isClosed,
    refetchInterval: (query) => (isPending(query.state.error) ? PENDING_REFRESH_MS : false),
  });
  const isWaiting = !isClosed || isPending(proof.error);
  return (
    <Section title="Proof">
      {isWaiting ? (
        <Text size="sm" role="status">
          The log adds the record a moment after it closes. The proof then appears here.
        </Text>
      ) : proof.error ? (
        <Failure error={proof.error} title="Headgate could not read the proof" />
      ) : proof.isPending ? (
        <Rows count={5} />
      ) : isBundle(proof.data) ? (
        <Checked bundle={proof.data} record={record} parts={parts} />
      ) : (
        <Failure error={new Error("The answer is not a proof bundle of version 1. Reload the page after an upgrade.")} />
      )}
    </Section>
  );
}

function isPending(error: Error | null): boolean {
  return error instanceof ApiError && (error.status === 404 || error.status === 409 || error.status === 503);
}

interface Copy {
  readonly bundle: Bundle;
  readonly at: number | null;
}

function Checked({
  bundle,
  record,
  parts,
}: {
  bundle: Bundle;
  record: RecordView;
  parts: readonly Schemas["PartView"][];
}) {
  const serverKey = useQuery(serverKeyQuery);
  const report = useReport(bundle, record, parts, serverKey.data ?? "");
  if (!report || serverKey.isPending) return <Rows count={2} />;
  const failed = report.steps.find((step) => step.state === "bad");
  const text = JSON.stringify(bundle, null, 2);
  return (
    <Stack gap="md">
      <Group justify="space-between" gap="sm">
        <div role="status" aria-label="Result">
          {failed ? (
            <State tone="bad" icon="bad">{`This record does not match the log: ${failed.title}.`}</State>
          ) : (
            <State tone="good" icon="good">
              {`This record is in the log, unchanged since ${formatTime(record.closed_at ?? record.opened_at, new Date())}. Checked in your browser.`}
            </State>
          )}
        </div>
        <Button size="xs" variant="default" onClick={() => download(text, `headgate-proof-${record.id}.json`, "application/json")}>
          Download proof
        </Button>
      </Group>
      <Folded title="Check it independently of this server">
        <Independent bundle={bundle} record={record} parts={parts} />
      </Folded>
    </Stack>
  );
}

/** The key of the log as this server publishes it; empty where the reader may not ask for it. */
const serverKeyQuery = queryOptions({
  queryKey: ["log-key"],
  queryFn: async () => (await take(api.GET("/api/ledger")).catch(() => null))?.vkey ?? "",
  staleTime: Infinity,
});

/** The check with a key that the reader brings, step by step, and a copy to tamper with. */
function Independent({
  bundle,
  record,
  parts,
}: {
  bundle: Bundle;
  record: RecordView;
  parts: readonly Schemas["PartView"][];
}) {
  const [copy, setCopy] = useState<Copy>({ bundle, at: null });
  const [trusted, setTrusted] = useState("");
  const original = useReport(bundle, record, parts, trusted);
  const report = useReport(copy.bundle, record, parts, trusted);
  if (!report || !original) return <Rows count={5} />;
  const change = (): void => {
    const changed = tamper(bundle, copy.at === null ? startOf(bundle) : copy.at + 1);
    setCopy(changed);
  };
  return (
    <Stack gap="md">
      <Text size="sm" className={prose.quiet} maw="72ch">
        This server could show a log and a key that belong together. Ask your operator once for the log's verifier key, and
        keep it. On Headgate's machine it is the file ledger/TENANT.vkey in the data folder.
      </Text>
      <Group justify="space-between" gap="sm">
        <Verdict report={report} isTampered={copy.at !== null} />
        <Group gap="xs">
          <Button size="xs" variant="default" onClick={change}>
            {copy.at === null ? "Tamper with a copy" : "Tamper with another character"}
          </Button>
          <Button size="xs" variant="default" disabled={copy.at === null} onClick={() => setCopy({ bundle, at: null })}>
            Restore copy
          </Button>
          <CopyButton text={JSON.stringify(bundle, null, 2)} what="the proof bundle" />
        </Group>
      </Group>
      <SimpleGrid cols={{ base: 1, md: 2 }} spacing="xl">
        <Stack gap="md" miw={0}>
          <Steps steps={report.steps} />
          <TextInput
            label="The log's verifier key"
            description="Paste the key from your operator."
            placeholder="name+id+key"
            classNames={{ input: prose.mono }}
            value={trusted}
            onChange={(event) => setTrusted(event.currentTarget.value)}
          />
        </Stack>
        <div style={{ minWidth: 0 }}>
          {report.fold && report.checkpoint && (
            <MerklePath
              fold={report.fold}
              original={original.fold}
              root={report.checkpoint.root}
              index={copy.bundle.leaf_index}
              size={report.checkpoint.size}
            />
          )}
        </div>
      </SimpleGrid>
      {report.entry && <Entry entry={report.entry} at={copy.at} />}
      <Text size="xs" className={prose.quiet}>
        Your browser checked this proof. It shows that the log held this entry when the log signed. It does not show
        that the entry is true, nor, without witnesses, that everyone sees the same log. To check the proof on your own
        machine, run{" "}
        <span className={prose.mono}>headgate ledger check-proof FILE --key KEY</span>
      </Text>
    </Stack>
  );
}

function useReport(
  bundle: Bundle,
  record: RecordView,
  parts: readonly Schemas["PartView"][],
  trusted: string,
): Report | null {
  const [report, setReport] = useState<Report | null>(null);
  useEffect(() => {
    let isCurrent = true;
    void checkBundle(bundle, { id: record.id, parts }, trusted).then((checked) => isCurrent && setReport(checked));
    return () => {
      isCurrent = false;
    };
  }, [bundle, record.id, parts, trusted]);
  return report;
}

/** Where tampering begins: at the decision, which is what a forger would want to change. */
function startOf(bundle: Bundle): number {
  const text = toText(fromBase64(bundle.entry) ?? new Uint8Array()) ?? "";
  const found = /"(?:effect|outcome)":\s*"/.exec(text);
  return found ? new TextEncoder().encode(text.slice(0, found.index + found[0].length)).length : 0;
}

function Verdict({ report, isTampered }: { report: Report; isTampered: boolean }) {
  const verdict = verdictOf(report);
  const failed = report.steps.find((step) => step.state === "bad");
  return (
    <div role="status">
      <Text component="div" fw={600} size="md">
        <State tone={TONES[verdict]} icon={verdict === "open" ? "good" : ICONS[verdict]}>
          {VERDICTS[verdict]}
        </State>
      </Text>
      <Text size="sm" className={prose.quiet}>
        {isTampered && "You changed one character of a copy. "}
        {failed
          ? `This check fails: ${failed.title}.`
          : verdict === "open"
            ? "Every check passed that needs no key of yours."
            : "Every check passed with the key that you pasted."}
      </Text>
    </div>
  );
}

function Steps({ steps }: { steps: readonly Step[] }) {
  return (
    <ol className={`${prose.plainList} ${prose.divided}`} aria-label="Checks">
      {steps.map((step) => (
        <li key={step.id} data-step={step.id} data-state={step.state}>
          <State tone={TONES[step.state]} icon={ICONS[step.state]}>
            {step.title}
          </State>
          <div className={prose.quiet} style={{ paddingLeft: 21, overflowWrap: "anywhere" }}>
            <span className={prose.unseen}>
              {step.state === "good" ? "Passed. " : step.state === "bad" ? "Failed. " : "Not checked. "}
            </span>
            {step.says}
          </div>
        </li>
      ))}
    </ol>
  );
}

function Entry({ entry, at }: { entry: Uint8Array; at: number | null }) {
  const [before, changed, after] =
    at === null
      ? [entry, new Uint8Array(), new Uint8Array()]
      : [entry.slice(0, at), entry.slice(at, at + 1), entry.slice(at + 1)];
  return (
    <div>
      <Text size="xs" className={prose.quiet} mb={4}>
        The log entry, {entry.length} bytes. It holds digests of the record's parts, never their text.
      </Text>
      <Lines what="Log entry" isWrapped maxHeight={180}>
        {toText(before) ?? "(not text)"}
        {at !== null && <Changed>{toText(changed) ?? "?"}</Changed>}
        {toText(after) ?? ""}
      </Lines>
    </div>
  );
}

function Changed({ children }: { children: string }) {
  return (
    <mark className={marks.find} data-category="secret">
      {children}
      <small>changed</small>
    </mark>
  );
}
