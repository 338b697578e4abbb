/** Conversations with models: kept, searched, branched and shared, with what the gate did under each answer. */

import { Button, Drawer, Group, Menu, NativeSelect, Text } from "@mantine/core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { type ReactNode, useEffect, useMemo, useRef, useState } from "react";
import { Link, useNavigate, useSearchParams } from "react-router";

import { type Schemas, api, take } from "../../api/client";
import { conversationQuery, modelsQuery, overviewQuery } from "../../api/queries";
import { Empty, Failure, PageHead, Rows } from "../../elements/page";
import { offerOf } from "../../models";
import { type Page, useMayOpen } from "../../page";
import { Composer } from "./Composer";
import { ConversationHolder, useChat } from "./Conversation";
import { ConversationList } from "./List";
import { Sharing, SystemPrompt } from "./Settings";
import { type Doing, Turns } from "./Turns";
import { changeConversation } from "./changing";
import { type Choice, useChoice } from "./choice";
import type { Attachment } from "./files";
import { useFollow } from "./follow";
import { type Turn, branchOf } from "./tree";
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

type Detail = Schemas["ConversationDetail"];

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

/** The open conversation: that of the address, or else the last one of this tab. */
function useOpen() {
  const [query] = useSearchParams();
  const navigate = useNavigate();
  const { last, setLast } = useChat();
  const asked = query.get("c");
  const isNew = query.has("new");
  useEffect(() => {
    if (asked !== null || isNew) setLast(asked);
    else if (last !== null) void navigate(`/chat?c=${last}`, { replace: true });
  }, [asked, isNew, last, navigate, setLast]);
  return {
    open: isNew ? null : (asked ?? last),
    show: (conversation: string): void => void navigate(`/chat?c=${conversation}`, { replace: asked === null }),
    begin: (): void => void navigate("/chat?new"),
  };
}

function useKeys({ onNew }: { onNew: () => void }): void {
  useEffect(() => {
    const onKeyDown = (event: KeyboardEvent): void => {
      if (event.key.toLowerCase() !== "o" || !event.shiftKey || !(event.ctrlKey || event.metaKey)) return;
      event.preventDefault();
      onNew();
    };
    window.addEventListener("keydown", onKeyDown);
    return () => window.removeEventListener("keydown", onKeyDown);
  });
}

interface OpenedProps {
  readonly open: string | null;
  readonly onBegun: (conversation: string) => void;
  readonly field: React.RefObject<HTMLTextAreaElement | null>;
  readonly children: ReactNode;
}

function Opened({ open, onBegun, field, children }: OpenedProps) {
  const { live, announced, stop } = useChat();
  const kept = useQuery({ ...conversationQuery(open ?? ""), enabled: open !== null });
  const detail = open === null ? undefined : kept.data;
  const [shown, setShown] = useShown(open, detail);
  const [compared, setCompared] = useState<string | null>(null);
  const turns = useMemo<readonly Turn[]>(
    () => [...(detail?.turns ?? []), ...live.filter((one) => one.conversation === open)],
    [detail, live, open],
  );
  const branch = useMemo(() => branchOf(turns, shown), [turns, shown]);
  const { isFollowing, toEnd } = useFollow(branch);
  const through = useThrough(detail);
  const isStreaming = live.some((one) => one.conversation === open && one.state === "streaming");
  const sending = useSending({ open, through, shown, onBegun, setShown, setCompared });
  const doing: Doing = {
    isBusy: isStreaming,
    onShow: setShown,
    onAsk: (question, how) => sending.ask(open ?? "", question, how),
    onEdit: (question, text) => void sending.send(text, question.attachments, question.parent),
    ownModel: through.ownModel,
  };
  useStopKey(() => open !== null && isStreaming && stop(open));
  const isOwn = detail?.is_own ?? true;
  return (
    <div className={styles.chat}>
      <PageHead title="Chat" actions={isOwn ? <Through through={through} detail={detail} sending={sending} /> : null}>
        {children}
        {detail ? detail.conversation.title : "Every conversation is kept, sealed, until you delete it."}
        {!isOwn && ` Shared by ${detail?.conversation.owner}. You can read it.`}
      </PageHead>
      <div className={styles.turns} role="log" aria-label="Conversation" aria-busy={isStreaming} aria-live="off">
        {kept.isLoading && <Rows count={4} />}
        {kept.error && open !== null && <Failure error={kept.error} title="This conversation could not be opened" />}
        {open === null && branch.length === 0 && <Beginning through={through} />}
        <Turns branch={branch} doing={isOwn ? doing : null} compared={compared} onCompare={setCompared} />
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

/** The answer that the next message follows; a question without an answer is asked anew. */
function lastAnswer(branch: readonly Turn[]): string | null {
  const last = branch[branch.length - 1];
  if (!last) return null;
  return last.role === "assistant" ? last.id : last.parent;
}

/** The branch that is shown, and a function to show another one. The server remembers it. */
function useShown(open: string | null, detail: Detail | undefined) {
  const [query] = useSearchParams();
  const [chosen, setChosen] = useState<{ open: string | null; turn: string } | null>(null);
  const show = (turn: string): void => {
    setChosen({ open, turn });
    if (open === null || !detail?.turns.some((one) => one.id === turn)) return;
    const path = { conversation: open };
    void take(api.PUT("/api/conversations/{conversation}/shown", { params: { path }, body: { turn } })).catch(() => null);
  };
  const turn = chosen?.open === open ? chosen.turn : (query.get("turn") ?? detail?.shown ?? null);
  return [turn, show] as const;
}

type ThroughValue = ReturnType<typeof useThrough>;

/** The model and the use case: those of the conversation, or the last choice for a new one. */
function useThrough(detail: Detail | undefined) {
  const models = useQuery(modelsQuery);
  const [last, setLast] = useChoice();
  const [changed, setChanged] = useState<(Partial<Choice> & { of: string | undefined }) | null>(null);
  const [system, setSystem] = useState("");
  const [compareWith, setCompareWith] = useState<string | null>(null);
  const of = detail?.conversation.id;
  const mine = changed?.of === of ? changed : null;
  const offer = offerOf(models.data);
  const remembered = detail?.conversation.model ?? last.model;
  const model = mine?.model ?? (remembered !== null && offer.ids.includes(remembered) ? remembered : offer.first);
  const useCase = mine?.useCase ?? detail?.conversation.use_case ?? last.useCase;
  const view = models.data?.find((one) => one.id === model);
  const own = models.data?.find((one) => one.id === offer.first);
  return {
    model,
    useCase,
    ids: offer.ids,
    system: detail ? (detail.system ?? "") : system,
    setSystem,
    compareWith: compareWith === model ? null : compareWith,
    setCompareWith,
    change: (choice: Partial<Choice>): void => {
      setChanged({ ...mine, ...choice, of });
      setLast({ model, useCase, ...choice });
    },
    isStandIn: view !== undefined && view.deployments.every((one) => one.is_built_in),
    ownModel: own?.deployments.some((one) => one.custody === "organisation") ? offer.first : null,
    whyNoImages:
      view === undefined || view.deployments.some((one) => one.images)
        ? null
        : `${model} takes no images. Choose another model, or remove the image.`,
  };
}

interface SendingProps {
  readonly open: string | null;
  readonly through: ThroughValue;
  readonly shown: string | null;
  readonly onBegun: (conversation: string) => void;
  readonly setShown: (turn: string) => void;
  readonly setCompared: (question: string | null) => void;
}

/** Sends messages, and asks for answers. */
function useSending({ open, through, shown, onBegun, setShown, setCompared }: SendingProps) {
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
    setCompared(null);
    chat.ask({ conversation, question, model: how.model ?? null, grant: how.grant ?? null });
  };
  const endOf = async (conversation: string): Promise<string | null> => {
    await chat.settled(conversation);
    const detail = client.getQueryData(conversationQuery(conversation).queryKey);
    return lastAnswer(branchOf(detail?.turns ?? [], shown).map(({ turn }) => turn));
  };
  const write = async (text: string, files: readonly Attachment[], after: string | null | undefined): Promise<void> => {
    const conversation = open ?? (await begin());
    const parent = after === undefined ? await endOf(conversation) : after;
    const body = { text, parent, attachments: [...files], model, use_case: useCase };
    const path = { conversation };
    const question = await take(api.POST("/api/conversations/{conversation}/messages", { params: { path }, body }));
    await client.fetchQuery({ ...conversationQuery(conversation), staleTime: 0 });
    void client.invalidateQueries({ queryKey: ["conversations"] });
    ask(conversation, question.id);
    if (compareWith !== null) {
      chat.ask({ conversation, question: question.id, model: compareWith, grant: null });
      setCompared(question.id);
    }
    if (open === null) onBegun(conversation);
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

interface ThroughProps {
  readonly through: ThroughValue;
  readonly detail: Detail | undefined;
  readonly sending: ReturnType<typeof useSending>;
}

/** The model, the use case, and the rest in a menu. */
function Through({ through, detail, sending }: ThroughProps) {
  const overview = useQuery(overviewQuery);
  const [asked, setAsked] = useState<"system" | "share" | null>(null);
  const useCases = overview.data?.use_cases ?? [];
  return (
    <Group gap="xs" align="flex-end">
      <NativeSelect
        label="Model"
        size="xs"
        data={[...through.ids]}
        value={through.model}
        onChange={(event) => through.change({ model: event.currentTarget.value })}
      />
      <NativeSelect
        label="Use case"
        size="xs"
        data={useCases.includes(through.useCase) ? useCases : [through.useCase, ...useCases]}
        value={through.useCase}
        onChange={(event) => through.change({ useCase: event.currentTarget.value })}
      />
      <Menu position="bottom-end">
        <Menu.Target>
          <Button size="xs" variant="default">
            Options
          </Button>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Item onClick={() => setAsked("system")}>System prompt{through.system ? " (set)" : ""}</Menu.Item>
          {detail && <Menu.Item onClick={() => setAsked("share")}>Share</Menu.Item>}
          {detail && <Menu.Item onClick={() => download(detail)}>Export as JSON</Menu.Item>}
          <Menu.Label>Compare two models side by side</Menu.Label>
          {through.ids
            .filter((id) => id !== through.model)
            .map((id) => (
              <Menu.Item key={id} onClick={() => through.setCompareWith(id === through.compareWith ? null : id)}>
                {id === through.compareWith ? `Stop comparing with ${id}` : `Compare with ${id}`}
              </Menu.Item>
            ))}
        </Menu.Dropdown>
      </Menu>
      {through.compareWith && (
        <Text size="xs" className={prose.quiet}>
          Compared with {through.compareWith}
        </Text>
      )}
      {asked === "system" && (
        <SystemPrompt text={through.system} onSave={sending.changeSystem} onClose={() => setAsked(null)} />
      )}
      {asked === "share" && detail && <Sharing detail={detail} onClose={() => setAsked(null)} />}
    </Group>
  );
}

function download(detail: Detail): void {
  const address = URL.createObjectURL(new Blob([JSON.stringify(detail, null, 1)], { type: "application/json" }));
  const link = document.createElement("a");
  link.href = address;
  link.download = `conversation-${detail.conversation.id}.json`;
  link.click();
  URL.revokeObjectURL(address);
}

/** What stands on an empty page; it says plainly that the built-in model is a stand-in. */
function Beginning({ through }: { through: ThroughValue }) {
  const mayOpen = useMayOpen();
  return (
    <Empty title="No messages yet">
      Write a message below. Under each answer you see where it came from, what was masked, its cost and its record.
      {through.isStandIn && (
        <Text size="sm" mt="xs" component="p">
          {through.model} is a small model that comes with Headgate. It shows that the way through the gate works, and its
          answers are often wrong. {mayOpen("/models") && <Link to="/models">Add a better model</Link>}
        </Text>
      )}
    </Empty>
  );
}

/** Esc stops the answer, unless it closes something that is open. */
function useStopKey(stop: () => void): void {
  useEffect(() => {
    const onKeyDown = (event: KeyboardEvent): void => {
      if (event.key === "Escape" && !event.defaultPrevented && !document.querySelector('[role="dialog"], [role="menu"]'))
        stop();
    };
    window.addEventListener("keydown", onKeyDown);
    return () => window.removeEventListener("keydown", onKeyDown);
  });
}
