/** The aliases as a table, each with its deployments in order. */

import { Badge, Table, Text } from "@mantine/core";
import { Link } from "react-router";

import type { Schemas } from "../../api/client";
import { HealthState } from "../../catalogue/HealthState";
import { useMay } from "../../session";
import table from "../../elements/table.module.css";
import prose from "../../elements/prose.module.css";

export function ModelTable({ models }: { models: readonly Schemas["ModelView"][] }) {
  return (
    <div className={table.scroll}>
      <Table className={table.cards}>
        <caption className={prose.unseen}>Aliases, each followed by its deployments in order</caption>
        <Table.Thead>
          <Table.Tr>
            <Table.Th w={28}>#</Table.Th>
            <Table.Th>Deployment</Table.Th>
            <Table.Th>Health</Table.Th>
            <Table.Th>Runs</Table.Th>
            <Table.Th>May see</Table.Th>
            <Table.Th>Costs</Table.Th>
          </Table.Tr>
        </Table.Thead>
        {models.map((model) => (
          <Table.Tbody key={model.id}>
            <Table.Tr className={table.group}>
              <Table.Th colSpan={6} scope="rowgroup">
                {model.id} <Badge ml={6}>{model.operation}</Badge>{" "}
                <Text span size="sm" className={prose.quiet} ml={6}>
                  {model.use_cases.length ? `for ${model.use_cases.join(", ")}` : "for no use case yet"}
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
  const may = useMay();
  const { id, provider, model, is_built_in, health, runs, sees, costs } = deployment;
  return (
    <Table.Tr>
      <Table.Td className={prose.quiet} data-label="Order">
        {place}
      </Table.Td>
      <Table.Td>
        {may("config.read") && !is_built_in ? (
          <Link to={`/models/deployment?id=${encodeURIComponent(id)}`}>{id}</Link>
        ) : (
          <b>{id}</b>
        )}
        <br />
        <span className={prose.quiet}>
          {model} at {provider}
        </span>
      </Table.Td>
      <Table.Td data-label="Health">
        <HealthState health={health} />
      </Table.Td>
      <Table.Td data-label="Runs">{runs}</Table.Td>
      <Table.Td data-label="May see">{sees}</Table.Td>
      <Table.Td data-label="Costs">{costs}</Table.Td>
    </Table.Tr>
  );
}
