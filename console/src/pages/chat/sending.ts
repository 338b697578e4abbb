/** Sends messages, and asks for answers. */

import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { api, take } from "../../api/client";
import { conversationQuery } from "../../api/queries";
import { useChat } from "./Conversation";
import { changeConversation } from "./changing";
import type { Attachment } from "./files";
import type { Through } from "./through";
import { type Turn, branchOf, withLive } from "./tree";

interface SendingProps {
  readonly open: string | null;
  readonly through: Through;
  readonly shown: string | null;
  readonly onBegun: (conversation: string) => void;
  readonly setShown: (turn: string) => void;
}

/** Functions that send a message from an open or a new conversation, and the last error. */
export function useSending({ open, through, shown, onBegun, setShown }: SendingProps) {
  const client = useQueryClient();
  const chat = useChat();
  const [problem, setProblem] = useState<unknown>(null);
  const { model, useCase, system, compareWith } = through;

  const begin = async (): Promise<string> => {
    const body = { model, use_case: useCase, title: null, system: system || null };
    return (await take(api.POST("/api/conversations", { body }))).id;
  };
  const ask = (conversation: string, question: string, how: { model?: string; grant?: string | null } = {}): void => {
    setShown(question);
    chat.ask({ conversation, question, model: how.model ?? null, grant: how.grant ?? null });
  };
  const endOf = async (conversation: string): Promise<string | null> => {
    await chat.settled(conversation);
    const detail = client.getQueryData(conversationQuery(conversation).queryKey);
    return lastAnswer(branchOf(withLive(detail?.turns ?? [], []), shown).map(({ turn }) => turn));
  };
  const write = async (text: string, files: readonly Attachment[], after: string | null | undefined): Promise<void> => {
    const conversation = open ?? (await begin());
    const parent = after === undefined ? await endOf(conversation) : after;
    const body = { text, parent, attachments: [...files], model, use_case: useCase, compare_with: compareWith };
    const path = { conversation };
    const question = await take(api.POST("/api/conversations/{conversation}/messages", { params: { path }, body }));
    await client.fetchQuery({ ...conversationQuery(conversation), staleTime: 0 });
    void client.invalidateQueries({ queryKey: ["conversations"] });
    for (const one of [model, ...(compareWith === null ? [] : [compareWith])])
      ask(conversation, question.id, { model: one });
    if (open !== null) return;
    through.setCompareWith(compareWith, conversation);
    onBegun(conversation);
  };
  /** Sends a message after another turn, or at the end of the shown branch; tells whether it was sent. */
  const send = async (text: string, files: readonly Attachment[], after?: string | null): Promise<boolean> => {
    setProblem(null);
    try {
      await write(text, files, after);
      return true;
    } catch (error) {
      setProblem(error);
      return false;
    }
  };
  const changeSystem = async (text: string): Promise<void> => {
    if (open === null) return through.setSystem(text);
    await changeConversation(open, { system: text });
    await client.invalidateQueries({ queryKey: conversationQuery(open).queryKey });
  };
  return { send, ask, changeSystem, problem };
}

export type Sending = ReturnType<typeof useSending>;

/** The answer that the next message follows; a question without an answer is asked anew. */
function lastAnswer(branch: readonly Turn[]): string | null {
  const last = branch[branch.length - 1];
  if (!last) return null;
  return last.role === "assistant" ? last.id : last.parent;
}
