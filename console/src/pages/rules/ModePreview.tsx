/** What another mode of a rule would have changed in the last week, before the change is confirmed. */

import { Button, Group, Stack, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link } from "react-router";

import type { Schemas } from "../../api/client";
import { rulePreviewQuery } from "../../api/queries";
import { Failure, Notice, Rows } from "../../elements/page";
import { Time } from "../../elements/record";
import { plural } from "../../format";
import { resourceName } from "../../record/facts";
import { differenceWords, previewSentences } from "./words";
import prose from "../../elements/prose.module.css";

interface Props {
  readonly rule: Schemas["RuleView"];
  readonly useCase: string;
  readonly isSaving: boolean;
  readonly error: unknown;
  readonly onConfirm: () => void;
  readonly onCancel: () => void;
}

export function ModePreview({ rule, useCase, isSaving, error, onConfirm, onCancel }: Props) {
  const mode = rule.mode === "enforce" ? "observe" : "enforce";
  const preview = useQuery(rulePreviewQuery(rule.id, useCase, mode));
  return (
    <Stack gap="md">
      <Text size="sm">
        {rule.effect}: {rule.reason}.
      </Text>
      {preview.error ? (
        <Notice tone="warn" icon="warn">
          Headgate cannot show a preview: you may change this rule, but not read the records of past calls.
        </Notice>
      ) : preview.data ? (
        <Found preview={preview.data} rule={rule} />
      ) : (
        <Rows count={3} />
      )}
      {error != null && <Failure error={error} title="The mode was not changed" />}
      <Group justify="flex-end" gap="xs">
        <Button variant="default" onClick={onCancel}>
          {mode === "enforce" ? "Keep observing" : "Keep enforcing"}
        </Button>
        <Button loading={isSaving} disabled={preview.isPending} onClick={onConfirm}>
          {mode === "enforce" ? "Enforce rule" : "Set to observe"}
        </Button>
      </Group>
    </Stack>
  );
}

function Found({ preview, rule }: { preview: Schemas["RulePreview"]; rule: Schemas["RuleView"] }) {
  return (
    <section aria-label="Preview of the last 7 days">
      <Text size="sm" fw={600}>
        The last 7 days
      </Text>
      <Text size="sm" className={prose.quiet}>
        The rule matched {plural(preview.calls, "call")} of this use case.
        {!preview.is_complete && " There were more; only the newest ones are counted."}
      </Text>
      <ul style={{ margin: "6px 0", paddingLeft: 18 }}>
        {previewSentences(preview, rule.effect).map((sentence) => (
          <li key={sentence}>{sentence}</li>
        ))}
      </ul>
      {preview.examples.length > 0 && (
        <ul className={`${prose.plainList} ${prose.divided}`} aria-label="Examples" style={{ maxHeight: 280, overflowY: "auto" }}>
          {preview.examples.map(({ difference, record }) => (
            <li key={record.id}>
              <Link to={`/records/${record.id}`}>
                {record.who?.name ?? "Somebody"} to {resourceName(record.resource)}
              </Link>{" "}
              <span className={prose.quiet}>
                <Time iso={record.opened_at} /> · {differenceWords(difference, rule.effect)}
              </span>
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}
