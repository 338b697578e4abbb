/** A preview of a text: its findings, and the content that each deployment would get. Nothing is sent. */

import { Button, Group, NativeSelect, SimpleGrid, Stack, Text, Textarea } from "@mantine/core";
import { useMutation, useQuery } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";

import { type Schemas, api, take } from "../../api/client";
import { modelsQuery, overviewQuery } from "../../api/queries";
import { Json } from "../../elements/code";
import { Empty, Failure, PageHead, Section } from "../../elements/page";
import { EffectState, Labels, RuleHits } from "../../elements/record";
import { formatSize, plural, sentence } from "../../format";
import { offerOf } from "../../models";
import type { Page } from "../../page";
import { custodyWords } from "../../record/words";
import { Findings } from "./Findings";
import prose from "../../elements/prose.module.css";

export const page: Page = {
  path: "/preview",
  title: "Preview",
  group: "use",
  order: 30,
  may: "everyone",
  icon: "M1.5 8S4 3.5 8 3.5 14.5 8 14.5 8 12 12.5 8 12.5 1.5 8 1.5 8zM8 6.2a1.8 1.8 0 1 1 0 3.6 1.8 1.8 0 0 1 0-3.6z",
};

// Made up: numbers reserved for tests and examples, which detectors recognise all the same.
const EXAMPLE = `Hello, this is Ada Example (ada.example@example.org, +44 20 7946 0958).
Please refund my card 4111 1111 1111 1111, or pay to DE89 3704 0044 0532 0130 00.
Our integration still uses the key AKIAIOSFODNN7EXAMPLE, is that a problem?`;

export default function Preview() {
  const models = useQuery(modelsQuery);
  const overview = useQuery(overviewQuery);
  const [text, setText] = useState("");
  const [model, setModel] = useState<string | null>(null);
  const [useCase, setUseCase] = useState("getting-started");
  const offer = offerOf(models.data);
  const chosen = model ?? offer.first;
  const look = useMutation({
    mutationFn: async (asked: Schemas["PreviewRequest"]) => ({
      text: asked.text,
      seen: await take(api.POST("/api/preview", { body: asked })),
    }),
  });
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    if (text.trim()) look.mutate({ text, model: chosen, use_case: useCase });
  };
  return (
    <>
      <PageHead title="Preview">
        Paste a text to see its findings and the content that each deployment would get. Nothing is sent to a model.
      </PageHead>
      <Stack gap="md">
        <Section title="Text">
          <form onSubmit={submit}>
            <Stack gap="sm">
              <Textarea
                aria-label="Text to preview"
                placeholder="Paste a message, a document, a configuration…"
                autosize
                minRows={5}
                maxRows={16}
                value={text}
                onChange={(event) => setText(event.currentTarget.value)}
              />
              <Group gap="sm" align="flex-end">
                <NativeSelect
                  label="Model"
                  data={[...offer.ids]}
                  value={chosen}
                  onChange={(event) => setModel(event.currentTarget.value)}
                />
                <NativeSelect
                  label="Use case"
                  data={overview.data?.use_cases ?? [useCase]}
                  value={useCase}
                  onChange={(event) => setUseCase(event.currentTarget.value)}
                />
                <Button type="submit" loading={look.isPending} disabled={!text.trim()}>
                  Preview text
                </Button>
                <Button variant="default" onClick={() => setText(EXAMPLE)}>
                  Fill in an example
                </Button>
              </Group>
            </Stack>
          </form>
        </Section>
        {look.error && <Failure error={look.error} title="The preview failed" />}
        {look.data ? (
          <Seen key={look.submittedAt} text={look.data.text} seen={look.data.seen} />
        ) : (
          !look.error && (
            <Empty title="No preview yet">
              Fill in the example and preview it: it holds a card number, an account, an address and a key.
            </Empty>
          )
        )}
      </Stack>
    </>
  );
}

function Seen({ text, seen }: { text: string; seen: Schemas["Preview"] }) {
  return (
    <Stack gap="md">
      <p className={prose.unseen} role="status">
        {plural(seen.findings.length, "finding")}, {plural(seen.destinations.length, "destination")}.
      </p>
      <Section title={`Findings: ${plural(seen.findings.length, "value")}`} aside={<Labels text={seen.labels} />}>
        <Findings text={text} findings={seen.findings} />
      </Section>
      <SimpleGrid cols={{ base: 1, lg: seen.destinations.length > 1 ? 2 : 1 }} spacing="md">
        {seen.destinations.map((destination) => (
          <Destination key={destination.deployment} destination={destination} />
        ))}
      </SimpleGrid>
    </Stack>
  );
}

function Destination({ destination }: { destination: Schemas["PreviewDestination"] }) {
  const { deployment, custody, effect, why, rules, labels, bytes_out } = destination;
  return (
    <Section title={deployment} aside={<EffectState effect={effect} />}>
      <Stack gap="sm">
        <Text size="sm" className={prose.quiet}>
          {sentence(`on ${custodyWords(custody)}`)}
          {why && !rules.some((rule) => rule.reason === why) && ` ${sentence(why)}`}
        </Text>
        <RuleHits rules={rules} />
        <Group gap="xs">
          <span className={prose.quiet}>Labels after masking</span> <Labels text={labels} />
        </Group>
        {bytes_out === null ? (
          <Text size="sm" fw={600}>
            Nothing would be sent.
          </Text>
        ) : (
          <Json text={bytes_out} what={`Content for ${deployment}`}>
            <span>Content to send, {formatSize(new TextEncoder().encode(bytes_out).length)}</span>
          </Json>
        )}
      </Stack>
    </Section>
  );
}
