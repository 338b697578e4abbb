/** A line at the bottom of the screen after a change, with a button that takes the change back for ten seconds. */

import { Button, Paper, Text } from "@mantine/core";
import { type ReactNode, useEffect, useState } from "react";

import styles from "./undo.module.css";

/** How long a change can be taken back. */
export const UNDO_MS = 10_000;

interface Offer {
  readonly text: string;
  readonly undo: () => void;
}

/** Returns the line to draw, and a function that offers to take a change back. */
export function useUndo(): readonly [line: ReactNode, offer: (text: string, undo: () => void) => void] {
  const [offered, setOffered] = useState<Offer | null>(null);
  useEffect(() => {
    if (!offered) return;
    const timer = setTimeout(() => setOffered(null), UNDO_MS);
    return () => clearTimeout(timer);
  }, [offered]);
  const line = (
    <div role="status">
      {offered && (
        <Paper className={styles.line} p="xs">
          <Text size="sm">{offered.text}</Text>
          <Button
            size="compact-sm"
            variant="default"
            onClick={() => {
              setOffered(null);
              offered.undo();
            }}
          >
            Undo
          </Button>
        </Paper>
      )}
    </div>
  );
  return [line, (text, undo) => setOffered({ text, undo })];
}
