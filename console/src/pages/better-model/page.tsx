/** Three ways to a better model than the built-in stand-in, each of which leads into the form. */

import { Button, Paper, SimpleGrid, Stack, Text, Title } from "@mantine/core";
import { Link, useNavigate, useSearchParams } from "react-router";

import { DeploymentForm } from "../../catalogue/DeploymentForm";
import { type DeploymentFields, NEW, SENSITIVE } from "../../catalogue/deployment";
import { Empty, PageHead } from "../../elements/page";
import type { Page } from "../../page";
import { useMay } from "../../session";
import prose from "../../elements/prose.module.css";

export const page: Page = { path: "/models/add", title: "Add a model", may: "everyone", below: "/models" };

interface Way {
  readonly title: string;
  readonly text: string;
  readonly needs: string;
  readonly action: string;
  readonly fields: DeploymentFields;
}

const WAYS: Readonly<Record<string, Way>> = {
  provider: {
    title: "A provider with a key",
    text: "The strongest models, ready in a minute. Content leaves your machines, and Headgate masks personal data, payment data and secrets before it does.",
    needs: "You need an account at the provider, and its key in a variable or a file on Headgate's machine.",
    action: "Use a provider",
    fields: { ...NEW, key: "env:OPENAI_API_KEY" },
  },
  server: {
    title: "A server of your own",
    text: "vLLM, Ollama, llama.cpp, LM Studio or any other server that speaks OpenAI's API. Content stays on your machines.",
    needs: "You need its address, such as http://gpu-1:8000/v1 for vLLM or http://127.0.0.1:11434/v1 for Ollama.",
    action: "Use a server",
    fields: { ...NEW, isOurs: true, level: "restricted", categories: SENSITIVE, price: "free" },
  },
  file: {
    title: "A model file on this machine",
    text: "On Headgate's machine, headgate models pull NAME --apply fetches a GGUF file, runs it, and adds it. For more speed, serve the file with llama.cpp or Ollama, and add that server.",
    needs: "headgate models pulled lists the names. A server: llama-server --model FILE --port 8081, or ollama create NAME with a Modelfile.",
    action: "Use the server of the file",
    fields: { ...NEW, isOurs: true, level: "restricted", categories: SENSITIVE, price: "free", baseUrl: "http://127.0.0.1:8081/v1" },
  },
};

export default function BetterModel() {
  const may = useMay();
  const navigate = useNavigate();
  const [search] = useSearchParams();
  const name = search.get("way") ?? "";
  const way = WAYS[name];
  if (!may("config.apply"))
    return (
      <>
        <PageHead title="Add a model" />
        <Empty title="Administrators add models">
          Ask an administrator for a better model. The built-in one has 135 million parameters: it proves that the way through
          the gate works, and it answers no real question.
        </Empty>
      </>
    );
  if (way)
    return (
      <>
        <PageHead title={way.title}>{way.needs}</PageHead>
        <DeploymentForm
          key={name}
          draft={`new:${name}`}
          initial={way.fields}
          stored={null}
          onDone={({ alias, deployment }) => void navigate(`/models?added=${encodeURIComponent(alias || deployment)}`)}
          onCancel={() => void navigate("/models/add")}
        />
      </>
    );
  return (
    <>
      <PageHead title="Add a model">
        The built-in model has 135 million parameters. It proves that the way through the gate works, and it answers no real
        question. There are three ways to a better one.
      </PageHead>
      <SimpleGrid cols={{ base: 1, md: 3 }} spacing="md">
        {Object.entries(WAYS).map(([key, one]) => (
          <Paper key={key} component="section" aria-label={one.title}>
            <Stack gap="sm" h="100%" justify="space-between">
              <div>
                <Title order={2}>{one.title}</Title>
                <Text size="sm" mt={6}>
                  {one.text}
                </Text>
                <Text size="sm" mt={6} className={prose.quiet}>
                  {one.needs}
                </Text>
              </div>
              <div>
                <Button component={Link} to={`/models/add?way=${key}`} variant={key === "provider" ? "filled" : "default"}>
                  {one.action}
                </Button>
              </div>
            </Stack>
          </Paper>
        ))}
      </SimpleGrid>
    </>
  );
}
