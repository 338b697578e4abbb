/** One request: what would be done, to which destination, with which content, by which rule; and the decision. */

import { Button, Group, SimpleGrid, Stack, Text, Textarea } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import type { FormEvent } from "react";
import { Link, useParams } from "react-router";

import { type Schemas, api, take } from "../../api/client";
import { approvalQuery } from "../../api/queries";
import { useDraft } from "../../draft";
import { RecordLink } from "../../elements/RecordLink";
import { VerbWords } from "../../elements/VerbWords";
import { CopyButton, Json } from "../../elements/code";
import { Icon } from "../../elements/icons";
import { Failure, PageHead, RuleName, Rows, Section } from "../../elements/page";
import { Labels, Time } from "../../elements/record";
import { formatSize } from "../../format";
import { ApprovalState } from "../../elements/ApprovalState";
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
  // A look at the content is itself recorded: it is not taken again by the clock.
  const detail = useQuery({ ...approvalQuery(id), staleTime: Infinity, refetchOnWindowFocus: false });
  return (
    <>
      <Text size="sm" mb={6}>
        <Link to="/approvals" style={{ display: "inline-flex", gap: 5, alignItems: "center" }}>
          <Icon name="back" size={13} />
          Approvals
        </Link>
      </Text>
      <PageHead title={detail.data ? `${detail.data.approval.verb} on ${detail.data.approval.resource}` : "Request"}>
        <span className={prose.mono}>{id}</span>
      </PageHead>
      {detail.error ? (
        <Failure error={detail.error} title="The request could not be read" />
      ) : detail.data ? (
        <Stack gap="md">
          <SimpleGrid cols={{ base: 1, md: 2 }} spacing="md">
            <Asked approval={detail.data.approval} />
            <Destination approval={detail.data.approval} />
          </SimpleGrid>
          <Content detail={detail.data} onLook={() => void detail.refetch()} />
          <Decision approval={detail.data.approval} />
        </Stack>
      ) : (
        <Rows count={8} />
      )}
    </>
  );
}

function Asked({ approval }: { approval: View }) {
  return (
    <Section title="What is asked" aside={<ApprovalState approval={approval} />}>
      <dl className={prose.facts}>
        <dt>Who asks</dt>
        <dd>
          {approval.principal}
          {approval.on_behalf_of.length > 0 && <> on behalf of {approval.on_behalf_of.join(", ")}</>}
          {approval.makers.length > 0 && (
            <span className={prose.quiet}>, by a key that {approval.makers.join(" and ")} made</span>
          )}
        </dd>
        <dt>Use case</dt>
        <dd>{approval.use_case}</dd>
        <dt>Asked by</dt>
        <dd>
          {approval.rules.map((rule) => (
            <div key={rule.id}>
              <RuleName id={rule.id} />
              <br />
              <span className={prose.quiet}>{rule.reason}</span>
            </div>
          ))}
        </dd>
        <dt>When</dt>
        <dd>
          <Time iso={approval.requested_at} />
          {approval.state === "waiting" && (
            <span className={prose.quiet}>
              , waits until <Time iso={approval.expires_at} />
            </span>
          )}
        </dd>
        {approval.record && (
          <>
            <dt>Record</dt>
            <dd>
              <RecordLink id={approval.record} text={approval.record} />
            </dd>
          </>
        )}
      </dl>
    </Section>
  );
}

function Destination({ approval }: { approval: View }) {
  return (
    <Section title="What would be done">
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
        <dt>Labels</dt>
        <dd>
          <Labels text={approval.labels} />
        </dd>
      </dl>
    </Section>
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
  withheld: "The content is not shown to you: you asked for it yourself, or are not cleared for it.",
  absent: "There is no content to be shown, or its record has not arrived yet.",
};

function Content({ detail, onLook }: { detail: Detail; onLook: () => void }) {
  return (
    <Section title="What would be sent">
      {detail.content === "shown" ? (
        <Stack gap="md">
          {detail.parts.map((part) =>
            part.text === null ? (
              <Text key={part.name} size="sm">
                <b>{part.name}</b>{" "}
                <span className={prose.quiet}>
                  {part.erased ? "was erased" : `is not text, ${formatSize(part.size_bytes)}`}
                </span>
              </Text>
            ) : (
              <Json key={part.name} text={part.text} what={part.name}>
                The content as it would leave, {formatSize(part.size_bytes)}. Your look at it is recorded.
              </Json>
            ),
          )}
        </Stack>
      ) : (
        <Group gap="sm">
          <Text size="sm" className={prose.quiet}>
            {WITHOUT[detail.content]}
          </Text>
          {detail.content === "absent" && (
            <Button size="compact-sm" variant="default" onClick={onLook}>
              Look again
            </Button>
          )}
        </Group>
      )}
    </Section>
  );
}

function Decision({ approval }: { approval: View }) {
  return (
    <Section title="Decision">
      {approval.can_decide ? (
        <Decide approval={approval} />
      ) : approval.decided_at ? (
        <Stack gap="sm">
          <dl className={prose.facts}>
            <dt>{approval.state === "refused" ? "Refused by" : "Approved by"}</dt>
            <dd>
              {approval.approver}, <Time iso={approval.decided_at} />
            </dd>
            <dt>Because</dt>
            <dd>{approval.reason || <span className={prose.quiet}>no reason was given</span>}</dd>
            {approval.used_at && (
              <>
                <dt>Done</dt>
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
            ? "Nobody decided in time. Whoever still wants it asks again."
            : "Somebody else decides: not whoever asks or made the key that asks, and only with the role approver or admin."}
        </Text>
      )}
    </Section>
  );
}

/** What whoever asked does now. */
function Next({ approval }: { approval: View }) {
  const header = `x-headgate-grant: ${approval.id}`;
  return (
    <Group gap="xs">
      <Text size="sm">
        The same request works once until <Time iso={approval.expires_at} />, with the header{" "}
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
          description="For whoever asked, and whoever looks later."
          required
          maxLength={1000}
          autosize
          minRows={2}
          value={reason}
          onChange={(event) => setReason(event.currentTarget.value)}
        />
        {decide.error && <Failure error={decide.error} title="Nothing was decided" />}
        <Group justify="flex-end" gap="xs">
          <Button
            type="submit"
            value="refuse"
            variant="default"
            loading={decide.isPending && decide.variables === "refuse"}
            disabled={decide.isPending}
          >
            Refuse
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
