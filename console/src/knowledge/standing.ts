/** Follows a collection: what hangs on its documents is read again when their numbers change. */

import { useEffect, useRef } from "react";

import type { Collection } from "./queries";

/** Calls `read` each time that the numbers of a collection have changed. */
export function useChangeOf({ documents, waiting, failed, changed_at: changed }: Collection, read: () => unknown): void {
  const standing = [documents, waiting, failed, changed].join();
  const seen = useRef(standing);
  useEffect(() => {
    if (seen.current !== standing) read();
    seen.current = standing;
  }, [standing, read]);
}
