/** The shown branch of a conversation: questions with their alternatives, and answers with what the gate did. */

import { ActionIcon, Button, Group, Text, Textarea } from "@mantine/core";
import { useClipboard } from "@mantine/hooks";
import { useMutation } from "@tanstack/react-query";
import { type KeyboardEvent, type ReactNode, useRef, useState } from "react";

import { api, take } from "../../api/client";
import { useDraft } from "../../draft";
import { Icon, type IconName } from "../../elements/icons";
import { Notice } from "../../elements/page";
import { formatWait, sentence } from "../../format";
import { Markdown } from "../../markdown/Markdown";
import prose from "../../elements/prose.module.css";
import { ApprovalLine } from "./ApprovalLine";
import { Files } from "./Files";
import { GateLine } from "./GateLine";
import { Details, WaysOn } from "./WaysOn";
import { type Shown, type Turn, isPair, pairOf } from "./tree";
import styles from "./chat.module.css";

/** What a person can do with the turns; null for a reader, who can do nothing. */
export interface Doing {
  readonly isBusy: boolean;
  readonly onAsk: (question: string, how: { model?: string; grant?: string | null }) => void;
  readonly onEdit: (question: Turn, text: string) => void;
  readonly onWithoutImages: (question: string) => void;
  readonly conversation: string | null;
}

interface Props {
  readonly branch: readonly Shown[];
  readonly doing: Doing | null;
  readonly onShow: (turn: string) => void;
  /** Whether the person chose to see the answers to a question side by side, or no longer. */
  readonly beside: ReadonlyMap<string, boolean>;
  readonly onBeside: (question: string, isBeside: boolean) => void;
}

export function Turns({ branch, doing, onShow, beside, onBeside }: Props) {
  return branch.map(({ turn, siblings }, depth) => {
    const key = `${depth} ${turn.parent ?? ""}`;
    if (turn.role === "user") return <Question key={key} turn={turn} siblings={siblings} doing={doing} onShow={onShow} />;
    const question = branch[depth - 1]?.turn;
    const isLast = depth === branch.length - 1;
    const isBeside = siblings.length > 1 && (beside.get(turn.parent ?? "") ?? isPair(question, { siblings, isLast }));
    if (!isBeside)
      return <Answer key={key} turn={turn} siblings={siblings} doing={doing} onShow={onShow} onBeside={onBeside} />;
    return (
      <div key={key} className={styles.pair}>
        {pairOf(question, siblings).map((one, at) => (
          <Answer key={at} turn={one} siblings={[one]} doing={doing} onShow={onShow} isNamed>
            {one.state !== "failed" && (
              <Button
                size="compact-xs"
                variant="default"
                onClick={() => (onShow(one.id), onBeside(one.parent ?? "", false))}
                disabled={one.state === "streaming"}
              >
                Continue with this
              </Button>
            )}
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
  const [isEditing, setEditing] = useState(false);
  const [edited, setEdited, forget] = useDraft(`edit:${turn.id}`, turn.text);
  const giveUp = (): void => {
    forget();
    setEdited(turn.text);
    setEditing(false);
  };
  const submit = (): void => {
    if (!edited.trim() || doing?.isBusy) return;
    doing?.onEdit(turn, edited);
    giveUp();
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key === "Escape") {
      // What was typed is there again at the next edit.
      event.stopPropagation();
      setEditing(false);
    }
    if (event.key !== "Enter" || event.shiftKey || event.nativeEvent.isComposing) return;
    event.preventDefault();
    submit();
  };
  return (
    <div className={`hg-turn ${styles.turn}`} data-role="user" data-turn={turn.id} tabIndex={-1}>
      <Speaker>You</Speaker>
      {!isEditing ? (
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
            onKeyDown={onKeyDown}
          />
          <Group gap="xs" mt={6}>
            <Button size="compact-sm" type="submit" disabled={!edited.trim() || doing?.isBusy}>
              Ask this instead
            </Button>
            <Button size="compact-sm" variant="default" onClick={giveUp}>
              Cancel
            </Button>
          </Group>
        </form>
      )}
      {!isEditing && (
        <div className={styles.tools}>
          <Alternatives turn={turn} siblings={siblings} onShow={onShow} what="question" />
          <CopyTool text={turn.text} what="question" />
          {doing && <Tool icon="edit" label="Edit question" onClick={() => setEditing(true)} isOff={doing.isBusy} />}
        </div>
      )}
    </div>
  );
}

interface AnswerProps extends QuestionProps {
  /** Whether the model stands above the answer. */
  readonly isNamed?: boolean;
  readonly onBeside?: (question: string, isBeside: boolean) => void;
  readonly children?: ReactNode;
}

function Answer({ turn, siblings, doing, onShow, isNamed = false, onBeside, children }: AnswerProps) {
  const whole = useRef<HTMLDivElement>(null);
  const isWaiting = turn.state === "streaming" && !turn.text;
  const question = turn.parent ?? "";
  const askAgain = (how: { model?: string; grant?: string | null }): void => {
    // The button disappears, so the focus moves to the answer, for people who use the keyboard.
    whole.current?.focus();
    doing?.onAsk(question, { model: turn.model ?? undefined, ...how });
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
          Stopped. This is the answer so far.
        </Text>
      )}
      <Trouble turn={turn} doing={doing} onAgain={askAgain} />
      {turn.gate && <GateLine gate={turn.gate} />}
      {turn.state !== "streaming" && (
        <div className={styles.tools}>
          <Alternatives turn={turn} siblings={siblings} onShow={onShow} what="answer" />
          {turn.text && <CopyTool text={turn.text} what="answer" />}
          {doing && !turn.approval && (
            <Tool icon="again" label="Answer again" onClick={() => askAgain({})} isOff={doing.isBusy} />
          )}
          {doing?.conversation && turn.record && turn.state === "whole" && (
            <Rating key={turn.id} conversation={doing.conversation} answer={turn.id} />
          )}
          {onBeside && siblings.length > 1 && (
            <Button size="compact-xs" variant="subtle" color="gray" onClick={() => onBeside(question, true)}>
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

/** Why there is no answer, in words for its person, and the ways on. */
function Trouble({ turn, doing, onAgain }: TroubleProps) {
  const { error, approval } = turn;
  if (!error) return null;
  const isBusy = doing?.isBusy ?? true;
  const ways = (more: ReactNode = null): ReactNode =>
    doing && doing.conversation !== null ? (
      <WaysOn
        conversation={doing.conversation}
        turn={turn}
        isBusy={isBusy}
        onModel={(model) => onAgain({ model })}
        onWithoutImages={() => doing.onWithoutImages(turn.parent ?? "")}
      >
        {more}
      </WaysOn>
    ) : (
      more
    );
  if (approval)
    return (
      <div className={styles.trouble}>
        <ApprovalLine
          key={approval}
          id={approval}
          error={error}
          isBusy={isBusy}
          onSend={(grant) => onAgain({ grant })}
          ways={ways}
        />
      </div>
    );
  const isRefused = error.code === "denied" || error.code === "invalid_request";
  const isOverLimit = error.code === "rate_limit_exceeded" || error.code === "call_exceeds_limit";
  return (
    <div className={styles.trouble}>
      <Notice tone="bad" icon="bad">
        <Text fw={600} size="sm">
          {isOverLimit ? "Limit used up" : isRefused ? "Message refused" : "Incomplete answer"}
        </Text>
        <Text size="sm">{sentence(error.message)}</Text>
        {error.retry_after_s != null && <Text size="sm">Try again in {formatWait(error.retry_after_s)}.</Text>}
        {!isOverLimit && ways()}
        <Details error={error} />
      </Notice>
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

/** Whether the answer was good; the record of it has no content. */
function Rating({ conversation, answer }: { conversation: string; answer: string }) {
  const [given, setGiven] = useState<boolean | null>(null);
  const rate = useMutation({
    mutationFn: (isGood: boolean) =>
      take(
        api.POST("/api/conversations/{conversation}/rating", {
          params: { path: { conversation } },
          body: { answer, is_good: isGood },
        }),
      ),
    onSuccess: (_, isGood) => setGiven(isGood),
  });
  return (
    <>
      {[true, false].map((isGood) => (
        <Button
          key={String(isGood)}
          size="compact-xs"
          variant={given === isGood ? "light" : "subtle"}
          color="gray"
          aria-pressed={given === isGood}
          disabled={rate.isPending}
          onClick={() => rate.mutate(isGood)}
        >
          {isGood ? "Good answer" : "Bad answer"}
        </Button>
      ))}
      {rate.error && (
        <Text size="xs" role="alert">
          The rating was not kept.
        </Text>
      )}
    </>
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
