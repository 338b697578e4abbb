/** Questions to the organisation's documents, and the collections that hold them. */

import { Button, Stack } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useNavigate, useSearchParams } from "react-router";

import { FormDialog } from "../../elements/dialog";
import { Icon } from "../../elements/icons";
import { Empty, Failure, PageHead, Rows, Section } from "../../elements/page";
import { formatCount } from "../../format";
import { CollectionForm } from "../../knowledge/CollectionForm";
import { collectionPath } from "../../knowledge/links";
import { collectionsQuery } from "../../knowledge/queries";
import { type Page, matching } from "../../page";
import { Answered } from "./Answered";
import { Ask } from "./Ask";
import { CollectionTable } from "./CollectionTable";
import { useAsking } from "./asking";

export const page: Page = {
  path: "/knowledge",
  title: "Knowledge",
  group: "use",
  order: 25,
  may: "everyone",
  find: async (words, { client }) =>
    matching(
      words,
      (await client.fetchQuery(collectionsQuery)).collections.map(({ id, title, purpose }) => ({
        title,
        detail: purpose || "collection",
        to: collectionPath(id),
      })),
    ),
  icon: "M8 4C6.500 2.800 4.500 2.500 2 2.800v9.700c2.500-.300 4.500 0 6 1.200 1.500-1.200 3.500-1.500 6-1.200V2.800C11.500 2.500 9.500 2.800 8 4zM8 4v9.700",
};

export default function Knowledge() {
  const found = useQuery(collectionsQuery);
  const { asked, ask, forget } = useAsking();
  const [isOpen, setOpen] = useState(false);
  const [search] = useSearchParams();
  const navigate = useNavigate();
  const collections = found.data?.collections ?? [];
  const readable = collections.filter((one) => one.can_ask);
  const add = found.data?.can_make && (
    <Button
      variant={collections.length > 0 ? "default" : "filled"}
      leftSection={<Icon name="add" size={13} />}
      onClick={() => setOpen(true)}
    >
      New collection
    </Button>
  );
  return (
    <>
      <PageHead title="Knowledge" actions={collections.length > 0 && add}>
        Ask your organisation&apos;s documents. Every sentence of an answer names its source. You see only what you may
        read.
      </PageHead>
      {found.error ? (
        <Failure error={found.error} title="Headgate could not read the collections" />
      ) : !found.data ? (
        <Rows />
      ) : collections.length === 0 ? (
        <Empty title="There are no collections for you yet" action={add || undefined}>
          {found.data.can_make
            ? "A collection holds documents on one subject, such as a handbook. Make one, then drop files on it."
            : "A collection holds documents on one subject. Ask an administrator or the owner of a collection to add you to its readers."}
        </Empty>
      ) : (
        <Stack gap="lg">
          {readable.length > 0 && (
            <Ask
              key={search.get("in")}
              collections={readable}
              chosen={search.getAll("in")}
              stop={asked?.stop ?? null}
              onAsk={ask}
            />
          )}
          {asked && <Answered asked={asked} onForget={forget} onAgain={() => ask({ ...asked.question })} />}
          <Section title="Collections" aside={formatCount(collections.length)}>
            <CollectionTable collections={collections} />
          </Section>
        </Stack>
      )}
      <FormDialog title="New collection" isOpen={isOpen} onClose={() => setOpen(false)}>
        <CollectionForm
          collection={null}
          onDone={(id) => {
            setOpen(false);
            if (id !== null) void navigate(collectionPath(id));
          }}
        />
      </FormDialog>
    </>
  );
}
