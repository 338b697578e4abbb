/** What an alias that chooses by difficulty saved and cost, and a better threshold, in a few lines. */

import { Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";

import { api, take } from "../api/client";
import { Failure, Section } from "../elements/page";
import { formatCost, formatCount, plural } from "../format";
import prose from "../elements/prose.module.css";

export function Outcomes({ alias }: { alias: string }) {
  const found = useQuery({
    queryKey: ["outcomes", alias],
    queryFn: () => take(api.GET("/api/models/outcomes", { params: { query: { alias, days: 30 } } })),
  });
  if (found.error) return <Failure error={found.error} title="Headgate could not read the outcomes" />;
  if (!found.data) return null;
  const { tiers, calls, currency, saved_micros: saved, more_bad: more, suggested, threshold, why } = found.data;
  const premium = tiers[tiers.length - 1]?.deployment;
  return (
    <Section title="The last 30 days">
      <Text size="sm">
        {plural(calls, "call")}: {tiers.map((tier) => `${formatCount(tier.calls)} by ${tier.deployment}`).join(", ")}.{" "}
        {saved === null
          ? "What this saved is unknown, as prices are missing."
          : `Saved ${formatCost(saved, currency)} against sending all to ${premium}.`}{" "}
        {more === null
          ? "There are too few outcomes to estimate what it cost in quality."
          : `About ${formatCount(Math.round(more))} more bad outcomes than there would have been.`}
      </Text>
      <Text size="sm" mt={4}>
        {suggested === threshold ? `The threshold ${threshold} stays: ` : `Suggested threshold: ${suggested}, as `}
        {why}.
      </Text>
      <Text size="xs" mt={4} className={prose.quiet}>
        Bad outcomes are errors, questions asked again in the chat, and answers marked as bad there. Programs leave no more
        than errors.
      </Text>
    </Section>
  );
}
