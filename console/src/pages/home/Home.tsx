/**
 * The first page. Until there is traffic it is the quick start; then it is an overview for whoever may see all usage, and
 * one's own usage for everybody else.
 */

import { useQuery } from "@tanstack/react-query";
import { Suspense, lazy } from "react";

import { overviewQuery } from "../../api/queries";
import { Failure, Rows } from "../../elements/page";
import { useMay } from "../../session";

const Start = lazy(() => import("../start/Start"));
const Overview = lazy(() => import("./Overview"));
const MyUsage = lazy(() => import("../my-usage/MyUsage"));

export default function Home() {
  const may = useMay();
  const isOperator = may("usage.read") && may("record.list");
  const overview = useQuery({ ...overviewQuery, enabled: isOperator });
  if (!isOperator)
    return (
      <Suspense fallback={<Rows />}>
        <MyUsage />
      </Suspense>
    );
  if (overview.error) return <Failure error={overview.error} />;
  if (!overview.data) return <Rows />;
  return <Suspense fallback={<Rows />}>{overview.data.has_called ? <Overview /> : <Start />}</Suspense>;
}
