/** Keeps the end of a growing page in view until its reader scrolls up, and again once they are back at the end. */

import { useCallback, useEffect, useLayoutEffect, useRef, useState } from "react";

const NEAR_END_PX = 80;

/** Follows the end of the document while `content` changes; `toEnd` goes there and follows again. */
export function useFollow(content: unknown): { isFollowing: boolean; toEnd: () => void } {
  const [isFollowing, setFollowing] = useState(true);
  const lastTop = useRef(0);
  useEffect(() => {
    const onScroll = (): void => {
      const root = document.documentElement;
      const isUp = window.scrollY < lastTop.current;
      const isAtEnd = root.scrollHeight - window.innerHeight - window.scrollY < NEAR_END_PX;
      lastTop.current = window.scrollY;
      // Content that grows moves the end away without scrolling: only a person scrolls up.
      if (isAtEnd) setFollowing(true);
      else if (isUp) setFollowing(false);
    };
    window.addEventListener("scroll", onScroll, { passive: true });
    return () => window.removeEventListener("scroll", onScroll);
  }, []);
  useLayoutEffect(() => {
    if (isFollowing) window.scrollTo(0, document.documentElement.scrollHeight);
  }, [content, isFollowing]);
  const toEnd = useCallback(() => setFollowing(true), []);
  return { isFollowing, toEnd };
}
