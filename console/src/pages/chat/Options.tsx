/** The model, the use case, and the rest of a conversation's options in a menu. */

import { Button, Group, Menu, NativeSelect, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";

import type { Schemas } from "../../api/client";
import { overviewQuery } from "../../api/queries";
import { useUseCaseTitle } from "../../usecase/titles";
import { Sharing, SystemPrompt } from "./Settings";
import type { Sending } from "./sending";
import type { Through } from "./through";
import prose from "../../elements/prose.module.css";

type Detail = Schemas["ConversationDetail"];

interface Props {
  readonly through: Through;
  readonly detail: Detail | undefined;
  readonly sending: Sending;
}

export function Options({ through, detail, sending }: Props) {
  const overview = useQuery(overviewQuery);
  const [asked, setAsked] = useState<"system" | "share" | null>(null);
  const titleOf = useUseCaseTitle();
  const useCases = overview.data?.use_cases ?? [];
  const all = useCases.includes(through.useCase) ? useCases : [through.useCase, ...useCases];
  return (
    <Group gap="xs" align="flex-end">
      <NativeSelect
        label="Model"
        size="xs"
        data={[...through.ids]}
        value={through.model}
        onChange={(event) => through.change({ model: event.currentTarget.value })}
      />
      <NativeSelect
        label="Use case"
        size="xs"
        data={all.map((id) => ({ value: id, label: titleOf(id) }))}
        value={through.useCase}
        onChange={(event) => through.change({ useCase: event.currentTarget.value })}
      />
      <Menu position="bottom-end">
        <Menu.Target>
          <Button size="xs" variant="default">
            Options
          </Button>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Item onClick={() => setAsked("system")}>System prompt{through.system ? " (set)" : ""}</Menu.Item>
          {detail && <Menu.Item onClick={() => setAsked("share")}>Share</Menu.Item>}
          {detail && <Menu.Item onClick={() => download(detail)}>Export as JSON</Menu.Item>}
          <Menu.Label>Compare two models side by side</Menu.Label>
          {through.ids
            .filter((id) => id !== through.model)
            .map((id) => (
              <Menu.Item key={id} onClick={() => through.setCompareWith(id === through.compareWith ? null : id)}>
                {id === through.compareWith ? `Stop comparing with ${id}` : `Compare with ${id}`}
              </Menu.Item>
            ))}
        </Menu.Dropdown>
      </Menu>
      {through.compareWith && (
        <Text size="xs" className={prose.quiet}>
          Compared with {through.compareWith}
        </Text>
      )}
      {asked === "system" && (
        <SystemPrompt
          of={detail?.conversation.id ?? "new"}
          text={through.system}
          onSave={sending.changeSystem}
          onClose={() => setAsked(null)}
        />
      )}
      {asked === "share" && detail && <Sharing detail={detail} onClose={() => setAsked(null)} />}
    </Group>
  );
}

function download(detail: Detail): void {
  const address = URL.createObjectURL(new Blob([JSON.stringify(detail, null, 1)], { type: "application/json" }));
  const link = document.createElement("a");
  link.href = address;
  link.download = `conversation-${detail.conversation.id}.json`;
  link.click();
  URL.revokeObjectURL(address);
}
