/** Deletes conversations after ten seconds in which their person can still take it back. */

import { useQueryClient } from "@tanstack/react-query";
import { type ReactNode, useEffect, useRef, useState } from "react";

import { api, take } from "../../api/client";
import { conversationQuery } from "../../api/queries";
import { UNDO_MS, useUndo } from "../../elements/undo";

interface Removing {
  /** The line with the button that takes the last deletion back. */
  readonly line: ReactNode;
  /** The conversations that are not shown any more. */
  readonly removed: ReadonlySet<string>;
  readonly remove: (conversation: string, title: string) => void;
}

/** Conversations on their way out. One that is left waiting is deleted when the page is left. */
export function useRemoving(): Removing {
  const client = useQueryClient();
  const [removed, setRemoved] = useState<ReadonlySet<string>>(new Set());
  const timers = useRef(new Map<string, ReturnType<typeof setTimeout>>());
  const [line, offer] = useUndo();
  const keep = (conversation: string): void => {
    clearTimeout(timers.current.get(conversation));
    timers.current.delete(conversation);
    setRemoved((all) => new Set([...all].filter((one) => one !== conversation)));
  };
  const finish = async (conversation: string): Promise<void> => {
    timers.current.delete(conversation);
    try {
      await deleted(conversation);
      client.removeQueries({ queryKey: conversationQuery(conversation).queryKey });
    } catch {
      keep(conversation); // it stands in the list again
    }
    await client.invalidateQueries({ queryKey: ["conversations"] });
  };
  const remove = (conversation: string, title: string): void => {
    setRemoved((all) => new Set([...all, conversation]));
    timers.current.set(conversation, setTimeout(() => void finish(conversation), UNDO_MS));
    offer(`“${title}” is deleted, for everybody.`, () => keep(conversation));
  };
  useEffect(() => {
    const waiting = timers.current;
    const flush = (): void => {
      for (const [conversation, timer] of waiting) {
        clearTimeout(timer);
        void deleted(conversation).catch(() => null);
      }
      waiting.clear();
    };
    window.addEventListener("pagehide", flush);
    return () => {
      window.removeEventListener("pagehide", flush);
      flush();
    };
  }, []);
  return { line, removed, remove };
}

/** Deletes a conversation, even while the page is left. */
function deleted(conversation: string): Promise<unknown> {
  const path = { conversation };
  return take(api.DELETE("/api/conversations/{conversation}", { params: { path }, keepalive: true }));
}
