/** The person's conversations: searched, opened, renamed and deleted; and those that others share. */

import { ActionIcon, Button, Group, Menu, Text, TextInput } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";
import { Link } from "react-router";

import { type Schemas, api, take } from "../../api/client";
import { conversationQuery, sharedQuery } from "../../api/queries";
import { FormDialog } from "../../elements/dialog";
import { Icon } from "../../elements/icons";
import { Failure, Rows } from "../../elements/page";
import prose from "../../elements/prose.module.css";
import { useChat } from "./Conversation";
import { changeConversation } from "./changing";
import { grouped } from "./days";
import styles from "./chat.module.css";

type Conversation = Schemas["ConversationView"];

interface Props {
  readonly open: string | null;
  readonly onNew: () => void;
  readonly onPick: () => void;
  readonly onDeleted: (conversation: string) => void;
}

export function ConversationList({ open, onNew, onPick, onDeleted }: Props) {
  const [typed, setTyped] = useState("");
  const [search] = useDebouncedValue(typed.trim(), 150);
  return (
    <nav className={styles.list} aria-label="Conversations">
      <Button fullWidth variant="default" leftSection={<Icon name="add" size={14} />} onClick={onNew}>
        New chat
      </Button>
      <TextInput
        aria-label="Search conversations"
        placeholder="Search"
        type="search"
        my="xs"
        value={typed}
        onChange={(event) => setTyped(event.currentTarget.value)}
      />
      {search ? (
        <Found search={search} open={open} onPick={onPick} />
      ) : (
        <Everything open={open} onPick={onPick} onDeleted={onDeleted} />
      )}
    </nav>
  );
}

function Everything({ open, onPick, onDeleted }: Omit<Props, "onNew">) {
  const list = useInfiniteQuery({
    queryKey: ["conversations", "own"],
    queryFn: ({ pageParam }) =>
      take(api.GET("/api/conversations", { params: { query: pageParam ? { cursor: pageParam } : {} } })),
    initialPageParam: "",
    getNextPageParam: (page) => page.next ?? undefined,
  });
  const { removed } = useChat();
  const shared = useQuery(sharedQuery);
  if (list.isPending) return <Rows count={4} />;
  if (list.error) return <Failure error={list.error} title="The list could not be read" />;
  const conversations = list.data.pages.flatMap((page) => page.conversations).filter(({ id }) => !removed.has(id));
  return (
    <>
      {conversations.length === 0 && (
        <Text size="xs" className={prose.quiet}>
          Your conversations will be here.
        </Text>
      )}
      {grouped(conversations, new Date()).map(({ words, members }) => (
        <Part key={words} words={words}>
          {members.map((one) => (
            <Entry key={one.id} one={one} isOpen={one.id === open} onPick={onPick} onDeleted={onDeleted} />
          ))}
        </Part>
      ))}
      {list.hasNextPage && (
        <Button size="compact-xs" variant="subtle" onClick={() => list.fetchNextPage()} loading={list.isFetchingNextPage}>
          Show older
        </Button>
      )}
      {shared.data && shared.data.length > 0 && (
        <Part words="Shared with me">
          {shared.data.map((one) => (
            <li key={one.id} className={styles.entry} data-open={one.id === open || undefined}>
              <Link to={`/chat?c=${one.id}`} onClick={onPick} aria-current={one.id === open ? "page" : undefined}>
                <span>{one.title}</span>
                <small>from {one.owner_name}</small>
              </Link>
            </li>
          ))}
        </Part>
      )}
    </>
  );
}

function Part({ words, children }: { words: string; children: ReactNode }) {
  return (
    <section aria-label={words}>
      <h2 className={styles.when}>{words}</h2>
      <ul className={prose.plainList}>{children}</ul>
    </section>
  );
}

function Found({ search, open, onPick }: { search: string; open: string | null; onPick: () => void }) {
  const { removed } = useChat();
  const found = useInfiniteQuery({
    queryKey: ["conversations", "search", search],
    queryFn: ({ pageParam }) => {
      const query = { q: search, ...(pageParam ? { cursor: pageParam } : {}) };
      return take(api.GET("/api/conversations/search", { params: { query } }));
    },
    initialPageParam: "",
    getNextPageParam: (page) => page.next ?? undefined,
    placeholderData: (before) => before,
  });
  if (found.isPending) return <Rows count={3} />;
  if (found.error) return <Failure error={found.error} title="The search failed" />;
  // Later pages may find another message of a conversation that an earlier one has.
  const all = found.data.pages.flatMap((page) => page.hits);
  const hits = [...new Map(all.toReversed().map((hit) => [hit.conversation.id, hit])).values()]
    .toReversed()
    .filter((hit) => !removed.has(hit.conversation.id));
  return (
    <>
      <Text size="xs" role="status" className={prose.quiet} mb={4}>
        {hits.length === 0 ? "Nothing found. A search finds words by their beginnings." : `Found ${hits.length}`}
        {found.hasNextPage && ", and more"}
      </Text>
      <ul className={prose.plainList} aria-label="Found">
        {hits.map(({ conversation, turn, excerpt }) => (
          <li key={conversation.id} className={styles.entry} data-open={conversation.id === open || undefined}>
            <Link to={`/chat?c=${conversation.id}${turn ? `&turn=${turn}` : ""}`} onClick={onPick}>
              <span>{conversation.title}</span>
              <small>{excerpt}</small>
            </Link>
          </li>
        ))}
      </ul>
      {found.hasNextPage && (
        <Button size="compact-xs" variant="subtle" onClick={() => found.fetchNextPage()} loading={found.isFetchingNextPage}>
          Show more
        </Button>
      )}
    </>
  );
}

interface EntryProps {
  readonly one: Conversation;
  readonly isOpen: boolean;
  readonly onPick: () => void;
  readonly onDeleted: (conversation: string) => void;
}

function Entry({ one, isOpen, onPick, onDeleted }: EntryProps) {
  const { remove } = useChat();
  const [isRenaming, setRenaming] = useState(false);
  return (
    <li className={styles.entry} data-open={isOpen || undefined}>
      <Link to={`/chat?c=${one.id}`} onClick={onPick} aria-current={isOpen ? "page" : undefined} title={one.title}>
        <span>{one.title}</span>
      </Link>
      <Menu position="bottom-end" withinPortal>
        <Menu.Target>
          <ActionIcon variant="subtle" color="gray" size="sm" aria-label={`Actions on ${one.title}`}>
            <Icon name="more" size={14} />
          </ActionIcon>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Item onClick={() => setRenaming(true)}>Rename</Menu.Item>
          <Menu.Item onClick={() => (remove(one.id, one.title), onDeleted(one.id))}>Delete</Menu.Item>
        </Menu.Dropdown>
      </Menu>
      {isRenaming && <Rename one={one} onClose={() => setRenaming(false)} />}
    </li>
  );
}

function Rename({ one, onClose }: { one: Conversation; onClose: () => void }) {
  const client = useQueryClient();
  const [title, setTitle] = useState(one.title);
  const rename = useMutation({
    mutationFn: () => changeConversation(one.id, { title }),
    onSuccess: async () => {
      await client.invalidateQueries({ queryKey: ["conversations"] });
      await client.invalidateQueries({ queryKey: conversationQuery(one.id).queryKey });
      onClose();
    },
  });
  return (
    <FormDialog title="Rename conversation" isOpen onClose={onClose}>
      <form onSubmit={(event) => (event.preventDefault(), rename.mutate())}>
        <TextInput
          label="Title"
          data-autofocus
          required
          maxLength={200}
          value={title}
          onChange={(event) => setTitle(event.currentTarget.value)}
        />
        {rename.error && <Failure error={rename.error} title="It was not renamed" />}
        <Group mt="md" justify="flex-end">
          <Button variant="default" onClick={onClose}>
            Cancel
          </Button>
          <Button type="submit" loading={rename.isPending} disabled={!title.trim()}>
            Rename
          </Button>
        </Group>
      </form>
    </FormDialog>
  );
}
