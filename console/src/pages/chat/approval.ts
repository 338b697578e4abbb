/** What the chat says of a request for approval. */

import type { Schemas } from "../../api/client";
import { formatTime } from "../../format";

export type Approval = Schemas["ApprovalView"];

/** Whether the state is final. */
export function isOver(approval: Approval): boolean {
  return approval.state === "refused" || approval.state === "used" || approval.state === "expired";
}

/** The rest of the sentence that begins with the word for the state, for the requester. */
export function told(approval: Approval, now: Date, who: string): string {
  const until = formatTime(approval.expires_at, now);
  const because = approval.reason ? `: “${approval.reason}”` : "";
  switch (approval.state) {
    case "waiting":
      return `for a decision until ${until}.`;
    case "approved":
      return `by ${who}${because}. You can send it once, until ${until}.`;
    case "refused":
      return "and not sent.";
    case "used":
      return `under the approval of ${who}. An approval works once.`;
    case "expired":
      return approval.approver
        ? `after ${who} approved it, before it was sent. Ask again.`
        : "before a decision. Ask again.";
  }
}
