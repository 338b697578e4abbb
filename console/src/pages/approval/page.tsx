/** One request: what would be done, to which destination, with which content, by which rule; and the decision. */

import { Button, Group, SimpleGrid, Stack, Text, Textarea } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import type { FormEvent } from "react";
import { Link, useParams } from "react-router";

import { type Schemas, api, take } from "../../api/client";
import { approvalQuery, shownApprovalQuery } from "../../api/queries";
import { useDraft } from "../../draft";
import { RecordLink } from "../../elements/RecordLink";
import { VerbWords } from "../../elements/VerbWords";
import { CopyButton, Json } from "../../elements/code";
import { Icon } from "../../elements/icons";
import { Failure, Folded, PageHead, RuleName, Rows, Section } from "../../elements/page";
import { Labels, Time } from "../../elements/record";
import { formatSize } from "../../format";
import { capitalised, partWords } from "../../record/words";
import { ApprovalState } from "../../elements/ApprovalState";
import { excerptOf } from "../../record/excerpt";
import type { Page } from "../../page";
import prose from "../../elements/prose.module.css";

export const page: Page = {
  path: "/approvals/:approval",
  title: "Request",
  below: "/approvals",
  may: "everyone",
};

type Detail = Schemas["ApprovalDetail"];
type View = Schemas["ApprovalView"];

export default function Approval() {
  const id = useParams().approval!;
  const detail = useQuery(shownApprovalQuery(id));
  return (
    <>
      <Text size="sm" mb={6}>
        <Link to="/approvals" style={{ display: "inline-flex", gap: 5, alignItems: "center" }}>
          <Icon name="back" size={13} />
          Approvals
        </Link>
      </Text>
      <PageHead title={detail.data ? detail.data.approval.title : "Request"} />
      {detail.error ? (
        <Failure error={detail.error} title="Headgate could not read the request" />
      ) : detail.data ? (
        <Stack gap="md">
          <SimpleGrid cols={{ base: 1, md: 2 }} spacing="md">
            <Content detail={detail.data} onLook={() => void detail.refetch()} />
            <Decision approval={detail.data.approval} />
          </SimpleGrid>
          <Asked approval={detail.data.approval} />
          <Everything parts={detail.data.parts} />
          <Technical approval={detail.data.approval} />
        </Stack>
      ) : (
        <Rows count={8} />
      )}
    </>
  );
}

function Asked({ approval }: { approval: View }) {
  return (
    <Section title="Request">
      <dl className={prose.facts}>
        <dt>Requested by</dt>
        <dd>
          {approval.requester}
          {approval.on_behalf_of.length > 0 && <> on behalf of {approval.on_behalf_of.join(", ")}</>}
          {approval.makers.length > 0 && (
            <span className={prose.quiet}>, with a key made by {approval.makers.join(" and ")}</span>
          )}
        </dd>
        <dt>Use case</dt>
        <dd>{approval.use_case_title}</dd>
        <dt>Needed because</dt>
        <dd>
          {approval.rules.map((rule) => (
            <div key={rule.id}>
              {capitalised(rule.reason)}{" "}
              <span className={prose.quiet}>
                (<RuleName id={rule.id} />)
              </span>
            </div>
          ))}
        </dd>
        <dt>Requested</dt>
        <dd>
          <Time iso={approval.requested_at} />
          {approval.state === "waiting" && (
            <span className={prose.quiet}>
              , expires <Time iso={approval.expires_at} />
            </span>
          )}
        </dd>
        <dt>Labels</dt>
        <dd>
          <Labels text={approval.labels} />
        </dd>
      </dl>
    </Section>
  );
}

/** The ids, the destination's address and other facts of the trade. */
function Technical({ approval }: { approval: View }) {
  return (
    <Folded title="Technical details">
      <dl className={prose.facts}>
        <dt>Action</dt>
        <dd>
          <VerbWords name={approval.verb} />
        </dd>
        <dt>Destination</dt>
        <dd>{approval.resource}</dd>
        {Object.entries(approval.details)
          .filter(([, value]) => value !== "")
          .map(([name, value]) => (
            <Detailed key={name} name={name} value={value} />
          ))}
        <dt>Request</dt>
        <dd className={prose.mono}>{approval.id}</dd>
        {approval.record && (
          <>
            <dt>Record</dt>
            <dd>
              <RecordLink id={approval.record} text={approval.record} />
            </dd>
          </>
        )}
      </dl>
    </Folded>
  );
}

function Detailed({ name, value }: { name: string; value: string }) {
  return (
    <>
      <dt>{name.charAt(0).toUpperCase() + name.slice(1).replaceAll("_", " ")}</dt>
      <dd className={prose.mono}>{value}</dd>
    </>
  );
}

const WITHOUT: Record<Exclude<Detail["content"], "shown">, string> = {
  withheld: "You cannot see this content: the request is yours, or your clearance does not cover it.",
  absent: "There is no content, or its record has not arrived yet. Load it again in a moment.",
};

function Content({ detail, onLook }: { detail: Detail; onLook: () => void }) {
  return (
    <Section title="Content to send">
      {detail.content === "shown" ? (
        <Stack gap="md">
          <Excerpt parts={detail.parts} />
          <Text size="xs" className={prose.quiet}>
            As it would leave, after masking. Headgate recorded that you saw it.
          </Text>
        </Stack>
      ) : (
        <Group gap="sm">
          <Text size="sm" className={prose.quiet}>
            {WITHOUT[detail.content]}
          </Text>
          {detail.content === "absent" && (
            <Button size="compact-sm" variant="default" onClick={onLook}>
              Load content
            </Button>
          )}
        </Group>
      )}
    </Section>
  );
}

/** All that would be sent, part by part. */
function Everything({ parts }: { parts: Detail["parts"] }) {
  if (!parts.length) return null;
  return (
    <Folded title="Everything that would be sent">
      <Stack gap="md">
        {parts.map((part) =>
          part.text === null ? (
            <Text key={part.name} size="sm">
              <b>{partWords(part.name)}</b>{" "}
              <span className={prose.quiet}>
                {part.erased ? "was erased" : `is not text, ${formatSize(part.size_bytes)}`}
              </span>
            </Text>
          ) : (
            <Json key={part.name} text={part.text} what={partWords(part.name).toLowerCase()}>
              {partWords(part.name)} after masking, {formatSize(part.size_bytes)}
            </Json>
          ),
        )}
      </Stack>
    </Folded>
  );
}

/** The newest words of the person who asked, for a first look; the parts below hold everything. */
function Excerpt({ parts }: { parts: Detail["parts"] }) {
  const text = parts.map((part) => excerptOf(part.text)).find((found) => found !== null);
  return (
    <blockquote
      aria-label="Excerpt"
      style={{ margin: 0, paddingLeft: 12, borderLeft: "3px solid var(--hg-line)", overflowWrap: "anywhere" }}
    >
      {text ?? "This request has no text of a person. All of it is below."}
    </blockquote>
  );
}

function Decision({ approval }: { approval: View }) {
  return (
    <Section title="Decision" aside={<ApprovalState approval={approval} />}>
      {approval.can_decide ? (
        <Decide approval={approval} />
      ) : approval.decided_at ? (
        <Stack gap="sm">
          <dl className={prose.facts}>
            <dt>{approval.state === "refused" ? "Refused by" : "Approved by"}</dt>
            <dd>
              {approval.approver_name}, <Time iso={approval.decided_at} />
            </dd>
            <dt>Reason</dt>
            <dd>{approval.reason || <span className={prose.quiet}>none given</span>}</dd>
            {approval.used_at && (
              <>
                <dt>Used</dt>
                <dd>
                  <Time iso={approval.used_at} />
                </dd>
              </>
            )}
          </dl>
          {approval.state === "approved" && <Next approval={approval} />}
        </Stack>
      ) : (
        <Text size="sm" className={prose.quiet}>
          {approval.state === "expired"
            ? "The request expired before a decision. Send the request again to ask again."
            : "Another person decides: an approver, compliance officer or administrator who neither made this request nor the key behind it."}
        </Text>
      )}
    </Section>
  );
}

/** How to use an approval. */
function Next({ approval }: { approval: View }) {
  const header = `x-headgate-grant: ${approval.id}`;
  return (
    <Group gap="xs">
      <Text size="sm">
        Send the same request once before <Time iso={approval.expires_at} />, with the header{" "}
        <span className={prose.mono}>{header}</span>
      </Text>
      <CopyButton text={header} what="the header" />
    </Group>
  );
}

function Decide({ approval }: { approval: View }) {
  const client = useQueryClient();
  const [reason, setReason, forget] = useDraft(`approval:${approval.id}`, "");
  const decide = useMutation({
    mutationFn: (what: "approve" | "refuse") =>
      take(
        api.POST(`/api/approvals/{approval}/${what}`, {
          params: { path: { approval: approval.id } },
          body: { reason: reason.trim() },
        }),
      ),
    onSuccess: (decided) => {
      forget();
      // What was shown stays; reading it again would be another look at the content.
      client.setQueryData(approvalQuery(approval.id).queryKey, (before) => before && { ...before, approval: decided });
      void client.invalidateQueries({ queryKey: ["approvals"] });
    },
  });
  const submit = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault();
    const { submitter } = event.nativeEvent as SubmitEvent;
    decide.mutate(submitter?.getAttribute("value") === "refuse" ? "refuse" : "approve");
  };
  return (
    <form onSubmit={submit}>
      <Stack gap="sm">
        <Textarea
          label="Reason"
          description="The requester and auditors see it."
          required
          maxLength={1000}
          autosize
          minRows={2}
          value={reason}
          onChange={(event) => setReason(event.currentTarget.value)}
        />
        {decide.error && <Failure error={decide.error} title="The decision was not saved" />}
        <Group justify="flex-end" gap="xs">
          <Button
            type="submit"
            value="refuse"
            variant="default"
            loading={decide.isPending && decide.variables === "refuse"}
            disabled={decide.isPending}
          >
            Refuse request
          </Button>
          <Button
            type="submit"
            value="approve"
            loading={decide.isPending && decide.variables === "approve"}
            disabled={decide.isPending}
          >
            Approve once
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
