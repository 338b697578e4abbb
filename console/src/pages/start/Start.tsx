/** The quick start: a key, a call that works, and the call arriving. */

import { Badge, Button, Group, NativeSelect, SimpleGrid, Stack, Tabs, Text } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { Link } from "react-router";

import { type Schemas, api, take } from "../../api/client";
import { keysQuery, modelsQuery, overviewQuery } from "../../api/queries";
import { Code, CopyButton } from "../../elements/code";
import { Icon } from "../../elements/icons";
import { Failure, PageHead, Rows, Section } from "../../elements/page";
import { offerOf } from "../../models";
import { useMayOpen } from "../../page";
import { useMakesKeys } from "../../people/queries";
import { useUseCaseTitle } from "../../usecase/titles";
import { useMay } from "../../session";
import { Arrivals } from "./Arrivals";
import { snippetsFor } from "./snippets";
import prose from "../../elements/prose.module.css";

export default function Start() {
  const overview = useQuery(overviewQuery);
  return (
    <>
      <PageHead title="Start">
        Point a program at Headgate: change its base URL and its key, and nothing else. Headgate decides about each call,
        masks it where a rule asks for that, and keeps a record.
      </PageHead>
      {overview.error ? (
        <Failure error={overview.error} />
      ) : overview.data ? (
        <Ready overview={overview.data} />
      ) : (
        <Rows />
      )}
    </>
  );
}

function Ready({ overview }: { overview: Schemas["Overview"] }) {
  const may = useMay();
  const [secret, setSecret] = useState<string | null>(null);
  return (
    <Stack gap="md">
      <EmbeddedModel state={overview.embedded_model} />
      <SimpleGrid cols={{ base: 1, lg: 2 }} spacing="md" style={{ alignItems: "start" }}>
        <Stack gap="md" miw={0}>
          {may("key.create") && <Key secret={secret} onMade={setSecret} />}
          <FirstCall overview={overview} secret={secret} />
        </Stack>
        <Stack gap="md" miw={0}>
          {may("record.list") && <Arrivals hasCalled={overview.has_called} />}
          <Addresses overview={overview} />
        </Stack>
      </SimpleGrid>
    </Stack>
  );
}

function EmbeddedModel({ state }: { state: Schemas["Overview"]["embedded_model"] }) {
  const mayAdd = useMayOpen()("/models/add");
  if (state === "ready")
    return (
      <Text size="sm">
        The built-in model <b>local-chat</b> is a stand-in of 135 million parameters: it proves that the way works.{" "}
        {mayAdd && <Link to="/models/add">Add a better model</Link>}
      </Text>
    );
  return (
    <Text size="sm" role="status">
      {state === "loading"
        ? "The embedded model is still loading. Calls to local-chat work in a moment."
        : "This installation has no embedded model. "}
      {state === "absent" && mayAdd && <Link to="/models/add">Add a model to get answers</Link>}
    </Text>
  );
}

function Key({ secret, onMade }: { secret: string | null; onMade: (secret: string) => void }) {
  const client = useQueryClient();
  const make = useMutation({
    mutationFn: () => {
      const name = `Made on the start page, ${new Date().toISOString().slice(0, 16).replace("T", " ")} UTC`;
      // What is left out takes the server's defaults: the caller's own principal, no roles, no limits.
      const body = { name, use_case: "getting-started" } as Schemas["NewKey"];
      return take(api.POST("/api/keys", { body }));
    },
    onSuccess: (made) => {
      onMade(made.secret);
      void client.invalidateQueries({ queryKey: keysQuery.queryKey });
    },
  });
  return (
    <Section title="1. Key">
      <Stack gap="sm" align="flex-start">
        {secret ? (
          <>
            <Group gap="xs" wrap="wrap">
              <span className={prose.mono} style={{ overflowWrap: "anywhere" }} data-testid="secret">
                {secret}
              </span>
              <CopyButton text={secret} what="the key" />
            </Group>
            <Text size="sm" role="status">
              Copy the key now: Headgate does not show it again. The code below already holds it.
            </Text>
          </>
        ) : (
          <Text size="sm">
            The key is for the use case <b>getting-started</b>, which uses models on your own machines only.
          </Text>
        )}
        {make.error && <Failure error={make.error} />}
        <Button
          leftSection={<Icon name="key" size={14} />}
          variant={secret ? "default" : "filled"}
          loading={make.isPending}
          onClick={() => make.mutate()}
        >
          {secret ? "Make another key" : "Make key"}
        </Button>
      </Stack>
    </Section>
  );
}

function FirstCall({ overview, secret }: { overview: Schemas["Overview"]; secret: string | null }) {
  const may = useMay();
  const makesKeys = useMakesKeys();
  const models = useQuery(modelsQuery);
  const offer = offerOf(models.data);
  const [chosen, setChosen] = useState<string | null>(null);
  const model = chosen ?? offer.first;
  const access = { openaiUrl: overview.openai_base_url, anthropicUrl: overview.anthropic_base_url, model, secret };
  const snippets = snippetsFor(access);
  return (
    <Section
      title={may("key.create") ? "2. First call" : "First call"}
      aside={
        offer.ids.length > 1 && (
          <NativeSelect
            aria-label="Model of the call"
            size="xs"
            data={[...offer.ids]}
            value={model}
            onChange={(event) => setChosen(event.currentTarget.value)}
          />
        )
      }
    >
      <Tabs defaultValue="curl" keepMounted={false}>
        <Tabs.List mb="sm">
          {snippets.map(({ id, title }) => (
            <Tabs.Tab key={id} value={id} px="sm">
              {title}
            </Tabs.Tab>
          ))}
        </Tabs.List>
        {snippets.map(({ id, title, install, code }) => (
          <Tabs.Panel key={id} value={id}>
            <Stack gap="xs">
              {install && <Code text={install} what={`How to install for ${title}`} />}
              <Code text={code} what={`A call with ${title}`} />
            </Stack>
          </Tabs.Panel>
        ))}
      </Tabs>
      {!secret && (
        <Text size="sm" className={prose.quiet} mt="xs">
          The code reads the key from <span className={prose.mono}>HEADGATE_API_KEY</span>.{" "}
          {may("key.create") ? (
            "Make a key above, and the code holds it."
          ) : makesKeys ? (
            <Link to="/account">Make a key for yourself</Link>
          ) : (
            "Ask an administrator for a key."
          )}
        </Text>
      )}
    </Section>
  );
}

function Addresses({ overview }: { overview: Schemas["Overview"] }) {
  const may = useMay();
  const titleOf = useUseCaseTitle();
  return (
    <Section title="Addresses and models">
      <dl className={prose.facts}>
        <dt>OpenAI API</dt>
        <dd className={prose.mono}>{overview.openai_base_url}</dd>
        <dt>Anthropic API</dt>
        <dd className={prose.mono}>{overview.anthropic_base_url}</dd>
        <dt>Models</dt>
        <dd>
          <span className={prose.tags}>
            {overview.models.map((id) => (
              <Badge key={id}>{id}</Badge>
            ))}
          </span>{" "}
          <Link to="/models">View models</Link>
        </dd>
        <dt>Use cases</dt>
        <dd>
          <span className={prose.tags}>
            {overview.use_cases.map((id) => (
              <Badge key={id}>{titleOf(id)}</Badge>
            ))}
          </span>{" "}
          {may("use_case.list") && <Link to="/use-cases">View use cases</Link>}
        </dd>
        <dt>Version</dt>
        <dd>{overview.version}</dd>
      </dl>
    </Section>
  );
}
