/** Conversations with models: kept, searched, branched and shared, with what the gate did under each answer. */

import { Button, Drawer, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { type ReactNode, type RefObject, useMemo, useRef, useState } from "react";
import { Link } from "react-router";

import { api, take } from "../../api/client";
import { conversationQuery } from "../../api/queries";
import { Empty, Failure, PageHead, Rows } from "../../elements/page";
import { type Page, useMayOpen } from "../../page";
import { Composer } from "./Composer";
import { ConversationHolder, useChat } from "./Conversation";
import { ConversationList } from "./List";
import { Options } from "./Options";
import { type Doing, Turns } from "./Turns";
import { useFollow } from "./follow";
import { useFocusAtFirst, useFound, useKeys, useOpen, useShown, useStopKey } from "./opening";
import { useSending } from "./sending";
import { type Through, useThrough } from "./through";
import { type Turn, branchOf, withLive } from "./tree";
import prose from "../../elements/prose.module.css";
import styles from "./chat.module.css";

export const page: Page = {
  path: "/chat",
  title: "Chat",
  group: "use",
  order: 20,
  may: "everyone",
  isQuick: true,
  find: async (words) => {
    const { hits } = await take(api.GET("/api/conversations/search", { params: { query: { q: words, limit: 5 } } }));
    return hits.map(({ conversation, excerpt }) => ({
      title: conversation.title,
      detail: excerpt,
      to: `/chat?c=${conversation.id}`,
    }));
  },
  Provider: ConversationHolder,
  icon: "M2.5 3.5h11v7.5H7L4 13.5V11H2.5z",
};

export default function Chat() {
  const { open, show, begin } = useOpen();
  const [isListOpen, setListOpen] = useState(false);
  const field = useRef<HTMLTextAreaElement>(null);
  const onNew = (): void => {
    begin();
    setListOpen(false);
    field.current?.focus();
  };
  useKeys({ onNew });
  useFocusAtFirst(field);
  const list = (
    <ConversationList
      open={open}
      onNew={onNew}
      onPick={() => setListOpen(false)}
      onDeleted={(conversation) => conversation === open && begin()}
    />
  );
  return (
    <div className={styles.page}>
      <aside className={styles.aside}>{list}</aside>
      <Drawer opened={isListOpen} onClose={() => setListOpen(false)} title="Conversations" size="xs">
        {list}
      </Drawer>
      <Opened open={open} onBegun={show} field={field}>
        <Button className={styles.openList} size="compact-sm" variant="default" onClick={() => setListOpen(true)}>
          Conversations
        </Button>
      </Opened>
    </div>
  );
}

const LOOK_MS = 1_000;

interface OpenedProps {
  readonly open: string | null;
  readonly onBegun: (conversation: string) => void;
  readonly field: RefObject<HTMLTextAreaElement | null>;
  readonly children: ReactNode;
}

function Opened({ open, onBegun, field, children }: OpenedProps) {
  const { live, announced, stop } = useChat();
  const kept = useQuery({
    ...conversationQuery(open ?? ""),
    enabled: open !== null,
    // Answers that this tab does not stream, such as after a reload, are followed by looking again.
    refetchInterval: ({ state }) =>
      state.data?.is_own && state.data.turns.some((one) => one.state === "running") ? LOOK_MS : false,
  });
  const detail = open === null ? undefined : kept.data;
  const [shown, setShown] = useShown(open, detail);
  const [beside, setBeside] = useState<ReadonlyMap<string, boolean>>(new Map());
  const turns = useMemo<readonly Turn[]>(
    () => withLive(detail?.turns ?? [], live.filter((one) => one.conversation === open)),
    [detail, live, open],
  );
  const branch = useMemo(() => branchOf(turns, shown), [turns, shown]);
  const { isFollowing, toEnd } = useFollow(branch);
  const through = useThrough(open, detail);
  const isStreaming = turns.some((one) => one.state === "streaming");
  const sending = useSending({ open, through, shown, onBegun, setShown });
  const doing: Doing = {
    isBusy: isStreaming,
    onAsk: (question, how) => sending.ask(open ?? "", question, how),
    onEdit: (question, text) => void sending.send(text, question.attachments, question.parent),
    onWithoutImages: (question) => {
      const asked = turns.find((one) => one.id === question);
      if (asked) void sending.send(asked.text, asked.attachments.filter((file) => !file.data), asked.parent);
    },
    conversation: open,
  };
  useFound(detail !== undefined);
  useStopKey(() => open !== null && isStreaming && stop(open));
  const isOwn = detail?.is_own ?? true;
  return (
    <div className={styles.chat}>
      <div className={styles.head}>
        <PageHead title="Chat" actions={isOwn ? <Options through={through} detail={detail} sending={sending} /> : null}>
          {children}
          {detail ? detail.conversation.title : "Every conversation is kept, sealed, until you delete it."}
          {!isOwn && ` Shared by ${detail?.conversation.owner_name}. You can read it.`}
        </PageHead>
      </div>
      <div className={styles.turns} role="log" aria-label="Conversation" aria-busy={isStreaming} aria-live="off">
        {kept.isLoading && <Rows count={4} />}
        {kept.error && open !== null && <Failure error={kept.error} title="This conversation could not be opened" />}
        {open === null && branch.length === 0 && <Beginning through={through} />}
        <Turns
          branch={branch}
          doing={isOwn ? doing : null}
          onShow={setShown}
          beside={beside}
          onBeside={(question, isBeside) => setBeside(new Map(beside).set(question, isBeside))}
        />
      </div>
      <p className={prose.unseen} role="status">
        {announced}
      </p>
      {isOwn && !kept.error && (
        <Composer
          field={field}
          isStreaming={isStreaming}
          whyNoImages={through.whyNoImages}
          onSend={(text, files) => {
            toEnd();
            return sending.send(text, files);
          }}
          onStop={() => open !== null && stop(open)}
        >
          {sending.problem !== null && <Failure error={sending.problem} title="Not sent" />}
          {!isFollowing && branch.length > 0 && (
            <Button className={styles.toEnd} size="compact-sm" variant="default" onClick={toEnd}>
              {isStreaming ? "New messages ↓" : "Go to the end ↓"}
            </Button>
          )}
        </Composer>
      )}
    </div>
  );
}

/** What stands on an empty page; it says plainly that the built-in model is a stand-in. */
function Beginning({ through }: { through: Through }) {
  const mayOpen = useMayOpen();
  return (
    <Empty title="No messages yet">
      Write a message below. Under each answer you see where it came from, what was masked, its cost and its record.
      {through.isStandIn && (
        <Text size="sm" mt="xs" component="p">
          {through.model} is a stand-in: a very small model (135 million parameters) that comes with Headgate. It shows that
          the way through the gate works, and its answers are often wrong. {mayOpen("/models/add") && <Link to="/models/add">Add a better model</Link>}
        </Text>
      )}
    </Empty>
  );
}
