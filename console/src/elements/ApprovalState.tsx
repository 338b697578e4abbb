/** The state of a request for approval. */

import type { Schemas } from "../api/client";
import type { Words } from "../record/words";
import { State } from "./record";

type Approval = Schemas["ApprovalView"];

const STATES: Record<Approval["state"], Words> = {
  waiting: { tone: "warn", icon: "open", text: "Waiting" },
  approved: { tone: "good", icon: "good", text: "Approved" },
  refused: { tone: "bad", icon: "bad", text: "Refused" },
  used: { tone: "good", icon: "good", text: "Done" },
  expired: { tone: "quiet", icon: "open", text: "Expired" },
};

export function ApprovalState({ approval }: { approval: Approval }) {
  const { text, ...shape } = STATES[approval.state];
  return <State {...shape}>{text}</State>;
}
