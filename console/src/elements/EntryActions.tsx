/** The end of the form of one entry: remove it in two steps, cancel, or save. */

import { Button, Group, Text } from "@mantine/core";
import { type ReactNode, useState } from "react";

import prose from "./prose.module.css";

interface Removal {
  /** What the removal means, in a sentence. */
  readonly means: string;
  readonly isPending: boolean;
  readonly run: () => void;
}

interface Props {
  /** What the entry is, such as `price`. */
  readonly noun: string;
  /** Null for a new entry. */
  readonly removal: Removal | null;
  readonly onCancel: () => void;
  /** The button that saves. */
  readonly children: ReactNode;
}

export function EntryActions({ noun, removal, onCancel, children }: Props) {
  const [isRemoving, setRemoving] = useState(false);
  return (
    <>
      {isRemoving && (
        <Text size="sm" className={prose.quiet} role="status">
          {removal?.means}
        </Text>
      )}
      <Group justify="space-between" gap="xs">
        {removal ? (
          <Button
            variant="subtle"
            color="red"
            loading={removal.isPending}
            onClick={() => (isRemoving ? removal.run() : setRemoving(true))}
          >
            {isRemoving ? "Remove it" : `Remove ${noun}`}
          </Button>
        ) : (
          <span />
        )}
        <Group gap="xs">
          <Button variant="default" onClick={onCancel}>
            Cancel
          </Button>
          {children}
        </Group>
      </Group>
    </>
  );
}
