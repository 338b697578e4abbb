/** Addresses of the records behind figures. */

import { type Period, asked } from "./period";

/** The calls behind a figure: values of dimensions as the API of usage names them. */
export interface Behind {
  readonly use_case?: string | null;
  readonly model?: string | null;
  readonly deployment?: string | null;
  readonly person?: string | null;
  readonly key?: string | null;
  readonly outcome?: string | null;
  readonly rule?: string | null;
  readonly error?: string | null;
  readonly masked?: string | null;
}

/** The actions that usage counts as calls: those that use tokens, administrators' tests too. */
const CALLS = "model.invoke,model.test";
/** The outcomes that one figure counts together. */
export const TOGETHER = { refused: "refused,withheld", failed: "failed,interrupted,in_doubt" } as const;

/** The address of Activity with the calls of a period behind a figure. */
export function activityAddress(behind: Behind, period: Period): string {
  // Tests of models are administration, so the list is that of everything.
  const search = new URLSearchParams({ kind: "all", verb: CALLS });
  // A test of a model has no alias; its figures stand under its deployment.
  const isTest = behind.model?.startsWith("deployment:");
  const filters = {
    use_case: behind.use_case,
    resource: isTest ? behind.model : null,
    model: isTest ? null : behind.model,
    deployment: behind.deployment,
    principal: behind.person,
    key: behind.key,
    outcome: behind.outcome,
    rule: behind.rule,
    error: behind.error,
    masked: behind.masked,
  };
  for (const [name, value] of Object.entries(filters)) if (value) search.set(name, value);
  if (period.span === undefined) for (const [name, value] of Object.entries(asked(period))) search.set(name, value);
  else search.set("period", period.span);
  return `/activity?${search.toString()}`;
}

/** The same for one step of a chart; times in seconds. */
export function stepAddress(behind: Behind, startS: number, stepS: number): string {
  const since = new Date(startS * 1000).toISOString();
  return activityAddress(behind, { compares: false, since, until: new Date((startS + stepS) * 1000).toISOString() });
}
