/** One alias, or a new one: its deployments in order, tested, changed, removed. */

import { Button, Modal, Stack } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useNavigate, useSearchParams } from "react-router";

import { AliasForm, NEW_ALIAS, aliasFieldsOf } from "../../catalogue/AliasForm";
import { Outcomes } from "../../catalogue/Outcomes";
import { FileEntry } from "../../catalogue/FileEntry";
import { RemoveEntry } from "../../catalogue/RemoveEntry";
import { Trial } from "../../catalogue/Trial";
import { entryQuery } from "../../catalogue/queries";
import { Failure, PageHead, Rows, Section } from "../../elements/page";
import type { Page } from "../../page";
import { useMay } from "../../session";

export const page: Page = { path: "/models/alias", title: "Alias", may: ["config.read"], below: "/models" };

const ABOUT = "An alias is the name by which people and programs choose a model. What is behind it may change.";

export default function Alias() {
  const navigate = useNavigate();
  const [search] = useSearchParams();
  const id = search.get("id") ?? "";
  const leave = () => void navigate("/models");
  if (id) return <Stored id={id} onLeave={leave} />;
  return (
    <>
      <PageHead title="New alias">{ABOUT}</PageHead>
      <AliasForm initial={NEW_ALIAS} stored={null} onDone={leave} onCancel={leave} />
    </>
  );
}

function Stored({ id, onLeave }: { id: string; onLeave: () => void }) {
  const may = useMay();
  const stored = useQuery(entryQuery("alias", id));
  const [isTaken, setTaken] = useState(false);
  const [isRemoving, setRemoving] = useState(false);
  if (stored.error) return <Failure error={stored.error} />;
  if (!stored.data) return <Rows />;
  const isForm = may("config.apply") && (isTaken || stored.data.managed_by !== "file");
  return (
    <>
      <PageHead
        title={id}
        actions={
          may("config.apply") && (
            <Button variant="subtle" color="red" onClick={() => setRemoving(true)}>
              Remove alias
            </Button>
          )
        }
      >
        {ABOUT}
      </PageHead>
      <Stack gap="md">
        {may("model.test") && (
          <Section title="Test as it is">
            <Trial subject={{ alias: id }} label="Test every deployment" />
          </Section>
        )}
        {may("model.outcomes") && stored.data.entry.prefer === "auto" && <Outcomes alias={id} />}
        {isForm ? (
          <AliasForm
            initial={aliasFieldsOf(stored.data.entry)}
            stored={stored.data}
            onDone={onLeave}
            onCancel={onLeave}
          />
        ) : (
          <FileEntry entry={stored.data} onTake={may("config.apply") ? () => setTaken(true) : null} />
        )}
      </Stack>
      <Modal opened={isRemoving} onClose={() => setRemoving(false)} title={`Remove ${id}?`}>
        <RemoveEntry section="alias" id={id} onDone={onLeave} onCancel={() => setRemoving(false)} />
      </Modal>
    </>
  );
}
