/** A card for each alias, with its deployments. */

import { Badge, Group, Paper, SimpleGrid, Stack, Text, Title } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link } from "react-router";

import type { Schemas } from "../../api/client";
import { HealthState } from "../../catalogue/HealthState";
import { State } from "../../elements/record";
import { formatCount, formatDuration } from "../../format";
import { useMay } from "../../session";
import { usageOverviewQuery } from "../../usage/queries";
import styles from "./models.module.css";
import prose from "../../elements/prose.module.css";

type Deployment = Schemas["DeploymentView"];

interface Props {
  readonly models: readonly Schemas["ModelView"][];
  /** Deployments that no alias leads to. */
  readonly loose: readonly Deployment[];
}

export function Cards({ models, loose }: Props) {
  const may = useMay();
  const usage = useQuery({ ...usageOverviewQuery({ span: "1h", compares: false }, {}), enabled: may("usage.read") });
  const times = new Map(usage.data?.models.map((row) => [row.model, row.times]));
  return (
    <Stack gap="md">
      <SimpleGrid cols={{ base: 1, lg: 2 }} spacing="md" className={styles.grid}>
        {models.map((model) => (
          <ModelCard key={model.id} model={model} times={times.get(model.id) ?? null} />
        ))}
      </SimpleGrid>
      {loose.length > 0 && (
        <section aria-label="Deployments without an alias">
          <Title order={2} mb="xs">
            Deployments without an alias
          </Title>
          <Text size="sm" className={prose.quiet} mb="sm">
            Nobody can choose them yet. Add them to an alias.
          </Text>
          <SimpleGrid cols={{ base: 1, lg: 2 }} spacing="md">
            {loose.map((deployment) => (
              <Paper key={deployment.id}>
                <DeploymentFacts deployment={deployment} place={null} />
              </Paper>
            ))}
          </SimpleGrid>
        </section>
      )}
    </Stack>
  );
}

interface CardProps {
  readonly model: Schemas["ModelView"];
  /** How long calls of the last hour took; null where that is not known, or not for this reader. */
  readonly times: Schemas["PercentilesView"] | null;
}

function ModelCard({ model, times }: CardProps) {
  const may = useMay();
  const isOne = model.deployments.length === 1;
  return (
    <Paper component="article" aria-label={model.id}>
      <Group justify="space-between" gap="xs" align="flex-start">
        <div>
          <Title order={2}>{model.id}</Title>
          {model.description && (
            <Text size="sm" className={prose.quiet}>
              {model.description}
            </Text>
          )}
        </div>
        {model.is_built_in ? (
          <Badge>built in</Badge>
        ) : (
          may("config.read") && (
            <Link to={`/models/alias?id=${encodeURIComponent(model.id)}`} aria-label={`Open alias ${model.id}`}>
              Open alias
            </Link>
          )
        )}
      </Group>
      <Stack gap="sm" mt="sm" className={prose.divided}>
        {model.deployments.map((deployment, at) => (
          <DeploymentFacts key={deployment.id} deployment={deployment} place={isOne ? null : at + 1} />
        ))}
        <dl className={`${prose.facts} ${styles.facts}`}>
          <dt>For</dt>
          <dd>{model.use_cases.length ? model.use_cases.join(", ") : "no use case yet"}</dd>
          {times?.p50_us != null && (
            <>
              <dt>Takes</dt>
              <dd>
                {formatDuration(times.p50_us)} for half of the last hour&apos;s calls, {formatDuration(times.p95_us)} for 95 %
              </dd>
            </>
          )}
        </dl>
      </Stack>
      {model.is_built_in && model.operation === "chat" && (
        <Text size="sm" className={prose.quiet} mt="sm">
          A stand-in of 135 million parameters, which proves that the way works.{" "}
          <Link to="/models/add">Add a better model</Link>
        </Text>
      )}
    </Paper>
  );
}

function DeploymentFacts({ deployment, place }: { deployment: Deployment; place: number | null }) {
  const may = useMay();
  const { id, model, provider, is_built_in, health } = deployment;
  return (
    <div>
      <Group justify="space-between" gap="xs">
        <Text size="sm" component="div">
          {place !== null && <span className={prose.quiet}>{place}. </span>}
          {may("config.read") && !is_built_in ? (
            <Link to={`/models/deployment?id=${encodeURIComponent(id)}`}>{id}</Link>
          ) : (
            <b>{id}</b>
          )}{" "}
          <span className={prose.quiet}>
            {model} at {provider}
          </span>
        </Text>
        <HealthState health={health} />
      </Group>
      {health.why && (health.state === "failing" || health.state === "cooling_down") && (
        <Text size="sm" mt={2}>
          {health.why} {health.advice}
        </Text>
      )}
      {health.warning && (
        <Text size="sm" mt={2}>
          <State tone="warn" icon="warn">{health.warning}</State>
        </Text>
      )}
      <dl className={`${prose.facts} ${styles.facts}`}>
        <dt>Costs</dt>
        <dd>{deployment.costs}</dd>
        <dt>Can</dt>
        <dd>
          {deployment.can.join(", ")}
          {deployment.context_tokens !== null && `; reads up to ${formatCount(deployment.context_tokens)} tokens`}
        </dd>
        <dt>May see</dt>
        <dd>{deployment.sees}</dd>
        <dt>Runs</dt>
        <dd>{deployment.runs}</dd>
      </dl>
    </div>
  );
}
