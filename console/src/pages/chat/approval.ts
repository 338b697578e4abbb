/** What the chat says of a request for approval. */

import type { Schemas } from "../../api/client";
import { formatTime } from "../../format";

type Approval = Schemas["ApprovalView"];

/** Whether nothing becomes of it any more. */
export function isOver(approval: Approval): boolean {
  return approval.state === "refused" || approval.state === "used" || approval.state === "expired";
}

/** What became of it by now, for whoever asked: what follows the word for its state. */
export function told(approval: Approval, now: Date): string {
  const until = formatTime(approval.expires_at, now);
  const because = approval.reason ? `: “${approval.reason}”` : "";
  switch (approval.state) {
    case "waiting":
      return `for somebody to decide, until ${until}.`;
    case "approved":
      return `by ${approval.approver}${because}. It can be sent once, until ${until}.`;
    case "refused":
      return `by ${approval.approver}${because}. It was not sent.`;
    case "used":
      return `once already, as ${approval.approver} approved it.`;
    case "expired":
      return approval.approver
        ? `before it was sent, after ${approval.approver} had approved it.`
        : "before anybody decided.";
  }
}
