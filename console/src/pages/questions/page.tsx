/** Questions that documents do not answer: those that the person may answer, and those that the person asked. */

import { Button, Group, NativeSelect, SegmentedControl, Stack, Text } from "@mantine/core";
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Link, useSearchParams } from "react-router";

import { sessionQuery } from "../../api/queries";
import { Empty, Failure, Notice, PageHead, Rows } from "../../elements/page";
import { documentPath } from "../../knowledge/links";
import { collectionsQuery } from "../../knowledge/queries";
import {
  type Part,
  type Question,
  type QuestionState,
  questionsQuery,
  waitingQuery,
} from "../../knowledge/questions";
import type { Page } from "../../page";
import { QuestionCard } from "./QuestionCard";
import prose from "../../elements/prose.module.css";

export const page: Page = {
  path: "/knowledge/questions",
  title: "Questions",
  group: "use",
  order: 26,
  may: "everyone",
  useBadge: useOpen,
  icon: "M2 3h12v8.500H7L4 14v-2.500H2zM6.300 5.800a1.700 1.500 0 1 1 1.700 1.700v.7M8 9.600v.1",
};

const ALL = "all";
const STATES: readonly { readonly value: QuestionState | typeof ALL; readonly label: string }[] = [
  { value: "open", label: "Open" },
  { value: "answered", label: "Answered" },
  { value: "closed", label: "Closed" },
  { value: ALL, label: "All" },
];

/** How many open questions the person may answer. */
function useOpen(): string | null {
  const { data } = useQuery(waitingQuery);
  return data?.count ? `${data.count}${data.isMore ? "+" : ""}` : null;
}

export default function Questions() {
  const [search, setSearch] = useSearchParams();
  const isExpert = useIsExpert();
  if (isExpert === null) return <Rows />;
  const part: Part = isExpert && search.get("as") !== "asker" ? "expert" : "asker";
  const usual = part === "expert" ? "open" : ALL;
  const state = STATES.find((one) => one.value === search.get("state"))?.value ?? usual;
  const show = (changed: { part?: Part; state?: string }): void =>
    setSearch(
      {
        ...((changed.part ?? part) === "asker" && isExpert && { as: "asker" }),
        ...(changed.state !== undefined && { state: changed.state }),
      },
      { replace: true },
    );
  return (
    <>
      <PageHead title="Questions">
        Documents do not answer everything. Experts do, and each reply becomes a document that others find.
      </PageHead>
      <Stack gap="md">
        <Group gap="sm" align="flex-end">
          {isExpert && (
            <SegmentedControl
              aria-label="Questions to show"
              value={part}
              onChange={(value) => show({ part: value as Part })}
              data={[
                { value: "expert", label: "For you to answer" },
                { value: "asker", label: "Asked by you" },
              ]}
            />
          )}
          <NativeSelect
            aria-label="State"
            size="xs"
            data={STATES.map(({ value, label }) => ({ value, label }))}
            value={state}
            onChange={(event) => show({ state: event.currentTarget.value })}
          />
        </Group>
        <Listed key={`${part} ${state}`} part={part} state={state === ALL ? null : state} />
      </Stack>
    </>
  );
}

/** Whether the person is an expert or the owner of a collection; null while that is being read. */
function useIsExpert(): boolean | null {
  const found = useQuery(collectionsQuery);
  const { data: session } = useQuery({ ...sessionQuery, enabled: false });
  if (found.isPending) return null;
  return (found.data?.collections ?? []).some(
    ({ owner, experts }) => session != null && [owner, ...experts].includes(session.principal),
  );
}

function Listed({ part, state }: { part: Part; state: QuestionState | null }) {
  const found = useInfiniteQuery(questionsQuery(part, state));
  const [replied, setReplied] = useState<Question | null>(null);
  if (found.error) return <Failure error={found.error} title="Headgate could not read the questions" />;
  if (!found.data) return <Rows />;
  const questions = found.data.pages.flatMap((one) => one.questions);
  return (
    <Stack gap="sm">
      {replied && <Replied question={replied} />}
      {questions.length === 0 ? (
        <None part={part} state={state} />
      ) : (
        <Stack component="ul" className={prose.plainList} gap="xs" aria-label="Questions, newest first">
          {questions.map((question) => (
            <QuestionCard key={question.id} question={question} part={part} onReplied={setReplied} />
          ))}
        </Stack>
      )}
      {found.hasNextPage && (
        <Button
          variant="default"
          style={{ alignSelf: "center" }}
          loading={found.isFetchingNextPage}
          onClick={() => void found.fetchNextPage()}
        >
          Show older questions
        </Button>
      )}
    </Stack>
  );
}

function Replied({ question }: { question: Question }) {
  return (
    <Notice tone="good" icon="good">
      <Text size="sm" role="status">
        Your reply to {question.asker_name} was sent. It becomes a document of {question.collection_title}.
        {question.document && (
          <>
            {" "}
            <Link to={documentPath(question.document)}>View document</Link>
          </>
        )}
      </Text>
    </Notice>
  );
}

const IN_STATE: Readonly<Record<QuestionState, string>> = {
  open: "No open questions",
  answered: "No answered questions",
  closed: "No closed questions",
};

function None({ part, state }: { part: Part; state: QuestionState | null }) {
  if (part === "asker")
    return (
      <Empty
        title={state === null ? "You have asked no expert yet" : IN_STATE[state]}
        action={<Link to="/knowledge">Ask documents</Link>}
      >
        Ask the documents first. If the answer does not help, press &quot;Ask an expert&quot; below it. Your question and
        its reply appear here.
      </Empty>
    );
  return (
    <Empty title={state === "open" ? "No question waits for you" : state === null ? "No questions yet" : IN_STATE[state]}>
      Readers of your collections ask you here when the documents do not answer them.
    </Empty>
  );
}
