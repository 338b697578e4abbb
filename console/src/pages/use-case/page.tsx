/** One use case: how it stands, who may use it, what applies to it, and its keys. */

import { Button, Group, SimpleGrid, Stack, Text } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { Link, useNavigate, useParams } from "react-router";

import { type Schemas, api, take } from "../../api/client";
import { overviewQuery, useCaseQuery, useCasesQuery } from "../../api/queries";
import { FormDialog } from "../../elements/dialog";
import { Icon } from "../../elements/icons";
import { Failure, PageHead, RuleName, Rows, Section } from "../../elements/page";
import { State, Time } from "../../elements/record";
import { useUndo } from "../../elements/undo";
import { formatCount } from "../../format";
import type { Page } from "../../page";
import { PersonName } from "../../people/PersonName";
import { lastDayOf } from "../../record/days";
import { categoryWords, ruleEffect } from "../../record/words";
import { useMay } from "../../session";
import { UseCaseForm } from "../../usecase/UseCaseForm";
import { nameOf, personIn } from "../../usecase/bodies";
import { Review, StatusState } from "../../usecase/status";
import { UNUSED, useUsage } from "../../usecase/usage";
import { Members } from "./Members";
import { Confirm } from "./Confirm";
import prose from "../../elements/prose.module.css";

export const page: Page = {
  path: "/use-cases/:useCase",
  title: "Use case",
  below: "/use-cases",
  may: ["use_case.list", "use_case.read"],
};

type UseCase = Schemas["UseCaseView"];
type Dialog = "change" | "pause" | "remove" | null;

export default function OneUseCase() {
  const id = useParams().useCase!;
  const detail = useQuery(useCaseQuery(id));
  return (
    <>
      <Text size="sm" mb={6}>
        <Link to="/use-cases" style={{ display: "inline-flex", gap: 5, alignItems: "center" }}>
          <Icon name="back" size={13} />
          Use cases
        </Link>
      </Text>
      {detail.error ? (
        <>
          <PageHead title="Use case" />
          <Failure error={detail.error} title="Headgate could not read the use case" />
        </>
      ) : detail.data ? (
        <Shown detail={detail.data} />
      ) : (
        <Rows count={8} />
      )}
    </>
  );
}

function Shown({ detail }: { detail: Schemas["UseCaseDetail"] }) {
  const { use_case: useCase, rules, keys } = detail;
  const [dialog, setDialog] = useState<Dialog>(null);
  const [undoLine, offerUndo] = useUndo();
  const may = useMay();
  const navigate = useNavigate();
  const client = useQueryClient();
  const read = (): void => {
    void client.invalidateQueries({ queryKey: useCasesQuery.queryKey });
    void client.invalidateQueries({ queryKey: overviewQuery.queryKey });
  };
  const setStatus = useMutation({
    mutationFn: (status: NonNullable<UseCase["status"]>) =>
      take(api.PUT("/api/use-cases/{use_case}/status", { params: { path: { use_case: useCase.id } }, body: { status } })),
    onSuccess: read,
  });
  const pause = async (): Promise<void> => {
    await setStatus.mutateAsync("paused");
    setDialog(null);
    offerUndo(`${nameOf(useCase)} is paused.`, () => setStatus.mutate(useCase.status ?? "live"));
  };
  const resume = async (): Promise<void> => {
    await setStatus.mutateAsync("live");
    offerUndo(`${nameOf(useCase)} is live.`, () => setStatus.mutate("paused"));
  };
  return (
    <>
      <PageHead
        title={nameOf(useCase)}
        actions={
          <Group gap="xs">
            {useCase.can_pause && useCase.status === "live" && (
              <Button variant="default" onClick={() => setDialog("pause")}>
                Pause use case
              </Button>
            )}
            {useCase.can_pause && useCase.status === "paused" && (
              <Button variant="default" loading={setStatus.isPending} onClick={() => void resume()}>
                Resume use case
              </Button>
            )}
            {useCase.can_change && <Button onClick={() => setDialog("change")}>Change use case</Button>}
            {useCase.can_change && may("use_case.delete") && (
              <Button variant="subtle" color="red" onClick={() => setDialog("remove")}>
                Remove use case
              </Button>
            )}
          </Group>
        }
      >
        {useCase.purpose}
      </PageHead>
      <Stack gap="md">
        {setStatus.error && <Failure error={setStatus.error} title="The status was not changed" />}
        <SimpleGrid cols={{ base: 1, md: 2 }} spacing="md">
          <Standing useCase={useCase} />
          <Allowed useCase={useCase} />
          <Members useCase={useCase} />
          <SpecialRules rules={rules} useCase={useCase} />
        </SimpleGrid>
        {keys && <Keys keys={keys} />}
      </Stack>
      <FormDialog title={`Change ${nameOf(useCase)}`} isOpen={dialog === "change"} onClose={() => setDialog(null)}>
        <UseCaseForm
          useCase={useCase}
          onDone={() => {
            setDialog(null);
            read();
          }}
        />
      </FormDialog>
      <FormDialog title={`Pause ${nameOf(useCase)}`} isOpen={dialog === "pause"} onClose={() => setDialog(null)}>
        <Confirm
          useCase={useCase}
          status="paused"
          words={{ does: "Pause use case", keeps: "Keep it live" }}
          onConfirm={pause}
          onCancel={() => setDialog(null)}
        >
          Headgate refuses its calls, and tells callers to ask {personIn(useCase, useCase.owner) ?? useCase.owner}. You can resume it at any time.
        </Confirm>
      </FormDialog>
      <FormDialog title={`Remove ${nameOf(useCase)}`} isOpen={dialog === "remove"} onClose={() => setDialog(null)}>
        <Confirm
          useCase={useCase}
          status={null}
          words={{ does: "Remove use case", keeps: "Keep use case" }}
          onConfirm={async () => {
            await take(api.DELETE("/api/use-cases/{use_case}", { params: { path: { use_case: useCase.id } } }));
            read();
            void navigate("/use-cases");
          }}
          onCancel={() => setDialog(null)}
        >
          Its keys stop working. Its records stay. You cannot undo this.
        </Confirm>
      </FormDialog>
      {undoLine}
    </>
  );
}

function Standing({ useCase }: { useCase: UseCase }) {
  const may = useMay();
  const usage = useUsage();
  const { calls, spend } = usage?.get(useCase.id) ?? UNUSED;
  return (
    <Section title="How it stands" aside={<StatusState status={useCase.status} />}>
      <dl className={prose.facts}>
        <dt>Owner</dt>
        <dd>
          <PersonName id={useCase.owner} name={personIn(useCase, useCase.owner)} />
        </dd>
        <dt>Risk</dt>
        <dd>{useCase.risk}</dd>
        <dt>Next review</dt>
        <dd>
          <Review day={useCase.review_on} />
        </dd>
        {useCase.expires_at && (
          <>
            <dt>Ends after</dt>
            <dd>{lastDayOf(useCase.expires_at)}</dd>
          </>
        )}
        {usage && (
          <>
            <dt>Spend, 30 days</dt>
            <dd>{spend}</dd>
            <dt>Calls, 30 days</dt>
            <dd>{formatCount(calls)}</dd>
          </>
        )}
        <dt>Id</dt>
        <dd className={prose.mono}>{useCase.id}</dd>
      </dl>
      {may("record.list") && (
        <Text size="sm" mt="sm">
          <Link to={`/activity?use_case=${encodeURIComponent(useCase.id)}`}>View its activity</Link>
        </Text>
      )}
    </Section>
  );
}

function Allowed({ useCase }: { useCase: UseCase }) {
  const { categories, ceiling_categories: most } = useCase;
  return (
    <Section title="What it may use">
      <dl className={prose.facts}>
        <dt>Models</dt>
        <dd>{useCase.deployments?.join(", ") ?? "All models that are cleared for its content"}</dd>
        <dt>Its content is</dt>
        <dd>
          at least {useCase.confidentiality}
          {categories?.length ? `, with ${categories.map(categoryWords).join(", ")}` : ""}
        </dd>
        <dt>Its content may be</dt>
        <dd>
          at most {useCase.ceiling}
          {most ? `, with ${most.length ? most.map(categoryWords).join(", ") : "no sensitive data"}` : ""}
        </dd>
      </dl>
    </Section>
  );
}

function SpecialRules({ rules, useCase }: { rules: readonly Schemas["AppliedRule"][]; useCase: UseCase }) {
  return (
    <Section
      title="Rules that differ here"
      aside={<Link to={`/rules?use_case=${encodeURIComponent(useCase.id)}`}>View all rules</Link>}
    >
      {rules.length === 0 ? (
        <Text size="sm" className={prose.quiet}>
          Every rule is enforced, and no rule names this use case.
        </Text>
      ) : (
        <ul className={`${prose.plainList} ${prose.divided}`}>
          {rules.map((rule) => (
            <li key={rule.id}>
              <Group gap="xs">
                <RuleName id={rule.id} />
                {rule.mode === "observe" ? (
                  <State tone="quiet" icon="open">
                    Observes only
                  </State>
                ) : (
                  <State {...ruleEffect(rule.does)}>{ruleEffect(rule.does).text}</State>
                )}
              </Group>
              <Text size="sm" className={prose.quiet}>
                {rule.reason}
              </Text>
            </li>
          ))}
        </ul>
      )}
    </Section>
  );
}

function Keys({ keys }: { keys: readonly Schemas["UseCaseKey"][] }) {
  return (
    <Section title="Keys" aside={<span className={prose.quiet}>{formatCount(keys.length)}</span>}>
      {keys.length === 0 ? (
        <Text size="sm" className={prose.quiet}>
          No key works for this use case yet. Make one under Keys.
        </Text>
      ) : (
        <ul className={`${prose.plainList} ${prose.divided}`}>
          {keys.map((key) => (
            <li key={key.id}>
              <b>{key.name || key.id}</b>{" "}
              <span className={prose.quiet}>
                <span className={prose.mono}>{key.prefix}</span> · held by {key.principal}
                {key.expires_at && (
                  <>
                    {" "}
                    · expires <Time iso={key.expires_at} />
                  </>
                )}
              </span>
            </li>
          ))}
        </ul>
      )}
    </Section>
  );
}
