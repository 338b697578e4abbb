/** What others notice of a change of a use case, as the server tells it before the change is made. */

import { Text } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { useQuery } from "@tanstack/react-query";

import type { Schemas } from "../api/client";
import { effectsQuery } from "../api/queries";
import { Notice } from "../elements/page";

const PAUSE_MS = 300;

/** The effects of a change, which is asked for again when the person stops typing. */
export function Effects({ useCase, becomes }: { useCase: string; becomes: Schemas["UseCaseBody"] | null }) {
  const [settled] = useDebouncedValue(becomes, PAUSE_MS);
  const { data: effects } = useQuery({ ...effectsQuery(useCase, settled), retry: false });
  return (
    <div aria-live="polite">
      {effects && effects.length > 0 && (
        <Notice tone="warn" icon="warn">
          <Text size="sm" fw={600}>
            What others notice
          </Text>
          <ul style={{ margin: "4px 0 0", paddingLeft: 18 }}>
            {effects.map((effect) => (
              <li key={effect}>{effect}</li>
            ))}
          </ul>
        </Notice>
      )}
    </div>
  );
}
