/** The overview of one use case, for its owner too. */

import { useMemo } from "react";
import { useParams } from "react-router";

import { PageHead } from "../../elements/page";
import type { Page } from "../../page";
import { OverviewBody } from "../../usage/OverviewBody";
import { PeriodPicker } from "../../usage/PeriodPicker";
import { periodWords, usePeriod } from "../../usage/period";

export const page: Page = {
  path: "/usage/use-cases/:useCase",
  title: "Usage of a use case",
  may: "everyone",
  below: "/my-usage",
};

export default function UseCaseUsage() {
  const { useCase = "" } = useParams();
  const [period, setPeriod] = usePeriod("30d");
  const filters = useMemo(() => ({ use_case: useCase }), [useCase]);
  return (
    <>
      <PageHead title={`Usage of ${useCase}`} actions={<PeriodPicker period={period} onChange={setPeriod} />}>
        The calls of this use case in {periodWords(period)}.
      </PageHead>
      <OverviewBody period={period} filters={filters} />
    </>
  );
}
