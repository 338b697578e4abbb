/** The overview of all usage. */

import { PageHead } from "../../elements/page";
import { OverviewBody } from "../../usage/OverviewBody";
import { PeriodPicker } from "../../usage/PeriodPicker";
import { periodWords, usePeriod } from "../../usage/period";

const EVERYTHING = {};

export default function Overview() {
  const [period, setPeriod] = usePeriod();
  return (
    <>
      <PageHead title="Overview" actions={<PeriodPicker period={period} onChange={setPeriod} />}>
        All calls of {periodWords(period)}. Choose a figure, a bar or a point to see the calls behind it.
      </PageHead>
      <OverviewBody period={period} filters={EVERYTHING} />
    </>
  );
}
