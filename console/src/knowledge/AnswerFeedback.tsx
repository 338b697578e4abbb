/** What stands below an answer: whether it is right, and the way to the experts of a collection. */

import { Button, Group, NativeSelect, Paper, Stack, Text, Textarea } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useRef, useState } from "react";
import { Link } from "react-router";

import { api, take } from "../api/client";
import { useDraft } from "../draft";
import { Icon } from "../elements/icons";
import { Failure, Notice } from "../elements/page";
import { useKept } from "../kept";
import { type Collection, collectionsQuery } from "./queries";
import { expertsOf, listOf, lookAtQuestions } from "./questions";
import prose from "../elements/prose.module.css";

const QUESTIONS = "/knowledge/questions";
const MOST_CHARS = 2_000;

interface Props {
  /** The id of the answer's record. */
  readonly record: string;
  readonly question: string;
  /** The collections that were searched; the experts of the first are offered. */
  readonly collections: readonly { readonly id: string; readonly title: string }[];
  /** The ids of the collections that the answer cites: a rating counts for them. */
  readonly rated: readonly string[];
  /** Whether the answer says anything; an answer that found nothing offers the experts first. */
  readonly isFound: boolean;
}

/** What a person has said about an answer: kept in memory, as the answer is. */
interface Said {
  readonly isRight: boolean | null;
  /** Who was asked, in words; null before. */
  readonly asked: string | null;
}

const NOTHING: Said = { isRight: null, asked: null };

export function AnswerFeedback({ record, question, collections, rated, isFound }: Props) {
  const [said, change] = useKept<Said>(["kept", "knowledge", "said", record], NOTHING);
  const [isAsking, setAsking] = useState(false);
  const toggle = useRef<HTMLButtonElement>(null);
  const ids = collections.map((one) => one.id);
  const expert = (
    <Button
      ref={toggle}
      size="compact-sm"
      variant={!isFound || said.isRight === false ? "filled" : "default"}
      leftSection={<Icon name="person" size={13} />}
      aria-expanded={isAsking}
      onClick={() => setAsking(!isAsking)}
    >
      Ask an expert
    </Button>
  );
  return (
    <Stack gap="sm" component="section" aria-label="Feedback">
      <Group gap="xs">
        {!isFound && said.asked === null && expert}
        <Rating
          record={record}
          collections={rated}
          isRight={said.isRight}
          onKept={(isRight) => change((now) => ({ ...now, isRight }))}
        />
        {isFound && said.asked === null && expert}
      </Group>
      {said.asked !== null ? (
        <Notice tone="good" icon="good">
          <Text size="sm" role="status">
            {said.asked} The answer appears under <Link to={`${QUESTIONS}?as=asker`}>Questions</Link>.
          </Text>
        </Notice>
      ) : (
        isAsking && (
          <AskExperts
            record={record}
            question={question}
            ids={ids}
            onAsked={(asked) => change((now) => ({ ...now, asked }))}
            onCancel={() => {
              setAsking(false);
              toggle.current?.focus();
            }}
          />
        )
      )}
    </Stack>
  );
}

interface RatingProps {
  readonly record: string;
  readonly collections: readonly string[];
  readonly isRight: boolean | null;
  readonly onKept: (isRight: boolean) => void;
}

function Rating({ record, collections, isRight, onKept }: RatingProps) {
  const client = useQueryClient();
  const rate = useMutation({
    mutationFn: (isNowRight: boolean) =>
      take(
        api.POST("/api/knowledge/ratings", {
          body: { record, collections: [...collections], is_right: isNowRight },
        }),
      ),
    onSuccess: (_, isNowRight) => {
      onKept(isNowRight);
      void client.invalidateQueries({ queryKey: ["knowledge", "quality"] });
    },
  });
  return (
    <Group gap="xs" role="group" aria-label="Is this right?">
      {isRight === null && (
        <Text size="sm" className={prose.quiet} aria-hidden="true">
          Is this right?
        </Text>
      )}
      {[true, false].map((one) => (
        <Button
          key={String(one)}
          size="compact-sm"
          variant={isRight === one ? "light" : "default"}
          leftSection={<Icon name={one ? "good" : "bad"} size={13} />}
          aria-pressed={isRight === one}
          loading={rate.isPending && rate.variables === one}
          onClick={() => rate.mutate(one)}
        >
          {one ? "Right" : "Wrong"}
        </Button>
      ))}
      <Text size="sm" className={prose.quiet} role="status">
        {rate.error
          ? "Headgate did not keep your word. Press again."
          : isRight !== null && `Kept: ${isRight ? "right" : "wrong"}. Thank you.`}
      </Text>
    </Group>
  );
}

interface AskProps {
  readonly record: string;
  readonly question: string;
  readonly ids: readonly string[];
  readonly onAsked: (words: string) => void;
  readonly onCancel: () => void;
}

function AskExperts({ record, question, ids, onAsked, onCancel }: AskProps) {
  const client = useQueryClient();
  const known = useQuery(collectionsQuery);
  const choices = ids.flatMap((id) => known.data?.collections.find((one) => one.id === id) ?? []);
  const [chosen, choose] = useState<string | null>(null);
  const collection = choices.find((one) => one.id === (chosen ?? choices[0]?.id));
  const [text, setText, forget] = useDraft(`ask-expert:${record}`, question);
  const send = useMutation({
    mutationFn: ({ id }: Collection) =>
      take(
        api.POST("/api/knowledge/collections/{collection}/questions", {
          params: { path: { collection: id } },
          body: { text: text.trim(), record },
        }),
      ),
    onSuccess: (_, to) => {
      forget();
      void lookAtQuestions(client);
      onAsked(wereAsked(expertsOf(to)));
    },
  });
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    if (collection && text.trim()) send.mutate(collection);
  };
  if (known.error) return <Failure error={known.error} title="Headgate could not read the experts" />;
  if (!collection) return null;
  return (
    <Paper component="form" onSubmit={submit} aria-label="Ask an expert">
      <Stack gap="sm">
        {choices.length > 1 && (
          <NativeSelect
            label="Collection"
            description="Its experts get the question, and its readers the reply."
            data={choices.map(({ id, title }) => ({ value: id, label: title }))}
            value={collection.id}
            onChange={(event) => choose(event.currentTarget.value)}
          />
        )}
        <Textarea
          label="Question"
          required
          autoFocus
          autosize
          minRows={2}
          maxRows={8}
          maxLength={MOST_CHARS}
          value={text}
          onChange={(event) => setText(event.currentTarget.value)}
        />
        <Text size="sm">
          <b>{listOf(expertsOf(collection))}</b> will see your question and your name. The reply becomes a document, which
          every reader of {collection.title} can find.
        </Text>
        {send.error && <Failure error={send.error} title="The question was not sent" />}
        <Group justify="flex-end" gap="xs">
          <Button variant="default" onClick={onCancel}>
            Cancel
          </Button>
          <Button type="submit" loading={send.isPending} disabled={!text.trim()}>
            Send question
          </Button>
        </Group>
      </Stack>
    </Paper>
  );
}

function wereAsked(names: readonly string[]): string {
  return `${listOf(names)} ${names.length === 1 ? "was" : "were"} asked.`;
}
