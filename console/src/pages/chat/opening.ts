/** Which conversation is open, which branch of it is shown, and the keys of the page. */

import { type RefObject, useEffect, useState } from "react";
import { useNavigate, useSearchParams } from "react-router";

import { type Schemas, api, take } from "../../api/client";
import { useChat } from "./Conversation";

/** The open conversation: that of the address, or else the last one of this tab. */
export function useOpen() {
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

/** Ctrl, Shift and O begin a new chat. */
export function useKeys({ onNew }: { onNew: () => void }): void {
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

/** The branch that is shown, and a function to show another one. The server remembers it. */
export function useShown(open: string | null, detail: Schemas["ConversationDetail"] | undefined) {
  const [query] = useSearchParams();
  const [chosen, setChosen] = useState<{ open: string | null; turn: string } | null>(null);
  const show = (turn: string): void => {
    setChosen({ open, turn });
    if (open === null || !detail?.is_own || !detail.turns.some((one) => one.id === turn)) return;
    const path = { conversation: open };
    void take(api.PUT("/api/conversations/{conversation}/shown", { params: { path }, body: { turn } })).catch(() => null);
  };
  const turn = chosen?.open === open ? chosen.turn : (query.get("turn") ?? detail?.shown ?? null);
  return [turn, show] as const;
}

/** Esc stops the answer, unless it closes something that is open. */
export function useStopKey(stop: () => void): void {
  useEffect(() => {
    const onKeyDown = (event: KeyboardEvent): void => {
      if (event.key === "Escape" && !event.defaultPrevented && !document.querySelector('[role="dialog"], [role="menu"]'))
        stop();
    };
    window.addEventListener("keydown", onKeyDown);
    return () => window.removeEventListener("keydown", onKeyDown);
  });
}

/** Scrolls to the turn that a search found, once it is drawn. */
export function useFound(isDrawn: boolean): void {
  const found = useSearchParams()[0].get("turn");
  useEffect(() => {
    if (found === null || !isDrawn) return;
    document.querySelector(`[data-turn="${CSS.escape(found)}"]`)?.scrollIntoView({ block: "center" });
  }, [found, isDrawn]);
}

/** Puts the cursor into a field once the page is open, where no keyboard would cover half of the screen. */
export function useFocusAtFirst(field: RefObject<HTMLElement | null>): void {
  useEffect(() => {
    if (!window.matchMedia("(hover: hover)").matches) return;
    // After the frame has moved the focus to the page.
    const timer = setTimeout(() => field.current?.focus({ preventScroll: true }));
    return () => clearTimeout(timer);
  }, [field]);
}
