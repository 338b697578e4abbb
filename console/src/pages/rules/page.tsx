/** The rules: what each does, how often it matched, and its mode for each use case. */

import { Button, Group, NativeSelect, Stack } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useSearchParams } from "react-router";

import { useCasesQuery } from "../../api/queries";
import { FormDialog } from "../../elements/dialog";
import { Icon } from "../../elements/icons";
import { Failure, PageHead, Rows } from "../../elements/page";
import type { Page } from "../../page";
import { useMay } from "../../session";
import { nameOf } from "../../usecase/bodies";
import { Changes } from "./Changes";
import { OwnRuleForm } from "./OwnRuleForm";
import { Rules } from "./Rules";

export const page: Page = {
  path: "/rules",
  title: "Rules",
  group: "govern",
  order: 20,
  may: ["policy.list"],
  icon: "M8 1.800 13 4v4c0 3-2.200 5-5 6.200C5.200 13 3 11 3 8V4zM5.800 7.800l1.600 1.600 2.800-3",
};

/** The own policy in the editor: its id, or a new one. */
type Edited = { readonly policy: string | null } | null;

export default function AllRules() {
  const useCases = useQuery(useCasesQuery);
  const [search, setSearch] = useSearchParams();
  const [edited, setEdited] = useState<Edited>(null);
  const may = useMay();
  const known = useCases.data ?? [];
  const chosen =
    search.get("use_case") ??
    (known.find((one) => !one.is_built_in) ?? known.find((one) => one.id === "getting-started") ?? known[0])?.id;
  const shown = known.find((one) => one.id === chosen);
  const title = shown ? nameOf(shown) : (chosen ?? "");
  return (
    <>
      <PageHead
        title="Rules"
        actions={
          may("config.apply") && (
            <Button leftSection={<Icon name="add" size={13} />} onClick={() => setEdited({ policy: null })}>
              Write a rule
            </Button>
          )
        }
      >
        Rules decide about every call. A rule that observes only notes what it would have done. Look at its preview, then
        enforce it.
      </PageHead>
      {useCases.error ? (
        <Failure error={useCases.error} />
      ) : !useCases.data || !chosen ? (
        <Rows />
      ) : (
        <Stack gap="md">
          <Group>
            <NativeSelect
              label="Modes for the use case"
              aria-label="Show modes for the use case"
              data={known.map((one) => ({ value: one.id, label: nameOf(one) }))}
              value={chosen}
              onChange={(event) => setSearch({ use_case: event.currentTarget.value }, { replace: true })}
            />
          </Group>
          <Rules
            useCase={chosen}
            title={title}
            onEdit={(policy) => setEdited({ policy })}
          />
          {may("record.list") && <Changes useCase={chosen} />}
        </Stack>
      )}
      <FormDialog
        title={edited?.policy ? `Change ${edited.policy}` : "Write a rule"}
        isOpen={edited !== null}
        onClose={() => setEdited(null)}
      >
        {edited && <OwnRuleForm policy={edited.policy} onDone={() => setEdited(null)} />}
      </FormDialog>
    </>
  );
}
