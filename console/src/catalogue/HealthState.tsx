/** Whether a deployment answers, in words. */

import type { Schemas } from "../api/client";
import { State } from "../elements/record";
import { formatTime } from "../format";

export function HealthState({ health }: { health: Schemas["HealthView"] }) {
  const now = new Date();
  if (health.unhealthy_since) {
    return (
      <State tone="bad" icon="bad">
        {`Unhealthy since ${formatTime(health.unhealthy_since, now)}`}
      </State>
    );
  }
  switch (health.state) {
    case "ok":
      return (
        <State tone="good" icon="good">
          {health.answered_at ? `Answered ${formatTime(health.answered_at, now)}` : "Answers"}
        </State>
      );
    case "cooling_down":
    case "failing":
      return (
        <State tone="bad" icon="bad">
          {health.failed_at ? `Failed ${formatTime(health.failed_at, now)}` : "Fails"}
        </State>
      );
    default:
      return (
        <State tone="quiet" icon="open">
          Not called lately
        </State>
      );
  }
}
