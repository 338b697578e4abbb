/** The shown branch of a conversation: questions with their alternatives, and answers with what the gate did. */

import { ActionIcon, Button, Group, Text, Textarea } from "@mantine/core";
import { useClipboard } from "@mantine/hooks";
import { type ReactNode, useRef, useState } from "react";

import { ApiError } from "../../api/client";
import { Icon, type IconName } from "../../elements/icons";
import { Failure } from "../../elements/page";
import { Markdown } from "../../markdown/Markdown";
import prose from "../../elements/prose.module.css";
import { ApprovalLine } from "./ApprovalLine";
import { Files } from "./Files";
import { GateLine } from "./GateLine";
import type { Shown, Turn } from "./tree";
import styles from "./chat.module.css";

/** What a person can do with the turns; null for a reader, who can do nothing. */
export interface Doing {
  readonly isBusy: boolean;
  readonly onAsk: (question: string, how: { model?: string; grant?: string | null }) => void;
  readonly onEdit: (question: Turn, text: string) => void;
  /** A model on our own machines to ask instead, if there is another one. */
  readonly ownModel: string | null;
}

interface Props {
  readonly branch: readonly Shown[];
  readonly doing: Doing | null;
  readonly onShow: (turn: string) => void;
  /** The question whose answers stand side by side, or null. */
  readonly compared: string | null;
  readonly onCompare: (question: string | null) => void;
}

export function Turns({ branch, doing, onShow, compared, onCompare }: Props) {
  return branch.map(({ turn, siblings }, depth) => {
    const key = `${depth} ${turn.parent ?? ""}`;
    if (turn.role === "user") return <Question key={key} turn={turn} siblings={siblings} doing={doing} onShow={onShow} />;
    const isCompared = compared === turn.parent && siblings.length > 1;
    if (!isCompared)
      return (
        <Answer key={key} turn={turn} siblings={siblings} doing={doing} onShow={onShow} onCompare={onCompare} />
      );
    return (
      <div key={key} className={styles.pair}>
        {siblings.slice(-2).map((one, at) => (
          <Answer key={at} turn={one} siblings={[one]} doing={doing} onShow={onShow} isNamed>
            <Button
              size="compact-xs"
              variant={one.id === turn.id ? "light" : "default"}
              aria-pressed={one.id === turn.id}
              onClick={() => (onShow(one.id), onCompare(null))}
              disabled={one.state === "streaming"}
            >
              Continue with this
            </Button>
          </Answer>
        ))}
      </div>
    );
  });
}

interface QuestionProps {
  readonly turn: Turn;
  readonly siblings: readonly Turn[];
  readonly doing: Doing | null;
  readonly onShow: (turn: string) => void;
}

function Question({ turn, siblings, doing, onShow }: QuestionProps) {
  const [edited, setEdited] = useState<string | null>(null);
  const submit = (): void => {
    if (edited?.trim()) doing?.onEdit(turn, edited);
    setEdited(null);
  };
  return (
    <div className={`hg-turn ${styles.turn}`} data-role="user" data-turn={turn.id} tabIndex={-1}>
      <Speaker>You</Speaker>
      {edited === null ? (
        <div className={styles.said}>
          <Files files={turn.attachments} />
          {turn.text}
        </div>
      ) : (
        <form onSubmit={(event) => (event.preventDefault(), submit())}>
          <Textarea
            aria-label="Edited question"
            autosize
            autoFocus
            maxRows={12}
            value={edited}
            onChange={(event) => setEdited(event.currentTarget.value)}
            onKeyDown={(event) => event.key === "Escape" && (event.stopPropagation(), setEdited(null))}
          />
          <Group gap="xs" mt={6}>
            <Button size="compact-sm" type="submit" disabled={!edited.trim() || doing?.isBusy}>
              Ask this instead
            </Button>
            <Button size="compact-sm" variant="default" onClick={() => setEdited(null)}>
              Cancel
            </Button>
          </Group>
        </form>
      )}
      {edited === null && (
        <div className={styles.tools}>
          <Alternatives turn={turn} siblings={siblings} onShow={onShow} what="question" />
          <CopyTool text={turn.text} what="question" />
          {doing && <Tool icon="edit" label="Edit question" onClick={() => setEdited(turn.text)} isOff={doing.isBusy} />}
        </div>
      )}
    </div>
  );
}

interface AnswerProps extends QuestionProps {
  /** Whether the model stands above the answer. */
  readonly isNamed?: boolean;
  readonly onCompare?: (question: string) => void;
  readonly children?: ReactNode;
}

function Answer({ turn, siblings, doing, onShow, isNamed = false, onCompare, children }: AnswerProps) {
  const whole = useRef<HTMLDivElement>(null);
  const isWaiting = turn.state === "streaming" && !turn.text;
  const question = turn.parent ?? "";
  const askAgain = (how: { model?: string; grant?: string | null }): void => {
    // The button disappears, so the focus moves to the answer, for people who use the keyboard.
    whole.current?.focus();
    doing?.onAsk(question, how);
  };
  return (
    <div className={`hg-turn ${styles.turn}`} data-role="assistant" data-turn={turn.id} ref={whole} tabIndex={-1}>
      <Speaker>{isNamed && turn.model ? turn.model : "Answer"}</Speaker>
      {isWaiting && <span className={prose.quiet}>Waiting for the answer…</span>}
      {turn.text && <Markdown text={turn.text} />}
      {turn.withheld && (
        <Text size="sm" className={prose.quiet}>
          Not shown: {turn.withheld}.
        </Text>
      )}
      {turn.state === "stopped" && (
        <Text size="xs" className={prose.quiet} mt={4}>
          Stopped. The record holds the answer so far.
        </Text>
      )}
      <Trouble turn={turn} doing={doing} onAgain={askAgain} />
      {turn.gate && <GateLine gate={turn.gate} />}
      {turn.state !== "streaming" && (
        <div className={styles.tools}>
          <Alternatives turn={turn} siblings={siblings} onShow={onShow} what="answer" />
          {turn.text && <CopyTool text={turn.text} what="answer" />}
          {doing && !turn.approval && (
            <Tool icon="again" label="Answer again" onClick={() => doing.onAsk(question, {})} isOff={doing.isBusy} />
          )}
          {onCompare && siblings.length > 1 && (
            <Button size="compact-xs" variant="subtle" color="gray" onClick={() => onCompare(question)}>
              Side by side
            </Button>
          )}
          {children}
        </div>
      )}
    </div>
  );
}

interface TroubleProps {
  readonly turn: Turn;
  readonly doing: Doing | null;
  readonly onAgain: (how: { model?: string; grant?: string | null }) => void;
}

/** Why there is no answer, and the way on: the state of a request for approval, or a model on our own machines. */
function Trouble({ turn, doing, onAgain }: TroubleProps) {
  const { error, approval } = turn;
  if (!error) return null;
  if (approval)
    return (
      <div className={styles.trouble}>
        <ApprovalLine
          key={approval}
          id={approval}
          error={error}
          isBusy={doing?.isBusy ?? true}
          onSend={(grant) => onAgain({ grant })}
        />
      </div>
    );
  const isRefused = error.code === "denied";
  const own = doing?.ownModel ?? null;
  return (
    <div className={styles.trouble}>
      <Failure error={new ApiError(0, error)} title={isRefused ? "Message refused" : "Incomplete answer"} />
      {isRefused && own !== null && own !== turn.model && (
        <Button size="compact-sm" variant="default" mt={6} disabled={doing?.isBusy} onClick={() => onAgain({ model: own })}>
          Use {own} on our machines
        </Button>
      )}
    </div>
  );
}

function Speaker({ children }: { children: string }) {
  return (
    <Text size="xs" fw={600} className={prose.quiet} mb={3}>
      {children}
    </Text>
  );
}

interface AlternativesProps {
  readonly turn: Turn;
  readonly siblings: readonly Turn[];
  readonly onShow: (turn: string) => void;
  readonly what: "question" | "answer";
}

/** The arrows between edited questions, or between answers to one question. */
function Alternatives({ turn, siblings, onShow, what }: AlternativesProps) {
  const at = siblings.findIndex((one) => one.id === turn.id);
  if (siblings.length < 2) return null;
  return (
    <Group gap={2} role="group" aria-label={`Alternatives of the ${what}`}>
      <Tool icon="back" label={`Earlier ${what}`} onClick={() => onShow(siblings[at - 1]!.id)} isOff={at === 0} />
      <span>
        {at + 1} of {siblings.length}
      </span>
      <Tool
        icon="forth"
        label={`Later ${what}`}
        onClick={() => onShow(siblings[at + 1]!.id)}
        isOff={at === siblings.length - 1}
      />
    </Group>
  );
}

function CopyTool({ text, what }: { text: string; what: string }) {
  const clipboard = useClipboard({ timeout: 1800 });
  return (
    <Tool
      icon={clipboard.copied ? "good" : "copy"}
      label={clipboard.copied ? "Copied" : `Copy ${what}`}
      onClick={() => clipboard.copy(text)}
    />
  );
}

interface ToolProps {
  readonly icon: IconName;
  readonly label: string;
  readonly onClick: () => void;
  readonly isOff?: boolean;
}

function Tool({ icon, label, onClick, isOff }: ToolProps) {
  return (
    <ActionIcon variant="subtle" color="gray" size="sm" aria-label={label} title={label} onClick={onClick} disabled={isOff}>
      <Icon name={icon} size={14} />
    </ActionIcon>
  );
}
