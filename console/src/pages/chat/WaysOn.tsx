/** The ways on from a message without an answer, as buttons. The server finds them by the plan that routes. */

import { Button, Group, Text } from "@mantine/core";
import { queryOptions, useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";

import { api, take } from "../../api/client";
import { RecordLink } from "../../elements/RecordLink";
import { RuleName } from "../../elements/page";
import prose from "../../elements/prose.module.css";
import type { ErrorDetail } from "./live";
import type { Turn } from "./tree";

const SHOWN = 4;

const waysQuery = (conversation: string, message: string, model: string) =>
  queryOptions({
    queryKey: ["ways", conversation, message, model],
    queryFn: () => {
      const path = { conversation, message };
      const address = "/api/conversations/{conversation}/messages/{message}/ways";
      return take(api.GET(address, { params: { path, query: model ? { model } : {} } }));
    },
    staleTime: 30_000,
  });

interface Props {
  readonly conversation: string;
  /** The answer that failed. */
  readonly turn: Turn;
  readonly isBusy: boolean;
  readonly onModel: (model: string) => void;
  readonly onWithoutImages: () => void;
  readonly children?: ReactNode;
}

export function WaysOn({ conversation, turn, isBusy, onModel, onWithoutImages, children }: Props) {
  const { data } = useQuery(waysQuery(conversation, turn.parent ?? "", turn.model ?? ""));
  return (
    <Group gap="xs" mt={6}>
      {children}
      {data?.without_images && (
        <Button size="compact-sm" variant="default" disabled={isBusy} onClick={onWithoutImages}>
          Send without the image
        </Button>
      )}
      {data?.models.slice(0, SHOWN).map((way) => (
        <Button
          key={way.model}
          size="compact-sm"
          variant="default"
          disabled={isBusy}
          onClick={() => onModel(way.model)}
        >
          {way.needs_approval ? `Ask for approval to use ${way.model}` : `Answer with ${way.model}`}
          {way.is_own_machines && " on our machines"}
        </Button>
      ))}
    </Group>
  );
}

/** The code, the rules and the record of a refusal, for those who help with it. */
export function Details({ error, children }: { error: ErrorDetail; children?: ReactNode }) {
  return (
    <details className={prose.quiet} style={{ fontSize: "0.75rem", marginTop: 6 }}>
      <summary>Details</summary>
      {children}
      <Text size="xs">
        Code <span className={prose.mono}>{error.code}</span>
        {error.rules.length > 0 && (
          <>
            , refused by{" "}
            {error.rules.map((rule, at) => (
              <span key={rule}>
                {at > 0 && ", "}
                <RuleName id={rule} />
              </span>
            ))}
          </>
        )}
        {error.param && `, field ${error.param}`}
      </Text>
      {error.record && <RecordLink id={error.record} text="View record" />}
    </details>
  );
}
