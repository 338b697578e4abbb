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
  readonly verb?: string | null;
}

/** The address of Activity with the calls of a period behind a figure. */
export function activityAddress(behind: Behind, period: Period): string {
  const search = new URLSearchParams({ verb: behind.verb ?? "model.invoke" });
  const resource = behind.model ? `alias:${behind.model}` : behind.deployment ? `deployment:${behind.deployment}` : null;
  const filters = {
    use_case: behind.use_case,
    resource: resource,
    principal: behind.person,
    key: behind.key,
    outcome: behind.outcome,
    rule: behind.rule,
  };
  for (const [name, value] of Object.entries(filters)) if (value) search.set(name, value);
  for (const [name, value] of Object.entries(asked(period))) search.set(name, value);
  return `/activity?${search.toString()}`;
}

/** The same for one step of a chart; times in seconds. */
export function stepAddress(behind: Behind, startS: number, stepS: number): string {
  const since = new Date(startS * 1000).toISOString();
  return activityAddress(behind, { compares: false, since, until: new Date((startS + stepS) * 1000).toISOString() });
}
