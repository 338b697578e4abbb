/** What was said, as text: messages, the answer put together, tools folded, masked values underlined. */

import { Stack, Text } from "@mantine/core";
import { Link } from "react-router";

import type { Schemas } from "../api/client";
import { Lines } from "../elements/code";
import { prettyJson } from "../format";
import { maskedPieces } from "./masked";
import { partWords } from "./words";
import prose from "../elements/prose.module.css";
import styles from "./record-details.module.css";

type Piece = Schemas["Piece"];

const ROLES: Readonly<Record<string, string>> = { system: "System", user: "User", assistant: "Assistant" };

interface Props {
  readonly conversation: Schemas["RecordConversation"] | null;
  readonly parts: readonly Schemas["PartView"][];
}

export function Conversation({ conversation, parts }: Props) {
  const isOfAttempt = parts.length === 0 && conversation !== null;
  return (
    <Stack gap={0}>
      {isOfAttempt && (
        <Text size="sm" className={prose.quiet}>
          From the last attempt. <Link to={`/records/${conversation.record}`}>View that attempt</Link>
        </Text>
      )}
      {conversation?.sent?.map((turn, at) => <Turn key={at} name={ROLES[turn.role] ?? turn.role} pieces={turn.pieces} />)}
      {conversation?.answer && <Turn name="Answer" pieces={conversation.answer} isWhole={conversation.is_whole} />}
      {parts.map((part) => (
        <Missing key={part.name} part={part} />
      ))}
      {conversation === null && parts.some((part) => part.text !== null) && (
        <Text size="sm" className={prose.quiet}>
          This content is not a chat. The technical details have it as it was sent.
        </Text>
      )}
    </Stack>
  );
}

function Missing({ part }: { part: Schemas["PartView"] }) {
  if (part.withheld === null && !part.erased) return null;
  return (
    <Text size="sm" className={styles.turn}>
      <b>{partWords(part.name)}</b>{" "}
      <span className={prose.quiet}>
        {part.withheld === null ? "was erased. The proof still holds." : `is withheld from you: ${part.withheld}.`}
      </span>
    </Text>
  );
}

function Turn({ name, pieces, isWhole = true }: { name: string; pieces: readonly Piece[]; isWhole?: boolean }) {
  const isFolded = name === ROLES.system;
  const body = pieces.map((piece, at) => <Said key={at} piece={piece} />);
  return (
    <div className={styles.turn}>
      {isFolded ? (
        <details className={styles.tool}>
          <summary>
            <b>{name}</b> <span className={prose.quiet}>{excerpt(pieces)}</span>
          </summary>
          {body}
        </details>
      ) : (
        <>
          <Text size="xs" fw={600} className={prose.quiet}>
            {name}
            {!isWhole && " (breaks off here)"}
          </Text>
          {body}
        </>
      )}
    </div>
  );
}

function excerpt(pieces: readonly Piece[]): string {
  const text = pieces.map((piece) => piece.text ?? "").join(" ");
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}

function Said({ piece }: { piece: Piece }) {
  switch (piece.kind) {
    case "tool_call":
      return (
        <details className={styles.tool}>
          <summary>
            Calls the tool <b>{piece.name}</b>
          </summary>
          <Lines what={`Arguments of ${piece.name}`} isWrapped>
            {prettyJson(piece.text ?? "") ?? piece.text}
          </Lines>
        </details>
      );
    case "tool_result":
      return (
        <details className={styles.tool}>
          <summary>Result of a tool</summary>
          {piece.pieces?.map((inner, at) => <Said key={at} piece={inner} />)}
        </details>
      );
    case "image":
      return piece.image ? (
        <img className={styles.picture} src={piece.image} alt="Attached to the message" />
      ) : (
        <Text size="sm" className={prose.quiet}>
          An image that is not shown: it is too large, or it lies elsewhere and looking would tell its host.
        </Text>
      );
    case "file":
      return (
        <Text size="sm" className={prose.quiet}>
          File {piece.name || "without a name"}
        </Text>
      );
    case "reasoning":
      return (
        <details className={styles.tool}>
          <summary>Reasoning</summary>
          <Marked text={piece.text ?? ""} />
        </details>
      );
    default:
      return <Marked text={piece.text ?? ""} />;
  }
}

function Marked({ text }: { text: string }) {
  return (
    <div className={styles.said}>
      {maskedPieces(text).map((piece, at) =>
        piece.kind === null ? (
          piece.text
        ) : (
          <mark key={at} title={`${piece.kind}, masked`}>
            {piece.text}
            <span className={prose.unseen}> ({piece.kind}, masked)</span>
          </mark>
        ),
      )}
    </div>
  );
}
