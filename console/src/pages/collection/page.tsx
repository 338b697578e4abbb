/** One collection: how it stands, its documents, its sources, and who may read it. Files are added here. */

import { Button, Group, SimpleGrid, Stack } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Link, useNavigate, useParams } from "react-router";

import { FormDialog } from "../../elements/dialog";
import { Icon } from "../../elements/icons";
import { Failure, PageHead, Rows } from "../../elements/page";
import { CollectionForm } from "../../knowledge/CollectionForm";
import { BackTo } from "../../knowledge/BackTo";
import { Quality } from "../../knowledge/Quality";
import { askPath } from "../../knowledge/links";
import { type Collection, collectionQuery } from "../../knowledge/queries";
import type { Page } from "../../page";
import { useMay } from "../../session";
import { About } from "./About";
import { Documents } from "./Documents";
import { AddFiles, DropAnywhere } from "./AddFiles";
import { Figures } from "./Figures";
import { Sources } from "./Sources";
import { useSending } from "./sending";

export const page: Page = {
  path: "/knowledge/collections/:collection",
  title: "Collection",
  below: "/knowledge",
  may: "everyone",
};

export default function OneCollection() {
  const id = useParams().collection!;
  const found = useQuery(collectionQuery(id));
  return (
    <>
      <BackTo to="/knowledge">Knowledge</BackTo>
      {found.error ? (
        <>
          <PageHead title="Collection" />
          <Failure error={found.error} title="Headgate could not read the collection" />
        </>
      ) : found.data ? (
        <Shown collection={found.data} />
      ) : (
        <Rows count={8} />
      )}
    </>
  );
}

function Shown({ collection }: { collection: Collection }) {
  const { id, title, purpose, can_ask: canAsk, can_keep: canKeep } = collection;
  const [isChanging, setChanging] = useState(false);
  const sending = useSending(id);
  const may = useMay();
  const navigate = useNavigate();
  return (
    <>
      <PageHead
        title={title}
        actions={
          <Group gap="xs">
            {canAsk && collection.documents > 0 && (
              <Button variant="default" component={Link} to={askPath(id)} leftSection={<Icon name="search" size={13} />}>
                Ask this collection
              </Button>
            )}
            {may("config.apply") && (
              <Button variant="default" onClick={() => setChanging(true)}>
                Change collection
              </Button>
            )}
            {canKeep && (collection.documents > 0 || sending.files.length > 0) && <AddFiles onAdd={sending.add} />}
          </Group>
        }
      >
        {purpose}
      </PageHead>
      <Stack gap="md">
        <Figures collection={collection} />
        <Documents collection={collection} sending={sending} />
        <Quality collection={collection} />
        <SimpleGrid cols={{ base: 1, md: 2 }} spacing="md">
          <About collection={collection} />
          <Sources collection={collection} />
        </SimpleGrid>
      </Stack>
      {canKeep && <DropAnywhere title={title} onAdd={sending.add} />}
      <FormDialog title={`Change ${title}`} isOpen={isChanging} onClose={() => setChanging(false)}>
        <CollectionForm
          collection={collection}
          onDone={(saved) => {
            setChanging(false);
            if (saved === null) void navigate("/knowledge");
          }}
        />
      </FormDialog>
    </>
  );
}
