/** A test of a model: a button, its progress, and the outcome in words. */

import { Button, Group, Loader, Stack, Text } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";

import { type Schemas, api, take } from "../api/client";
import { RecordLink } from "../elements/RecordLink";
import { Failure, Notice } from "../elements/page";
import { formatCost, formatCount, formatDuration } from "../format";
import prose from "../elements/prose.module.css";

type Subject = Partial<Schemas["TrialRequest"]>;

const NOTHING = { deployment: null, alias: null, entry: null, model: null };

interface Props {
  /** What to test; null while there is not enough to test. */
  readonly subject: Subject | null;
  readonly label?: string;
}

export function Trial({ subject, label = "Test" }: Props) {
  const client = useQueryClient();
  const test = useMutation({
    mutationFn: (chosen: Subject) => take(api.POST("/api/models/test", { body: { ...NOTHING, ...chosen } })),
    onSuccess: () => void client.invalidateQueries({ queryKey: ["models"] }),
  });
  return (
    <Stack gap="xs">
      <Group gap="sm">
        <Button variant="default" disabled={subject === null || test.isPending} onClick={() => subject && test.mutate(subject)}>
          {label}
        </Button>
        {test.isPending ? (
          <Waiting />
        ) : (
          <Text size="xs" className={prose.quiet}>
            Sends one short sentence and waits for the answer. It costs as much as any small call.
          </Text>
        )}
      </Group>
      <div aria-live="polite">
        {test.error && <Failure error={test.error} title="The test did not run" />}
        {test.data?.trials.map((trial) => <Outcome key={trial.deployment} trial={trial} />)}
      </div>
    </Stack>
  );
}

function Waiting() {
  const [seconds, setSeconds] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => setSeconds((passed) => passed + 1), 1000);
    return () => clearInterval(timer);
  }, []);
  return (
    <Group gap="xs">
      <Loader size="xs" />
      <Text size="sm" role="status">
        Waiting for the answer
      </Text>
      <Text size="sm" className={prose.quiet} aria-hidden="true">
        {seconds < 1 ? "" : `${seconds} s of 60`}
      </Text>
    </Group>
  );
}

function Outcome({ trial }: { trial: Schemas["TrialView"] }) {
  if (!trial.worked)
    return (
      <Notice tone="bad" icon="bad">
        <Text size="sm" fw={600}>
          {trial.deployment} does not answer
        </Text>
        <Text size="sm">
          {trial.why} {trial.advice}
        </Text>
        {trial.record && <RecordLink id={trial.record} text="View record" />}
      </Notice>
    );
  return (
    <Notice tone="good" icon="good">
      <Text size="sm" fw={600}>
        {trial.deployment} answers after {formatDuration(trial.took_us)}
      </Text>
      <Text size="sm">
        {trial.answer && <>“{trial.answer}” </>}
        {formatCount(trial.input_tokens)} tokens in, {formatCount(trial.output_tokens)} out, {costWords(trial)}.
      </Text>
      {trial.record && <RecordLink id={trial.record} text="View record" />}
    </Notice>
  );
}

function costWords(trial: Schemas["TrialView"]): string {
  if (trial.cost_micros === null || trial.currency === null) return "cost unknown, because the price is";
  return trial.cost_micros === 0 ? "free" : `cost ${formatCost(trial.cost_micros, trial.currency)}`;
}
