/** How a document stands: its stage while it is read, and the reason if that failed. */

import { Progress, Text } from "@mantine/core";

import { State } from "../elements/record";
import { sentence } from "../format";
import { type DocumentView, isUnfinished } from "./queries";
import { standingOf } from "./words";
import prose from "../elements/prose.module.css";

export function DocumentState({ document }: { document: DocumentView }) {
  const { tone, icon, text, done } = standingOf(document);
  return (
    <>
      <State tone={tone} icon={icon}>
        {text}
      </State>
      {isUnfinished(document) && (
        <Progress value={Math.max(4, done * 100)} size={3} mt={4} maw={120} aria-label={`${text} ${document.title}`} />
      )}
      {document.fault && (
        <Text size="sm" className={prose.quiet} style={{ whiteSpace: "normal" }} maw="44ch">
          {sentence(document.fault)}
        </Text>
      )}
    </>
  );
}
