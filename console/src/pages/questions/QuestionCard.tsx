/** One question: who asked it, how it stands, its reply, and for an expert the form that answers it. */

import { Button, Group, Paper, Stack, Text, Textarea } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { Link } from "react-router";

import { api, take } from "../../api/client";
import { useDraft } from "../../draft";
import { Failure } from "../../elements/page";
import { State, Time } from "../../elements/record";
import { collectionPath, documentPath } from "../../knowledge/links";
import { type Part, type Question, lookAtQuestions, stateOf } from "../../knowledge/questions";
import { useMayOpen } from "../../page";
import prose from "../../elements/prose.module.css";
import styles from "./questions.module.css";

interface Props {
  readonly question: Question;
  /** As what the person sees it. */
  readonly part: Part;
  readonly onReplied: (question: Question) => void;
}

export function QuestionCard({ question, part, onReplied }: Props) {
  const { text, ...shape } = stateOf(question);
  return (
    <Paper component="li" aria-label={question.text} p="sm">
      <Stack gap="xs">
        <Group justify="space-between" gap="xs" wrap="nowrap" align="flex-start">
          <Text fw={600} size="sm" className={styles.words}>
            {question.text}
          </Text>
          <span className={styles.state}>
            <State {...shape}>{text}</State>
          </span>
        </Group>
        <Facts question={question} part={part} />
        {question.state === "answered" && <Reply question={question} />}
        {question.state === "open" && <Actions question={question} part={part} onReplied={onReplied} />}
      </Stack>
    </Paper>
  );
}

function Facts({ question, part }: { question: Question; part: Part }) {
  const mayOpen = useMayOpen();
  const answer = `/records/${question.record ?? ""}`;
  return (
    <div className={`${prose.quiet} ${styles.facts}`}>
      {part === "expert" && <span>{question.asker_name}</span>}
      <Link to={collectionPath(question.collection)}>{question.collection_title}</Link>
      <span>
        asked <Time iso={question.asked_at} />
      </span>
      {question.state === "closed" && question.ended_at && (
        <span>
          {question.expert === question.asker ? "withdrawn" : `closed by ${question.expert_name ?? "somebody"}`}{" "}
          <Time iso={question.ended_at} />
        </span>
      )}
      {question.record && mayOpen(answer) && <Link to={answer}>The answer that did not do</Link>}
    </div>
  );
}

function Reply({ question }: { question: Question }) {
  const { reply, expert_name: expert, ended_at: endedAt, document } = question;
  return (
    <div className={styles.reply}>
      <Text size="sm" className={prose.quiet}>
        {expert} answered {endedAt && <Time iso={endedAt} />}
      </Text>
      <Text size="sm" className={styles.words}>
        {reply ?? `Your clearance does not cover this reply. Ask ${expert ?? "the expert"} about it.`}
      </Text>
      {document && reply !== null && (
        <Text size="sm">
          <Link to={documentPath(document)}>View document</Link>
        </Text>
      )}
    </div>
  );
}

type Doing = "replying" | "closing" | "stopped" | null;

function Actions({ question, part, onReplied }: Props) {
  const [doing, setDoing] = useState<Doing>(null);
  const mayReply = part === "expert" && question.can_answer;
  const stop = (): void => setDoing("stopped");
  if (doing === "replying") return <ReplyForm question={question} onReplied={onReplied} onCancel={stop} />;
  if (doing === "closing") return <Close question={question} part={part} onCancel={stop} />;
  return (
    <Group gap="xs">
      {mayReply && (
        <Button size="compact-sm" autoFocus={doing === "stopped"} onClick={() => setDoing("replying")}>
          Answer question
        </Button>
      )}
      <Button
        size="compact-sm"
        variant={mayReply ? "subtle" : "default"}
        autoFocus={!mayReply && doing === "stopped"}
        onClick={() => setDoing("closing")}
      >
        {part === "expert" ? "Close without an answer" : "Withdraw question"}
      </Button>
    </Group>
  );
}

const MOST_CHARS = 20_000;

function ReplyForm({ question, onReplied, onCancel }: Omit<Props, "part"> & { onCancel: () => void }) {
  const client = useQueryClient();
  const [text, setText, forget] = useDraft(`question:${question.id}`, "");
  const send = useMutation({
    mutationFn: () =>
      take(
        api.POST("/api/knowledge/questions/{question}/reply", {
          params: { path: { question: question.id } },
          body: { text: text.trim() },
        }),
      ),
    onSuccess: (replied) => {
      forget();
      onReplied(replied);
    },
    onSettled: () => lookAtQuestions(client),
  });
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    if (text.trim()) send.mutate();
  };
  return (
    <form onSubmit={submit}>
      <Stack gap="sm">
        <Textarea
          label="Your reply"
          description={`It becomes a document of ${question.collection_title}. All of its readers can find it.`}
          required
          autoFocus
          autosize
          minRows={4}
          maxRows={20}
          maxLength={MOST_CHARS}
          value={text}
          onChange={(event) => setText(event.currentTarget.value)}
        />
        {send.error && <Failure error={send.error} title="The reply was not sent" />}
        <Group justify="flex-end" gap="xs">
          <Button variant="default" onClick={onCancel}>
            {text ? "Keep draft" : "Cancel"}
          </Button>
          <Button type="submit" loading={send.isPending} disabled={!text.trim()}>
            Send reply
          </Button>
        </Group>
      </Stack>
    </form>
  );
}

function Close({ question, part, onCancel }: { question: Question; part: Part; onCancel: () => void }) {
  const client = useQueryClient();
  const close = useMutation({
    mutationFn: () =>
      take(api.POST("/api/knowledge/questions/{question}/close", { params: { path: { question: question.id } } })),
    onSuccess: () => lookAtQuestions(client),
  });
  return (
    <Stack gap="xs">
      <Text size="sm" role="status">
        {part === "expert"
          ? `${question.asker_name} will see that it was closed without an answer. A closed question cannot be opened again.`
          : "The experts no longer see it. A withdrawn question cannot be opened again; you can ask anew."}
      </Text>
      {close.error && <Failure error={close.error} title="The question is as it was" />}
      <Group gap="xs">
        <Button size="compact-sm" color="red" variant="light" loading={close.isPending} onClick={() => close.mutate()}>
          {part === "expert" ? "Close question" : "Withdraw it"}
        </Button>
        <Button size="compact-sm" variant="default" autoFocus onClick={onCancel}>
          Keep it open
        </Button>
      </Group>
    </Stack>
  );
}
