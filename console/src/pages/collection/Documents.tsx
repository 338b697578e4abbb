/** The documents of a collection, those on their way first. */

import { Button, Group, SegmentedControl, Table, Text } from "@mantine/core";
import { useInfiniteQuery, useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { Link, useSearchParams } from "react-router";

import { api, take } from "../../api/client";
import { Empty, Failure, Rows, Section } from "../../elements/page";
import { Labels } from "../../elements/record";
import { formatCount } from "../../format";
import { Age } from "../../knowledge/Age";
import { DeleteDocument } from "../../knowledge/DeleteDocument";
import { DocumentState } from "../../knowledge/DocumentState";
import { documentPath } from "../../knowledge/links";
import { type Collection, type DocumentView, documentsQuery, lookAgain } from "../../knowledge/queries";
import { useChangeOf } from "../../knowledge/standing";
import { labelsShown } from "../../knowledge/words";
import { Colleague } from "../../people/Colleague";
import { AddFiles } from "./AddFiles";
import { SentRows } from "./SentRows";
import { type Sending, announcement } from "./sending";
import table from "../../elements/table.module.css";
import prose from "../../elements/prose.module.css";
import styles from "./collection.module.css";

const STATES = [
  { value: "", label: "All" },
  { value: "ready", label: "Ready" },
  { value: "waiting", label: "Waiting" },
  { value: "reading", label: "Being read" },
  { value: "failed", label: "Failed" },
];

export function Documents({ collection, sending }: { collection: Collection; sending: Sending }) {
  const [search, setSearch] = useSearchParams();
  const state = search.get("state") ?? "";
  const found = useInfiniteQuery(documentsQuery(collection.id, state || null));
  useChangeOf(collection, found.refetch);
  const [deleted, setDeleted] = useState<DocumentView | null>(null);
  const documents = found.data?.pages.flatMap((page) => page.documents) ?? [];
  const isEmpty = documents.length === 0 && sending.files.length === 0;
  return (
    <Section
      title="Documents"
      aside={
        collection.documents > 0 && (
          <SegmentedControl
            aria-label="Which documents to show"
            value={state}
            onChange={(chosen) => setSearch(chosen ? { state: chosen } : {}, { replace: true })}
            data={STATES}
          />
        )
      }
    >
      <p className={prose.unseen} role="status">
        {announcement(sending.files)}
      </p>
      {found.error ? (
        <Failure error={found.error} title="Headgate could not read the documents" />
      ) : !found.data ? (
        <Rows />
      ) : isEmpty ? (
        <NoDocuments collection={collection} isFiltered={state !== ""} sending={sending} />
      ) : (
        <div className={table.scroll}>
          <Table className={table.cards}>
            <caption className={prose.unseen}>Documents</caption>
            <Table.Thead>
              <Table.Tr>
                <Table.Th>Document</Table.Th>
                <Table.Th>State</Table.Th>
                <Table.Th>Pages</Table.Th>
                <Table.Th>Age</Table.Th>
                <Table.Th>Labels</Table.Th>
                <Table.Th>Added by</Table.Th>
                <Table.Th>
                  <span className={prose.unseen}>Actions</span>
                </Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              <SentRows sending={sending} listed={documents.map((one) => one.id)} />
              {documents.map((one) => (
                <Row key={one.id} document={one} canKeep={collection.can_keep} onDelete={() => setDeleted(one)} />
              ))}
            </Table.Tbody>
          </Table>
        </div>
      )}
      {!isEmpty && collection.can_keep && (
        <Text size="xs" className={prose.quiet} mt="sm">
          Drop files anywhere on this page to add them. A file with the name of an earlier one replaces it.
        </Text>
      )}
      {found.hasNextPage && (
        <Button
          mt="sm"
          variant="default"
          size="compact-sm"
          loading={found.isFetchingNextPage}
          onClick={() => void found.fetchNextPage()}
        >
          Show more documents
        </Button>
      )}
      <DeleteDocument document={deleted} onClose={() => setDeleted(null)} onDeleted={() => setDeleted(null)} />
    </Section>
  );
}

interface NoneProps {
  readonly collection: Collection;
  readonly isFiltered: boolean;
  readonly sending: Sending;
}

function NoDocuments({ collection, isFiltered, sending }: NoneProps) {
  if (isFiltered) return <Empty title="No documents in this state" action={<Link to="?">Show all documents</Link>} />;
  if (!collection.can_keep)
    return <Empty title="No documents yet">{collection.owner_name} adds documents to this collection.</Empty>;
  return (
    <Empty title="No documents yet" action={<AddFiles onAdd={sending.add} />}>
      Drop files here: PDF, Word, Excel, PowerPoint, web pages, Markdown, e-mail, CSV, code and texts of up to 24 MB each.
      Headgate reads and labels them, and then they can be found.
    </Empty>
  );
}

interface RowProps {
  readonly document: DocumentView;
  readonly canKeep: boolean;
  readonly onDelete: () => void;
}

function Row({ document, canKeep, onDelete }: RowProps) {
  const { id, title, name, pages, as_of: asOf, is_stale: isStale, labels, state, source } = document;
  const client = useQueryClient();
  const retry = useMutation({
    mutationFn: () => take(api.POST("/api/knowledge/documents/{document}/retry", { params: { path: { document: id } } })),
    onSuccess: () => lookAgain(client),
  });
  return (
    <Table.Tr className={table.row}>
      <Table.Td>
        <Link className={table.cover} to={documentPath(id)}>
          {title}
        </Link>
        {name !== title && (
          <>
            <br />
            <span className={prose.quiet}>{name}</span>
          </>
        )}
      </Table.Td>
      <Table.Td data-label="State">
        <div>
          <DocumentState document={document} />
          {retry.error && <Failure error={retry.error} title="It is not read again" />}
        </div>
      </Table.Td>
      <Table.Td data-label="Pages" className={styles.wideOnly}>{pages === null ? "–" : formatCount(pages)}</Table.Td>
      <Table.Td data-label="Age">
        <Age iso={asOf} isStale={isStale} />
      </Table.Td>
      <Table.Td data-label="Labels" className={styles.wideOnly} miw={104}>
        <Labels text={labelsShown(labels)} />
      </Table.Td>
      <Table.Td data-label="Added by" className={styles.wideOnly}>{source === null ? <Colleague id={document.added_by} /> : `Source ${source}`}</Table.Td>
      <Table.Td>
        {canKeep && (
          <Group gap={4} wrap="nowrap" justify="flex-end" style={{ position: "relative", zIndex: 1 }}>
            {state === "failed" && (
              <Button
                size="compact-xs"
                variant="default"
                loading={retry.isPending}
                aria-label={`Read again: ${title}`}
                onClick={() => retry.mutate()}
              >
                Read again
              </Button>
            )}
            <Button size="compact-xs" variant="subtle" color="red" aria-label={`Delete ${title}`} onClick={onDelete}>
              Delete
            </Button>
          </Group>
        )}
      </Table.Td>
    </Table.Tr>
  );
}
