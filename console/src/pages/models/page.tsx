/** The models that a person may use, as cards or as a table: cost, abilities, data, place, health, use cases. */

import { Button, Group, SegmentedControl, Stack } from "@mantine/core";
import { useLocalStorage } from "@mantine/hooks";
import { useQuery } from "@tanstack/react-query";
import { Link, useSearchParams } from "react-router";

import { catalogueQuery } from "../../catalogue/queries";
import { Icon } from "../../elements/icons";
import { Empty, Failure, Notice, PageHead, Rows } from "../../elements/page";
import { type Page, matching } from "../../page";
import { type May, useMay } from "../../session";
import { Cards } from "./Cards";
import { ModelTable } from "./ModelTable";

export const page: Page = {
  path: "/models",
  title: "Models",
  group: "administer",
  order: 10,
  may: "everyone",
  find: async (words, { client, may }) => {
    const { models, loose } = await client.fetchQuery(catalogueQuery);
    const deployments = new Set([...models.flatMap((one) => one.deployments), ...loose].map((one) => one.id));
    return matching(words, [
      ...models.map(({ id, description }) => ({ title: id, detail: description, to: addressOf("alias", id, may) })),
      ...[...deployments].map((id) => ({ title: id, detail: "deployment", to: addressOf("deployment", id, may) })),
    ]);
  },
  icon: "M8 1.8 14 5 8 8.2 2 5zM2.5 8 8 11l5.500-3M2.500 10.800 8 13.800l5.500-3",
};

function addressOf(section: "alias" | "deployment", id: string, may: May): string {
  return may("config.read") ? `/models/${section}?id=${encodeURIComponent(id)}` : "/models";
}

export default function Models() {
  const may = useMay();
  const models = useQuery(catalogueQuery);
  const [search] = useSearchParams();
  const [view, setView] = useLocalStorage<"cards" | "list">({ key: "headgate:models:view", defaultValue: "cards" });
  const added = search.get("added");
  const add = may("config.apply") && (
    <>
      <Button variant="default" component={Link} to="/models/alias">
        New alias
      </Button>
      <Button leftSection={<Icon name="add" size={13} />} component={Link} to="/models/add">
        Add model
      </Button>
    </>
  );
  const actions = may("config.read") && (
    <Group gap="xs">
      <Button variant="default" component={Link} to="/models/prices">
        Prices
      </Button>
      {add}
    </Group>
  );
  return (
    <>
      <PageHead title="Models" actions={actions}>
        {may("config.read")
          ? "People and programs choose a model by its alias. Headgate tries the alias's deployments in order, and skips those that may not see the content."
          : "The models that you may use, and for what."}
      </PageHead>
      <Stack gap="md">
        {added && (
          <Notice tone="good" icon="good">
            {added} is added.{" "}
            {models.data?.loose.some((one) => one.id === added) ? (
              <>
                People can choose it once it is in an alias. <Link to="/models/alias">Make an alias</Link>
              </>
            ) : (
              <Link to="/chat">Use it in Chat</Link>
            )}
          </Notice>
        )}
        {models.error ? (
          <Failure error={models.error} />
        ) : !models.data ? (
          <Rows />
        ) : models.data.models.length === 0 && models.data.loose.length === 0 ? (
          <Empty title="No models yet" action={add && <Group gap="xs">{add}</Group>}>
            {may("config.apply") ? "Add one in three ways." : "Ask an administrator to make you a member of a use case."}
          </Empty>
        ) : (
          <>
            <div>
              <SegmentedControl
                aria-label="How to show models"
                value={view}
                onChange={(value) => setView(value as typeof view)}
                data={[
                  { value: "cards", label: "Cards" },
                  { value: "list", label: "List" },
                ]}
              />
            </div>
            {view === "cards" ? (
              <Cards models={models.data.models} loose={models.data.loose} />
            ) : (
              <ModelTable models={models.data.models} />
            )}
          </>
        )}
      </Stack>
    </>
  );
}
