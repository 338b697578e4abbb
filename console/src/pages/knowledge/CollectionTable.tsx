/** The collections as a table; each row leads to its page. */

import { Table } from "@mantine/core";
import { Link } from "react-router";

import { State } from "../../elements/record";
import { formatCount, plural } from "../../format";
import { Age } from "../../knowledge/Age";
import { collectionPath } from "../../knowledge/links";
import type { Collection } from "../../knowledge/queries";
import { PersonName } from "../../people/PersonName";
import table from "../../elements/table.module.css";
import prose from "../../elements/prose.module.css";

export function CollectionTable({ collections }: { collections: readonly Collection[] }) {
  return (
    <div className={table.scroll}>
      <Table className={table.cards}>
        <caption className={prose.unseen}>Collections</caption>
        <Table.Thead>
          <Table.Tr>
            <Table.Th>Collection</Table.Th>
            <Table.Th>Documents</Table.Th>
            <Table.Th>State</Table.Th>
            <Table.Th>Oldest text</Table.Th>
            <Table.Th>Owner</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {collections.map((one) => (
            <Row key={one.id} collection={one} />
          ))}
        </Table.Tbody>
      </Table>
    </div>
  );
}

function Row({ collection }: { collection: Collection }) {
  const { id, title, purpose, documents, oldest, owner, owner_name: ownerName } = collection;
  return (
    <Table.Tr className={table.row}>
      <Table.Td>
        <Link className={table.cover} to={collectionPath(id)}>
          {title}
        </Link>
        {purpose && (
          <>
            <br />
            <span className={prose.quiet}>{purpose}</span>
          </>
        )}
      </Table.Td>
      <Table.Td data-label="Documents">{formatCount(documents)}</Table.Td>
      <Table.Td data-label="State">
        <CollectionState collection={collection} />
      </Table.Td>
      <Table.Td data-label="Oldest text">{oldest === null ? "–" : <Age iso={oldest} />}</Table.Td>
      <Table.Td data-label="Owner">
        <span>
          <PersonName id={owner} name={ownerName} />
        </span>
      </Table.Td>
    </Table.Tr>
  );
}

function CollectionState({ collection: { documents, waiting, failed } }: { collection: Collection }) {
  if (documents === 0)
    return (
      <State tone="quiet" icon="open">
        Empty
      </State>
    );
  return (
    <>
      {waiting > 0 && (
        <div>
          <State tone="warn" icon="live">{`${plural(waiting, "document")} being read`}</State>
        </div>
      )}
      {failed > 0 && (
        <div>
          <State tone="bad" icon="bad">{`${formatCount(failed)} failed`}</State>
        </div>
      )}
      {waiting === 0 && failed === 0 && (
        <State tone="good" icon="good">
          Ready
        </State>
      )}
    </>
  );
}
