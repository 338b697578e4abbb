/** What each deployment costs, where its price comes from, what follows it, and the organisation's own prices. */

import { Button, Stack, Table, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Link } from "react-router";

import { type Schemas, api, take } from "../../api/client";
import { entriesQuery } from "../../catalogue/queries";
import { FormDialog } from "../../elements/dialog";
import { Icon } from "../../elements/icons";
import { Empty, Failure, PageHead, Rows, Section } from "../../elements/page";
import { formatCount, formatPrice } from "../../format";
import type { Page } from "../../page";
import { useMay } from "../../session";
import { PriceForm } from "./PriceForm";
import prose from "../../elements/prose.module.css";
import styles from "./prices.module.css";
import table from "../../elements/table.module.css";

export const page: Page = { path: "/models/prices", title: "Prices", may: ["config.read"], below: "/models" };

type Priced = Schemas["DeploymentPrice"];
type Entry = Readonly<Record<string, unknown>>;

/** The price in the form: its id, or a new one. */
type Edited = { readonly price: string | null } | null;

export default function Prices() {
  const may = useMay();
  const found = useQuery({ queryKey: ["prices"], queryFn: () => take(api.GET("/api/prices")) });
  const own = useQuery(entriesQuery("price"));
  const [edited, setEdited] = useState<Edited>(null);
  const mayChange = may("config.apply");
  const add = mayChange && (
    <Button leftSection={<Icon name="add" size={13} />} onClick={() => setEdited({ price: null })}>
      Add price
    </Button>
  );
  const error = found.error ?? own.error;
  return (
    <>
      <PageHead title="Prices" actions={add}>
        A call costs the price of its deployment, else your own price for its model, else the list price of its provider.
        A record keeps the price of its day.
      </PageHead>
      {error ? (
        <Failure error={error} title="Headgate could not read the prices" />
      ) : !found.data || !own.data ? (
        <Rows />
      ) : (
        <Stack gap="xl">
          <Section title="In force, and to come" aside={`List prices ${found.data.list_version.slice(0, 8)}`}>
            <PriceTable prices={found.data.prices} />
          </Section>
          <Section title="Your own prices">
            {own.data.length === 0 ? (
              <Empty title="You have no prices of your own">
                {mayChange
                  ? "Add one for a contract with a provider, or for a model without a list price."
                  : "An administrator adds them here."}
              </Empty>
            ) : (
              <OwnPrices entries={own.data} prices={found.data.prices} onChange={mayChange ? (price) => setEdited({ price }) : null} />
            )}
          </Section>
        </Stack>
      )}
      <FormDialog
        title={edited?.price ? `Change ${edited.price}` : "Add price"}
        isOpen={edited !== null}
        onClose={() => setEdited(null)}
      >
        {edited && <PriceForm price={edited.price} onDone={() => setEdited(null)} />}
      </FormDialog>
    </>
  );
}

const RATES = [
  ["Input", "input_micros"],
  ["Output", "output_micros"],
  ["From cache", "cache_read_micros"],
  ["To cache", "cache_write_micros"],
] as const;

function PriceTable({ prices }: { prices: readonly Priced[] }) {
  if (prices.length === 0) return <Empty title="There are no deployments yet" />;
  return (
    <div className={table.scroll}>
      <Text size="sm" className={prose.quiet} mb="xs">
        For a million tokens.
      </Text>
      <Table className={table.cards}>
        <Table.Thead>
          <Table.Tr>
            <Table.Th>Deployment</Table.Th>
            <Table.Th>Since</Table.Th>
            {RATES.map(([label]) => (
              <Table.Th key={label} className={styles.number}>
                {label}
              </Table.Th>
            ))}
            <Table.Th>Source</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {prices.map((one) => (
            <Table.Tr key={`${one.deployment} ${one.since ?? ""}`}>
              <Table.Td data-label="Deployment">
                <div>
                  <Link to={`/models/deployment?id=${encodeURIComponent(one.deployment)}`}>{one.deployment}</Link>
                  <Text size="xs" className={prose.quiet}>
                    {one.model}
                  </Text>
                </div>
              </Table.Td>
              <Table.Td data-label="Since">{one.currency ? sinceOf(one) : null}</Table.Td>
              {RATES.map(([label, name]) => (
                <Table.Td key={label} data-label={label} className={styles.number}>
                  {rateOf(one, name)}
                </Table.Td>
              ))}
              <Table.Td data-label="Source">
                <div>
                  {sourceOf(one)}
                  {one.above_input_tokens.length > 0 && (
                    <Text size="xs" className={prose.quiet}>
                      More above {one.above_input_tokens.map(formatCount).join(" and ")} tokens
                    </Text>
                  )}
                </div>
              </Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </div>
  );
}

/** A rate of a price. Cached tokens without a rate of their own cost what other input costs. */
function rateOf(one: Priced, rate: (typeof RATES)[number][1]): string | null {
  if (!one.currency) return null;
  if (one[rate] === null && rate.startsWith("cache") && one.input_micros !== null) return "as input";
  return formatPrice(one[rate], one.currency);
}

function sinceOf({ since, is_in_force }: Priced): string {
  if (!is_in_force) return `from ${since ?? "later"}`;
  return since ?? "always";
}

/** Where a price comes from, in words; `version` is its source, its id and a digest. */
function sourceOf({ version, currency }: Priced): string {
  if (!currency) return "no price: the cost of its calls is unknown";
  const [kind = "", id = ""] = (version.split("@")[0] ?? "").split(" ");
  switch (kind) {
    case "list":
      return "the provider's list";
    case "row":
      return `your price ${id}`;
    case "deployment":
      return "the deployment itself";
    default:
      return "the built-in model";
  }
}

/** The deployments whose calls cost a row's price, now or later, and those of its model that have a price of their own. */
function effectOf({ id, provider, model }: Entry, prices: readonly Priced[]): string {
  const source = (one: Priced): string => one.version.split("@")[0] ?? "";
  const names = (found: readonly Priced[]): string => [...new Set(found.map((one) => one.deployment))].join(", ");
  const [before = "", after] = `${String(provider)}/${String(model)}`.split("*");
  const fits = (name: string): boolean =>
    after === undefined ? name === before : name.length >= before.length + after.length && name.startsWith(before) && name.endsWith(after);
  const used = names(prices.filter((one) => source(one) === `row ${String(id)}`));
  const own = names(prices.filter((one) => source(one).startsWith("deployment ") && fits(`${one.provider}/${one.model}`)));
  return [used || "no deployment", own && `not for ${own}: the price of the deployment counts`].filter(Boolean).join("; ");
}

interface OwnPricesProps {
  readonly entries: readonly Entry[];
  readonly prices: readonly Priced[];
  readonly onChange: ((id: string) => void) | null;
}

function OwnPrices({ entries, prices, onChange }: OwnPricesProps) {
  return (
    <div className={table.scroll}>
      <Table className={table.cards}>
        <Table.Thead>
          <Table.Tr>
            <Table.Th>Name</Table.Th>
            <Table.Th>Provider</Table.Th>
            <Table.Th>Models</Table.Th>
            <Table.Th>From</Table.Th>
            <Table.Th>For</Table.Th>
            <Table.Th />
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {entries.map((one) => (
            <Table.Tr key={String(one["id"])}>
              <Table.Td data-label="Name">{String(one["id"])}</Table.Td>
              <Table.Td data-label="Provider">{String(one["provider"])}</Table.Td>
              <Table.Td data-label="Models">{String(one["model"])}</Table.Td>
              <Table.Td data-label="From">{String(one["from"])}</Table.Td>
              <Table.Td data-label="For">{effectOf(one, prices)}</Table.Td>
              <Table.Td ta="right">
                {onChange && (
                  <Button
                    size="xs"
                    variant="default"
                    aria-label={`Change ${String(one["id"])}`}
                    onClick={() => onChange(String(one["id"]))}
                  >
                    Change
                  </Button>
                )}
              </Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </div>
  );
}
