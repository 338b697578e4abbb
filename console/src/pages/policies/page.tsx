/** The use cases, and the rules with their modes for each. */

import { Stack } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";

import { useCasesQuery } from "../../api/queries";
import { Failure, PageHead, Rows } from "../../elements/page";
import type { Page } from "../../page";
import { Rules } from "./Rules";
import { UseCases } from "./UseCases";

export const page: Page = {
  path: "/policies",
  title: "Policies",
  group: "govern",
  order: 20,
  may: ["use_case.list"],
  icon: "M8 1.800 13 4v4c0 3-2.200 5-5 6.200C5.200 13 3 11 3 8V4zM5.800 7.800l1.600 1.600 2.800-3",
};

export default function Policies() {
  const useCases = useQuery(useCasesQuery);
  const [chosen, setChosen] = useState<string | null>(null);
  return (
    <>
      <PageHead title="Policies">
        Every call belongs to a use case, and rules decide about it. A rule in observe mode only records its decision.
        Start in observe mode, look at Activity, then enforce the rule.
      </PageHead>
      {useCases.error ? (
        <Failure error={useCases.error} />
      ) : !useCases.data ? (
        <Rows />
      ) : (
        <Stack gap="md">
          <UseCases useCases={useCases.data} onShowRules={setChosen} />
          <Rules useCases={useCases.data} chosen={chosen} onChoose={setChosen} />
        </Stack>
      )}
    </>
  );
}
