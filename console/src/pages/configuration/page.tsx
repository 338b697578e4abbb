/** The declarative file: planned, then applied in one transaction. */

import { Button, Group, Stack, Table, Text } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { Link } from "react-router";

import { ApiError, type Schemas, api, take } from "../../api/client";
import { useDraft } from "../../draft";
import { Empty, Failure, PageHead, Section } from "../../elements/page";
import { State } from "../../elements/record";
import { plural } from "../../format";
import type { Page } from "../../page";
import { useMay } from "../../session";
import { Editor } from "./Editor";
import { lineOf } from "./lines";
import table from "../../elements/table.module.css";
import prose from "../../elements/prose.module.css";

export const page: Page = {
  path: "/configuration",
  title: "Configuration",
  group: "administer",
  order: 50,
  may: ["config.read"],
  icon: "M2 4.500h7M12 4.500h2M2 11.500h2M7 11.500h7M10.500 3a1.500 1.500 0 1 1 0 3 1.500 1.500 0 0 1 0-3zM5.500 10a1.500 1.500 0 1 1 0 3 1.500 1.500 0 0 1 0-3z",
};

const EXAMPLE = `# A cloud model for internal content. It gets pseudonyms in place of personal data.
[[deployment]]
id = "cloud-mini"
provider = "openai"
model = "gpt-mini"
key = "env:OPENAI_API_KEY"

[deployment.clearance]
level = "internal"

# Programs call "chat". Headgate uses the cloud if the content may go there, else our own machine.
[[alias]]
id = "chat"
deployments = ["cloud-mini", "local-chat"]

# Their purpose. The masking rule only observes at first: look at Activity, then enforce it.
[[use_case]]
id = "support-drafts"
owner = "Customer care"
purpose = "Drafts of answers to customers, checked by a person"
observe = ["mask-personal-data"]
`;

/** How errors name what stands in the editor. */
const FILE = "headgate.toml";

const REMOVES = /^(remove|delete)/;

export default function Configuration() {
  const client = useQueryClient();
  const may = useMay();
  const [toml, setToml, forget] = useDraft("configuration", "");
  const plan = useMutation({
    mutationFn: (text: string) => take(api.POST("/api/config/plan", { body: { toml: text, file: FILE } })),
  });
  const apply = useMutation({
    mutationFn: (text: string) => take(api.POST("/api/config/apply", { body: { toml: text, file: FILE } })),
    onSuccess: () => {
      plan.reset();
      forget();
      // Anything may have changed but who is signed in.
      void client.invalidateQueries({ predicate: (query) => query.queryKey[0] !== "session" });
    },
  });
  const change = (text: string): void => {
    setToml(text);
    plan.reset();
    apply.reset();
  };
  const error = apply.error ?? plan.error;
  const done = apply.data ?? plan.data;
  const planned = plan.data?.changes ?? [];
  const removals = planned.filter((change) => REMOVES.test(change.does)).length;
  return (
    <>
      <PageHead title="Configuration">
        One file declares deployments, aliases, use cases, rules and budgets. Keep it in version control. Apply it here
        or with <span className={prose.mono}>headgate apply</span>: all changes take effect together, with one record.
      </PageHead>
      <Stack gap="md">
        <Stack gap="sm">
          <Editor
            label="headgate.toml"
            value={toml}
            onChange={change}
            faultyLine={error instanceof ApiError ? lineOf(error.detail) : null}
          />
          <Group gap="xs">
            <Button
              variant={planned.length ? "default" : "filled"}
              loading={plan.isPending}
              disabled={!toml.trim()}
              onClick={() => plan.mutate(toml)}
            >
              Plan changes
            </Button>
            {may("config.apply") && (
              <Button
                variant={planned.length ? "filled" : "default"}
                color={removals ? "red" : undefined}
                loading={apply.isPending}
                disabled={!planned.length}
                onClick={() => apply.mutate(toml)}
              >
                {removals ? `Apply changes and remove ${plural(removals, "entry", "entries")}` : "Apply changes"}
              </Button>
            )}
            <Button variant="subtle" onClick={() => change(EXAMPLE)} disabled={toml === EXAMPLE}>
              Fill in an example
            </Button>
            <Text size="xs" className={prose.quiet}>
              Plan first: it changes nothing. Write secrets as references such as env:NAME.
            </Text>
          </Group>
        </Stack>
        {error && <Failure error={error} title="The file has an error, and nothing was changed" />}
        {done && !error && <Changes plan={done} />}
        {!done && !error && (
          <Empty title="No plan yet">
            Paste a file and choose “Plan changes”. You see what it adds, changes and removes before you apply it.
          </Empty>
        )}
      </Stack>
    </>
  );
}

function Changes({ plan }: { plan: Schemas["ConfigPlan"] }) {
  const title = plan.applied ? "Applied" : "Plan";
  return (
    <Section
      title={`${title}: ${plan.changes.length ? plural(plan.changes.length, "change") : "no changes"}`}
      aside={plan.record && <Link to={`/records/${plan.record}`}>View record</Link>}
    >
      <p className={prose.unseen} role="status">
        {title}, {plural(plan.changes.length, "change")}.
      </p>
      {plan.changes.length === 0 ? (
        <Text size="sm">The file matches the current configuration.</Text>
      ) : (
        <Table className={table.cards}>
          <caption className={prose.unseen}>Changes</caption>
          <Table.Thead>
            <Table.Tr>
              <Table.Th>Change</Table.Th>
              <Table.Th>Entry</Table.Th>
              <Table.Th>Details</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {plan.changes.map((change) => (
              <Table.Tr key={`${change.section} ${change.id} ${change.does}`}>
                <Table.Td>
                  <Does does={change.does} />
                </Table.Td>
                <Table.Td>
                  <span className={prose.quiet}>{change.section}</span> <b>{change.id}</b>
                </Table.Td>
                <Table.Td style={{ overflowWrap: "anywhere" }}>{change.detail || "–"}</Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      )}
    </Section>
  );
}

function Does({ does }: { does: string }) {
  if (/^(add|create)/.test(does))
    return (
      <State tone="good" icon="add">
        {does}
      </State>
    );
  if (REMOVES.test(does))
    return (
      <State tone="bad" icon="bad">
        {does}
      </State>
    );
  return (
    <State tone="warn" icon="duty">
      {does}
    </State>
  );
}
