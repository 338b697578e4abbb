/** One document, at the place of a passage: its pages as images with the passage marked, or its text. */

import { Button, Group, Stack, Text } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useNavigate, useParams, useSearchParams } from "react-router";

import { type Schemas, api, readFile, take } from "../../api/client";
import { Failure, Notice, PageHead, Rows } from "../../elements/page";
import { Age } from "../../knowledge/Age";
import { BackTo } from "../../knowledge/BackTo";
import { DeleteDocument } from "../../knowledge/DeleteDocument";
import { DocumentState } from "../../knowledge/DocumentState";
import { collectionPath } from "../../knowledge/links";
import { type DocumentView, addressOf, collectionQuery, documentQuery, lookAgain } from "../../knowledge/queries";
import { typeWords } from "../../knowledge/words";
import type { Page } from "../../page";
import { About } from "./About";
import { Pages } from "./Pages";
import { Passages } from "./Passages";

export const page: Page = {
  path: "/knowledge/documents/:document",
  title: "Document",
  below: "/knowledge",
  may: "everyone",
};

type Detail = Schemas["DocumentDetail"];

export default function OneDocument() {
  const id = useParams().document!;
  const found = useQuery(documentQuery(id));
  if (found.error)
    return (
      <>
        <BackTo to="/knowledge">Knowledge</BackTo>
        <PageHead title="Document" />
        <Failure error={found.error} title="Headgate could not open the document" />
      </>
    );
  return found.data ? <Shown detail={found.data} /> : <Rows count={8} />;
}

function Shown({ detail }: { detail: Detail }) {
  const { document, can_keep: canKeep, is_reader: isReader } = detail;
  const collection = useQuery(collectionQuery(document.collection));
  const [isDeleting, setDeleting] = useState(false);
  const navigate = useNavigate();
  const up = collectionPath(document.collection);
  return (
    <>
      <BackTo to={up}>{collection.data?.title ?? document.collection}</BackTo>
      <PageHead
        title={document.title}
        actions={
          <Group gap="xs">
            {isReader && <Download document={document} />}
            {canKeep && (
              <Button variant="subtle" color="red" onClick={() => setDeleting(true)}>
                Delete document
              </Button>
            )}
          </Group>
        }
      >
        {typeWords(document.media_type)} · <Age iso={document.as_of} isStale={document.is_stale} />
      </PageHead>
      <Stack gap="md">
        {document.state !== "ready" && <NotReady document={document} canKeep={canKeep} />}
        {isReader ? (
          <Content detail={detail} />
        ) : (
          <Notice tone="warn" icon="warn">
            You keep this collection, but you are not among the readers of this document. You can delete it, and cannot open
            it.
          </Notice>
        )}
        <About document={document} />
      </Stack>
      <DeleteDocument
        document={isDeleting ? document : null}
        onClose={() => setDeleting(false)}
        onDeleted={() => void navigate(up)}
      />
    </>
  );
}

function Content({ detail: { document, passages } }: { detail: Detail }) {
  const [search] = useSearchParams();
  const typed = search.get("passage");
  const cited = typed === null ? null : (passages.find((one) => String(one.number) === typed) ?? null);
  if (passages.length === 0) return null;
  return (
    <>
      {typed !== null && cited === null && (
        <Notice tone="warn" icon="warn">
          The cited passage is not in this document any more. The document has changed since the answer.
        </Notice>
      )}
      {document.pages === null ? (
        <Passages document={document} passages={passages} cited={cited?.number ?? null} />
      ) : (
        <Pages document={document} count={document.pages} passages={passages} cited={cited} />
      )}
    </>
  );
}

/** Why there is nothing to read yet, and the way to try again. */
function NotReady({ document, canKeep }: { document: DocumentView; canKeep: boolean }) {
  const client = useQueryClient();
  const retry = useMutation({
    mutationFn: () =>
      take(api.POST("/api/knowledge/documents/{document}/retry", { params: { path: { document: document.id } } })),
    onSuccess: async () => {
      await client.invalidateQueries({ queryKey: documentQuery(document.id).queryKey });
      await lookAgain(client);
    },
  });
  return (
    <Notice tone={document.state === "failed" ? "bad" : "warn"} icon={document.state === "failed" ? "bad" : "live"}>
      <DocumentState document={document} />
      {document.state === "failed" && canKeep && (
        <Button mt="xs" size="compact-sm" variant="default" loading={retry.isPending} onClick={() => retry.mutate()}>
          Read again
        </Button>
      )}
      {retry.error && <Text size="sm">{retry.error.message}</Text>}
    </Notice>
  );
}

/** Saves the document as it was added. */
function Download({ document }: { document: DocumentView }) {
  const save = useMutation({
    mutationFn: () => readFile(`${addressOf(document.id)}/file`),
    onSuccess: (file) => {
      const address = URL.createObjectURL(file);
      const link = window.document.createElement("a");
      link.href = address;
      link.download = document.name.split("/").at(-1) || "document";
      link.click();
      URL.revokeObjectURL(address);
    },
  });
  return (
    <div>
      <Button variant="default" loading={save.isPending} onClick={() => save.mutate()}>
        Download
      </Button>
      {save.error && <Failure error={save.error} title="It was not downloaded" />}
    </div>
  );
}
