/** Where a person writes: Enter sends, Shift and Enter begin a new line. Files are attached here. */

import { ActionIcon, Button, Group, Text, Textarea } from "@mantine/core";
import { type FormEvent, type KeyboardEvent, type ReactNode, type Ref, useRef, useState } from "react";

import { useDraft } from "../../draft";
import { Icon } from "../../elements/icons";
import prose from "../../elements/prose.module.css";
import { Files } from "./Files";
import { ACCEPTED, type Attachment, withFiles } from "./files";
import styles from "./chat.module.css";

interface Props {
  readonly isStreaming: boolean;
  /** Sends a message. The composer keeps its text if sending fails. */
  readonly onSend: (text: string, files: readonly Attachment[]) => Promise<boolean>;
  readonly onStop: () => void;
  /** Why images cannot be attached, or null. */
  readonly whyNoImages: string | null;
  readonly field: Ref<HTMLTextAreaElement>;
  readonly children: ReactNode;
}

export function Composer({ isStreaming, onSend, onStop, whyNoImages, field, children }: Props) {
  const [draft, setDraft, forget] = useDraft("chat", "");
  const [files, setFiles] = useState<readonly Attachment[]>([]);
  const [trouble, setTrouble] = useState<string | null>(null);
  const [isSending, setSending] = useState(false);
  const picker = useRef<HTMLInputElement>(null);
  const images = files.some((file) => file.data);
  const canSend = (draft.trim() !== "" || files.length > 0) && !isSending && !(images && whyNoImages);

  const attach = (added: readonly File[]): void => {
    setTrouble(null);
    withFiles(files, added).then(setFiles, (problem: Error) => setTrouble(problem.message));
  };
  const submit = async (event?: FormEvent): Promise<void> => {
    event?.preventDefault();
    if (isStreaming || !canSend) return;
    const [typed, attached] = [draft, files];
    setSending(true);
    setDraft("");
    setFiles([]);
    const isSent = await onSend(typed, attached);
    setSending(false);
    if (isSent) return forget();
    setDraft(typed);
    setFiles(attached);
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key !== "Enter" || event.shiftKey || event.nativeEvent.isComposing) return;
    event.preventDefault();
    void submit();
  };
  return (
    <form
      className={styles.composer}
      onSubmit={(event) => void submit(event)}
      onDragOver={(event) => event.preventDefault()}
      onDrop={(event) => (event.preventDefault(), attach([...event.dataTransfer.files]))}
    >
      {children}
      <Files files={files} onRemove={(at) => setFiles(files.filter((_, one) => one !== at))} />
      {(trouble ?? (images && whyNoImages)) && (
        <Text size="xs" role="alert" c="var(--hg-bad)" mb={4}>
          {trouble ?? whyNoImages}
        </Text>
      )}
      <Group gap="xs" align="flex-end" wrap="nowrap">
        <input
          ref={picker}
          type="file"
          multiple
          hidden
          accept={ACCEPTED}
          aria-label="Files to attach"
          onChange={(event) => {
            attach([...(event.currentTarget.files ?? [])]);
            event.currentTarget.value = "";
          }}
        />
        <ActionIcon
          variant="default"
          size="lg"
          aria-label="Attach files"
          title="Attach texts or images"
          onClick={() => picker.current?.click()}
        >
          <Icon name="clip" />
        </ActionIcon>
        <Textarea
          flex={1}
          ref={field}
          aria-label="Message"
          placeholder="Write a message. Enter sends it."
          autosize
          minRows={2}
          maxRows={10}
          maxLength={200_000}
          value={draft}
          onChange={(event) => setDraft(event.currentTarget.value)}
          onKeyDown={onKeyDown}
          onPaste={(event) => {
            const pasted = [...event.clipboardData.files];
            if (pasted.length === 0) return;
            event.preventDefault();
            attach(pasted);
          }}
        />
        {isStreaming ? (
          <Button variant="default" leftSection={<Icon name="stop" size={14} />} onClick={onStop}>
            Stop<span className={prose.unseen}> answer</span>
          </Button>
        ) : (
          <Button type="submit" leftSection={<Icon name="send" size={14} />} disabled={!canSend}>
            Send<span className={prose.unseen}> message</span>
          </Button>
        )}
      </Group>
    </form>
  );
}
