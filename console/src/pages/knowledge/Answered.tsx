/** What became of the last question: it is being answered, it failed, or it has an answer with sources. */

import { Button, Group, Skeleton, Stack, Text, Title } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useEffect, useState } from "react";

import { CopyButton } from "../../elements/code";
import { Icon } from "../../elements/icons";
import { Failure, Notice } from "../../elements/page";
import { RecordLink } from "../../elements/RecordLink";
import { State } from "../../elements/record";
import { plural } from "../../format";
import { Age } from "../../knowledge/Age";
import { AnswerFeedback } from "../../knowledge/AnswerFeedback";
import { type Cited, type Source, citedIn, copyOf } from "../../knowledge/citing";
import { documentPath } from "../../knowledge/links";
import { type Answer, collectionsQuery } from "../../knowledge/queries";
import { placeWords } from "../../knowledge/words";
import { Others, Sources } from "./Sources";
import { Sentences } from "./Sentences";
import type { Asked } from "./asking";
import prose from "../../elements/prose.module.css";
import styles from "./knowledge.module.css";

interface Props {
  readonly asked: Asked;
  readonly onForget: () => void;
  readonly onAgain: () => void;
}

export function Answered({ asked, onForget, onAgain }: Props) {
  const { question, answer, problem } = asked;
  return (
    <section aria-label="Answer" aria-busy={answer === null && problem === null}>
      <Group justify="space-between" align="flex-start" wrap="nowrap" gap="sm" mb="sm">
        <Title order={2} className={styles.question}>
          {question.question}
        </Title>
        {(answer !== null || problem !== null) && (
          <Button size="compact-sm" variant="subtle" style={{ flexShrink: 0 }} onClick={onForget}>
            Close<span className={prose.unseen}> answer</span>
          </Button>
        )}
      </Group>
      <p className={prose.unseen} role="status">
        {answer !== null && (answer.sentences.length > 0 ? "The answer is here." : `No answer. ${answer.why}`)}
      </p>
      {problem !== null ? (
        <Stack gap="sm" align="flex-start">
          <Failure error={problem} title="The question was not answered" />
          <Button variant="default" size="compact-sm" leftSection={<Icon name="again" size={13} />} onClick={onAgain}>
            Ask again
          </Button>
        </Stack>
      ) : answer === null ? (
        <Coming since={asked.since} model={question.model ?? null} />
      ) : (
        <Given question={question} answer={answer} />
      )}
    </section>
  );
}

const SECOND_MS = 1_000;

/** The shape of an answer that is on its way, with the seconds that passed. */
function Coming({ since, model }: { since: number; model: string | null }) {
  const [now, setNow] = useState(since);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), SECOND_MS);
    return () => clearInterval(timer);
  }, []);
  const seconds = Math.round((now - since) / SECOND_MS);
  return (
    <div className={styles.answer}>
      <Stack gap="sm">
        <Text size="sm" className={prose.quiet}>
          <span role="status">
            {model === null
              ? "Searching the documents that you may read."
              : `Searching the documents that you may read. Then ${model} writes, and each sentence is compared with its source.`}
          </span>
          {seconds > 1 && ` ${plural(seconds, "second")} so far. You may leave this page; the answer waits here.`}
        </Text>
        {["96%", "88%", "93%", "60%"].map((width) => (
          <Skeleton key={width} height={18} width={width} />
        ))}
      </Stack>
      <Stack gap="sm">
        <Skeleton height={110} />
        <Skeleton height={110} />
      </Stack>
    </div>
  );
}

interface GivenProps {
  readonly question: Asked["question"];
  readonly answer: Answer;
}

function Given({ question, answer }: GivenProps) {
  const cited = citedIn(answer);
  const [active, setActive] = useState<number | null>(null);
  if (cited.sentences.length === 0) return <None question={question} answer={answer} cited={cited} />;
  return (
    <div className={styles.answer}>
      <Stack gap="md">
        <How answer={answer} />
        {answer.why && (
          <Notice tone="warn" icon="warn">
            {answer.why}
          </Notice>
        )}
        <Sentences cited={cited} isQuoted={answer.is_quoted} active={active} onActive={setActive} />
        <Feedback question={question} answer={answer} isFound />
        <Facts answer={answer} cited={cited} />
      </Stack>
      <Stack gap="sm" component="section" aria-label="Sources">
        <Title order={3}>{plural(cited.sources.length, "source")}</Title>
        <Sources sources={cited.sources} active={active} onActive={setActive} />
        <Others found={cited.others} />
      </Stack>
    </div>
  );
}

/** The author of the answer, and the number of removed sentences. */
function How({ answer: { is_quoted: isQuoted, model, removed } }: { answer: Answer }) {
  return (
    <Text size="sm" component="p" m={0}>
      <State tone={isQuoted ? "good" : "warn"} icon={isQuoted ? "good" : "warn"}>
        {isQuoted
          ? "Quoted from your documents"
          : `Written by ${model ?? "a model"}. Each sentence has the words of its source; read there whether it says the same`}
      </State>
      {removed > 0 && (
        <>
          <br />
          <State tone="warn" icon="warn">
            {removed === 1
              ? "1 sentence was removed, because no source supports it"
              : `${removed} sentences were removed, because no source supports them`}
          </State>
        </>
      )}
    </Text>
  );
}

function Facts({ answer, cited }: { answer: Answer; cited: Cited }) {
  const { confidence, oldest, passages, record } = answer;
  const oldestSource = cited.sources.find((one) => one.found.as_of === oldest);
  const stale = cited.sources.filter((one) => one.found.is_stale).length;
  return (
    <Stack gap="sm" align="flex-start" className={styles.answerFacts}>
      <dl className={prose.facts}>
        <dt>How sure</dt>
        <dd>{confidence === null ? "not calibrated yet" : `${Math.round(confidence * 100)} %`}</dd>
        {oldest !== null && (
          <>
            <dt>Oldest evidence</dt>
            <dd>
              <Age iso={oldest} isStale={oldestSource?.found.is_stale ?? false} />
              {stale > 1 && `; ${plural(stale, "source")} older than the shelf life`}
            </dd>
          </>
        )}
        <dt>Found</dt>
        <dd>{plural(passages.length, "passage")} that you may read</dd>
        <dt>Record</dt>
        <dd>
          <RecordLink id={record} text="View record" />
        </dd>
      </dl>
      <CopyButton text={copyOf(cited, lineOf)} what="the answer with its sources" label="Copy answer" />
    </Stack>
  );
}

function lineOf({ found }: Source): string {
  const place = [found.title, placeWords(found.passage)].filter(Boolean).join(", ");
  return `${place} (${location.origin}${documentPath(found.document, found.passage.number)})`;
}

/** The page without an answer: the reason, and the passages that came closest. */
function None({ question, answer, cited }: GivenProps & { cited: Cited }) {
  return (
    <Stack gap="md">
      <Notice tone="warn" icon="warn">
        <Text size="sm" fw={600}>
          No answer
        </Text>
        <Text size="sm">{answer.why}</Text>
        <Text size="sm" component="div">
          <RecordLink id={answer.record} text="View record" />
        </Text>
      </Notice>
      <Feedback question={question} answer={answer} isFound={false} />
      <Others found={cited.others} isOpen />
    </Stack>
  );
}

/** What the person says about the answer. The collections are those of its passages first, then the others that were searched. */
function Feedback({ question, answer, isFound }: GivenProps & { isFound: boolean }) {
  const found = useQuery(collectionsQuery);
  const of = answer.passages.map((one) => one.collection);
  const cites = answer.sentences.flatMap((one) => one.cites);
  const rated = [...new Set(cites.flatMap((at) => answer.passages[at]?.collection ?? []))];
  const place = (id: string): number => (of.includes(id) ? of.indexOf(id) : of.length);
  const searched = (found.data?.collections ?? [])
    .filter((one) => one.can_ask && (!question.collections || question.collections.includes(one.id)))
    .sort((left, right) => place(left.id) - place(right.id));
  if (searched.length === 0) return null;
  return (
    <AnswerFeedback
      record={answer.record}
      question={question.question}
      collections={searched}
      rated={rated.length > 0 ? rated : searched.map((one) => one.id)}
      isFound={isFound}
    />
  );
}
