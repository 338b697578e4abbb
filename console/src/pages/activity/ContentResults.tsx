/** A search in the content of the filtered records: hits as they are found, and how far it has looked. */

import { Button, Group, Paper, Stack, Text } from "@mantine/core";
import { useEffect, useRef, useState } from "react";
import { Link } from "react-router";

import { type RecordView, type Schemas, searchContent } from "../../api/client";
import { Empty, Failure } from "../../elements/page";
import { Time } from "../../elements/record";
import { formatTime, plural } from "../../format";
import { UseCaseTitle } from "../../usecase/titles";
import { type Asked, queryOf } from "./filters";
import { WhoName } from "./RecordTable";
import prose from "../../elements/prose.module.css";
import styles from "./activity.module.css";

type Hit = Omit<Schemas["ContentHit"], "record"> & { record: RecordView };

interface State {
  readonly hits: readonly Hit[];
  readonly progress: Schemas["SearchProgress"] | null;
  readonly problem: unknown;
  readonly isRunning: boolean;
}

const NOTHING: State = { hits: [], progress: null, problem: null, isRunning: false };

const ENDS: Readonly<Record<string, string>> = {
  all: "That is every record that the filters show.",
  records: "That is the most records of one search. Narrow the period to look further back.",
  bytes: "That is the most content of one search. Narrow the period to look further back.",
  hits: "That is the most hits of one search. Narrow the period or the words.",
};

export function ContentResults({ asked, text }: { asked: Asked; text: string }) {
  const [state, setState] = useState<State>(NOTHING);
  const running = useRef<AbortController | null>(null);
  useEffect(() => () => running.current?.abort(), []);

  const run = async (): Promise<void> => {
    const control = (running.current = new AbortController());
    setState({ ...NOTHING, isRunning: true });
    try {
      for await (const event of searchContent(text, queryOf(asked), control)) {
        const data: unknown = JSON.parse(event.data);
        if (event.name === "hit") setState((was) => ({ ...was, hits: [...was.hits, data as Hit] }));
        else if (event.name === "error") throw new Error((data as Schemas["ErrorBody"]).error.message);
        else setState((was) => ({ ...was, progress: data as Schemas["SearchProgress"] }));
      }
    } catch (problem) {
      if (!control.signal.aborted) setState((was) => ({ ...was, problem }));
    }
    setState((was) => ({ ...was, isRunning: false }));
  };
  const { hits, progress, problem, isRunning } = state;
  return (
    <Stack gap="sm" role="region" aria-label="Search in content">
      <Group gap="sm">
        {isRunning ? (
          <Button size="xs" variant="default" onClick={() => running.current?.abort()}>
            Stop search
          </Button>
        ) : (
          <Button size="xs" onClick={() => void run()}>
            Search content
          </Button>
        )}
        <Text size="sm" className={prose.quiet} role="status">
          {progress ? toldProgress(progress, isRunning) : "Opens the content that you are cleared for. The search is recorded. Counts over time and exports do not follow it."}
        </Text>
      </Group>
      {problem !== null && <Failure error={problem} title="The search ended early" />}
      {hits.map((hit) => (
        <Paper key={hit.record.id} p="sm" className={styles.excerpt}>
          <Group gap="sm" fz="sm">
            <Link to={`/records/${hit.record.id}`}>
              <Time iso={hit.record.opened_at} />
            </Link>
            <WhoName record={hit.record} />
            <span className={prose.quiet}>
              <UseCaseTitle id={hit.record.use_case} />
            </span>
            <span className={prose.quiet}>{hit.part === "answer" ? "in the answer" : "in what was sent"}</span>
          </Group>
          <Text size="sm" mt={4}>
            …{hit.before}
            <mark>{hit.match}</mark>
            {hit.after}…
          </Text>
        </Paper>
      ))}
      {progress?.ended === "all" && hits.length === 0 && (
        <Empty title="Nothing found">The content that you may see does not hold these words.</Empty>
      )}
    </Stack>
  );
}

function toldProgress(progress: Schemas["SearchProgress"], isRunning: boolean): string {
  const back = progress.back_to ? `, back to ${formatTime(progress.back_to, new Date())}` : "";
  const hidden = progress.withheld
    ? ` ${plural(progress.withheld, "record has", "records have")} content that you may not see, or too much of it.`
    : "";
  const looked = `${isRunning ? "Looking at" : "Looked at"} ${plural(progress.looked, "record")}${back}.`;
  return `${looked}${hidden} ${isRunning ? "" : (ENDS[progress.ended ?? ""] ?? "Stopped.")}`.trim();
}
