/** The question: its words, where to look, who writes the answer, and the use case that it belongs to. */

import { Button, Group, MultiSelect, NativeSelect, Paper, Stack, Textarea } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { type FormEvent, type KeyboardEvent, useState } from "react";

import type { Schemas } from "../../api/client";
import { modelsQuery, overviewQuery } from "../../api/queries";
import { useChoice } from "../../choice";
import { useDraft } from "../../draft";
import { Icon } from "../../elements/icons";
import type { Collection } from "../../knowledge/queries";
import { offerOf } from "../../models";
import { useUseCaseTitle } from "../../usecase/titles";
import styles from "./knowledge.module.css";

const QUOTATIONS = "";
const MOST_CHARS = 2_000;

interface Props {
  /** Those that the person may search. */
  readonly collections: readonly Collection[];
  /** The ids of those that are chosen at first; none for all. */
  readonly chosen: readonly string[];
  /** Stops the question that is being answered; null without one. */
  readonly stop: (() => void) | null;
  readonly onAsk: (question: Schemas["AskRequest"]) => void;
}

export function Ask({ collections, chosen, stop, onAsk }: Props) {
  const [question, setQuestion] = useDraft("knowledge:question", "");
  const [where, setWhere] = useState<string[]>(chosen.filter((id) => collections.some((one) => one.id === id)));
  const writer = useWriter(where.length ? collections.filter((one) => where.includes(one.id)) : collections);
  const through = useUseCase();
  const submit = (event?: FormEvent): void => {
    event?.preventDefault();
    if (stop || !question.trim()) return;
    onAsk({
      question: question.trim(),
      collections: where.length ? where : null,
      model: writer.model || null,
      use_case: through.useCase,
    });
  };
  const press = (event: KeyboardEvent): void => {
    if (event.key !== "Enter" || event.shiftKey || event.nativeEvent.isComposing) return;
    event.preventDefault();
    submit();
  };
  return (
    <Paper component="form" onSubmit={submit} aria-label="Ask">
      <Stack gap="sm">
        <Textarea
          label="Question"
          placeholder="How many days of leave does a new employee have? Enter asks."
          autosize
          minRows={2}
          maxRows={8}
          maxLength={MOST_CHARS}
          value={question}
          onChange={(event) => setQuestion(event.currentTarget.value)}
          onKeyDown={press}
        />
        <Group gap="sm" align="flex-end" className={styles.askOptions}>
          <MultiSelect
            label="Collections"
            placeholder={where.length ? undefined : "All that you may read"}
            data={collections.map((one) => ({ value: one.id, label: one.title }))}
            value={where}
            onChange={setWhere}
            searchable
            clearable
            clearButtonProps={{ "aria-label": "Choose all collections" }}
            size="sm"
          />
          <NativeSelect
            label="Answer"
            data={writer.choices}
            value={writer.model}
            onChange={(event) => writer.choose(event.currentTarget.value)}
          />
          <NativeSelect
            label="Use case"
            data={through.choices}
            value={through.useCase}
            onChange={(event) => through.choose(event.currentTarget.value)}
          />
          {stop ? (
            <Button variant="default" leftSection={<Icon name="stop" size={14} />} onClick={stop}>
              Stop
            </Button>
          ) : (
            <Button type="submit" leftSection={<Icon name="search" size={14} />} disabled={!question.trim()}>
              Ask documents
            </Button>
          )}
        </Group>
      </Stack>
    </Paper>
  );
}

/** The model that writes the answer. Until one is chosen it is that of the collections, if they have the same. */
function useWriter(collections: readonly Collection[]) {
  const models = useQuery(modelsQuery);
  const [chosen, choose] = useState<string | null>(null);
  const ids = models.data ? offerOf(models.data).ids : [];
  const own = new Set(collections.map((one) => one.model ?? QUOTATIONS));
  const usual = own.size === 1 ? [...own][0]! : QUOTATIONS;
  return {
    model: chosen ?? (ids.includes(usual) ? usual : QUOTATIONS),
    choose,
    choices: [
      { value: QUOTATIONS, label: "Quotations" },
      ...ids.map((id) => ({ value: id, label: `Written by ${id}` })),
    ],
  };
}

/** The use case: the one that the person chose last, here or in Chat. */
function useUseCase() {
  const overview = useQuery(overviewQuery);
  const titleOf = useUseCaseTitle();
  const [choice, setChoice] = useChoice();
  const mine = overview.data?.use_cases ?? [];
  const all = mine.includes(choice.useCase) ? mine : [choice.useCase, ...mine];
  return {
    useCase: choice.useCase,
    choose: (useCase: string): void => setChoice({ ...choice, useCase }),
    choices: all.map((id) => ({ value: id, label: titleOf(id) })),
  };
}
