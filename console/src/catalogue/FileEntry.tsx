/** An entry that the file manages: its lines there, or a form once a person takes it over. */

import { Button, Group, Stack, Text } from "@mantine/core";

import type { Schemas } from "../api/client";
import { Code } from "../elements/code";
import { Section } from "../elements/page";
import prose from "../elements/prose.module.css";

export function FileEntry({ entry, onTake }: { entry: Schemas["EntryView"]; onTake: (() => void) | null }) {
  return (
    <Section title="Managed by the file">
      <Stack gap="sm">
        <Text size="sm">
          This entry came with <span className={prose.mono}>headgate apply</span>. Change these lines in the file and apply it
          again:
        </Text>
        <Code text={entry.toml} what="the lines of the file" />
        {onTake && (
          <Group gap="sm">
            <Button variant="default" onClick={onTake}>
              Change it here instead
            </Button>
            <Text size="xs" className={prose.quiet} maw="60ch">
              The next time that somebody applies the file, the file&apos;s lines replace what you change here.
            </Text>
          </Group>
        )}
      </Stack>
    </Section>
  );
}
