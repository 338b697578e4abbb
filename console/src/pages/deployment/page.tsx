/** One deployment: tested, changed, removed; or the lines of the file, where the file manages it. */

import { Button, Modal, Stack, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Link, useNavigate, useSearchParams } from "react-router";

import { DeploymentForm } from "../../catalogue/DeploymentForm";
import { FileEntry } from "../../catalogue/FileEntry";
import { HealthState } from "../../catalogue/HealthState";
import { RemoveEntry } from "../../catalogue/RemoveEntry";
import { Trial } from "../../catalogue/Trial";
import { fieldsOf } from "../../catalogue/deployment";
import { catalogueQuery, entryQuery } from "../../catalogue/queries";
import { Failure, PageHead, Rows, Section } from "../../elements/page";
import type { Page } from "../../page";
import { activityAddress } from "../../usage/links";
import { useMay } from "../../session";

export const page: Page = { path: "/models/deployment", title: "Deployment", may: ["config.read"], below: "/models" };

export default function Deployment() {
  const may = useMay();
  const navigate = useNavigate();
  const [search] = useSearchParams();
  const id = search.get("id") ?? "";
  const stored = useQuery(entryQuery("deployment", id));
  const catalogue = useQuery(catalogueQuery);
  const [isTaken, setTaken] = useState(false);
  const [isRemoving, setRemoving] = useState(false);
  const known = [...(catalogue.data?.models.flatMap((one) => one.deployments) ?? []), ...(catalogue.data?.loose ?? [])];
  const health = known.find((one) => one.id === id)?.health;
  const leave = () => void navigate("/models");
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
              Remove deployment
            </Button>
          )
        }
      >
        A deployment is one model at one provider. People and programs reach it through an alias.
      </PageHead>
      <Stack gap="md">
        {health && (
          <Section title="Health">
            <HealthState health={health} />
            {health.why && (health.state === "failing" || health.state === "cooling_down") && (
              <Text size="sm" mt={4}>
                {health.why} {health.advice}
              </Text>
            )}
            <Link to={activityAddress({ deployment: id, outcome: "failed" }, { span: "24h", compares: false })}>Failed calls of the last 24 h</Link>
          </Section>
        )}
        {may("model.test") && (
          <Section title="Test as it is">
            <Trial subject={{ deployment: id }} label="Test deployment" />
          </Section>
        )}
        {isForm ? (
          <DeploymentForm
            draft={id}
            initial={fieldsOf(stored.data.entry)}
            stored={stored.data}
            onDone={leave}
            onCancel={leave}
          />
        ) : (
          <FileEntry entry={stored.data} onTake={may("config.apply") ? () => setTaken(true) : null} />
        )}
      </Stack>
      <Modal opened={isRemoving} onClose={() => setRemoving(false)} title={`Remove ${id}?`}>
        <RemoveEntry section="deployment" id={id} onDone={leave} onCancel={() => setRemoving(false)} />
      </Modal>
    </>
  );
}
