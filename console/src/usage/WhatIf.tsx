/** What a month would have cost on another model: a small form, and its answer in one sentence and a table. */

import { Autocomplete, Button, Group, NativeSelect, Stack, Table, Text } from "@mantine/core";
import { useMutation, useQuery } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";

import { type Schemas, api, take } from "../api/client";
import { modelsQuery } from "../api/queries";
import { Failure, Section } from "../elements/page";
import { formatCost, plural } from "../format";
import { formatShort } from "./words";
import { monthsBefore } from "./months";
import table from "../elements/table.module.css";
import prose from "../elements/prose.module.css";
import styles from "./usage.module.css";

const MONTHS = 12;

export function WhatIf() {
  const models = useQuery(modelsQuery);
  const months = monthsBefore(new Date(), MONTHS);
  const [month, setMonth] = useState(months[1]!);
  const [model, setModel] = useState("");
  const asked = useMutation({
    mutationFn: () => take(api.GET("/api/usage/what-if", { params: { query: { price_of: model.trim(), month } } })),
  });
  const known = (models.data ?? []).flatMap((one) => one.deployments.map(({ id }) => id));
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    asked.mutate();
  };
  return (
    <Section title="What would a month have cost on another model?">
      <form onSubmit={submit}>
        <Group gap="sm" align="flex-end">
          <Autocomplete
            label="Model"
            placeholder="openai/gpt-4o"
            description="A deployment, or a model with a list price."
            data={[...new Set(known)].sort()}
            value={model}
            maxLength={256}
            onChange={setModel}
          />
          <NativeSelect
            label="Month"
            data={months}
            value={month}
            onChange={(event) => setMonth(event.currentTarget.value)}
          />
          <Button type="submit" disabled={!model.trim()} loading={asked.isPending}>
            Calculate
          </Button>
        </Group>
      </form>
      <div role="status" aria-live="polite">
        {asked.error && <Failure error={asked.error} title="Nothing was calculated" />}
        {asked.data && <Answer found={asked.data} />}
      </div>
    </Section>
  );
}

function Answer({ found }: { found: Schemas["WhatIf"] }) {
  const { rows, month, calls, price_of: target } = found;
  if (rows.length === 0)
    return (
      <Text size="sm" mt="sm">
        There were no calls with tokens in {month}.
      </Text>
    );
  return (
    <Stack gap="xs" mt="sm">
      <Text size="sm">
        {plural(calls, "call")} of {month} cost <b>{costsWords(found.costs, found.unpriced)}</b>. On {target} they would
        have cost <b>{found.would ? formatCost(found.would.micros, found.would.currency) : "an unknown amount"}</b>.
      </Text>
      <div className={table.scroll} tabIndex={0} role="region" aria-label={`Cost of ${month} on ${target}`}>
        <Table className={table.cards}>
          <Table.Thead>
            <Table.Tr>
              <Table.Th>Model</Table.Th>
              <Table.Th>Deployment</Table.Th>
              {["Tokens in", "Tokens out", "Cost", `On ${target}`].map((head) => (
                <Table.Th key={head} className={styles.number}>
                  {head}
                </Table.Th>
              ))}
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {rows.map((row) => (
              <Table.Tr key={`${row.model} ${row.deployment}`}>
                <Table.Td data-label="Model">{row.model}</Table.Td>
                <Table.Td data-label="Deployment">{row.deployment || "–"}</Table.Td>
                <Table.Td data-label="Tokens in" className={styles.number}>
                  {formatShort(row.input_tokens)}
                </Table.Td>
                <Table.Td data-label="Tokens out" className={styles.number}>
                  {formatShort(row.output_tokens)}
                </Table.Td>
                <Table.Td data-label="Cost" className={styles.number}>
                  {costsWords(row.costs, row.unpriced)}
                </Table.Td>
                <Table.Td data-label="Would cost" className={styles.number}>
                  {row.would ? formatCost(row.would.micros, row.would.currency) : "an unknown amount"}
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </div>
      <Text size="xs" className={prose.quiet}>
        From the recorded tokens, at the price of today. Other models count tokens and cache prompts in another way, and
        write longer or shorter answers.
      </Text>
    </Stack>
  );
}

function costsWords(costs: readonly Schemas["CostView"][], unpriced: number): string {
  const told = costs.map((one) => formatCost(one.micros, one.currency));
  return [...told, ...(unpriced ? ["an unknown amount"] : [])].join(" + ") || "nothing";
}
