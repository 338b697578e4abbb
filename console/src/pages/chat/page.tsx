/** A chat with a model, with masking, cost and record under each answer. */

import { Button, Group, NativeSelect, Text, Textarea } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { type FormEvent, type KeyboardEvent, type ReactNode, useRef, useState } from "react";

import { ApiError } from "../../api/client";
import { modelsQuery, overviewQuery } from "../../api/queries";
import { useDraft } from "../../draft";
import { Icon } from "../../elements/icons";
import { Empty, Failure, PageHead } from "../../elements/page";
import { offerOf } from "../../models";
import type { Page } from "../../page";
import { ApprovalLine } from "./ApprovalLine";
import { ConversationHolder, useConversation } from "./Conversation";
import { GateLine } from "./GateLine";
import type { Turn } from "./conversation";
import { useFollow } from "./follow";
import prose from "../../elements/prose.module.css";
import styles from "./chat.module.css";

export const page: Page = {
  path: "/chat",
  title: "Chat",
  group: "use",
  order: 20,
  may: "everyone",
  Provider: ConversationHolder,
  icon: "M2.5 3.5h11v7.5H7L4 13.5V11H2.5z",
};

export default function Chat() {
  const models = useQuery(modelsQuery);
  const overview = useQuery(overviewQuery);
  const [model, setModel] = useState<string | null>(null);
  const [useCase, setUseCase] = useState("getting-started");
  const { turns, isStreaming, latest, send, sendAgain, stop, clear } = useConversation();
  const { isFollowing, toEnd } = useFollow(turns);
  const offer = offerOf(models.data);
  const chosen = model ?? offer.first;
  return (
    <div className={styles.chat}>
      <PageHead
        title="Chat"
        actions={
          <Group gap="xs" align="flex-end">
            <NativeSelect
              label="Model"
              size="xs"
              data={[...offer.ids]}
              value={chosen}
              onChange={(event) => setModel(event.currentTarget.value)}
            />
            <NativeSelect
              label="Use case"
              size="xs"
              data={overview.data?.use_cases ?? [useCase]}
              value={useCase}
              onChange={(event) => setUseCase(event.currentTarget.value)}
            />
            <Button size="xs" variant="default" onClick={clear} disabled={!turns.length}>
              Clear conversation
            </Button>
          </Group>
        }
      >
        This tab keeps the conversation until you close it or sign out.
      </PageHead>
      <div className={styles.turns} role="log" aria-label="Conversation" aria-busy={isStreaming} aria-live="off">
        {turns.length === 0 && (
          <Empty title="No messages yet">
            Write a message below. Under each answer you see its deployment, the masked and restored values, its cost
            and its record.
          </Empty>
        )}
        {turns.map((turn) => (
          <TurnView key={turn.id} turn={turn} isBusy={isStreaming} onSendAgain={(grant) => sendAgain(turn, grant)} />
        ))}
      </div>
      <p className={prose.unseen} role="status">
        {announced(latest)}
      </p>
      <Composer
        isStreaming={isStreaming}
        onSend={(content) => {
          toEnd();
          send(content, { model: chosen, use_case: useCase });
        }}
        onStop={stop}
      >
        {!isFollowing && turns.length > 0 && (
          <Button className={styles.toEnd} size="compact-sm" variant="default" onClick={toEnd}>
            {isStreaming ? "New messages ↓" : "Go to the end ↓"}
          </Button>
        )}
      </Composer>
    </div>
  );
}

function TurnView({
  turn,
  isBusy,
  onSendAgain,
}: {
  turn: Turn;
  isBusy: boolean;
  onSendAgain: (grant: string | null) => void;
}) {
  const isWaiting = turn.state === "streaming" && !turn.content;
  const whole = useRef<HTMLDivElement>(null);
  const sendAgain = (grant: string | null): void => {
    // The button goes away: whoever pressed it by keyboard stays where the answer comes.
    whole.current?.focus();
    onSendAgain(grant);
  };
  return (
    <div className={`hg-turn ${styles.turn}`} data-role={turn.role} ref={whole} tabIndex={-1}>
      <Text size="xs" fw={600} className={prose.quiet} mb={3}>
        {turn.role === "user" ? "You" : "Answer"}
      </Text>
      {(turn.content || isWaiting) && (
        <div className={styles.said}>
          {isWaiting ? <span className={prose.quiet}>Waiting for the answer…</span> : turn.content}
        </div>
      )}
      {turn.state === "stopped" && (
        <Text size="xs" className={prose.quiet} mt={4}>
          Stopped. The record holds the answer so far.
        </Text>
      )}
      {turn.error && turn.error.approval === null && (
        <div style={{ marginTop: 6 }}>
          <Failure
            error={new ApiError(0, turn.error)}
            title={turn.error.code === "denied" ? "Message refused" : "Incomplete answer"}
          />
        </div>
      )}
      {turn.error && turn.approval && (
        <div style={{ marginTop: 6 }}>
          <ApprovalLine key={turn.approval} id={turn.approval} error={turn.error} isBusy={isBusy} onSend={sendAgain} />
        </div>
      )}
      {turn.gate && <GateLine gate={turn.gate} />}
    </div>
  );
}

/** What screen readers hear: that an answer is on its way, then all of it at once rather than word by word. */
function announced(turn: Turn | undefined): string {
  if (!turn || turn.role === "user" || turn.state === "failed") return "";
  return turn.state === "streaming" ? "Answering." : `Answer: ${turn.content}`;
}

function Composer({
  isStreaming,
  onSend,
  onStop,
  children,
}: {
  isStreaming: boolean;
  onSend: (content: string) => void;
  onStop: () => void;
  children: ReactNode;
}) {
  const [draft, setDraft, forget] = useDraft("chat", "");
  const submit = (event?: FormEvent): void => {
    event?.preventDefault();
    if (isStreaming || !draft.trim()) return;
    onSend(draft);
    setDraft("");
    forget();
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key !== "Enter" || event.shiftKey || event.nativeEvent.isComposing) return;
    event.preventDefault();
    submit();
  };
  return (
    <form className={styles.composer} onSubmit={submit}>
      {children}
      <Group gap="xs" align="flex-end" wrap="nowrap">
        <Textarea
          flex={1}
          aria-label="Message"
          placeholder="Write a message. Press Enter to send, Shift and Enter for a new line."
          autosize
          minRows={2}
          maxRows={10}
          maxLength={200_000}
          value={draft}
          onChange={(event) => setDraft(event.currentTarget.value)}
          onKeyDown={onKeyDown}
        />
        {isStreaming ? (
          <Button variant="default" leftSection={<Icon name="stop" size={14} />} onClick={onStop}>
            Stop<span className={prose.unseen}> answer</span>
          </Button>
        ) : (
          <Button type="submit" leftSection={<Icon name="send" size={14} />} disabled={!draft.trim()}>
            Send<span className={prose.unseen}> message</span>
          </Button>
        )}
      </Group>
    </form>
  );
}
