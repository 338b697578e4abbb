/**
 * The first page. Until there is traffic it is the quick start; then it is an overview for whoever may see all usage, and
 * one's own usage for everybody else, or the chat while they used nothing.
 */

import { useQuery } from "@tanstack/react-query";
import { Suspense, lazy } from "react";
import { Navigate } from "react-router";

import { overviewQuery } from "../../api/queries";
import { Failure, Rows } from "../../elements/page";
import { useMay } from "../../session";
import type { Period } from "../../usage/period";
import { ownUsageQuery } from "../../usage/queries";

const MONTH: Period = { span: "30d", compares: true };

const Start = lazy(() => import("../start/Start"));
const Overview = lazy(() => import("./Overview"));
const MyUsage = lazy(() => import("../my-usage/MyUsage"));

export default function Home() {
  const may = useMay();
  const isOperator = may("usage.read") && may("record.list");
  const overview = useQuery({ ...overviewQuery, enabled: isOperator });
  const own = useQuery({ ...ownUsageQuery(MONTH), enabled: !isOperator });
  if (!isOperator && own.data?.figures.calls === 0) return <Navigate to="/chat" replace />;
  if (!isOperator) return <Suspense fallback={<Rows />}>{own.isPending ? <Rows /> : <MyUsage />}</Suspense>;
  if (overview.error) return <Failure error={overview.error} />;
  if (!overview.data) return <Rows />;
  return <Suspense fallback={<Rows />}>{overview.data.has_called ? <Overview /> : <Start />}</Suspense>;
}
