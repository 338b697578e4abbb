/** Requests for approval, newest first: those that wait, or all. */

import { Button, Checkbox, Group, Paper, SegmentedControl, Stack, Text } from "@mantine/core";
import { useInViewport } from "@mantine/hooks";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Link, useSearchParams } from "react-router";

import type { Schemas } from "../../api/client";
import { type ApprovalsShown, approvalsQuery, shownApprovalQuery } from "../../api/queries";
import { Empty, Failure, PageHead, Rows } from "../../elements/page";
import { Labels, Time } from "../../elements/record";
import { ApprovalState } from "../../elements/ApprovalState";
import { firstLineOf } from "../../record/excerpt";
import type { Page } from "../../page";
import { useMay } from "../../session";
import { DecideMany } from "./DecideMany";
import table from "../../elements/table.module.css";
import prose from "../../elements/prose.module.css";

export const page: Page = {
  path: "/approvals",
  title: "Approvals",
  group: "govern",
  order: 30,
  may: "everyone",
  useBadge: useWaiting,
  icon: "M3.200 2.500h9.600v11H3.200zM5.700 8.200l1.700 1.700 3-3.500M6 2.500v-1h4v1",
};

const LOOK_MS = 10_000;
const BADGE_LOOK_MS = 30_000;

export default function Approvals() {
  const [search, setSearch] = useSearchParams();
  const may = useMay();
  const decides = may("approval.list");
  const asked = search.get("show");
  const shown: ApprovalsShown = !decides ? "mine" : asked === "all" || asked === "mine" ? asked : "waiting";
  const show = (value: string): void => setSearch(value === "waiting" ? {} : { show: value }, { replace: true });
  return (
    <>
      <PageHead
        title="Approvals"
      >
        {decides
          ? "Some rules ask for approval. Approve a request and it runs once, unchanged. You cannot approve your own requests."
          : "Some rules ask for approval. Your requests appear here, with what became of them."}
      </PageHead>
      <Stack gap="md">
        {decides && (
          <SegmentedControl
            aria-label="Requests to show"
            style={{ alignSelf: "flex-start" }}
            value={shown}
            onChange={show}
            data={[
              { value: "waiting", label: "Waiting" },
              { value: "all", label: "All" },
              { value: "mine", label: "Mine" },
            ]}
          />
        )}
        <Listed key={shown} shown={shown} />
      </Stack>
    </>
  );
}

/** How many requests wait, counted as far as one page of them goes. */
function useWaiting(): string | null {
  const may = useMay();
  const { data } = useQuery({
    ...approvalsQuery("waiting", null),
    enabled: may("approval.list"),
    refetchInterval: BADGE_LOOK_MS,
  });
  if (!data?.approvals.length) return null;
  return `${data.approvals.length}${data.next ? "+" : ""}`;
}

const NONE: Readonly<Record<ApprovalsShown, string>> = {
  waiting: "No requests wait for a decision",
  all: "No requests yet",
  mine: "You have not asked for approval yet",
};

function Listed({ shown }: { shown: ApprovalsShown }) {
  // The cursors of the pages before this one, as for records.
  const [cursors, setCursors] = useState<readonly string[]>([]);
  const [selected, setSelected] = useState<ReadonlySet<string>>(new Set());
  const page = useQuery({
    ...approvalsQuery(shown, cursors.at(-1) ?? null),
    placeholderData: keepPreviousData,
    refetchInterval: LOOK_MS,
  });
  if (page.error) return <Failure error={page.error} title="Headgate could not read the requests" />;
  if (!page.data) return <Rows />;
  const { approvals, next } = page.data;
  const isFirst = cursors.length === 0;
  const open = approvals.filter((approval) => approval.can_decide);
  const chosen = open.filter((approval) => selected.has(approval.id));
  const select = (id: string, isChosen: boolean): void => {
    const changed = new Set(selected);
    if (isChosen) changed.add(id);
    else changed.delete(id);
    setSelected(changed);
  };
  return (
    <Stack gap="sm">
      {approvals.length === 0 ? (
        <Empty title={NONE[shown]}>
          A request appears here when a rule asks for approval. <RulesLink />
        </Empty>
      ) : (
        <>
          {open.length > 1 && (
            <Checkbox
              label={`Select all ${open.length} that you can decide`}
              checked={chosen.length === open.length}
              indeterminate={chosen.length > 0 && chosen.length < open.length}
              description="Headgate records that you saw the lines below."
              onChange={(event) =>
                setSelected(new Set(event.currentTarget.checked ? open.map((approval) => approval.id) : []))
              }
            />
          )}
          <Stack component="ul" className={prose.plainList} gap="xs" aria-label="Requests, newest first">
            {approvals.map((approval) => (
              <Row
                key={approval.id}
                approval={approval}
                isChosen={selected.has(approval.id)}
                onChoose={open.length > 1 && approval.can_decide ? select : null}
              />
            ))}
          </Stack>
        </>
      )}
      {chosen.length > 0 && <DecideMany approvals={chosen} onDecided={() => setSelected(new Set())} />}
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

function RulesLink() {
  const may = useMay();
  return (
    may("policy.list") && (
      <>
        <Link to="/rules">Rules</Link> lists them.
      </>
    )
  );
}

/** The first line of what a request would send. Headgate records each look, so it waits until the row is in view. */
function FirstLine({ approval }: { approval: string }) {
  const { ref, inViewport } = useInViewport();
  const seen = useQuery({ ...shownApprovalQuery(approval), enabled: inViewport });
  const words = seen.data && firstLineOf(seen.data);
  return (
    <Text ref={ref} size="sm" component="div" mih={20} lineClamp={1} className={words ? undefined : prose.quiet}>
      {words ? `“${words}”` : seen.data ? "You cannot see its content here. Open the request." : seen.error ? "" : "Loading"}
    </Text>
  );
}

interface RowProps {
  readonly approval: Schemas["ApprovalView"];
  readonly isChosen: boolean;
  /** Chooses it for a decision on several; null where it cannot be chosen. */
  readonly onChoose: ((id: string, isChosen: boolean) => void) | null;
}

function Row({ approval, isChosen, onChoose }: RowProps) {
  return (
    <Paper component="li" className={table.row} p="sm">
      <Group gap="sm" wrap="nowrap" align="flex-start">
        {onChoose && (
          <Checkbox
            aria-label={`Select: ${approval.title}`}
            style={{ position: "relative", zIndex: 1 }}
            mt={2}
            checked={isChosen}
            onChange={(event) => onChoose(approval.id, event.currentTarget.checked)}
          />
        )}
        <div style={{ flex: 1, minWidth: 0 }}>
          <Group justify="space-between" gap="xs" wrap="nowrap" align="flex-start">
            <Link
              className={table.cover}
              title={`${approval.verb} on ${approval.resource}`}
              to={`/approvals/${encodeURIComponent(approval.id)}`}
            >
              {approval.title}
            </Link>
            <ApprovalState approval={approval} />
          </Group>
          {approval.can_decide && <FirstLine approval={approval.id} />}
          <Text size="sm" component="div">
            {approval.rules.map((rule) => (
              <div key={rule.id}>Needed because {rule.reason}.</div>
            ))}
          </Text>
          <div className={prose.quiet} style={{ display: "flex", flexWrap: "wrap", gap: "2px 12px", marginTop: 4 }}>
            <span>{approval.requester}</span>
            <span>{approval.use_case_title}</span>
            <span>
              {approval.state === "waiting" ? "waiting since" : "asked"} <Time iso={approval.requested_at} />
            </span>
            {(approval.state === "waiting" || approval.state === "approved") && (
              <span>
                valid until <Time iso={approval.expires_at} />
              </span>
            )}
            {approval.approver_name && <span>decided by {approval.approver_name}</span>}
          </div>
          <div style={{ marginTop: 6 }}>
            <Labels text={approval.labels} />
          </div>
        </div>
      </Group>
    </Paper>
  );
}
