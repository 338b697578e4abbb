/** The aliases, each with its deployments in order. */

import { Badge, Group, Table, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link } from "react-router";

import type { Schemas } from "../../api/client";
import { modelsQuery } from "../../api/queries";
import { Empty, Failure, PageHead, Rows } from "../../elements/page";
import { formatPrice } from "../../format";
import type { Page } from "../../page";
import { categoryWords, custodyWords } from "../../record/words";
import { useMay } from "../../session";
import table from "../../elements/table.module.css";
import prose from "../../elements/prose.module.css";

export const page: Page = {
  path: "/models",
  title: "Models",
  group: "administer",
  order: 10,
  may: "everyone",
  icon: "M8 1.8 14 5 8 8.2 2 5zM2.5 8 8 11l5.500-3M2.500 10.800 8 13.800l5.500-3",
};

const RIGHT = { base: "left", sm: "right" } as const;

export default function Models() {
  const may = useMay();
  const models = useQuery(modelsQuery);
  return (
    <>
      <PageHead title="Models">
        Programs call an alias. Headgate tries the alias&apos;s deployments in order, and skips those not cleared for the
        content.{" "}
        {may("config.read") && (
          <>
            Change them under <Link to="/configuration">Configuration</Link>.
          </>
        )}
      </PageHead>
      {models.error ? (
        <Failure error={models.error} />
      ) : !models.data ? (
        <Rows />
      ) : models.data.length === 0 ? (
        <Empty
          title="No models yet"
          action={may("config.apply") && <Link to="/configuration">Add a deployment and an alias</Link>}
        />
      ) : (
        <ModelTable models={models.data} />
      )}
    </>
  );
}

function ModelTable({ models }: { models: readonly Schemas["ModelView"][] }) {
  return (
    <div className={table.scroll}>
      <Table className={table.cards}>
        <caption className={prose.unseen}>
          Aliases, each followed by its deployments in order; prices are for a million tokens
        </caption>
        <Table.Thead>
          <Table.Tr>
            <Table.Th w={28}>#</Table.Th>
            <Table.Th>Deployment</Table.Th>
            <Table.Th>Custody</Table.Th>
            <Table.Th>Clearance</Table.Th>
            <Table.Th ta="right">Input, per million tokens</Table.Th>
            <Table.Th ta="right">Output</Table.Th>
          </Table.Tr>
        </Table.Thead>
        {models.map((model) => (
          <Table.Tbody key={model.id}>
            <Table.Tr className={table.group}>
              <Table.Th colSpan={6} scope="rowgroup">
                {model.id} <Badge ml={6}>{model.operation}</Badge>{" "}
                <Text span size="sm" className={prose.quiet} ml={6}>
                  {model.description}
                </Text>
              </Table.Th>
            </Table.Tr>
            {model.deployments.map((deployment, at) => (
              <Deployment key={deployment.id} deployment={deployment} place={at + 1} />
            ))}
          </Table.Tbody>
        ))}
      </Table>
    </div>
  );
}

function Deployment({ deployment, place }: { deployment: Schemas["DeploymentView"]; place: number }) {
  const { id, provider, model, custody, level, categories, regions, price, is_built_in } = deployment;
  return (
    <Table.Tr>
      <Table.Td className={prose.quiet} data-label="Order">
        {place}
      </Table.Td>
      <Table.Td>
        <Group gap={6}>
          <b>{id}</b>
          {is_built_in && <Badge>built in</Badge>}
        </Group>
        <span className={prose.quiet}>
          {model} at {provider}
        </span>
      </Table.Td>
      <Table.Td data-label="Custody">{custodyWords(custody)}</Table.Td>
      <Table.Td data-label="Clearance">
        <div>
          Confidentiality: up to {level}
          <br />
          <span className={prose.quiet}>
            {categories === null
              ? "All categories"
              : categories.length
                ? `Categories: ${categories.map(categoryWords).join(", ")}`
                : "No sensitive categories"}
            {regions.length > 0 && `; regions: ${regions.join(", ")}`}
          </span>
        </div>
      </Table.Td>
      <Table.Td data-label="Input price" ta={RIGHT}>
        {price ? formatPrice(price.input_micros, price.currency) : "unknown"}
      </Table.Td>
      <Table.Td data-label="Output price" ta={RIGHT}>
        {price ? formatPrice(price.output_micros, price.currency) : "unknown"}
      </Table.Td>
    </Table.Tr>
  );
}
