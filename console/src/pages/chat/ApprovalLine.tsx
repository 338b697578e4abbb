/** Under a message that needs approval: the state of its request, and the button to send it once approved. */

import { Button, Group, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link } from "react-router";

import { ownApprovalQuery } from "../../api/queries";
import { Icon } from "../../elements/icons";
import { RecordLink } from "../../elements/RecordLink";
import { Notice, RuleName } from "../../elements/page";
import { ApprovalState } from "../../elements/ApprovalState";
import { isOver, told } from "./approval";
import type { ErrorDetail } from "./live";

const LOOK_MS = 3_000;

interface Props {
  /** The id of the request, which is the grant too. */
  readonly id: string;
  /** Why the message was not sent; another reason than the request where it was tried under the grant, in vain. */
  readonly error: ErrorDetail;
  readonly isBusy: boolean;
  readonly onSend: (grant: string | null) => void;
}

export function ApprovalLine({ id, error, isBusy, onSend }: Props) {
  const { data: approval, isError } = useQuery({
    ...ownApprovalQuery(id),
    refetchInterval: ({ state }) => (state.data && isOver(state.data) ? false : LOOK_MS),
  });
  const wasTried = error.approval === null;
  const rules = approval?.rules ?? error.rules.map((rule) => ({ id: rule, reason: "…" }));
  return (
    <Notice tone="warn" icon="open">
      <Text role="alert" fw={600} size="sm">
        Not sent: this message needs approval
      </Text>
      {rules.map((rule) => (
        <Text key={rule.id} size="sm">
          <RuleName id={rule.id} />: {rule.reason}
        </Text>
      ))}
      <Text role="status" size="sm" my={6}>
        {approval ? (
          <>
            <ApprovalState approval={approval} /> {told(approval, new Date())}
          </>
        ) : isError ? (
          "Headgate could not read the request. It tries again in a moment."
        ) : (
          "Reading the request…"
        )}
      </Text>
      <Group gap="md" fz="xs">
        {approval?.state === "approved" && (
          <Button size="xs" leftSection={<Icon name="send" size={14} />} disabled={isBusy} onClick={() => onSend(id)}>
            Send now
          </Button>
        )}
        {(approval?.state === "expired" || (approval?.state === "approved" && wasTried)) && (
          <Button size="xs" variant="default" disabled={isBusy} onClick={() => onSend(null)}>
            Ask again
          </Button>
        )}
        <Link to={`/approvals/${encodeURIComponent(id)}`}>View request</Link>
        {error.record && <RecordLink id={error.record} text="View record" />}
      </Group>
    </Notice>
  );
}
