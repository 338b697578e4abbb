/** The use cases as a table; each row leads to its page. */

import { Paper, Table } from "@mantine/core";
import { Link } from "react-router";

import type { Schemas } from "../../api/client";
import { Empty } from "../../elements/page";
import { formatCount, plural } from "../../format";
import { PersonName } from "../../people/PersonName";
import { lastDayOf } from "../../record/days";
import { categoryWords } from "../../record/words";
import { nameOf, personIn } from "../../usecase/bodies";
import { Review, StatusState } from "../../usecase/status";
import { UNUSED, type Usage, useUsage } from "../../usecase/usage";
import table from "../../elements/table.module.css";
import prose from "../../elements/prose.module.css";

type UseCase = Schemas["UseCaseView"];

export function UseCases({ useCases }: { useCases: readonly UseCase[] }) {
  const usage = useUsage();
  if (!useCases.length)
    return (
      <Empty title="No use cases for you yet">
        The use cases that you own or belong to appear here. Ask an administrator or the owner of a use case to add you.
      </Empty>
    );
  return (
    <Paper className={table.scroll}>
      <Table className={table.cards}>
        <caption className={prose.unseen}>Use cases</caption>
        <Table.Thead>
          <Table.Tr>
            <Table.Th>Use case</Table.Th>
            <Table.Th>Owner</Table.Th>
            <Table.Th>Status</Table.Th>
            <Table.Th>Risk</Table.Th>
            {usage && (
              <>
                <Table.Th>Spend, 30 days</Table.Th>
                <Table.Th>Calls, 30 days</Table.Th>
              </>
            )}
            <Table.Th>Members</Table.Th>
            <Table.Th>What applies</Table.Th>
            <Table.Th>Review</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {[...useCases.filter((one) => !one.is_built_in), ...useCases.filter((one) => one.is_built_in)].map((useCase) => (
            <Row key={useCase.id} useCase={useCase} usage={usage && (usage.get(useCase.id) ?? UNUSED)} />
          ))}
        </Table.Tbody>
      </Table>
    </Paper>
  );
}

function Row({ useCase, usage }: { useCase: UseCase; usage: Usage | null }) {
  const { id, owner, purpose, members } = useCase;
  return (
    <Table.Tr className={table.row}>
      <Table.Td>
        <Link className={table.cover} to={`/use-cases/${encodeURIComponent(id)}`}>
          {nameOf(useCase)}
        </Link>
        <br />
        <span className={prose.quiet}>{purpose}</span>
      </Table.Td>
      <Table.Td data-label="Owner">
        {owner && <PersonName id={owner} name={useCase.is_built_in ? undefined : personIn(useCase, owner)} />}
      </Table.Td>
      <Table.Td data-label="Status">
        <StatusState status={useCase.status} />
      </Table.Td>
      <Table.Td data-label="Risk">{useCase.risk}</Table.Td>
      {usage && (
        <>
          <Table.Td data-label="Spend, 30 days">{usage.spend}</Table.Td>
          <Table.Td data-label="Calls, 30 days">{formatCount(usage.calls)}</Table.Td>
        </>
      )}
      <Table.Td data-label="Members">{memberWords(members ?? [])}</Table.Td>
      <Table.Td data-label="What applies">
        {appliesWords(useCase).map((words) => (
          <div key={words}>{words}</div>
        ))}
      </Table.Td>
      <Table.Td data-label="Review">
        <Review day={useCase.review_on} />
      </Table.Td>
    </Table.Tr>
  );
}

/** How many may use it, in words. */
function memberWords(members: readonly string[]): string {
  if (members.includes("*")) return "Everyone";
  return members.length ? plural(members.length, "member") : "Only its owner";
}

/** What applies to its content, models and rules, in short lines. */
function appliesWords({ confidentiality, categories, deployments, observe, expires_at }: UseCase): string[] {
  const data = categories?.length ? ` with ${categories.map(categoryWords).join(", ")}` : "";
  return [
    `Data: ${confidentiality} or higher${data}`,
    `Models: ${deployments ? deployments.join(", ") : "all that are cleared"}`,
    ...(observe?.length ? [observe.includes("*") ? "All rules observe" : `${plural(observe.length, "rule")} set apart`] : []),
    ...(expires_at ? [`until ${lastDayOf(expires_at)}`] : []),
  ];
}
