/** Code and JSON: shown in monospace, copied with one click. */

import { Button, Group, SegmentedControl, Stack } from "@mantine/core";
import { useClipboard } from "@mantine/hooks";
import { type ReactNode, useState } from "react";

import { prettyJson } from "../format";
import { Icon } from "./icons";
import styles from "./code.module.css";
import prose from "./prose.module.css";

const TOKEN = /(HGX_[A-Z]{1,16}_[BCDFGHJKLMNPQRSTVWXZ]{15})/;

/** A button that copies a text and says that it did. */
export function CopyButton({ text, what, label = "Copy" }: { text: string; what: string; label?: string }) {
  const clipboard = useClipboard({ timeout: 1800 });
  return (
    <Button
      size="compact-xs"
      variant="default"
      style={{ flexShrink: 0 }}
      leftSection={<Icon name={clipboard.copied ? "good" : "copy"} size={13} />}
      onClick={() => clipboard.copy(text)}
      aria-label={label === "Copy" ? `Copy ${what}` : undefined}
    >
      <span aria-live="polite">{clipboard.copied ? "Copied" : label}</span>
    </Button>
  );
}

/** Text in monospace with its line breaks, scrolled where it is long, also by keyboard. */
export function Lines({
  what,
  isWrapped = false,
  maxHeight,
  children,
}: {
  what: string;
  isWrapped?: boolean;
  maxHeight?: number;
  children: ReactNode;
}) {
  return (
    <pre
      className={styles.code}
      data-wrap={isWrapped || undefined}
      tabIndex={0}
      role="region"
      aria-label={what}
      style={{ maxHeight }}
    >
      {children}
    </pre>
  );
}

/** A block of code to be copied. */
export function Code({ text, what, wrap }: { text: string; what: string; wrap?: boolean }) {
  return (
    <div className={styles.copyable}>
      <Lines what={what} isWrapped={wrap}>
        {text}
      </Lines>
      <div>
        <CopyButton text={text} what={what} />
      </div>
    </div>
  );
}

/** JSON as it is or indented; pseudonyms in it stand out. `children` are shown beside the toggle. */
export function Json({ text, what, children }: { text: string; what: string; children?: ReactNode }) {
  const pretty = prettyJson(text);
  const [view, setView] = useState<"pretty" | "raw">("pretty");
  const shown = view === "pretty" && pretty !== null ? pretty : text;
  return (
    <Stack gap={6}>
      <Group gap="sm" justify="space-between">
        <Group gap="xs" className={prose.quiet} fz="xs">
          {children}
        </Group>
        <Group gap="xs">
          {pretty !== null && (
            <SegmentedControl
              aria-label={`How to show ${what}`}
              value={view}
              onChange={(value) => setView(value as typeof view)}
              data={[
                { value: "pretty", label: "Pretty" },
                { value: "raw", label: "Exact bytes" },
              ]}
            />
          )}
          <CopyButton text={text} what={what} />
        </Group>
      </Group>
      <Lines what={what} isWrapped>
        {shown.split(TOKEN).map((piece, at) =>
          at % 2 ? (
            <mark key={at} className={styles.token} title="A pseudonym that stands for a masked value">
              {piece}
            </mark>
          ) : (
            piece
          ),
        )}
      </Lines>
    </Stack>
  );
}
