/** Under a message that needs approval: the state of its request, and the button to send it once approved. */

import { Button, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { Link } from "react-router";

import { ownApprovalQuery } from "../../api/queries";
import { Icon } from "../../elements/icons";
import { Notice, RuleName } from "../../elements/page";
import { ApprovalState } from "../../elements/ApprovalState";
import { capitalised } from "../../record/words";
import { sentence } from "../../format";
import { Details } from "./WaysOn";
import { type Approval, isOver, told } from "./approval";
import { useName } from "../../people/colleagues";
import type { ErrorDetail } from "./live";

const LOOK_MS = 3_000;

interface Props {
  /** The id of the request, which is the grant too. */
  readonly id: string;
  /** Why the message was not sent; another reason than the request where it was tried under the grant, in vain. */
  readonly error: ErrorDetail;
  readonly isBusy: boolean;
  readonly onSend: (grant: string | null) => void;
  /** Draws buttons followed by the other ways on. */
  readonly ways: (more: ReactNode) => ReactNode;
}

export function ApprovalLine({ id, error, isBusy, onSend, ways }: Props) {
  const { data: approval, isError } = useQuery({
    ...ownApprovalQuery(id),
    refetchInterval: ({ state }) => (state.data && isOver(state.data) ? false : LOOK_MS),
  });
  const who = useName(approval?.approver ?? null);
  const wasTried = error.approval === null;
  const rules = approval?.rules ?? error.rules.map((rule) => ({ id: rule, reason: "…" }));
  return (
    <Notice tone={approval?.state === "refused" ? "bad" : "warn"} icon={approval?.state === "refused" ? "bad" : "open"}>
      <Text role="alert" fw={600} size="sm">
        {heading(approval, who)}
      </Text>
      {approval?.state !== "refused" &&
        rules.map((rule) => (
          <Text key={rule.id} size="sm">
            {sentence(rule.reason)}
          </Text>
        ))}
      <Text role="status" size="sm" my={6}>
        {approval ? (
          <>
            <ApprovalState approval={approval} /> {told(approval, new Date(), who)}
          </>
        ) : isError ? (
          "Headgate could not read the request. It tries again in a moment."
        ) : (
          "Reading the request…"
        )}
      </Text>
      {ways(
        <>
          {approval?.state === "approved" && (
            <Button
              size="compact-sm"
              leftSection={<Icon name="send" size={14} />}
              disabled={isBusy}
              onClick={() => onSend(id)}
            >
              Send now
            </Button>
          )}
          {(approval?.state === "expired" || (approval?.state === "approved" && wasTried)) && (
            <Button size="compact-sm" variant="default" disabled={isBusy} onClick={() => onSend(null)}>
              Ask again
            </Button>
          )}
          <Link to={`/approvals/${encodeURIComponent(id)}`} style={{ fontSize: "0.8rem" }}>
            View request
          </Link>
        </>,
      )}
      <Details error={error}>
        {rules.map((rule) => (
          <Text key={rule.id} size="xs">
            Rule <RuleName id={rule.id} />
          </Text>
        ))}
      </Details>
    </Notice>
  );
}

function heading(approval: Approval | undefined, who: string): string {
  switch (approval?.state) {
    case "approved":
      return "Approved: you can send this message now";
    case "refused":
      return `${capitalised(who)} refused this message${approval.reason && `: ${approval.reason}`}`;
    default:
      return "Not sent: this message needs approval";
  }
}
