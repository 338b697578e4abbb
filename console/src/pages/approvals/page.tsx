/** Requests for approval, newest first: those that wait, or all. */

import { Button, Group, Paper, SegmentedControl, Stack } from "@mantine/core";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Link, useSearchParams } from "react-router";

import type { Schemas } from "../../api/client";
import { approvalsQuery } from "../../api/queries";
import { Empty, Failure, PageHead, Rows } from "../../elements/page";
import { Labels, Time } from "../../elements/record";
import { useActionWords } from "../../elements/VerbWords";
import { ApprovalState } from "../../elements/ApprovalState";
import type { Page } from "../../page";
import table from "../../elements/table.module.css";
import prose from "../../elements/prose.module.css";

export const page: Page = {
  path: "/approvals",
  title: "Approvals",
  group: "govern",
  order: 30,
  may: ["approval.list"],
  useBadge: useWaiting,
  icon: "M3.200 2.500h9.600v11H3.200zM5.700 8.200l1.700 1.700 3-3.500M6 2.500v-1h4v1",
};

const LOOK_MS = 10_000;
const BADGE_LOOK_MS = 30_000;

export default function Approvals() {
  const [search, setSearch] = useSearchParams();
  const isAll = search.get("show") === "all";
  const show = (value: string): void => setSearch(value === "all" ? { show: value } : {}, { replace: true });
  return (
    <>
      <PageHead title="Approvals">
        Some rules ask for approval. Approve a request and it runs once, unchanged. You cannot approve your own
        requests.
      </PageHead>
      <Stack gap="md">
        <SegmentedControl
          aria-label="Requests to show"
          style={{ alignSelf: "flex-start" }}
          value={isAll ? "all" : "waiting"}
          onChange={show}
          data={[
            { value: "waiting", label: "Waiting" },
            { value: "all", label: "All" },
          ]}
        />
        <Listed key={String(isAll)} isAll={isAll} />
      </Stack>
    </>
  );
}

/** How many requests wait, counted as far as one page of them goes. */
function useWaiting(): string | null {
  const { data } = useQuery({ ...approvalsQuery(false, null), refetchInterval: BADGE_LOOK_MS });
  if (!data?.approvals.length) return null;
  return `${data.approvals.length}${data.next ? "+" : ""}`;
}

function Listed({ isAll }: { isAll: boolean }) {
  // The cursors of the pages before this one, as for records.
  const [cursors, setCursors] = useState<readonly string[]>([]);
  const page = useQuery({
    ...approvalsQuery(isAll, cursors.at(-1) ?? null),
    placeholderData: keepPreviousData,
    refetchInterval: LOOK_MS,
  });
  if (page.error) return <Failure error={page.error} title="Headgate could not read the requests" />;
  if (!page.data) return <Rows />;
  const { approvals, next } = page.data;
  const isFirst = cursors.length === 0;
  return (
    <Stack gap="sm">
      {approvals.length === 0 ? (
        <Empty title={isAll ? "No requests yet" : "No requests wait for a decision"}>
          A request appears here when a rule asks for approval. <Link to="/policies">Policies</Link> lists the rules.
        </Empty>
      ) : (
        <Stack component="ul" className={prose.plainList} gap="xs" aria-label="Requests, newest first">
          {approvals.map((approval) => (
            <Row key={approval.id} approval={approval} />
          ))}
        </Stack>
      )}
      {(next || !isFirst) && (
        <Group component="nav" aria-label="Pages of requests" justify="flex-end" gap="xs">
          <Button variant="default" size="xs" disabled={isFirst} onClick={() => setCursors(cursors.slice(0, -1))}>
            Newer requests
          </Button>
          <Button variant="default" size="xs" disabled={!next} onClick={() => next && setCursors([...cursors, next])}>
            Older requests
          </Button>
        </Group>
      )}
    </Stack>
  );
}

function Row({ approval }: { approval: Schemas["ApprovalView"] }) {
  const action = useActionWords();
  return (
    <Paper component="li" className={table.row} p="sm">
      <Group justify="space-between" gap="xs" wrap="nowrap" align="flex-start">
        <Link className={table.cover} title={`${approval.verb} on ${approval.resource}`} to={`/approvals/${encodeURIComponent(approval.id)}`}>
          {approval.principal} · {action(approval)}
        </Link>
        <ApprovalState approval={approval} />
      </Group>
      <div className={prose.quiet} style={{ display: "flex", flexWrap: "wrap", gap: "2px 12px", marginTop: 4 }}>
        <span>
          asked <Time iso={approval.requested_at} />
        </span>
        <span>use case {approval.use_case}</span>
        <span>rule {approval.rules.map((rule) => rule.id).join(", ")}</span>
      </div>
      <div style={{ marginTop: 6 }}>
        <Labels text={approval.labels} />
      </div>
    </Paper>
  );
}
