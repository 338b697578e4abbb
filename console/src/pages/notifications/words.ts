/** The words for channels and events of notices. */

import type { Schemas } from "../../api/client";

export type Channel = Schemas["NotificationView"]["channel"];

export const CHANNELS: Readonly<Record<Channel, string>> = {
  mail: "Mail",
  webhook: "Webhook",
  slack: "Slack",
  teams: "Teams",
};

export const EVENTS: Readonly<Record<string, string>> = {
  "approval.waiting": "a request waits",
  "approval.decided": "a request was decided",
  "budget.passed": "a budget passes a threshold",
  "question.open": "a question waits for an expert",
  "question.answered": "an expert answered a question",
};
